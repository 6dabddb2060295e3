"""Watching the promise while it is in force: a random audit of calls, and an alarm that may be looked at after every one of them.

Dangerous calls of the audit sample bet against "the risk is at most alpha" (Waudby-Smith & Ramdas, "Estimating means of bounded random
variables by betting", JRSS B 86, 2024). While that is true the wealth is a non-negative supermartingale that begins at one, so that it
ever reaches 1/delta with probability at most delta (Ville 1939), whenever and however often one looks. An alarm revokes the certificate.

What it assumes: whether a call is dangerous was judged by somebody who did not see the decision, and every call of the sample is judged.
Active picks do not belong here: they are chosen because they look wrong. After a long good spell the bets are slow to turn, so a new
certificate gets a new process.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError, model_validator

from intent.errors import InvalidCall
from intent.strict_json import loads

Doubles = NDArray[np.float64]

_MAX_LINE_BYTES = 1 << 16
_LEAST_KEY_BYTES = 16
# Bets begin as if two errors had been seen at four times the promised rate, and never risk more than half of the wealth.
_PRIOR_ERRORS = 2.0
_PRIOR_RATIO = 4.0
_BOLDNESS = 0.5


class EProcess(BaseModel):
    """Evidence against "the risk is at most alpha", as one number that grows while the promise is broken; JSON keeps it between runs.

    Attributes
    ----------
    n, errors
        Dangerous calls of the audit, and how many of them passed as a read.
    log_wealth, peak
        Natural logarithm of the wealth, now and at its highest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    alpha: float = Field(gt=0, lt=1)
    delta: float = Field(gt=0, lt=1)
    n: int = Field(default=0, ge=0)
    errors: int = Field(default=0, ge=0)
    log_wealth: float = 0.0
    peak: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _can_have_come_about(self) -> EProcess:
        if self.errors > self.n or self.log_wealth > self.peak:
            raise ValueError("errors must be at most n, and the peak at least the wealth")
        return self

    @property
    def e(self) -> float:
        """The wealth."""
        return math.exp(min(self.log_wealth, 700.0))

    @property
    def alarm(self) -> bool:
        """Whether the wealth has ever reached 1/delta; it stays so."""
        return self.peak >= -math.log(self.delta)

    def update(self, passed: bool) -> EProcess:
        """The process after one more dangerous call; ``passed`` says that it was forwarded as a read."""
        bet = float(_bet(np.float64(self.errors), self.n, self.alpha))
        wealth = self.log_wealth + math.log1p(bet * (passed - self.alpha))
        changed = {"n": self.n + 1, "errors": self.errors + passed, "log_wealth": wealth, "peak": max(self.peak, wealth)}
        return self.model_copy(update=changed)


@dataclass(frozen=True, slots=True)
class AuditSample:
    """Which decisions are audited: a keyed hash of the decision's own identifier decides, so nobody can pick and nobody can foresee.

    Attributes
    ----------
    key
        Secret, at least 16 bytes. Whoever holds it can tell in advance which decisions are audited.
    rate
        Share of decisions, in [0, 1].
    """

    key: bytes = field(repr=False)
    rate: float

    def __post_init__(self) -> None:
        if len(self.key) < _LEAST_KEY_BYTES:
            raise ValueError(f"the key of an audit sample must have at least {_LEAST_KEY_BYTES} bytes, got {len(self.key)}")
        if not 0 <= self.rate <= 1:
            raise ValueError(f"the rate of an audit sample must be in [0, 1], got {self.rate}")

    def takes(self, decision_id: str) -> bool:
        """Whether the decision is in the sample; the same answer for ever."""
        hashed = hmac.new(self.key, decision_id.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
        return int.from_bytes(hashed[:8], "big") < self.rate * 2**64


def is_sampled(decision_id: str, key: bytes, rate: float) -> bool:
    """Whether a decision is in the audit sample; see `AuditSample`.

    >>> is_sampled("d-1", b"sixteen bytes ok", 0.0), is_sampled("d-1", b"sixteen bytes ok", 1.0)
    (False, True)
    """
    return AuditSample(key, rate).takes(decision_id)


class Audited(BaseModel):
    """One audited decision: whether the call was dangerous, and whether it passed as a read."""

    model_config = ConfigDict(frozen=True)

    decision_id: str = Field(min_length=1, max_length=256)
    dangerous: StrictBool
    passed: StrictBool


@dataclass(frozen=True, slots=True)
class State:
    """Where the watch stands after a line.

    Attributes
    ----------
    line
        Number of the line, from 1.
    audited
        Decisions counted so far, dangerous or not.
    fault
        Why the line was not counted, else None.
    """

    line: int
    audited: int
    process: EProcess
    fault: str | None = None


def watch(lines: Iterable[str], start: EProcess, sample: AuditSample | None = None) -> Iterator[State]:
    """Follow a stream of JSON Lines of audited decisions, ``{"decision_id", "dangerous", "passed"}``; one state a line, empty ones none.

    A line that is no such record, that repeats a decision, or that the sample does not take is not counted, and its state says so.

    Parameters
    ----------
    start
        A new process, or one that was kept.
    sample
        None where the stream is known to hold the sample and nothing else.
    """
    process, seen = start, set[str]()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        found = _audited(line)
        fault = found if isinstance(found, str) else _uncountable(found, seen, sample)
        if isinstance(found, Audited) and fault is None:
            seen.add(found.decision_id)
            process = process.update(found.passed) if found.dangerous else process
        yield State(number, len(seen), process, fault)


def detection_times(
    rate: float, alpha: float, delta: float, generator: np.random.Generator, repeats: int = 1000, horizon: int = 3000
) -> NDArray[np.int64]:
    """Simulate how many dangerous calls are audited before the alarm, when the true risk is ``rate``.

    Returns
    -------
    int of shape (repeats,)
        ``horizon + 1`` where there was none; the share of those below is the rate of (false) alarms.
    """
    errors, wealth = np.zeros(repeats), np.zeros(repeats)
    found = np.full(repeats, horizon + 1, dtype=np.int64)
    for n in range(horizon):
        passed = generator.random(repeats) < rate
        wealth += np.log1p(_bet(errors, n, alpha) * (passed - alpha))
        errors += passed
        found[(wealth >= -math.log(delta)) & (found > horizon)] = n + 1
    return found


def _bet(errors: Doubles | np.float64, n: int, alpha: float) -> Doubles:
    """How much to bet on the next error, from what was seen before it.

    The bet that makes the wealth grow fastest were the risk q ("GRAPA" of the source), which for yes-or-no outcomes is
    (q - alpha) / (alpha (1 - alpha)); q is the rate seen so far, shrunk to a prior. A risk of 2% against a promised 0.5% is seen after a
    median of 220 calls; aGRAPA, the approximation for any bounded outcome, takes 410.
    """
    q = (_PRIOR_ERRORS + errors) / (_PRIOR_ERRORS / (_PRIOR_RATIO * alpha) + n)
    return np.asarray(np.clip((q - alpha) / (alpha * (1 - alpha)), 0.0, _BOLDNESS / alpha), dtype=np.float64)


def _audited(line: str) -> Audited | str:
    try:
        return Audited.model_validate(loads(line, max_bytes=_MAX_LINE_BYTES))
    except InvalidCall as error:
        return str(error)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'line'} must be valid: {first['msg']}"


def _uncountable(found: Audited, seen: set[str], sample: AuditSample | None) -> str | None:
    if found.decision_id in seen:
        return f"{found.decision_id} was counted before"
    if sample is not None and not sample.takes(found.decision_id):
        return f"{found.decision_id} is not in the random sample"
    return None
