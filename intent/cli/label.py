"""``intent label``: label calls one after the other, take back, bring in and out, and see how far people agree."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from intent.cli.desk import StoreOption, VocabularyOption, actor_of, opened, words_of
from intent.cli.terminal import JsonOption, cell, emit, grid, say, show
from intent.errors import WorkbenchError

if TYPE_CHECKING:
    from intent.vocabulary import Vocabulary
    from intent.workbench.agreement import Interval
    from intent.workbench.interchange.records import Read
    from intent.workbench.records import Item
    from intent.workbench.store import WorkbenchStore

NAME = "label"
HELP = "Label calls, take labels back, bring them in and out, and see how far people agree."
EXAMPLES = """Examples:

\b
  intent label import tickets.csv --text summary
  intent label next
  intent label set 3f9a write --also export --note "sends and stores"
  intent label undo
  intent label export --as rows > labelled.jsonl
  intent label export --as audit | intent monitor --state watch.json

\b
You are who the operating system says you are. Where the store has accounts, yours says what you
may do; a store without any is yours alone.
"""

ItemArgument = Annotated[str, typer.Argument(metavar="ITEM", help="Its name, or enough of the beginning of it.")]
Form = Literal["jsonl", "csv", "label-studio", "rows", "audit"]

app = typer.Typer(help=HELP, epilog=EXAMPLES, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command("next")
def next_item(store: StoreOption = None, count: Annotated[int, typer.Option(min=1, max=1000)] = 1, as_json: JsonOption = False) -> None:
    """Show what to label next: what waits for a second person, then what nobody labelled, the most useful first."""
    with opened(store) as kept:
        for item in _queue(kept, count):
            _show(item, as_json=as_json)


@app.command("set", epilog=EXAMPLES)
def label(
    item: ItemArgument,
    intent: Annotated[str, typer.Argument(metavar="WORD", help="The label.")],
    also: Annotated[list[str] | None, typer.Option(metavar="WORD", help="Another label that is right as well.")] = None,
    declared: Annotated[list[str] | None, typer.Option(metavar="WORD", help="What the request asks for.")] = None,
    polymorphic: Annotated[bool | None, typer.Option(help="Whether the effect of the tool depends on its arguments.")] = None,
    note: Annotated[str, typer.Option(help="Why.")] = "",
    store: StoreOption = None,
    vocabulary: VocabularyOption = None,
) -> None:
    """Give an item a label."""
    from intent.workbench.labelling import Judgement

    judgement = Judgement(intent, tuple(also or ()), polymorphic, tuple(declared) if declared else None, note)
    _act(store, vocabulary, item, judgement)


@app.command("skip")
def skip(item: ItemArgument, store: StoreOption = None, vocabulary: VocabularyOption = None) -> None:
    """Leave an item to others."""
    _act(store, vocabulary, item, None)


@app.command("undo")
def undo(store: StoreOption = None, vocabulary: VocabularyOption = None) -> None:
    """Take back your last label or skip, or the last batch of them."""
    with opened(store) as kept:
        undone = kept.undo(actor_of(kept), words_of(kept, vocabulary))
    say(f"{len(undone)} taken back" if undone else "there is nothing to take back")


@app.command("show")
def show_item(item: ItemArgument, store: StoreOption = None, vocabulary: VocabularyOption = None, as_json: JsonOption = False) -> None:
    """Show an item, where it stands, and everything that was done to it; of the blind audit stream only what you did yourself."""
    from intent.workbench.streams import is_blind

    with opened(store) as kept:
        found = _item(kept, item)
        me = actor_of(kept).name
        acts = [act for act in kept.labels_of(found.id) if act.by == me or not is_blind(found)]
        verdict = None if is_blind(found) else kept.verdict(found.id, words_of(kept, vocabulary))
    _show(found, as_json=as_json)
    if as_json:
        told = {"verdict": verdict and verdict.model_dump(mode="json"), "acts": [act.model_dump(mode="json") for act in acts]}
        emit(json.dumps(told, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        return
    table = grid("at", "by", "did", "intent", "also", "note")
    for act in acts:
        table.add_row(*map(cell, (act.at.isoformat(), act.by, act.action.value, act.intent, " ".join(act.also), act.note)))
    show(table, cell(f"{verdict.standing} {verdict.intent}" if verdict else "blind: what others did is not shown"))


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON Lines or CSV as exported, Label Studio's .json, or with --text any.")],
    text: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of requests in a table or log of yours.")] = None,
    group_by: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of the group, with --text.")] = None,
    group: Annotated[str, typer.Option(metavar="NAME", help="Group of what names none.")] = "imported",
    store: StoreOption = None,
    vocabulary: VocabularyOption = None,
) -> None:
    """Bring in items, and labels as yours."""
    from intent.workbench.interchange.records import keep

    found = _read(file, text, group_by, group)
    with opened(store) as kept:
        done = keep(kept, actor_of(kept), words_of(kept, vocabulary), found)
    for fault in done.faults:
        say(f"left out: {fault}")
    say(f"{done.items} new items, {done.labels} labels, {len(done.faults)} left out")


@app.command("export")
def export(
    form: Annotated[Form, typer.Option("--as", help="Form; `rows` trains, `audit` is for the watch.")] = "jsonl",
    store: StoreOption = None,
    vocabulary: VocabularyOption = None,
) -> None:
    """Write labelled items to standard output."""
    with opened(store) as kept:
        actor_of(kept)
        for piece in _exported(kept, words_of(kept, vocabulary), form):
            emit(piece)


@app.command("agreement")
def show_agreement(
    store: StoreOption = None,
    vocabulary: VocabularyOption = None,
    resamples: Annotated[int, typer.Option(min=10, max=10_000, help="Of the bootstrap.")] = 1000,
    seed: int = 0,
    as_json: JsonOption = False,
) -> None:
    """Show how far people agree, over all items that two of them labelled and for each pair."""
    from dataclasses import asdict

    import numpy as np

    from intent.workbench.agreement import agreement

    with opened(store) as kept:
        said = [{name: one.intent for name, one in held.items()} for _, held in kept.opinions(words_of(kept, vocabulary))]
    found = agreement(said, np.random.default_rng(seed), resamples)
    if as_json:
        emit(json.dumps(asdict(found)).encode() + b"\n")
        return
    table = grid("people", "items", "agree", "kappa or alpha")
    table.add_row(*map(cell, ("all", str(found.items), _figure(found.percent), _figure(found.alpha))))
    for pair in found.pairs:
        table.add_row(*map(cell, (f"{pair.first}, {pair.second}", str(pair.items), _figure(pair.percent), _figure(pair.kappa))))
    show(table)


@app.command("suspicious")
def show_suspicious(
    store: StoreOption = None,
    vocabulary: VocabularyOption = None,
    count: Annotated[int, typer.Option(min=1)] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show the labels that fit least to those of like items; a reason to look again, no more."""
    from dataclasses import asdict

    from intent.workbench.suspicious import look

    with opened(store) as kept:
        seen = look(kept, words_of(kept, vocabulary))
    if seen.left_out:
        say(f"{seen.left_out} labels are left out: nobody embedded their items yet")
    table = grid("item", "label", "likelier", "margin", "issue")
    for one in seen.found[:count]:
        if as_json:
            emit(json.dumps(asdict(one)).encode() + b"\n")
        else:
            table.add_row(*map(cell, (one.item[:12], one.label, one.likelier, f"{one.margin:.3f}", "yes" if one.is_issue else "")))
    if not as_json:
        show(table)


