"""Decisions become items to review as they happen, in the background: nothing here can slow a decision down or make it fail.

Which of them become items: with ``all`` every one, with ``denied`` those that were denied and, whatever the outcome, those that the store
puts into its audit stream. A watch over denied calls alone would never see a call that should not have passed.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from intent.errors import IntentError
from intent.schema import Decision, Outcome, ToolCall
from intent.workbench.items import item_id, masked_call
from intent.workbench.records import Actor, Item, Origin, Role, Stream
from intent.workbench.store import WorkbenchStore

log = logging.getLogger("intent.workbench")

INTAKE = Actor(name="intake", role=Role.ANALYST)
CAPACITY = 512
# A definition, a request and arguments at the caps of what is read make more; such calls are rare, and denied for their size.
MAX_CALL_BYTES = 65_536
_AT_ONCE = 64


class Review(StrEnum):
    """Which decisions become items."""

    NONE = "none"
    DENIED = "denied"
    ALL = "all"


class Places(Protocol):
    """Gives items their places; `intent.workbench.arrivals.Arrivals` does."""

    def place(self, actor: Actor, items: Sequence[Item]) -> int: ...  # noqa: D102 - the class says it


@dataclass(frozen=True, slots=True)
class IntakeFigures:
    """What became of the decisions that were offered.

    Attributes
    ----------
    waiting
        Not written yet.
    added, known
        Became items; were items already, or were none to be taken.
    dropped
        Came while too many waited.
    too_large, failed
        Passed the cap in bytes; could not be kept.
    """

    waiting: int
    added: int
    known: int
    dropped: int
    too_large: int
    failed: int


class Intake:
    """A bounded queue and one thread that empties it into a store.

    Parameters
    ----------
    arrivals
        Gives new items their places; None leaves that to a later `intent.workbench.arrivals.Arrivals.place_all`.
    review
        With `Review.NONE` no thread is started and nothing is taken.
    capacity
        Most decisions that wait; one that comes when so many do is dropped and counted.
    """

    def __init__(
        self,
        store: WorkbenchStore,
        arrivals: Places | None,
        review: Review,
        *,
        capacity: int = CAPACITY,
        max_call_bytes: int = MAX_CALL_BYTES,
    ) -> None:
        self._store = store
        self._arrivals = arrivals
        self._review = Review(review)
        self._max_call_bytes = max_call_bytes
        self._waiting: queue.Queue[tuple[ToolCall, Decision] | None] = queue.Queue(capacity)
        self._lock = threading.Lock()
        self._counts: dict[str, int] = dict.fromkeys(("added", "known", "dropped", "too_large", "failed"), 0)
        self._closed = self._review is Review.NONE
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)
        if not self._closed:
            self._thread.start()

    @property
    def figures(self) -> IntakeFigures:
        """What became of what was offered so far."""
        with self._lock:
            return IntakeFigures(waiting=self._waiting.qsize(), **self._counts)

    def offer(self, call: ToolCall, decision: Decision) -> bool:
        """Hand a decision over; takes microseconds, never waits and never raises. False where it is not taken."""
        if self._closed:
            return False
        try:
            self._waiting.put_nowait((call, decision))
        except queue.Full:
            self._count("dropped")
            return False
        return True

    def watched(self, normalize: Callable[[ToolCall], Decision]) -> Callable[[ToolCall], Decision]:
        """The same function, every decision of which is offered."""

        def decide(call: ToolCall) -> Decision:
            decision = normalize(call)
            self.offer(call, decision)
            return decision

        return decide

    def flush(self) -> None:
        """Wait until everything that was offered is kept or counted."""
        self._waiting.join()

    def close(self, timeout_s: float = 5.0) -> None:
        """Take nothing more, and write what waits, as far as the time allows."""
        if self._closed:
            return
        self._closed = True
        try:
            self._waiting.put(None, timeout=timeout_s)
        except queue.Full:
            return
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            batch = [self._waiting.get()]
            while len(batch) < _AT_ONCE and not self._waiting.empty():
                batch.append(self._waiting.get())
            given = [one for one in batch if one is not None]
            try:
                self._keep(given)
            except Exception:  # whatever it was, the next decisions are still taken
                log.exception("decisions could not be kept for review")
                self._count("failed", len(given))
            finally:
                for _ in batch:
                    self._waiting.task_done()
            if len(given) < len(batch):
                return

    def _keep(self, given: list[tuple[ToolCall, Decision]]) -> None:
        wanted: dict[str, Item] = {}
        for call, decision in given:
            item = self._item(call, decision)
            if item is not None:
                wanted.setdefault(item.id, item)
        added = self._store.add_items(INTAKE, list(wanted.values()))
        self._count("added", len(added))
        self._count("known", len(wanted) - len(added))
        if self._arrivals is not None and added:
            self._arrivals.place(INTAKE, [wanted[name] for name in added])

    def _item(self, call: ToolCall, decision: Decision) -> Item | None:
        """The item of a decision; None where it is not to be one."""
        try:
            if len(call.model_dump_json(exclude={"context"}).encode("utf-8", "surrogatepass")) > self._max_call_bytes:
                self._count("too_large")
                return None
            if not self._wants(call, decision):
                return None
            said: dict[str, Any] = decision.model_dump(mode="json")
            group = (call.tool.server or "") if call.tool is not None else ""
            return self._store.new_item(call, origin=Origin.DECISION, group=group, decision=said, decision_id=decision.decision_id)
        except (IntentError, ValueError) as error:
            log.warning("a decision could not be kept for review: %s", type(error).__name__)
            self._count("failed")
            return None

    def _wants(self, call: ToolCall, decision: Decision) -> bool:
        if self._review is Review.ALL or decision.outcome is Outcome.DENY:
            return True
        return self._store.streams().of(item_id(masked_call(call))) is Stream.AUDIT

    def _count(self, name: str, number: int = 1) -> None:
        with self._lock:
            self._counts[name] += number
