"""``intent catalogue``: what servers list, what people said of it, and the file that a normalizer reads."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from intent.cli.desk import StoreOption, VocabularyOption, actor_of, opened, words_of
from intent.cli.terminal import JsonOption, cell, emit, grid, say, show
from intent.errors import WorkbenchError

if TYPE_CHECKING:
    from intent.workbench.records import Review
    from intent.workbench.store import WorkbenchStore
    from intent.workbench.tool_review import ToolEntry

NAME = "catalogue"
HELP = "Review the tools that servers list, and write the catalogue file."
EXAMPLES = """Examples:

\b
  intent catalogue list --server files
  intent catalogue review files read_file search --note "reads, and nothing else"
  intent catalogue approve files read_file
  intent catalogue export > catalogue.json

\b
A word that lowers what a tool was reviewed as is pending until another person approves it.
You are who the operating system says you are. Where the store has accounts, yours says what you
may do; a store without any is yours alone.
"""

ServerArgument = Annotated[str, typer.Argument(metavar="SERVER", help="As it is listed; '' for none.")]
ToolArgument = Annotated[str, typer.Argument(metavar="TOOL", help="Its name.")]
NoteOption = Annotated[str, typer.Option("--note", help="Why, for the record.")]

app = typer.Typer(help=HELP, epilog=EXAMPLES, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command("list")
def list_tools(
    server: Annotated[str | None, typer.Option(metavar="NAME", help="Only tools of a server.")] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every tool, how it stands to its review, and what waits for a second person; a line of JSON each with --json."""
    from intent.workbench.tool_review import tools

    table = grid("server", "tool", "stands", "word", "by", "proposed", "proposed by")
    with opened(store) as kept:
        for entry in tools(kept, server):
            if as_json:
                emit(json.dumps(_told(entry), ensure_ascii=False).encode("utf-8", "replace") + b"\n")
            else:
                table.add_row(*map(cell, (entry.listed.server, entry.listed.name, entry.standing, *_cells(entry))))
    if not as_json:
        show(table)


@app.command("review")
def review(
    server: ServerArgument,
    tool: ToolArgument,
    intent: Annotated[str, typer.Argument(metavar="WORD", help="What it does.")],
    polymorphic: Annotated[bool, typer.Option("--polymorphic", help="The arguments decide, and may lower the word.")] = False,
    note: NoteOption = "",
    store: StoreOption = None,
    vocabulary: VocabularyOption = None,
) -> None:
    """Review a tool as it is listed now."""
    from intent.workbench.tool_review import Chosen, review_all

    with opened(store) as kept:
        listed = _entry(kept, server, tool).listed
        chosen, words = Chosen(server, tool, listed.digest), words_of(kept, vocabulary)
        [made] = review_all(kept, actor_of(kept), words, [chosen], intent, at=_now(), polymorphic=polymorphic, note=note)
    say(
        f"reviewed as {made.intent}"
        if not made.proposed
        else f"pending {made.intent}: it lowers the privilege, and another person approves it"
    )


@app.command("approve")
def approve(
    server: ServerArgument, tool: ToolArgument, note: NoteOption = "", store: StoreOption = None, vocabulary: VocabularyOption = None
) -> None:
    """Put the lower word in force that another person proposed."""
    from intent.workbench.tool_review import approve as approved

    with opened(store) as kept:
        proposal = _waiting(kept, server, tool)
        made = approved(kept, actor_of(kept), words_of(kept, vocabulary), server, tool, proposal.id, at=_now(), note=note)
    say(f"reviewed as {made.intent}, as {proposal.by} proposed")


@app.command("refuse")
def refuse(
    server: ServerArgument, tool: ToolArgument, note: NoteOption = "", store: StoreOption = None, vocabulary: VocabularyOption = None
) -> None:
    """Let the word in force stand against the lower one that was proposed."""
    from intent.workbench.tool_review import refuse as refused

    with opened(store) as kept:
        proposal = _waiting(kept, server, tool)
        refused(kept, actor_of(kept), words_of(kept, vocabulary), server, tool, proposal.id, at=_now(), note=note)
    say(f"{proposal.intent} is refused")


@app.command("withdraw")
def withdraw(
    server: ServerArgument, tool: ToolArgument, note: NoteOption = "", store: StoreOption = None, vocabulary: VocabularyOption = None
) -> None:
    """Take the review of a tool back: it is then judged like one that nobody reviewed."""
    from intent.workbench.tool_review import withdraw as withdrawn

    with opened(store) as kept:
        withdrawn(kept, actor_of(kept), words_of(kept, vocabulary), server, tool, at=_now(), note=note)
    say("withdrawn")


@app.command("export")
def export(store: StoreOption = None, vocabulary: VocabularyOption = None) -> None:
    """Write every review in force as the file that INTENT_CATALOGUE names."""
    from intent.workbench.tool_review import exported

    with opened(store) as kept:
        emit(exported(kept, words_of(kept, vocabulary)).encode())


def _entry(store: WorkbenchStore, server: str, name: str) -> ToolEntry:
    from intent.workbench.tool_review import tool

    found = tool(store, server, name)
    if found is None:
        raise WorkbenchError(f"a tool must be listed to be reviewed, got {server[:80]!r} {name[:80]!r}")
    return found


def _waiting(store: WorkbenchStore, server: str, name: str) -> Review:
    found = _entry(store, server, name).proposal
    if found is None:
        raise WorkbenchError(f"no lower review of {name[:80]!r} waits for another person")
    return found


def _cells(entry: ToolEntry) -> tuple[str, str, str, str]:
    review, proposal = entry.review, entry.proposal
    word, by = (review.intent, review.by) if review and not review.withdrawn else ("", "")
    return word, by, proposal.intent if proposal else "", proposal.by if proposal else ""


def _told(entry: ToolEntry) -> dict[str, object]:
    review, proposal = entry.review, entry.proposal
    named = {"server": entry.listed.server, "tool": entry.listed.name, "digest": entry.listed.digest, "standing": entry.standing.value}
    return {**named, "review": review and review.model_dump(mode="json"), "proposal": proposal and proposal.model_dump(mode="json")}


def _now() -> datetime:
    return datetime.now(UTC)
