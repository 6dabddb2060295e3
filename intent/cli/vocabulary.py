"""``intent vocabulary``: what the words mean, which stands above which, and how they are changed."""

from __future__ import annotations

import getpass
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.table import Table
from typer.core import TyperGroup

from intent.cli.terminal import BundleOption, CacheOption, JsonOption, cell, emit, grid, say, show
from intent.errors import CorpusError, VocabularyError
from intent.vocabulary import Vocabulary, default_path

if TYPE_CHECKING:
    from intent.workbench.drafting import Difference
    from intent.workbench.release import Proposal

NAME = "vocabulary"
SHOW = "show"
EXAMPLES = """Examples:

\b
  intent vocabulary
  intent vocabulary mine.toml           check a vocabulary of your own
  intent vocabulary --json | jq -r .digest
"""
CHANGES = """Examples:

\b
  intent vocabulary                     what the words mean
  intent vocabulary mine.toml           the same of a vocabulary of your own
  intent vocabulary draft next.toml     what is wrong in it, or what it changes
  intent vocabulary touched next.toml --corpus data --examples new.jsonl
  intent vocabulary release next.toml --output data/vocabulary.toml

\b
A draft may say `from = "WORD"` of a new intent: it was carved out of that label.
"""

BaseOption = Annotated[Path | None, typer.Option("--base", metavar="FILE", help="What it was made from; the shipped one if not given.")]
DraftArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The changed vocabulary, in TOML.")]


class _ShowsUnlessTold(TyperGroup):
    """A group whose first argument may be left out: without the name of a command, the vocabulary is shown."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = bool(args) and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if named else [SHOW, *args])


app = typer.Typer(
    help="Show each word and what it means, or change the words.", cls=_ShowsUnlessTold, rich_markup_mode=None, epilog=CHANGES
)


@app.command(SHOW, epilog=EXAMPLES)
def run(
    path: Annotated[Path | None, typer.Argument(metavar="FILE", help="Vocabulary; the shipped one if not given.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show each word and what it means.

    A word stands above those whose every permission it includes; policies are written in these words.
    """
    words = Vocabulary.load(path or default_path())
    if as_json:
        emit(json.dumps({"digest": words.digest, **words.to_dict()}, indent=1, ensure_ascii=False).encode() + b"\n")
        return
    show(tabulated(words))


def tabulated(words: Vocabulary) -> Table:
    """A row for each label, the rest label last."""
    table = grid("label", "the call …", "stands above", title=f"{words.name} {words.version}, digest {words.digest[:12]}")
    table.padding = (0, 2, 1, 0)
    for intent in words.intents:
        below = ", ".join(word for word in words.ids if word != intent.id and words.at_most(word, intent.id))
        table.add_row(cell(intent.id, "bold"), cell(intent.definition), cell(below or "-"))
    table.add_row(cell(words.rest.id, "bold"), cell(words.rest.definition), cell("never forwarded"))
    return table


@app.command("draft")
def draft(path: DraftArgument, base: BaseOption = None, as_json: JsonOption = False) -> None:
    """Check a changed vocabulary: every fault with its line, or what the change is and which version follows."""
    from intent.workbench.drafting import faults

    found = faults(path.read_text("utf-8"))
    for fault in found:
        say(f"{path}{f':{fault.line}' if fault.line else ''}: {fault.place or 'the text'}: {fault.why}")
    if found:
        raise VocabularyError(f"{path} has {len(found)} {'fault' if len(found) == 1 else 'faults'}")
    _tell(_proposal(path, base), as_json=as_json)


@app.command("diff")
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The older vocabulary.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The newer one.")],
    as_json: JsonOption = False,
) -> None:
    """Tell what differs between two vocabularies, and how far it reaches."""
    _tell(_proposal(new, old), as_json=as_json)


@app.command("touched")
def touched(
    path: DraftArgument,
    corpus: Annotated[list[Path], typer.Option("--corpus", metavar="PATH", help="Labelled rows, a file or a directory; repeat for more.")],
    base: BaseOption = None,
    examples: Annotated[
        list[Path] | None, typer.Option("--examples", metavar="FILE", help="Calls of a new intent, in JSON Lines; one file for each.")
    ] = None,
    slack: Annotated[float, typer.Option(min=0, max=2, help="List rows that are this much less near, too.")] = 0.0,
    bundle: BundleOption = None,
    cache: CacheOption = None,
) -> None:
    """List the labelled rows that a change touches, the surest first, one JSON object a line.

    Rows marked "held" are never read. Nearness is that of a model's encoder.
    """
    from intent.bundle import load, shipped_path
    from intent.corpus import read_rows
    from intent.workbench.relabelling import embedded, example_rows, touched_rows

    proposal = _proposal(path, base)
    rows = [row for place in corpus for row in read_rows(place) if row.split != "held" and row.label.intent is not None]
    given = dict(_examples(file) for file in examples or ())
    if strange := given.keys() - set(proposal.vocabulary.ids):
        raise VocabularyError(f"examples must be of intents of the draft, got {sorted(strange)}")
    encoder = load(bundle or shipped_path(), cache=cache).encoder
    near = {word: embedded(example_rows(word, calls), encoder) for word, calls in given.items()}
    for one in touched_rows(proposal.difference, rows, embedded(rows, encoder), near, slack):
        emit(json.dumps({**asdict(one), "margin": round(one.margin, 4)}, ensure_ascii=False).encode() + b"\n")


