"""``intent evaluate``: how good a model is on labelled rows, beside the rules that it has to beat, for people, machines and gates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intent.cli.terminal import BundleOption, CacheOption, UncertifiedOption, progress, show

if TYPE_CHECKING:
    from intent.corpus import Split
    from intent.evaluation.about import About
    from intent.evaluation.attack import AttackReport
    from intent.evaluation.compare import Comparison
    from intent.evaluation.run import CorpusReport
    from intent.normalizer import Normalizer
    from intent.vocabulary import Vocabulary

NAME = "evaluate"
FAILED = 3
EXAMPLES = """Examples:

\b
  intent evaluate --corpus /srv/corpus
  intent evaluate --corpus /srv/corpus --json figures.json --html report.html
  intent evaluate --corpus /srv/corpus --attack --fail-if "false_permit_write.upper > 0.02"
  intent evaluate --compare before.json after.json

\b
--html writes a model card (Markdown) beside the report.
Exit codes: 0 done, 2 the command could not do its work, 3 a --fail-if came true.
"""


class Chosen(StrEnum):
    """Which rows are judged."""

    HELD = "held"
    OPEN = "open"
    ALL = "all"


def run(  # noqa: PLR0917 - each option of the command is a parameter
    corpus: Annotated[
        Path | None, typer.Option("--corpus", metavar="PATH", help="Labelled rows, a .jsonl file or a directory of them.")
    ] = None,
    json_path: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Where the figures go, as JSON.")] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Where the report for reviewers goes, one file.")] = None,
    attack: Annotated[bool, typer.Option("--attack", help="Attack the model with every family of the robustness suite too.")] = False,
    attack_rows: Annotated[int, typer.Option(min=1, metavar="N", help="Most rows that each family is tried on.")] = 200,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="A B", help="What B gains and loses against A: reports (.json), or decisions (.jsonl) on --corpus."),
    ] = None,
    fail_if: Annotated[
        list[str] | None, typer.Option(metavar="EXPRESSION", help="A bound that must not be passed; repeat for more.")
    ] = None,
    split: Annotated[Chosen, typer.Option(help="Which rows; those that a model picked are never judged.")] = Chosen.HELD,
    labelled_by: Annotated[str | None, typer.Option(metavar="TEXT", help="Who labelled the rows, for the report.")] = None,
    seed: Annotated[int, typer.Option(help="Of the attacks.")] = 0,
    bundle: BundleOption = None,
    cache: CacheOption = None,
    uncertified: UncertifiedOption = False,
) -> None:
    """Measure a model on the held rows of a corpus.

    The rules that the model has to beat stand beside it, and each share is printed with its 95% interval. What a gate cannot look up
    counts as failed.
    """
    from intent.evaluation.card import model_card
    from intent.evaluation.document import document, dumps
    from intent.evaluation.gate import judge, parse
    from intent.evaluation.table import gate_table

    conditions = [parse(expression) for expression in fail_if or ()]
    rows: Split | None = None if split is Chosen.ALL else split.value
    if corpus is None and (compare is None or conditions or html or json_path or attack):
        raise typer.BadParameter("name a corpus; without one, nothing but a comparison of two reports can be made", param_hint="--corpus")
    comparison = _compared(compare, corpus, rows)
    if corpus is None:
        return
    from intent.normalizer import Normalizer

    # A slow machine must not look like a careful model.
    normalizer = Normalizer.load(bundle, require_certificate=not uncertified, deadline_s=60.0, cache=cache)
    report = _judged(normalizer, corpus, rows)
    attacks = _attacked(normalizer, corpus, rows, seed, attack_rows) if attack else None
    about = _about(normalizer, attacks, labelled_by)
    gate = judge(document(report, about), conditions)
    if conditions:
        show(gate_table(gate))
    if json_path:
        suite = None if attacks is None else attacks.to_dict()
        json_path.write_text(dumps({**document(report, about, gate, comparison), "attack_suite_report": suite}), "utf-8")
    if html:
        from intent.evaluation.html import page

        html.write_text(page(report, about, gate, comparison), "utf-8")
        html.with_suffix(".md").write_text(model_card(report, about, normalizer.vocabulary, gate), "utf-8")
    if not gate.passed:
        raise typer.Exit(FAILED)


def _judged(normalizer: Normalizer, corpus: Path, split: Split | None) -> CorpusReport:
    """Judge every row of the split and show the figures."""
    from intent.evaluation.run import evaluate_corpus
    from intent.evaluation.table import tables

    with progress("judging") as tick:
        report = evaluate_corpus(
            normalizer.normalize, corpus, normalizer.vocabulary, split, lambda done, total: tick(done, total, "judging")
        )
    show(*tables(report))
    return report


def _about(normalizer: Normalizer, attacks: AttackReport | None, labelled_by: str | None) -> About:
    from intent.evaluation.about import About

    families = None if attacks is None else {"all": attacks.overall, **attacks.families}
    figures = None if families is None else {name: family.success.to_dict() for name, family in families.items()}
    return About.of_card(normalizer.card, datetime.now(UTC), labelled_by=labelled_by, attacks=figures)


def _compared(sides: tuple[Path, Path] | None, corpus: Path | None, split: Split | None) -> Comparison | None:
    """Compare two sides and show it; nothing where none were named."""
    if sides is None:
        return None
    from intent.evaluation.compare import compare
    from intent.evaluation.sides import read_side
    from intent.evaluation.table import comparison_tables

    words = _vocabulary()
    first, second = (read_side(path, words, corpus, split) for path in sides)
    found = compare(first, second, words)
    show(*comparison_tables(found))
    return found


def _vocabulary() -> Vocabulary:
    from intent.vocabulary import Vocabulary, default_path

    return Vocabulary.load(default_path())


def _attacked(normalizer: Normalizer, corpus: Path, split: Split | None, seed: int, most: int) -> AttackReport:
    from intent.corpus import Row, corpus_files, read_rows
    from intent.evaluation.attack import run as attack
    from intent.evaluation.attack import tables

    # Rows that are attacks already, or repeat the tools of other files, are left out.
    rows: Sequence[Row] = [
        row
        for file in corpus_files(corpus)
        for row in read_rows(file)
        if not row.picked and row.attack is None and (split is None or row.split == split)
    ]
    done = 0
    with progress("attacking") as tick:

        def told(family: str, judged: int) -> None:
            nonlocal done
            done += 1
            tick(done, 0, f"attacking: {family}, {judged} judged")

        report = attack(normalizer.normalize, rows, normalizer.vocabulary, seed, most_per_family=most, progress=told)
    show(*tables(report))
    return report
