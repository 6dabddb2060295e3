"""What a replay finds: counts of every decision, and the decisions that would be another one now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pydantic import JsonValue

from intent.schema import Version

FORMAT = 1


class ChangeKind(StrEnum):
    """How a decision differs; the first that fits counts.

    ``obligations`` and ``intent`` are of decisions whose answer stays: they come with other duties, or the call is read as another word.
    """

    GAINED = "gained"
    LOST = "lost"
    OBLIGATIONS = "obligations"
    INTENT = "intent"


class Why(StrEnum):
    """Why an event cannot be replayed."""

    NOT_PUT_TO_POLICY = "not_put_to_policy"
    CALL_NOT_RECORDED = "call_not_recorded"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Answer:
    """One side of a decision.

    Attributes
    ----------
    reasons
        Codes of every reason of a denial.
    determining
        Names of the policies that decided.
    fault
        What kept this side from deciding, which is a denial; empty for nothing.
    """

    allowed: bool
    intent: str
    reasons: tuple[str, ...]
    determining: tuple[str, ...]
    obligations: tuple[dict[str, JsonValue], ...] = ()
    fault: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "allowed": self.allowed,
            "intent": self.intent,
            "reasons": list(self.reasons),
            "determining": list(self.determining),
            "obligations": list(self.obligations),
            "fault": self.fault,
        }


@dataclass(frozen=True, slots=True)
class Change:
    """A decision that would be another one now; ``tool`` is ``server/tool``."""

    kind: ChangeKind
    number: int
    decision_id: str
    at: datetime
    subject: str
    agent: str
    tool: str
    then: Answer
    now: Answer

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "kind": self.kind.value,
            "number": self.number,
            "decision_id": self.decision_id,
            "at": spelled(self.at),
            "subject": self.subject,
            "agent": self.agent,
            "tool": self.tool,
            "then": self.then.to_dict(),
            "now": self.now.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class Skip:
    """A decision that was not replayed; ``number`` is None where the log does not say it."""

    number: int | None
    decision_id: str
    why: Why

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"number": self.number, "decision_id": self.decision_id, "why": self.why.value}


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts over some of the replayed decisions; each of them is in one of the four kinds at most."""

    n: int = 0
    gained: int = 0
    lost: int = 0
    obligations: int = 0
    intent: int = 0

    @property
    def changed(self) -> int:
        """Decisions that differ in any way."""
        return self.gained + self.lost + self.obligations + self.intent

    def to_dict(self) -> dict[str, int]:
        """JSON form."""
        return {"n": self.n, **{kind.value: getattr(self, kind.value) for kind in ChangeKind}}


@dataclass(frozen=True, slots=True)
class Now:
    """The side that was replayed with; ``model`` and ``vocabulary`` are None where policy alone was."""

    engine: str
    policy: str
    model: Version | None = None
    vocabulary: Version | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "engine": self.engine,
            "policy": self.policy,
            "model": self.model.model_dump() if self.model else None,
            "vocabulary": self.vocabulary.model_dump() if self.vocabulary else None,
        }


@dataclass(frozen=True, slots=True)
class Log:
    """What was replayed, and whether it may be believed.

    Attributes
    ----------
    audit
        File or URL, without its password.
    origin
        Name of the log; empty where it was not verified.
    verified
        Whether it was verified and no fault was found.
    faults
        Number of faults that verification found; None where nobody looked.
    """

    audit: str
    origin: str
    verified: bool
    faults: int | None

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"audit": self.audit, "origin": self.origin, "verified": self.verified, "faults": self.faults}


@dataclass(frozen=True, slots=True)
class Counted:
    """What the walk over a log counted.

    Attributes
    ----------
    decisions
        Decisions that were asked for: ``replayed`` and the sum of ``skipped``.
    beside
        Events that are no decision, and so are no part of a replay.
    faults
        Replayed decisions that the new side failed on, each of them a denial now.
    policies, models, vocabularies
        Version of then to the number of decisions that it made.
    words
        Word of then and word of now to a number.
    changes, more
        Changed decisions, at most so many of a kind, and how many of each kind are not listed.
    skips
        The first decisions that were not replayed.
    """

    decisions: int
    replayed: int
    beside: int
    faults: int
    total: Tally
    by_intent: Mapping[str, Tally]
    by_tool: Mapping[str, Tally]
    by_principal: Mapping[str, Tally]
    words: Mapping[tuple[str, str], int]
    policies: Mapping[str, int]
    models: Mapping[str, int]
    vocabularies: Mapping[str, int]
    changes: tuple[Change, ...]
    more: Mapping[ChangeKind, int]
    skipped: Mapping[Why, int]
    skips: tuple[Skip, ...]

    @property
    def figures(self) -> dict[str, int]:
        """What a gate may ask of a replay."""
        found = {"decisions": self.decisions, "replayed": self.replayed, "not_replayed": self.decisions - self.replayed}
        return {**found, "faults": self.faults, **{kind.value: getattr(self.total, kind.value) for kind in ChangeKind}}


@dataclass(frozen=True, slots=True)
class Replay:
    """A whole replay: what, by whom, when, against what, and what was found."""

    made_at: datetime
    made_by: str
    log: Log
    selection: Mapping[str, str]
    now: Now
    found: Counted

    def to_dict(self) -> dict[str, Any]:
        """JSON form; ``figures`` are what a gate may ask."""
        found = self.found
        return {
            "format": FORMAT,
            "made_at": spelled(self.made_at),
            "made_by": self.made_by,
            "log": self.log.to_dict(),
            "selection": dict(self.selection),
            "then": {"policies": dict(found.policies), "models": dict(found.models), "vocabularies": dict(found.vocabularies)},
            "now": self.now.to_dict(),
            "figures": found.figures,
            "beside": found.beside,
            "by_intent": _tallies(found.by_intent),
            "by_tool": _tallies(found.by_tool),
            "by_principal": _tallies(found.by_principal),
            "words": [{"then": then, "now": now, "n": n} for (then, now), n in found.words.items()],
            "changes": [change.to_dict() for change in found.changes],
            "more": {kind.value: n for kind, n in found.more.items()},
            "skipped": {why.value: n for why, n in found.skipped.items()},
            "skips": [skip.to_dict() for skip in found.skips],
        }

    def to_json(self, gate: Mapping[str, Any] | None = None) -> str:
        """Text of the JSON form, with the verdict of a gate; ASCII only, so that no hidden character of a name reaches a terminal."""
        return json.dumps({**self.to_dict(), "gate": gate}, indent=1, allow_nan=False, ensure_ascii=True) + "\n"


def spelled(at: datetime) -> str:
    """A time in UTC, to the second.

    >>> spelled(datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC))
    '2026-01-02T03:04:05Z'
    """
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _tallies(found: Mapping[str, Tally]) -> dict[str, dict[str, int]]:
    return {name: tally.to_dict() for name, tally in found.items()}