@app.command("release")
def release(
    path: DraftArgument,
    output: Annotated[Path, typer.Option("--output", metavar="FILE", help="Where the released vocabulary goes.")],
    base: BaseOption = None,
    database: Annotated[str | None, typer.Option(metavar="URL", help="Workbench that keeps the release, where there is one.")] = None,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Who releases it; the user of this process if not given.")] = None,
    note: Annotated[str, typer.Option(help="Why, for the record.")] = "",
) -> None:
    """Give a changed vocabulary the version that follows, write it, and print version and digest.

    No model speaks it before one has been trained with it.
    """
    from intent.workbench.records import Actor, Role
    from intent.workbench.release import release as released
    from intent.workbench.release import written

    proposal, now = _proposal(path, base), datetime.now(UTC)
    record = proposal.record(by or getpass.getuser(), now, released=True, note=note)
    if database is not None:
        from intent.database import open_database
        from intent.workbench.store import WorkbenchStore

        store, actor = WorkbenchStore(open_database(database)), Actor(name=record.by, role=Role.APPROVER)
        released(store, actor, proposal, now, note)
        store.restate(actor, proposal.vocabulary)
    output.write_text(written(proposal.vocabulary), "utf-8")
    emit(json.dumps({"version": record.version, "digest": record.digest, "change": record.change}).encode() + b"\n")


def _proposal(path: Path, base: Path | None) -> Proposal:
    from intent.workbench.drafting import read_draft
    from intent.workbench.release import Proposal

    return Proposal.of(read_draft(path.read_text("utf-8")), Vocabulary.load(base or default_path()))


def _examples(path: Path) -> tuple[str, list[dict[str, Any]]]:
    """The word that the calls of a file are labelled with, and the calls."""
    from intent.strict_json import loads

    lines = [line for line in path.read_bytes().splitlines() if line.strip()]
    calls: list[Any] = [loads(line, max_bytes=1 << 20) for line in lines]
    words = {_word(call) for call in calls}
    if len(words) != 1 or not all(words):
        raise CorpusError(path, 0, f"examples must be labelled with one intent, got {sorted(words) or 'none'}")
    return words.pop(), calls


def _word(call: Any) -> str:
    label = cast("dict[str, Any]", call).get("label") if isinstance(call, dict) else None
    return str(cast("dict[str, Any]", label).get("intent", "")) if isinstance(label, dict) else ""


def _tell(proposal: Proposal, *, as_json: bool) -> None:
    found = proposal.difference
    if as_json:
        about = {"version": proposal.vocabulary.version, "digest": proposal.vocabulary.digest, "change": found.change}
        emit(json.dumps({**about, "difference": asdict(found)}, indent=1, ensure_ascii=False).encode() + b"\n")
        return
    if found.change is None:
        emit(b"nothing differs\n")
        return
    table = grid("what", "words")
    for what, words in _told(found):
        table.add_row(cell(what), cell(words))
    show(f"{found.change} change: {proposal.base.version} becomes {proposal.vocabulary.version}", table)


def _told(found: Difference) -> list[tuple[str, str]]:
    """What differs, in words; what does not is left out."""
    every = [
        ("renamed vocabulary or rest label", "yes" if found.named else ""),
        ("added", ", ".join(found.added)),
        ("removed", ", ".join(found.removed)),
        ("renamed", ", ".join(f"{old} to {new}" for old, new in found.renamed)),
        (
            "split",
            "; ".join(f"{split.label} into {', '.join((*split.into, *([split.label] if split.kept else [])))}" for split in found.split),
        ),
        ("redefined", ", ".join(found.redefined)),
        ("examples, spelling", ", ".join(found.polished)),
        ("verbs", "; ".join(f"{v.label}{''.join(f' +{w}' for w in v.gained)}{''.join(f' -{w}' for w in v.lost)}" for v in found.verbs)),
        ("order of privilege", ", ".join(f"{lower} below {upper}" for lower, upper in found.privilege)),
        ("order of columns", "yes" if found.columns else ""),
        ("effects", ", ".join(found.effects)),
    ]
    return [(what, words) for what, words in every if words]
