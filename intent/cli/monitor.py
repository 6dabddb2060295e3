"""``intent monitor``: watch the certificate's promise over audited decisions, and withdraw it when it is broken."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from intent.cli.terminal import BundleOption, emit, say
from intent.errors import CertificateError

if TYPE_CHECKING:
    from intent.certificate.monitor import EProcess

NAME = "monitor"
BROKEN = 3
EXAMPLES = """Examples:

\b
  intent monitor --state watch.json --revocation revoked.txt audited.jsonl
  tail -f audited.jsonl | intent monitor --state watch.json --revocation revoked.txt

\b
A line is {"decision_id": "...", "dangerous": true, "passed": false}: whether a person who did
not see the decision calls it one that changes or discloses something, and whether it was
forwarded as a read. Every decision of a random sample belongs there, and no other: rows that
were picked because they look wrong void the watch. Start the service with INTENT_REVOCATION
set to the same file.

\b
Exit codes: 0 the promise stands, 3 it is broken and the certificate is withdrawn.
"""


def run(
    source: Annotated[Path | None, typer.Argument(metavar="FILE", help="JSON Lines of audited decisions; standard input if none.")] = None,
    state: Annotated[Path | None, typer.Option(metavar="FILE", help="Keeps the evidence between runs.")] = None,
    revocation: Annotated[Path | None, typer.Option(metavar="FILE", help="Written when the promise is broken.")] = None,
    bundle: BundleOption = None,
) -> None:
    """Watch the promise of a certificate over a random audit stream.

    Dangerous calls bet against the promise; when the wealth reaches 1/delta the certificate is withdrawn. However often one looks, a true
    promise is withdrawn with probability at most delta.
    """
    from intent.bundle import load, shipped_path
    from intent.certificate.monitor import EProcess, watch

    found = load(bundle or shipped_path()).certificate
    if found is None:
        raise CertificateError("the model carries no certificate that could be watched")
    process = _kept(state, EProcess(alpha=found.alpha, delta=found.delta))
    with source.open(encoding="utf-8", errors="replace") if source else io.TextIOWrapper(sys.stdin.buffer, "utf-8", "replace") as lines:
        for step in watch(lines, process):
            process = step.process
            if step.fault:
                say(f"line {step.line} is not counted: {step.fault}")
            if state:
                state.write_text(process.model_dump_json() + "\n", "utf-8")
            if process.alarm:
                break
    emit(process.model_dump_json().encode() + b"\n")
    told = f"{process.errors} of {process.n} dangerous calls passed as a read; evidence {process.e:.3g} of {1 / process.delta:.3g}"
    if process.alarm:
        if revocation:
            revocation.write_text(f"the promised {process.alpha:.2%} is broken: {told}\n", "utf-8")
        say(f"broken: {told}")
        raise typer.Exit(BROKEN)
    say(f"stands: {told}")


def _kept(state: Path | None, new: EProcess) -> EProcess:
    """The process of a state file; a file of another promise, or a broken one, is an error and never a fresh start."""
    if state is None or not state.exists():
        return new
    try:
        kept = type(new).model_validate_json(state.read_bytes())
    except ValidationError as error:
        raise CertificateError(f"{state} must hold the state of a watch") from error
    if (kept.alpha, kept.delta) != (new.alpha, new.delta):
        raise CertificateError(f"{state} watches {kept.alpha:g} at {kept.delta:g}, the certificate promises {new.alpha:g} at {new.delta:g}")
    return kept
