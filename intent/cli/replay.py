"""``intent replay``: recorded decisions against another policy set or model, before it is put in force."""

from __future__ import annotations

import getpass
import json
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intent.cli.terminal import BundleOption, UncertifiedOption, emit, progress, say, show

if TYPE_CHECKING:
    from intent.normalizer import Normalizer
    from intent.replay.judge import Judge
    from intent.replay.record import Counted, Replay
    from intent.replay.source import Chosen, Source, Trust

NAME = "replay"
FAILED = 3
_TICK_S = 1.0
EXAMPLES = """Examples:

\b
  intent replay --audit sqlite:///audit.db --key audit-signing.pem.pub --policies next/
  intent replay --audit audit.jsonl --key audit-signing.pem.pub --policies next/ \\
    --html replay.html --fail-if "gained > 0"
  intent replay --audit sqlite:///audit.db --key audit-signing.pem.pub \\
    --bundle models/next --since 2026-03-01

\b
A gate may ask for decisions, replayed, not_replayed, faults, gained, lost,
obligations and intent.
Exit codes: 0 done, 2 the command could not do its work, 3 a --fail-if came true.
"""


def run(  # noqa: PLR0917 - each option of the command is a parameter
    audit: Annotated[
        str | None,
        typer.Option("--audit", metavar="URL|FILE", help="Database of an audit, or an exported log; that of the settings if not given."),
    ] = None,
    policies: Annotated[
        Path | None, typer.Option("--policies", metavar="DIRECTORY", help="Policy set to decide by; the shipped one if not given.")
    ] = None,
    bundle: BundleOption = None,
    catalogue: Annotated[Path | None, typer.Option(metavar="FILE", help="Reviewed tools, with --bundle.")] = None,
    key: Annotated[list[Path] | None, typer.Option("--key", metavar="FILE", help="Public key in PEM; once for each that signed.")] = None,
    witness: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="Checkpoints of the log that were held elsewhere.")] = None,
    unverified: Annotated[bool, typer.Option("--unverified", help="Go on although the log is broken or no key is given.")] = False,
    since: Annotated[datetime | None, typer.Option(help="Only decisions from this time on (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option(help="Only decisions before this time (UTC).")] = None,
    session: Annotated[str | None, typer.Option(metavar="ID", help="Only decisions of a session.")] = None,
    subject: Annotated[str | None, typer.Option(metavar="NAME", help="Only decisions in the name of a subject.")] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Where the report for reviewers goes, one file.")] = None,
    json_path: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Where the report for machines goes.")] = None,
    fail_if: Annotated[
        list[str] | None, typer.Option(metavar="EXPRESSION", help="A bound that must not be passed; repeat for more.")
    ] = None,
    uncertified: UncertifiedOption = False,
    progress_json: Annotated[
        bool, typer.Option("--progress-json", help="Tell progress as JSON Lines on standard output, and no tables.")
    ] = False,
) -> None:
    """Decide recorded decisions anew, by other policies or as another model reads them.

    With --bundle the calls are read again, of which only those can be that were recorded whole; otherwise policy alone is asked, with what
    it was given then. The log is verified first.
    """
    from intent.audit.keys import public_key
    from intent.evaluation.gate import parse
    from intent.evaluation.table import gate_table
    from intent.policy.policy_set import PolicySet
    from intent.replay.gate import judged
    from intent.replay.judge import Judge
    from intent.replay.page import page
    from intent.replay.source import Chosen, Trust

    if policies is None and bundle is None:
        raise typer.BadParameter("name what to replay with: a policy set, a model or both", param_hint="--policies / --bundle")
    if catalogue is not None and bundle is None:
        raise typer.BadParameter("reviewed tools are of use with a model alone", param_hint="--catalogue")
    conditions = [parse(expression) for expression in fail_if or ()]
    trust = Trust([public_key(path) for path in key or ()], list(witness or ()), unverified=unverified)
    judge = Judge(PolicySet.load(policies).checked_engine(), _normalizer(bundle, catalogue, uncertified))
    chosen = Chosen(_utc(since), _utc(until), session, subject)
    found = _replayed(audit or _audit_of_settings(), trust, judge, chosen, to_machines=progress_json)
    gate = judged(found, conditions)
    if not progress_json:
        _tell(found)
    if conditions and not progress_json:
        show(gate_table(gate))
    if json_path:
        json_path.write_text(found.to_json(gate.to_dict() if conditions else None), "utf-8")
    if html:
        html.write_text(page(found, gate), "utf-8")
    if not gate.passed:
        raise typer.Exit(FAILED)


def _replayed(audit: str, trust: Trust, judge: Judge, chosen: Chosen, *, to_machines: bool) -> Replay:
    from intent.replay.record import Replay
    from intent.replay.run import replay
    from intent.replay.source import opened

    with opened(audit, trust) as source:
        work = partial(replay, source.entries, judge, chosen)
        counted = _told_to_machines(source, work) if to_machines else _watched(source, work)
        return Replay(datetime.now(UTC), _user(), source.log, chosen.told(), judge.side, counted)


def _watched(source: Source, work: Callable[..., Counted]) -> Counted:
    with progress("replaying") as bar:

        def tick(done: int) -> None:
            if done % 100 == 0:
                bar(done, source.size, "replaying")

        return work(tick=tick)


def _told_to_machines(source: Source, work: Callable[..., Counted]) -> Counted:
    """At most a line each second."""
    told_s = -math.inf

    def tick(done: int) -> None:
        nonlocal told_s
        if (now_s := time.monotonic()) - told_s >= _TICK_S:
            told_s = now_s
            emit(json.dumps({"message": "replaying", "step": done, "steps": source.size}).encode() + b"\n")

    return work(tick=tick)


def _audit_of_settings() -> str:
    from intent.assembly import database_url
    from intent.settings import Settings

    return database_url(Settings())


def _tell(found: Replay) -> None:
    from intent.replay.table import tables
    from intent.replay.words import standing

    for table in tables(found):
        show(table)
    by = "the recorded reading" if found.now.model is None else f"{found.now.model.name} {found.now.model.version}"
    say(f"{standing(found.log)} Now: {found.now.engine} {found.now.policy[:12]}, {by}")


def _normalizer(bundle: Path | None, catalogue: Path | None, uncertified: bool) -> Normalizer | None:
    if bundle is None:
        return None
    from intent.normalizer import Normalizer

    # A slow machine must not look like a careful model.
    return Normalizer.load(bundle, catalogue=catalogue, require_certificate=not uncertified, deadline_s=60.0)


def _utc(at: datetime | None) -> datetime | None:
    return at if at is None or at.tzinfo is not None else at.replace(tzinfo=UTC)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"
