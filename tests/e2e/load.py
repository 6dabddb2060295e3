"""Callers of a service that ask without a pause, and note what came back."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

FAULTS = {"error", "timeout", "model_unavailable", "engine_error", "audit_unavailable"}


@dataclass(frozen=True)
class Seen:
    """Who answered, in which words, and what."""

    model: str
    vocabulary: str
    intent: str
    likeliest: str


class Load:
    """A steady load of one call; ``failed`` has what was no decision, or one that tells of a fault.

    Parameters
    ----------
    pause_s
        Between two calls of one caller, in seconds.
    """

    def __init__(self, url: str, call: object, *, callers: int = 4, pause_s: float = 0.0) -> None:
        self._request, self._pause_s = urllib.request.Request(url, json.dumps(call).encode(), {"Content-Type": "application/json"}), pause_s
        self._over = threading.Event()
        self.failed: list[object] = []
        self.seen: list[Seen] = []
        self._pool = ThreadPoolExecutor(callers)
        self._callers = [self._pool.submit(self._ask) for _ in range(callers)]

    def _ask(self) -> None:
        while not self._over.wait(self._pause_s):
            try:
                with urllib.request.urlopen(self._request, timeout=60) as answer:
                    found = json.loads(answer.read())
            except (OSError, ValueError) as error:
                self.failed.append(error)
                continue
            decision: dict[str, Any] = found.get("context", found)
            if FAULTS & {reason["code"] for reason in decision["reasons"]}:
                self.failed.append(decision)
            told = decision.get("probabilities") or {decision["intent"]: 1.0}
            self.seen.append(
                Seen(decision["model"]["digest"], decision["vocabulary"]["version"], decision["intent"], max(told, key=told.__getitem__))
            )

    def until(self, wanted: Callable[[Seen], bool], seconds: float = 120.0) -> None:
        """Wait for an answer of a kind."""
        until_s = time.monotonic() + seconds
        while not self.seen or not wanted(self.seen[-1]):
            assert time.monotonic() < until_s, f"no such answer came; the last one: {self.seen[-1:]}, faults: {self.failed[:3]}"
            time.sleep(0.02)

    @property
    def models(self) -> list[str]:
        """Digests of the models in the order in which they came to answer."""
        digests = [one.model for one in self.seen]
        return [one for one, before in zip(digests, ["", *digests], strict=False) if one != before]

    def end(self) -> None:
        """Let each caller finish its call."""
        self._over.set()
        for caller in self._callers:
            caller.result(60)
        self._pool.shutdown()
