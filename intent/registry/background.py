"""Work that takes longer than a person waits for a page: one piece at a time, in one thread; how far it is, and what came of it.

What came of it is kept in this process alone, and the oldest goes first: whatever must last is written down by the work itself.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from intent.certificate.standing import utc_now
from intent.errors import IntentError, WorkbenchError

_log = logging.getLogger("intent.registry")
MOST_WAITING = 16

Tick = Callable[[int, int], None]


class Progress(StrEnum):
    """Where a piece of work stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Task:
    """One piece of work.

    Attributes
    ----------
    done, total
        How far it is; 0 of 0 where nobody can say.
    result
        What it gave; None until then.
    why
        Why it failed.
    """

    key: str
    by: str
    asked: datetime
    state: Progress = Progress.WAITING
    done: int = 0
    total: int = 0
    result: object = None
    why: str = ""
    ended: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is something to wait for."""
        return self.state in {Progress.WAITING, Progress.RUNNING}


class Background:
    """Pieces of work by key; ``kept`` of them are remembered."""

    def __init__(self, *, kept: int = 64, now: Callable[[], datetime] = utc_now) -> None:
        self._kept, self._now = kept, now
        self._tasks: OrderedDict[str, Task] = OrderedDict()
        self._waiting: queue.Queue[tuple[str, Callable[[Tick], object]]] = queue.Queue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def find(self, key: str) -> Task | None:
        """The last work of this key; None where there was none, or it is forgotten."""
        with self._lock:
            return self._tasks.get(key)

    def start(self, key: str, by: str, work: Callable[[Tick], object]) -> Task:
        """Begin a piece of work; one of the same key that is under way already is left to go on.

        Raises
        ------
        WorkbenchError
            If too many pieces wait.
        """
        with self._lock:
            known = self._tasks.get(key)
            if known is not None and known.is_open:
                return known
            if self._waiting.qsize() >= MOST_WAITING:
                raise WorkbenchError(f"at most {MOST_WAITING} pieces of work may wait; try again later")
            made = self._tasks[key] = Task(key, by, self._now())
            self._tasks.move_to_end(key)
            self._forget()
            self._waiting.put((key, work))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="background", daemon=True)
                self._thread.start()
        return made

    def wait(self) -> None:
        """Until nothing is left to do."""
        self._waiting.join()

    def _forget(self) -> None:
        for key in [key for key, task in self._tasks.items() if not task.is_open][: max(0, len(self._tasks) - self._kept)]:
            del self._tasks[key]

    def _run(self) -> None:
        while True:
            key, work = self._waiting.get()
            try:
                self._do(key, work)
            finally:
                self._waiting.task_done()

    def _do(self, key: str, work: Callable[[Tick], object]) -> None:
        self._change(key, state=Progress.RUNNING)
        try:
            found = work(lambda done, total: self._change(key, done=done, total=total))
        except IntentError as error:
            self._change(key, state=Progress.FAILED, why=f"{error.code}: {error}", ended=self._now())
        except Exception as error:  # noqa: BLE001 - whatever it is, the person who waits is told, and the next piece is done
            _log.error("work in the background failed: %s: %s", key, type(error).__name__)
            self._change(key, state=Progress.FAILED, why=type(error).__name__, ended=self._now())
        else:
            self._change(key, state=Progress.DONE, result=found, ended=self._now())

    def _change(self, key: str, **changes: object) -> None:
        with self._lock:
            if key in self._tasks:
                self._tasks[key] = replace(self._tasks[key], **changes)  # type: ignore[arg-type]  # by name
