"""Recorded decisions, read again by a model of the registry, in a process of its own; what is found is kept among the reports."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path

from intent.errors import EvaluationError, WorkbenchError
from intent.registry.background import Background, Task, Tick
from intent.registry.process import run
from intent.registry.progress import line_of
from intent.registry.registry import Registry
from intent.registry.reports import JSON, About, Kind, Reports
from intent.schema import Version
from intent.strict_json import loads
from intent.workbench.base import require
from intent.workbench.records import Actor, Role

COMMAND = (sys.executable, "-m", "intent", "replay")
# Where the command finds the log; not among its arguments, which anybody may read.
DATABASE = "INTENT_DATABASE"
_MAX_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Recorded:
    """The log of the service, and what decides besides the model.

    Attributes
    ----------
    url
        Of the database; it may hold a password.
    key
        File of the public key that the log is verified by.
    witness
        File of heads that were held outside of the database; None for the one that stands beside a SQLite file.
    policies
        The set in force; None for the one that ships with the package.
    catalogue
        Reviewed tools.
    raw
        Whether calls are recorded whole now: none can be read again that was not.
    uncertified
        Whether the service forwards what a certificate that does not hold would keep back.
    """

    url: str = field(repr=False)
    key: Path
    witness: Path | None = None
    policies: Path | None = None
    catalogue: Path | None = None
    raw: bool = True
    uncertified: bool = False

    @property
    def arguments(self) -> list[str]:
        """Those of the command, but for the model."""
        named = {"--key": self.key, "--witness": self.witness, "--policies": self.policies, "--catalogue": self.catalogue}
        given = [part for name, path in named.items() if path is not None for part in (name, str(path.resolve()))]
        return [*given, "--dangerously-forward-uncertified"] if self.uncertified else given


@dataclass(frozen=True, slots=True)
class Days:
    """Which decisions: from the first day on, before the day after the last one (UTC); None does not matter."""

    first: date | None = None
    end: date | None = None

    @property
    def arguments(self) -> list[str]:
        """Those of the command."""
        named = {"--since": self.first, "--until": self.end}
        return [part for name, day in named.items() if day is not None for part in (name, day.isoformat())]


class Replays:
    """Replays of the decisions of one service.

    Parameters
    ----------
    recorded
        None: nothing can be replayed here.
    command
        What replays, before its arguments.
    """

    def __init__(
        self, reports: Reports, registry: Registry, background: Background, recorded: Recorded | None, command: Sequence[str] = COMMAND
    ) -> None:
        self._reports, self._registry, self._background = reports, registry, background
        self.recorded = recorded
        self._command = tuple(command)

    def start(self, actor: Actor, model: str, days: Days) -> Task:
        """Begin to replay with a model of the registry; a replay with it that is under way goes on.

        Raises
        ------
        Forbidden
            Below an analyst.
        WorkbenchError
            If there is no log, or too much waits already.
        """
        require(actor, Role.ANALYST)
        recorded = self.recorded
        if recorded is None:
            raise WorkbenchError("the service must keep an audit and decide by policies of its own to replay decisions, and does not")
        return self._background.start(_key(model), actor.name, lambda tick: self._replayed(actor, model, recorded, days, tick).name)

    def task(self, model: str) -> Task | None:
        """The last replay with a model that was begun in this process."""
        return self._background.find(_key(model))

    def kept(self, name: str) -> bytes | None:
        """What a replay found, as JSON; None where no replay of this name was made here."""
        about = self._reports.find(name)
        if about is None or about.kind is not Kind.REPLAY:
            return None
        try:
            return self._reports.figures(name).read_bytes()
        except WorkbenchError:
            return None

    def _replayed(self, actor: Actor, model: str, recorded: Recorded, days: Days, tick: Tick) -> About:
        directory = self._registry.verify(model)
        with self._reports.scratch() as scratch:
            command = [*self._command, "--bundle", str(directory), *recorded.arguments, *days.arguments, "--progress-json"]
            command += ["--json", str(scratch / JSON)]
            run(command, "replay", environment={DATABASE: recorded.url}, told=partial(_told, tick))
            now = loads((scratch / JSON).read_bytes(), max_bytes=_MAX_BYTES)["now"]["model"]
            if now is None or now["digest"] != model:
                raise EvaluationError(f"a replay must read calls as model {model[:12]}, got {now and now['digest'][:12]}")
            return self._reports.keep(scratch, actor, Kind.REPLAY, Version.model_validate(now))


def _key(model: str) -> str:
    return f"replay {model}"


def _told(tick: Tick, raw: bytes) -> None:
    line = line_of(raw)
    if line is not None and line.steps:
        tick(min(line.step, line.steps), line.steps)
