"""``intent certificate``: what a model's certificate promises, whether it holds, and how many rows a stricter promise takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from intent.cli.terminal import BundleOption, JsonOption, cell, emit, grid, say, show
from intent.errors import CertificateError

if TYPE_CHECKING:
    from intent.certificate.certificate import Certificate

NAME = "certificate"
INVALID = 3
EXAMPLES = """Examples:

\b
  intent certificate
  intent certificate --bundle models/mine --json | jq .bounds

\b
Exit codes: 0 it holds, 3 it does not.
"""


def run(
    bundle: BundleOption = None,
    revocation: Annotated[Path | None, typer.Option(metavar="FILE", help="File whose presence withdraws the certificate.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show a model's certificate, whether it holds now, and what a stricter one would take."""
    from intent.normalizer import Normalizer

    normalizer = Normalizer.load(bundle, revocation=revocation)
    found, status = normalizer.certificate
    if found is None:
        raise CertificateError(status.why)
    if as_json:
        emit(json.dumps(normalizer.card["certificate"], indent=1, ensure_ascii=False).encode() + b"\n")
    else:
        show(_promise(found), _servers(found), _plan(found), *(f"- {text}" for text in found.assumptions))
    say(f"{'holds' if status.valid else 'does not hold'}: {status.why}")
    raise typer.Exit(0 if status.valid else INVALID)


def _promise(found: Certificate) -> Table:
    table = grid("read as a read", "calls", "passed", "at most", "but for", "threshold", title=f"certificate {found.digest[:12]}")
    for bound in found.bounds:
        least = "none" if bound.threshold is None else f"{bound.threshold:.4g}"
        table.add_row(cell(bound.intent), str(bound.n), str(bound.k), f"{bound.alpha:.2%}", f"{bound.delta:.2%}", least)
    table.caption = f"issued {found.issued.date()}, expires {found.expires.date()}"
    return table


def _servers(found: Certificate) -> Table:
    table = grid("on servers never seen", "servers", "with an error", "share of servers at most", "mean rate at most")
    for part in found.servers:
        table.add_row(cell(part.intent), str(part.servers), str(part.with_error), f"{part.share_upper:.1%}", f"{part.mean_upper:.1%}")
    return table


def _plan(found: Certificate) -> Table:
    from intent.certificate.planner import outlook

    table = grid("a stricter promise", "at most", "labelled calls still needed", title="with as many errors as now")
    for bound in found.bounds:
        for plan in outlook(bound.n, bound.k, bound.delta):
            table.add_row(cell(bound.intent), f"{plan.alpha:.2%}", "none" if plan.borne else f"{plan.more:,}")
    return table
