"""Training runs as processes of their own: one at a time, on record, cancelled with everything they started, and found again after a restart.

A run has a directory: ``progress.jsonl`` (what it said, one JSON object a line), ``log.txt`` (what it complained about), ``process.json``
(which process it is), ``model`` (what it made) and ``scratch`` (its temporary files, gone when it ends). The process writes to files and
not to us, so that it outlives a restart of the service, which then takes it up again.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from intent.certificate.standing import utc_now
from intent.errors import Forbidden, IntentError, WorkbenchError
from intent.registry.files import locked, write_atomically
from intent.registry.ledger import Runs
from intent.registry.progress import Line, last_line, last_words, read_lines
from intent.workbench.records import Actor, Role, RunEvent, RunState

MODEL = "model"
PROGRESS, LOG, SCRATCH = "progress.jsonl", "log.txt", "scratch"
_PROCESS, _LOCK, _CANCEL, _FOLLOWED = "process.json", ".lock", "cancelled", ".followed"
_log = logging.getLogger("intent.registry")
_OPEN = frozenset({RunState.QUEUED, RunState.RUNNING})

Finished = Callable[[Actor, str, Path], None]


class _Process(BaseModel):
    """A process that no other can be taken for: its number, and when it started by the clock of the kernel."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pid: int
    started: str


