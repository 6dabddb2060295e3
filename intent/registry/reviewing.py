"""What a service adds for its decisions to come to review: a normalizer that offers each one, and places in the queue by the model that serves."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from intent.bundle import Bundle
from intent.database import open_database
from intent.errors import InvalidCall
from intent.normalizer import Normalizer
from intent.registry.following import Explains, Following, Normalizes
from intent.schema import Decision, ReasonCode, ToolCall
from intent.vocabulary import Vocabulary
from intent.workbench.arrivals import Arrivals
from intent.workbench.intake import Intake, Review
from intent.workbench.records import Actor, Item
from intent.workbench.store import WorkbenchStore

_log = logging.getLogger("intent.workbench")


class Offers(Protocol):
    """Takes decisions; `intent.workbench.intake.Intake` does."""

    def offer(self, call: ToolCall, decision: Decision) -> bool: ...  # noqa: D102 - the class says it
    def close(self) -> None: ...  # noqa: D102 - the class says it


class Reviewed:
    """A normalizer every decision of which is offered; what it answers is not touched, whatever becomes of the offer.

    Parameters
    ----------
    release
        Called once the intake is closed.
    """

    def __init__(self, inner: Normalizes, intake: Offers, release: Callable[[], None] = lambda: None) -> None:
        self.inner = inner
        self._intake = intake
        self._release = release

    @classmethod
    def open(cls, inner: Normalizes, database: str, review: Review) -> Reviewed:
        """With an intake into the workbench of a database; raises `StoreError` where that cannot be opened."""
        store = WorkbenchStore(open_database(database))
        return cls(inner, Intake(store, Placing(store, inner), review), store.engine.dispose)

    @property
    def vocabulary(self) -> Vocabulary:
        """As the normalizer says."""
        return self.inner.vocabulary

    @property
    def card(self) -> Mapping[str, object]:
        """As the normalizer says."""
        return self.inner.card

    def normalize(self, call: ToolCall) -> Decision:
        """Decide as the normalizer does, with its exceptions."""
        decision = self.inner.normalize(call)
        self._offer(call, decision)
        return decision

    def normalize_json(self, data: object) -> Decision:
        """Decide as the normalizer does; what is no call is not offered."""
        decision = self.inner.normalize_json(data)
        try:
            call = ToolCall.parse(data)
        except InvalidCall:
            return decision
        self._offer(call, decision)
        return decision

    def refuse(self, code: ReasonCode, message: str, id: str | None = None) -> Decision:  # noqa: A002 - the contract's own word
        """Deny as the normalizer does; nothing was read, so nothing is offered."""
        return self.inner.refuse(code, message, id)

    def explain(self, call: ToolCall) -> Explains:
        """Explain as the normalizer does; a person is trying something, so nothing is offered."""
        return self.inner.explain(call)

    def close(self) -> None:
        """Write what waits, as far as a few seconds allow, and take nothing more."""
        self._intake.close()
        self._release()

    def _offer(self, call: ToolCall, decision: Decision) -> None:
        try:
            self._intake.offer(call, decision)
        except Exception as error:  # noqa: BLE001 - the decision is made; that nobody gets to review it must not undo it
            _log.error("a decision was not taken for review: %s", type(error).__name__)


class Placing:
    """Places items with the model that serves at that moment; safe between threads."""

    def __init__(self, store: WorkbenchStore, normalizer: object) -> None:
        self._store = store
        self._normalizer = normalizer
        self._lock = threading.Lock()
        self._held: tuple[str, Arrivals] | None = None

    def place(self, actor: Actor, items: Sequence[Item]) -> int:
        """As `Arrivals.place`; 0 where no model serves, and the items wait for one."""
        with self._lock:
            found = self._arrivals()
            return found.place(actor, items) if found else 0

    def place_all(self, actor: Actor) -> int:
        """As `Arrivals.place_all`; 0 where no model serves."""
        with self._lock:
            found = self._arrivals()
            return found.place_all(actor) if found else 0

    def renew(self, actor: Actor) -> int:
        """As `Arrivals.renew`, for after a promotion; 0 where no model serves."""
        with self._lock:
            found = self._arrivals()
            return found.renew(actor) if found else 0

    def _arrivals(self) -> Arrivals | None:
        model = model_of(self._normalizer)
        if model is None:
            return None
        trained: Bundle = model.trained
        if self._held is None or self._held[0] != trained.digest:
            self._held = trained.digest, Arrivals.of(self._store, trained, decide=model.normalize)
        return self._held[1]


def fault_of(normalizer: object) -> str:
    """Why the model that was promoted does not answer, inside whatever a service has around its normalizer; empty where it does."""
    following = following_of(normalizer)
    return following.fault if following else ""


def following_of(normalizer: object) -> Following | None:
    """What follows a registry inside whatever a service has around its normalizer; None where nothing does."""
    if isinstance(normalizer, Reviewed):
        return following_of(normalizer.inner)
    return normalizer if isinstance(normalizer, Following) else None


def model_of(normalizer: object) -> Normalizer | None:
    """The model at work inside whatever a service has around it; None where it is none with a bundle."""
    if isinstance(normalizer, Reviewed):
        return model_of(normalizer.inner)
    if isinstance(normalizer, Following):
        return model_of(normalizer.model)
    return normalizer if isinstance(normalizer, Normalizer) else None
