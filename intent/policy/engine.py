"""The contract of every policy engine: an input in, a verdict out; whatever is not a clear answer is an `EngineError`, and so a deny."""

from __future__ import annotations

from typing import Protocol

from intent.policy.input import PolicyInput
from intent.policy.outcome import Verdict


class Engine(Protocol):
    """A policy engine with one version of one policy set; safe between threads."""

    @property
    def name(self) -> str:
        """``cedar``, ``rego``, ``opa``, ``authzen`` or ``cerbos``."""
        ...

    @property
    def digest(self) -> str:
        """SHA-256 of the policy set in force, in hex; of its address for an engine elsewhere that names no version."""
        ...

    def evaluate(self, given: PolicyInput) -> Verdict:
        """Answer one input.

        Raises
        ------
        EngineError
            On an error, a time-out, no result, or a rule that was skipped.
        """
        ...