def _item(store: WorkbenchStore, name: str) -> Item:
    found = store.item(name) or store.item_starting(name)
    if found is None:
        raise WorkbenchError(f"there must be one item whose name begins with {name[:80]!r}")
    return found


def _act(url: str | None, path: Path | None, name: str, judgement: Any) -> None:
    from intent.workbench.labels import Act
    from intent.workbench.streams import is_blind

    with opened(url) as store:
        words, item = words_of(store, path), _item(store, name)
        store.act(actor_of(store), words, [Act(item.id, judgement)])
        verdict = store.verdict(item.id, words)
    say("noted" if is_blind(item) else f"{verdict.standing} {verdict.intent}".strip())


def _queue(store: WorkbenchStore, count: int) -> Iterator[Item]:
    """What the console shows in its three lists, one after the other, leaving out what this person had their say on."""
    from intent.workbench.browsing import Filters, Pile, browse

    left, me = count, actor_of(store)
    for pile in (Pile.AUDIT, Pile.SECOND, Pile.PICKED):
        after: tuple[float, str] | None = None
        while left:
            listing = browse(store, me, pile, Filters(), after=after, limit=left)
            yield from (entry.item for entry in listing.entries)
            left, after = left - len(listing.entries), listing.after
            if after is None:
                break


def _show(item: Item, *, as_json: bool) -> None:
    from intent.workbench.interchange.label_studio import rendered
    from intent.workbench.labelling import said
    from intent.workbench.streams import shown

    seen = shown(item)
    if as_json:
        emit(json.dumps(seen.model_dump(mode="json"), ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        return
    model = said(seen.decision)
    show(cell(f"{item.id[:12]}  {item.group}", "bold"), *map(cell, rendered(item).splitlines()), cell(f"model: {model}" if model else ""))


def _read(file: Path, text: str | None, group_by: str | None, group: str) -> Read:
    from intent.workbench.interchange import json_lines, label_studio, requests, table

    if text is not None:
        return requests.read(file, requests.Columns(text, group_by, group))
    if file.stat().st_size > requests.MAX_FILE_BYTES:
        raise WorkbenchError(f"{file} must be at most {requests.MAX_FILE_BYTES} bytes")
    if file.suffix == ".csv":
        return table.read(file.read_bytes(), group=group)
    if file.suffix == ".json":
        return label_studio.read(file.read_bytes(), group=group)
    with file.open("rb") as lines:
        return json_lines.read(lines, group=group)


def _exported(store: WorkbenchStore, words: Vocabulary, form: Form) -> Iterator[bytes]:
    from intent.workbench.interchange import json_lines, label_studio, table
    from intent.workbench.training_rows import training_rows
    from intent.workbench.watching import audit_lines

    judged = store.judged(words)
    if form == "csv":
        return table.written(judged)
    if form == "label-studio":
        return label_studio.written(judged, words)
    if form == "jsonl":
        return json_lines.written(judged)
    if form == "rows":
        return (_line(row) for row in training_rows(judged))
    found = audit_lines(store, words)
    if found.missing:
        say(f"{found.missing} audited decisions are not judged yet")
    return (_line(row) for row in found.lines)


def _line(row: dict[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _figure(interval: Interval) -> str:
    if interval.value is None:
        return "not defined"
    return f"{interval.value:.3f}" + (f" [{interval.low:.3f}, {interval.high:.3f}]" if interval.low is not None else "")