class Jobs:
    """Training runs of one directory.

    Parameters
    ----------
    directory
        Each run has a directory in it, named as the run.
    ledger
        Where states and progress are written down.
    finished
        Called with who started it, the run and the bundle that it made, before the run is said to be finished; what it raises fails the run.
    niceness
        Of the processes: a service beside them comes first.
    grace_s
        Between the request to end and the end by force, in seconds.
    poll_s
        Time between two looks at what a run said, in seconds.
    command
        What is started, before the arguments of a run.
    """

    def __init__(
        self,
        directory: Path,
        ledger: Runs,
        *,
        finished: Finished | None = None,
        niceness: int = 10,
        grace_s: float = 10.0,
        poll_s: float = 0.5,
        command: Sequence[str] = (sys.executable, "-m", "intent", "train"),
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._ledger = ledger
        self._finished = finished
        self._niceness = niceness
        self._grace_s = grace_s
        self._poll_s = poll_s
        self._command = tuple(command)
        self._now = now
        self._watchers: dict[str, threading.Thread] = {}

    def start(self, actor: Actor, arguments: Sequence[str], *, detail: dict[str, JsonValue] | None = None) -> str:
        """Start a training run; ``--output`` and ``--progress-json`` are added to its arguments.

        Parameters
        ----------
        detail
            Written down with the first event.

        Returns
        -------
        str
            The name of the run.

        Raises
        ------
        Forbidden
            If the actor is no analyst.
        WorkbenchError
            If another run is under way, or the process cannot be started.
        """
        with locked(self._directory / _LOCK):
            if busy := [run for run, event in self.states().items() if event.state in _OPEN and self._alive(run)]:
                raise WorkbenchError(f"one run must end before the next one starts, and {busy[0]} is under way")
            run = uuid.uuid4().hex
            place = self._directory / run
            (place / SCRATCH).mkdir(parents=True)
            self._record(actor, run, RunState.QUEUED, Line(message="queued", detail={"arguments": [*arguments], **(detail or {})}))
            try:
                process = self._spawn(place, [*self._command, *arguments, "--output", str(place / MODEL), "--progress-json"])
            except OSError as error:
                self._record(actor, run, RunState.FAILED, Line(message=f"the process could not be started: {error.strerror}"))
                raise WorkbenchError(f"the training process could not be started: {error.strerror}") from error
            self._record(actor, run, RunState.RUNNING, Line(message="started"))
        self._follow(actor, run, process)
        return run

    def states(self) -> dict[str, RunEvent]:
        """The latest event of each run, oldest run first."""
        return {event.run: event for event in reversed(self._ledger.runs())}

    def resume(self) -> tuple[str, ...]:
        """Take up the runs that an earlier process left under way: those that go on are followed, those whose process is gone are closed.

        Returns
        -------
        tuple
            The runs that go on.
        """
        going: list[str] = []
        for run, event in self.states().items():
            if event.state not in _OPEN or run in self._watchers:
                continue
            going += [run] if self._alive(run) else []
            self._follow(_starter(event), run, None)
            if run not in going:
                self.wait(run)
        return tuple(going)

    def cancel(self, actor: Actor, run: str) -> None:
        """End a run and everything it started: asked first, by force after the grace.

        Raises
        ------
        Forbidden
            If the actor is no analyst.
        WorkbenchError
            If the run is not under way.
        """
        if not actor.role.includes(Role.ANALYST):
            raise Forbidden(actor.name, actor.role, Role.ANALYST)
        known = self._process(run)
        event = self.states().get(run)
        if event is None or event.state not in _OPEN or known is None or not _is_alive(known):
            raise WorkbenchError(f"a run must be under way to be cancelled, and {run[:64]} is not")
        write_atomically(self._directory / run / _CANCEL, actor.name.encode())
        _signal_group(known, signal.SIGTERM)
        until_s = time.monotonic() + self._grace_s
        while _is_alive(known) and time.monotonic() < until_s:
            time.sleep(0.02)
        # Also where the leader is gone: what it started may not be.
        _signal_group(known, signal.SIGKILL)
        self.wait(run)

    def wait(self, run: str, timeout_s: float | None = None) -> RunEvent | None:
        """The state of a run once this process has nothing more to follow of it, or the time is over."""
        if watcher := self._watchers.get(run):
            watcher.join(timeout_s)
        return self.states().get(run)

    def log(self, run: str, most_bytes: int = 1 << 16) -> str:
        """The end of what a run complained about."""
        return last_words(self._directory / Path(run).name / LOG, most_bytes)

    def _spawn(self, place: Path, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with (place / PROGRESS).open("ab") as said, (place / LOG).open("ab") as complained:
            process = subprocess.Popen(  # noqa: S603 - the command is ours, and its arguments are no shell's
                command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=complained,
                start_new_session=True,
                env={**os.environ, "TMPDIR": str(place / SCRATCH), "PYTHONUNBUFFERED": "1"},
            )
        with suppress(OSError):  # it may have ended already
            os.setpriority(os.PRIO_PROCESS, process.pid, self._niceness)
        known = _Process(pid=process.pid, started=_start_of(process.pid) or "")
        write_atomically(place / _PROCESS, known.model_dump_json().encode())
        return process

    def _follow(self, actor: Actor, run: str, process: subprocess.Popen[bytes] | None) -> None:
        watcher = threading.Thread(target=self._watch, args=(actor, run, process), name=f"run-{run[:8]}", daemon=True)
        self._watchers[run] = watcher
        watcher.start()

    def _watch(self, actor: Actor, run: str, process: subprocess.Popen[bytes] | None) -> None:
        place = self._directory / Path(run).name
        place.mkdir(exist_ok=True)
        with locked(place / _FOLLOWED, wait=False) as mine:
            if not mine:  # of several services over one directory, one writes down what a run says
                return
            try:
                self._tell(actor, run, process)
                self._close(actor, run, process.wait() if process else None)
            except WorkbenchError as error:
                # Somebody closed the run in the ledger: it must not go on in secret.
                _log.warning("run %s is ended: %s", run, error)
                if known := self._process(run):
                    _signal_group(known, signal.SIGKILL)
                shutil.rmtree(place / SCRATCH, ignore_errors=True)
            except IntentError as error:
                _log.error("run %s is not followed any more, and will be when the service starts anew: %s", run, error)

    def _tell(self, actor: Actor, run: str, process: subprocess.Popen[bytes] | None) -> None:
        """Write down what a run says until its process is gone and all is read; what was told before a restart is not told twice."""
        told = {(event.step, event.steps, event.message) for event in self._ledger.run_events(run)}
        offset = 0
        while True:
            alive = process.poll() is None if process else self._alive(run)
            lines, read = read_lines(self._directory / run / PROGRESS, offset)
            for line in lines:
                if not line.finished and (line.step, line.steps, line.message) not in told:
                    self._record(actor, run, RunState.RUNNING, line)
            if not alive and read == offset:
                return
            if alive:
                time.sleep(self._poll_s)
            offset = read

    def _close(self, actor: Actor, run: str, code: int | None) -> None:
        """Write down how a run ended whose process is gone; without its exit code, its own last line says whether it finished."""
        place = self._directory / run
        shutil.rmtree(place / SCRATCH, ignore_errors=True)
        last = last_line(place / PROGRESS)
        if last is not None and last.finished and code in {0, None}:
            self._finish(actor, run, last)
        elif (place / _CANCEL).exists():
            by = Actor(name=last_words(place / _CANCEL, 1024) or actor.name, role=Role.ANALYST)
            self._record(by, run, RunState.CANCELLED, Line(message="cancelled"))
        else:
            self._record(actor, run, RunState.FAILED, Line(message=self._complaint(run, code)))

    def _finish(self, actor: Actor, run: str, last: Line) -> None:
        try:
            if self._finished is not None:
                self._finished(actor, run, self._directory / run / MODEL)
        except Exception as error:  # noqa: BLE001 - whatever it is, the run is closed, and says so
            self._record(actor, run, RunState.FAILED, Line(message=f"the model could not be taken over: {error}"[:2000]))
            return
        self._record(actor, run, RunState.FINISHED, last)

    def _complaint(self, run: str, code: int | None) -> str:
        lines = [line for line in self.log(run).splitlines() if line.strip()]
        ended = "its process is gone" if code is None else f"it ended with code {code}" if code >= 0 else f"it was ended by signal {-code}"
        return f"{ended}: {lines[-1][:1000]}" if lines else ended

    def _record(self, actor: Actor, run: str, state: RunState, line: Line) -> None:
        event = RunEvent(
            id=0, run=run, at=self._now(), state=state, step=line.step, steps=line.steps, message=line.message, detail=line.detail
        )
        self._ledger.add_run_event(actor, event)

    def _process(self, run: str) -> _Process | None:
        try:
            return _Process.model_validate(json.loads((self._directory / Path(run).name / _PROCESS).read_bytes()))
        except (OSError, ValueError, ValidationError):
            return None

    def _alive(self, run: str) -> bool:
        known = self._process(run)
        return known is not None and _is_alive(known)


def _starter(event: RunEvent) -> Actor:
    """Who started a run, as its events have it; that a run goes on needs no more than the role that it took to start it."""
    by = event.detail.get("by")
    return Actor(name=by if isinstance(by, str) and by else "service", role=Role.ANALYST)


def _is_alive(process: _Process) -> bool:
    return bool(process.started) and _start_of(process.pid) == process.started


def _start_of(pid: int) -> str | None:
    """When a process started, in ticks of the kernel; None where there is none, or only its remains that nobody has waited for."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


def _signal_group(process: _Process, number: int) -> None:
    # The process leads its own session, so that its number is its group's. Another process that has the number now is no business of ours.
    if _start_of(process.pid) in {None, process.started}:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
