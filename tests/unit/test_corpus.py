import hashlib
import json
from pathlib import Path

import pytest

from intent.corpus import Row, RowLabel, check_labels, data_digest, read_rows
from intent.errors import CorpusError
from intent.schema import ToolCall
from intent.vocabulary import Vocabulary, default_path

ROW = {
    "id": "r1",
    "source": "s",
    "group": "g",
    "request": "find it",
    "tool": {"name": "find"},
    "arguments": {"q": "x"},
    "label": {"intent": "search", "also": ["summarize"], "polymorphic": False, "declared": ["search"], "optional": ["write"]},
}


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), "utf-8")
    return path


def test_a_row_is_read_whole(tmp_path: Path) -> None:
    extra = {"split": "held", "picked": True, "attack": True, "task": "t", "goal": "o"}
    [row] = read_rows(write(tmp_path / "a.jsonl", {**ROW, **extra}))
    assert (row.id, row.source, row.group, row.split, row.picked) == ("r1", "s", "g", "held", True)
    assert (row.attack, row.task, row.goal) == (True, "t", "o")
    assert row.call == ToolCall.parse({key: ROW[key] for key in ("id", "request", "tool", "arguments")})
    assert row.label == RowLabel("search", ("summarize",), False, frozenset({"search"}), frozenset({"write"}), None)
    assert row.label.acceptable == {"search", "summarize"}


def test_what_was_not_labelled_is_none(tmp_path: Path) -> None:
    [row] = read_rows(write(tmp_path / "a.jsonl", {**ROW, "tool": None, "arguments": None, "label": {}}))
    assert row.label == RowLabel()
    assert row.label.acceptable == frozenset()
    assert (row.split, row.picked, row.attack) == (None, False, None)


def test_an_empty_declared_set_is_a_label(tmp_path: Path) -> None:
    [row] = read_rows(write(tmp_path / "a.jsonl", {**ROW, "label": {"declared": []}}))
    assert row.label.declared == frozenset()


def test_a_directory_is_read_in_name_order(tmp_path: Path) -> None:
    write(tmp_path / "b.jsonl", {**ROW, "id": "2"})
    write(tmp_path / "a.jsonl", {**ROW, "id": "1"}, "", {**ROW, "id": "3"})
    (tmp_path / "README.md").write_text("not rows")
    assert [row.id for row in read_rows(tmp_path)] == ["1", "3", "2"]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("{", "strict JSON"),
        ("[]", "valid dictionary"),
        ('{"id": "x", "id": "y"}', "twice"),
        ({**ROW, "id": ""}, "id"),
        ({**ROW, "split": "test"}, "split"),
        ({**ROW, "label": {"also": ["search"]}}, "needs an `intent`"),
        ({**ROW, "label": {"intent": "search", "also": ["search"]}}, "must not repeat"),
        ({**ROW, "label": {"declared": ["search"], "optional": ["search"]}}, "must not repeat"),
        ({**ROW, "label": {"optional": ["search"]}}, "needs `declared`"),
        ({**ROW, "label": {"intent": "search", "polymorphic": "no"}}, "polymorphic"),
        ({**ROW, "tool": None, "request": None, "arguments": None}, "at least one of request and tool"),
        (ROW, "comes twice"),
    ],
)
def test_a_bad_row_is_refused_with_file_and_line(tmp_path: Path, bad: object, why: str) -> None:
    path = write(tmp_path / "a.jsonl", ROW, bad)
    with pytest.raises(CorpusError, match=rf"a\.jsonl, line 2: .*{why}"):
        list(read_rows(path))


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.jsonl"):
        with pytest.raises(CorpusError):
            list(read_rows(path))
        with pytest.raises(CorpusError):
            data_digest(path)


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", ROW)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert data_digest(path) == digest
    assert data_digest(tmp_path) == hashlib.sha256(f"{digest}  a.jsonl\n".encode()).hexdigest()


@pytest.mark.parametrize("label", [RowLabel("delete"), RowLabel("write", ("purge",)), RowLabel(declared=frozenset({"other"}))])
def test_strange_labels_are_refused(label: RowLabel) -> None:
    row = Row("r", "s", "g", None, ToolCall(request="x"), label)
    with pytest.raises(CorpusError, match="row r has"):
        check_labels([row], Vocabulary.load(default_path()))
