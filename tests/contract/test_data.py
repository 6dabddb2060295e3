"""The committed corpus keeps its promises, and its README states the figures that are measured."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from intent.corpus import Row, check_labels, read_rows
from intent.evaluation.diversity import Diversity, describe
from intent.vocabulary import Vocabulary, default_path

DATA = Path(__file__).parents[2] / "data"
FILES = ("tools", "calls", "polymorphic", "requests", "catalogues", "outbound", "tasks", "errands")
# Files whose groups bear a mark, so that a server of one never is a domain of another.
MARKS = {"catalogues": "srv-", "outbound": "out-", "tasks": "task-"}
RARE = ("summarize", "export", "other")


@cache
def rows_of(file: str) -> tuple[Row, ...]:
    return tuple(read_rows(DATA / f"{file}.jsonl"))


@cache
def every_row() -> tuple[Row, ...]:
    return tuple(row for file in FILES for row in rows_of(file))


@cache
def diversity() -> Diversity:
    return describe(every_row())


def figure_lines() -> list[str]:
    """The lines of figures that data/README.md must hold, as they are measured now."""
    found = diversity()
    lines = [f"| `{file}.jsonl` | {_file_cells(rows_of(file))} |" for file in FILES]
    lines.append(f"| all | {_file_cells(every_row())} |")
    lines += [f"| distinct-{n} | {ratio:.3f} |" for n, ratio in enumerate(found.distinct, 1)]
    lines += [
        f"| words | {found.words:,} |",
        f"| different tools | {found.tools:,} |",
        f"| exact duplicates | {found.exact_duplicates} |",
        f"| near-duplicates | {found.near_duplicates} ({found.near_duplicates / found.rows:.2%}) |",
        f"| distance to the nearest other row, median | {found.neighbour_median:.2f} |",
        f"| distance to the nearest other row, 5% quantile | {found.neighbour_low:.2f} |",
        f"| words of a description (5%, 25%, 50%, 75%, 95%) | {', '.join(f'{words:.0f}' for words in found.description_words)} |",
        f"| tools without a description | {found.no_description:.1%} |",
        f"| tool names | {', '.join(f'{naming} {share:.1%}' for naming, share in found.naming.items())} |",
        f"| declared sets | {found.declared_sets:,}: {', '.join(f'{word} {n:,}' for word, n in found.declared.items())} |",
    ]
    return lines


def _file_cells(rows: tuple[Row, ...]) -> str:
    labels = Counter(row.label.intent for row in rows)
    counts = [
        len(rows),
        len({row.group for row in rows}),
        *(labels[word] for word in Vocabulary.load(default_path()).labels),
        sum(row.label.polymorphic is True for row in rows),
        sum(row.label.declared is not None for row in rows),
    ]
    return " | ".join(f"{count:,}" for count in counts)


def test_nothing_else_is_in_the_directory() -> None:
    assert {file.stem for file in DATA.glob("*.jsonl")} == set(FILES)


def test_there_are_enough_rows_and_domains() -> None:
    assert diversity().rows >= 3000
    assert diversity().domains > 60


@pytest.mark.parametrize("word", RARE)
def test_rare_labels_are_rich(word: str) -> None:
    assert sum(row.call.tool is not None and row.label.intent == word for row in every_row()) >= 450


def test_polymorphic_calls_have_arguments_and_differing_effects() -> None:
    calls = rows_of("polymorphic")
    assert len(calls) >= 600
    assert all(row.label.polymorphic is True and row.call.arguments is not None for row in calls)
    effects: dict[tuple[str, str], set[str | None]] = {}
    for row in calls:
        assert row.call.tool is not None
        effects.setdefault((row.group, row.call.tool.name), set()).add(row.label.intent)
    assert sum(len(found) > 1 for found in effects.values()) >= 100


def test_requests_have_declared_sets() -> None:
    assert len(rows_of("requests")) >= 800
    assert all(row.label.declared is not None and row.call.tool is None for row in rows_of("requests"))
    assert all(row.label.declared is not None for row in every_row() if row.call.request is not None)


def test_every_row_with_a_tool_is_labelled_whole() -> None:
    assert all((row.label.intent is not None) == (row.label.polymorphic is not None) == (row.call.tool is not None) for row in every_row())


def test_arguments_fit_the_schema_by_name() -> None:
    for row in every_row():
        if row.call.arguments is not None:
            assert row.call.tool is not None
            schema = row.call.tool.input_schema or {}
            properties, required = schema["properties"], schema.get("required", [])
            assert isinstance(properties, dict)
            assert isinstance(required, list)
            assert set(row.call.arguments) <= set(properties), row.id
            assert set(map(str, required)) <= set(row.call.arguments), row.id


def test_ids_are_distinct_and_sorted_and_name_their_file_and_domain() -> None:
    assert len({row.id for row in every_row()}) == len(every_row())
    for file in FILES:
        ids = [row.id for row in rows_of(file)]
        assert ids == sorted(ids)
        mark = f"own:{MARKS.get(file, '')}"
        assert all(row.id.startswith(f"{row.source}/{file}/{row.group.removeprefix(mark)}/") for row in rows_of(file))


def test_labels_are_in_the_vocabulary() -> None:
    check_labels(every_row(), Vocabulary.load(default_path()))


def test_rows_hardly_repeat_each_other() -> None:
    assert diversity().exact_duplicates == 0
    assert diversity().near_duplicates < 0.02 * diversity().rows


def test_the_readme_states_the_measured_figures() -> None:
    stated = (DATA / "README.md").read_text("utf-8").splitlines()
    missing = [line for line in figure_lines() if line not in stated]
    assert not missing, "data/README.md must hold these lines:\n" + "\n".join(missing)
