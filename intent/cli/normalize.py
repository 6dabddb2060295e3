"""``intent normalize``: calls in, decisions out, one for each line and in their order."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from intent import strict_json
from intent.cli.terminal import BundleOption, CacheOption, UncertifiedOption, cell, emit, grid, progress, show
from intent.errors import InvalidCall
from intent.schema import Decision, Outcome, ReasonCode

if TYPE_CHECKING:
    from intent.normalizer import Normalizer

NAME = "normalize"
MAX_LINE_BYTES = 1 << 20
EXAMPLES = """Examples:

\b
  intent normalize calls.jsonl > decisions.jsonl
  intent normalize --table calls.jsonl
  echo '{"tool": {"name": "delete_rows"}, "arguments": {"table": "orders"}}' | intent normalize
  tail -f calls.jsonl | intent normalize | jq -r '[.id, .intent] | @tsv'
"""
_STYLES = {Outcome.FORWARD: "green", Outcome.DENY: "red"}


def run(
    source: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="JSON Lines of calls; standard input if not given, or if -.")
    ] = None,
    table: Annotated[bool, typer.Option("--table", help="Print a table for people once all calls are decided, not JSON Lines.")] = False,
    catalogue: Annotated[Path | None, typer.Option(metavar="FILE", help="Reviewed tools.")] = None,
    bundle: BundleOption = None,
    cache: CacheOption = None,
    uncertified: UncertifiedOption = False,
) -> None:
    """Decide tool calls: JSON Lines in, JSON Lines out.

    Each line holds "request" (free text), "tool" (name, description, input_schema, ...) and "arguments", at least one of the first two;
    "id" is echoed, and other keys are left aside, so that rows of a corpus can be read too. There is one line out for each line in,
    in the same order, as soon as it is decided. A line that is no call gives a deny with its reason, not a stop.
    """
    reading = None if source is None or str(source) == "-" else source
    # Opened before the model is loaded: a wrong name is told at once.
    with reading.open("rb") if reading else nullcontext(sys.stdin.buffer) as stream:
        from intent.normalizer import Normalizer

        normalizer = Normalizer.load(bundle, catalogue=catalogue, require_certificate=not uncertified, cache=cache)
        decisions = (decide(normalizer, line) for line in lines(stream))
        if table:
            show(tabulated(_watched(decisions, reading, wanted=True)))
            return
        for decision in _watched(decisions, reading, wanted=not sys.stdout.isatty()):
            emit(decision.model_dump_json().encode() + b"\n")


def lines(stream: IO[bytes], longest: int = MAX_LINE_BYTES) -> Iterator[bytes | None]:
    """Lines of a stream; None in place of one that is longer than ``longest`` bytes, which is read past, not held."""
    while line := stream.readline(longest + 1):
        if len(line) <= longest or line.endswith(b"\n"):
            yield line
            continue
        while (rest := stream.readline(longest)) and not rest.endswith(b"\n"):
            pass
        yield None


def decide(normalizer: Normalizer, line: bytes | None) -> Decision:
    """The decision on one line; a bad line is a deny with its reason."""
    if line is None:
        return normalizer.refuse(ReasonCode.TOO_LARGE, f"a line must be at most {MAX_LINE_BYTES} bytes, got more")
    try:
        return normalizer.normalize_json(strict_json.loads(line, max_bytes=MAX_LINE_BYTES, where="a line"))
    except InvalidCall as error:
        return normalizer.refuse(ReasonCode.of(error), str(error))


def tabulated(decisions: Iterable[Decision]) -> Table:
    """A row for each decision; where there is no id, its place stands in brackets."""
    table = grid("id", "intent", "outcome", "confidence", "likeliest", "reasons")
    table.columns[3].justify = "right"
    for place, decision in enumerate(decisions, 1):
        reasons = ", ".join(reason.code for reason in decision.reasons)
        name = f"[{place}]" if decision.id is None else decision.id
        table.add_row(
            cell(name),
            cell(decision.intent, "bold"),
            cell(decision.outcome, _STYLES[decision.outcome]),
            cell(f"{decision.confidence:.3f}"),
            cell(decision.likeliest),
            cell(reasons),
        )
    return table


def _watched(decisions: Iterator[Decision], source: Path | None, *, wanted: bool) -> Iterator[Decision]:
    """The decisions, with a bar beside them; only a regular file says beforehand how many there will be."""
    if source is None or not source.is_file():
        yield from decisions
        return
    with progress("deciding", wanted=wanted) as tick, source.open("rb") as counted:
        total = sum(1 for _ in counted)
        for done, decision in enumerate(decisions, 1):
            tick(done, total, "deciding")
            yield decision
