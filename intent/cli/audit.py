"""``intent audit``: verify the record of decisions, look into it, export it, and take its signed head elsewhere."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intent.cli.terminal import JsonOption, cell, emit, grid, say, show
from intent.errors import AuditError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from intent.audit.event import Event
    from intent.audit.fault import Verification

NAME = "audit"
HELP = "Verify the record of decisions, look into it, and export it."
FAULTY = 3
EXAMPLES = """Examples:

\b
  intent audit verify --store sqlite:///audit.db --key audit.pem.pub
  intent audit export --store sqlite:///audit.db > audit.jsonl
  intent audit verify audit.jsonl --key audit.pem.pub --witness audit.db.checkpoints
  intent audit show --store sqlite:///audit.db --session s-17 --json | jq .reasons

\b
Exit codes: 0 no fault was found, 3 a fault was found.
"""

StoreOption = Annotated[str | None, typer.Option("--store", metavar="URL", help="Database: sqlite:///file or postgresql+pg8000://…")]
KeyOption = Annotated[list[Path], typer.Option("--key", metavar="FILE", help="Public key in PEM; once for each key that ever signed.")]

app = typer.Typer(help=HELP, epilog=EXAMPLES, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command("verify", epilog=EXAMPLES)
def verify(
    key: KeyOption,
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="An exported log.")] = None,
    store: StoreOption = None,
    witness: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Checkpoints held elsewhere; for SQLite also the file beside the database, where it is there."),
    ] = None,
    origin: Annotated[str | None, typer.Option(metavar="NAME", help="Name that the log must have.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compute a log anew and say every fault in it; the public key is all the trust that it takes."""
    from intent.audit.keys import public_key
    from intent.audit.verify import verify_export, verify_store

    if (file is None) == (store is None):
        raise AuditError("verification must be given either a FILE or --store")
    keys = [public_key(path) for path in key]
    witnesses = list(witness or ())
    if file is not None:
        with file.open("rb") as stream:
            found = verify_export(stream, keys, witnesses=witnesses, origin=origin)
    else:
        with _database(store) as engine:
            found = verify_store(engine, keys, witnesses=_with_own(str(store), witnesses), origin=origin)
    _report(found, as_json=as_json)
    if not found.is_sound:
        raise typer.Exit(FAULTY)


@app.command("show")
def show_events(
    store: StoreOption = None,
    session: Annotated[str | None, typer.Option(metavar="ID", help="Only events of a session.")] = None,
    subject: Annotated[str | None, typer.Option(metavar="NAME", help="Only events of a subject.")] = None,
    intent: Annotated[str | None, typer.Option(metavar="WORD", help="Only decisions with this intent.")] = None,
    decision: Annotated[str | None, typer.Option(metavar="ID", help="Only what became of one decision.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Only events from this time on (UTC).")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most events.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Show events, the last one first; a line of JSON each with --json."""
    from intent.audit.query import Query, events

    query = Query(session, subject, intent, decision, since.replace(tzinfo=since.tzinfo or UTC) if since else None, limit)
    table = grid("number", "at", "kind", "allowed", "subject", "session", "tool", "intent", "reasons")
    with _database(store) as engine:
        for number, event in events(engine, query):
            if as_json:
                emit(json.dumps({"number": number, **event.model_dump(mode="json")}, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
            else:
                table.add_row(*map(cell, _row(number, event)))
    if not as_json:
        show(table)


@app.command("export")
def export(
    store: StoreOption = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to; standard output if none.")] = None,
) -> None:
    """Write the whole log as JSON Lines, signed, to be verified without the database."""
    from intent.audit.export import exported

    with _database(store) as engine:
        if output is None:
            for line in exported(engine):
                emit(line)
            return
        with output.open("wb") as file:
            file.writelines(exported(engine))


@app.command("checkpoint")
def checkpoint(key: KeyOption, store: StoreOption = None) -> None:
    """Print the signed head, to be kept where nobody who can change the database can change it.

    It is one line of a witness file: what was collected so is given to `verify` with --witness.
    """
    from sqlalchemy import select

    from intent.audit.checkpoint import Standing, read_note
    from intent.audit.keys import public_key
    from intent.audit.tables import HEAD
    from intent.audit.witness import spelled

    with _database(store) as engine, engine.connect() as connection:
        note = connection.execute(select(HEAD.c.note)).scalar_one_or_none()
    standing = None if note is None else read_note(note).standing([public_key(path) for path in key])
    if note is None or standing is not Standing.GOOD:
        raise AuditError(f"the head must be signed by a key that was given, got {standing.value if standing else 'no head'}")
    emit(spelled(note))


@contextmanager
def _database(store: str | None) -> Generator[Engine]:
    from intent.database import open_database

    if store is None:
        raise AuditError("--store must name the database")
    engine = open_database(store, read_only=True)
    try:
        yield engine
    finally:
        engine.dispose()


def _with_own(store: str, witnesses: list[Path]) -> list[Path]:
    """The witness file beside a SQLite database too, where it was not left elsewhere."""
    from intent.audit.store import witness_path

    own = witness_path(store)
    return [*witnesses, own] if own is not None and own.exists() and own not in witnesses else witnesses


def _report(found: Verification, *, as_json: bool) -> None:
    faults = [{"number": fault.number, "kind": fault.kind.value, "detail": fault.detail} for fault in found.faults]
    if as_json:
        told = {"sound": found.is_sound, "origin": found.origin, "events": found.events, "checkpoints": found.checkpoints}
        told |= {"witnessed": found.witnessed, "faults": faults, "more": found.more}
        emit(json.dumps(told, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        return
    if faults:
        table = grid("number", "kind", "detail")
        for fault in found.faults:
            table.add_row(cell("" if fault.number is None else str(fault.number)), cell(fault.kind.value), cell(fault.detail))
        show(table)
    seen = "no head was held elsewhere" if found.witnessed is None else f"heads up to event {found.witnessed} were held elsewhere"
    verdict = "no fault" if found.is_sound else f"{len(faults) + found.more} faults"
    say(f"{verdict}: {found.events} events of {found.origin or 'an unknown log'}, {found.checkpoints} signed heads; {seen}")


def _row(number: int, event: Event) -> tuple[str, ...]:
    tool = f"{event.call.server}/{event.call.tool}".strip("/") if event.call else ""
    word = event.judgement.intent if event.judgement else ""
    at = event.at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    answer = "yes" if event.allowed else "no"
    return (str(number), at, event.kind.value, answer, event.subject, event.session, tool, word, ", ".join(event.reasons))
