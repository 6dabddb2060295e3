"""A normalizer that changes its model while it serves: the new one is loaded, verified and warmed beside the old one, then takes its place.

A call is answered by one model, in one vocabulary, from its start to its end. A model that cannot be loaded changes nothing: the old one goes
on, and the log says why. A model with another vocabulary answers once everything that judges by words has admitted it, and only then.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from intent.errors import BundleCorrupt, IntentError
from intent.schema import Decision, ReasonCode, Tool, ToolCall
from intent.vocabulary import Vocabulary

_log = logging.getLogger("intent.registry")
_MOST_PATIENCE_S = 300.0
# One of each kind: whatever is made on first use is made before the first caller waits for it.
_WARMING = (
    ToolCall(request="Warm up."),
    ToolCall(tool=Tool(name="warm_up", description="Nothing is done."), arguments={"text": "warm"}),
)


class Explains(Protocol):
    """A decision and the texts that it was read from."""

    @property
    def decision(self) -> Decision: ...  # noqa: D102 - the class says it
    @property
    def declared(self) -> str | None: ...  # noqa: D102 - the class says it
    @property
    def capability(self) -> str | None: ...  # noqa: D102 - the class says it
    @property
    def effect(self) -> str | None: ...  # noqa: D102 - the class says it
    @property
    def changes(self) -> Sequence[object]: ...  # noqa: D102 - the class says it


class Normalizes(Protocol):
    """A model at work, as the service needs it: thread-safe, and bound by the processor."""

    @property
    def vocabulary(self) -> Vocabulary: ...  # noqa: D102 - the class says it
    @property
    def card(self) -> Mapping[str, object]: ...  # noqa: D102 - the class says it
    def normalize(self, call: ToolCall) -> Decision: ...  # noqa: D102 - the class says it
    def normalize_json(self, data: object) -> Decision: ...  # noqa: D102 - the class says it
    def refuse(self, code: ReasonCode, message: str, id: str | None = None) -> Decision: ...  # noqa: A002, D102 - the contract's name
    def explain(self, call: ToolCall) -> Explains: ...  # noqa: D102 - the class says it


class Pointing(Protocol):
    """Says which model serves; `intent.registry.shelf.Shelf` does."""

    def current(self) -> str: ...  # noqa: D102 - the class says it


Admits = Callable[[Vocabulary], object]


class Following:
    """A normalizer after a pointer; `close` ends its thread, and it goes on with the model that it has.

    Parameters
    ----------
    load
        Verifies and constructs the model of a digest; whatever it raises keeps the old model in place.
    pointer
        Where the digest of the model that serves is read.
    interval_s
        Time between two looks at the pointer, in seconds. A model that failed is tried again after twice the time each time.

    Raises
    ------
    IntentError
        If there is no first model: there is nothing to go on with.
    """

    def __init__(self, load: Callable[[str], Normalizes], pointer: Pointing, interval_s: float = 2.0) -> None:
        self._load = load
        self._pointer = pointer
        self._interval_s = interval_s
        self._digest = pointer.current()
        self._model = _warmed(load(self._digest))
        self._fault = ""
        self._failed: tuple[str, float, float] | None = None
        self._guards: list[Admits] = []
        self._after: list[Callable[[], object]] = []
        self._changing = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="model-follower", daemon=True)
        self._thread.start()

    @property
    def digest(self) -> str:
        """Of the model that answers now."""
        return self._digest

    @property
    def model(self) -> Normalizes:
        """What answers now."""
        return self._model

    @property
    def fault(self) -> str:
        """Why the model that the pointer names does not answer; empty while it does."""
        return self._fault

    @property
    def vocabulary(self) -> Vocabulary:
        """Of the model that answers now."""
        return self._model.vocabulary

    @property
    def card(self) -> Mapping[str, object]:
        """Of the model that answers now."""
        return self._model.card

    def normalize(self, call: ToolCall) -> Decision:
        """Decide one call with one model."""
        return self._model.normalize(call)

    def normalize_json(self, data: object) -> Decision:
        """Decide parsed JSON with one model."""
        return self._model.normalize_json(data)

    def refuse(self, code: ReasonCode, message: str, id: str | None = None) -> Decision:  # noqa: A002 - the contract's own word
        """A deny for something that was not read."""
        return self._model.refuse(code, message, id)

    def explain(self, call: ToolCall) -> Explains:
        """The decision with the texts behind it, by one model."""
        return self._model.explain(call)

    def guard(self, admit: Admits) -> None:
        """Ask this of the words of every model before it answers, and of the present ones now; whatever it raises keeps a model from it.

        A guard that admits words is ready for calls in them from then on, beside those that are under way in the older ones.
        """
        with self._changing:
            admit(self._model.vocabulary)
            self._guards.append(admit)

    def then(self, act: Callable[[], object]) -> None:
        """Do this after each change of the model, in a thread beside the one that follows; what it raises is logged."""
        self._after.append(act)

    def close(self) -> None:
        """End the thread; a load that is under way is waited for."""
        self._over.set()
        self._thread.join()

    def look(self) -> None:
        """Follow the pointer once, now; the thread does it at each interval."""
        try:
            wanted = self._pointer.current()
            if wanted == self._digest:
                self._fault, self._failed = "", None
            elif self._is_due(wanted):
                self._follow(wanted)
        except IntentError as error:
            self._blame("", error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the model that answers goes on answering
            self._blame("", error)

    def _follow(self, wanted: str) -> None:
        started_s = time.monotonic()
        try:
            model = _warmed(self._load(wanted))
            with self._changing:
                if model.vocabulary.digest != self._model.vocabulary.digest:
                    self._admit(model.vocabulary)
                # One assignment: a call that began on the old model keeps its own reference to the end.
                self._model = model
        except Exception as error:  # noqa: BLE001 - a model that does not load, for whatever reason, must not take the old one down
            self._blame(wanted, error)
            return
        self._digest, self._fault, self._failed = wanted, "", None
        _log.info("model %s answers, after %.2f s of loading", wanted[:12], time.monotonic() - started_s)
        for act in self._after:
            threading.Thread(target=_attempt, args=(act,), name="after-a-change", daemon=True).start()

    def _admit(self, words: Vocabulary) -> None:
        for admit in self._guards:
            admit(words)
        _log.info("calls are read in %s %s, after %s", words.name, words.version, self._model.vocabulary.version)

    def _blame(self, wanted: str, error: Exception) -> None:
        why = f"{error.code}: {error}" if isinstance(error, IntentError) else f"{type(error).__name__}: {error}"
        if self._fault != why:
            _log.error("model %s goes on answering, the new one %s does not: %s", self._digest[:12], wanted[:12] or "is not known and", why)
        self._fault = why
        waited_s = self._failed[2] if self._failed and self._failed[0] == wanted else self._interval_s
        self._failed = wanted, time.monotonic() + waited_s, min(2 * waited_s, _MOST_PATIENCE_S)

    def _is_due(self, wanted: str) -> bool:
        return self._failed is None or self._failed[0] != wanted or time.monotonic() >= self._failed[1]

    def _watch(self) -> None:
        while not self._over.wait(self._interval_s):
            self.look()


def _attempt(act: Callable[[], object]) -> None:
    try:
        act()
    except Exception as error:  # noqa: BLE001 - the new model answers; what was to be done after that is not worth a fault
        _log.error("what follows a change of the model was not done: %s: %s", type(error).__name__, error)


def _warmed(model: Normalizes) -> Normalizes:
    for call in _WARMING:
        decision = model.normalize(call)
        # A model whose arrays do not fit its encoder loads, and fails on every call.
        if any(reason.code is ReasonCode.ERROR for reason in decision.reasons):
            raise BundleCorrupt(f"the model must answer a plain call, got: {decision.reasons[0].message}")
    return model
