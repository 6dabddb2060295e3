"""From what an engine wrote to a `Verdict`, or an `EngineError`: nothing is guessed, nothing unknown is passed over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, TypeAdapter, ValidationError

from intent.errors import EngineError, first_fault
from intent.policy.outcome import ON_DENIAL, Obligation, ObligationType, Verdict

_Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class _Record(BaseModel):
    """Types are never converted, and a member that we do not know is a fault: it may be a misspelled duty."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Duty(_Record):
    id: _Name
    # A string is no member of an enumeration in pydantic's strict mode.
    type: Annotated[ObligationType, Field(strict=False)]
    properties: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])


class _Answer(_Record):
    allow: bool
    determining: Annotated[list[_Name], Field(max_length=1000)]
    obligations: Annotated[list[_Duty], Field(max_length=100)]


_DUTIES: TypeAdapter[list[_Duty]] = TypeAdapter(Annotated[list[_Duty], Field(max_length=100)])


def read_verdict(value: object) -> Verdict:
    """Read ``{"allow", "determining", "obligations"}``, as policies in Rego answer; all three are needed.

    Raises
    ------
    EngineError
        On anything else.

    Examples
    --------
    >>> read_verdict({"allow": True, "determining": ["read"], "obligations": []})
    Verdict(allowed=True, obligations=(), determining=('read',))
    >>> read_verdict({"allow": 1, "determining": [], "obligations": []})
    Traceback (most recent call last):
    intent.errors.EngineError: the answer does not fit: allow: Input should be a valid boolean
    """
    try:
        answer = _Answer.model_validate(value)
    except ValidationError as error:
        raise _unfit(error) from error
    return verdict(answer.allow, answer.determining, map(_obligation, answer.obligations))


def read_obligations(value: object) -> tuple[Obligation, ...]:
    """Read a list of ``{"id", "type", "properties"}``, as AuthZEN's obligations draft writes it.

    Raises
    ------
    EngineError
        On anything else, such as a type that nobody here could carry out.
    """
    try:
        return tuple(map(_obligation, _DUTIES.validate_python(value)))
    except ValidationError as error:
        raise _unfit(error) from error


def verdict(allowed: bool, determining: Iterable[str], obligations: Iterable[Obligation]) -> Verdict:
    """Put a verdict in order: each duty once, by its id; of a denial only what is carried out on denial.

    Raises
    ------
    EngineError
        If one id names two different duties.
    """
    duties: dict[str, Obligation] = {}
    for duty in obligations:
        if duties.setdefault(duty.id, duty) != duty:
            raise EngineError("two different obligations have the same id")
    bound = tuple(duties[name] for name in sorted(duties) if allowed or duties[name].type in ON_DENIAL)
    return Verdict(allowed, bound, tuple(sorted(set(determining))))


def _obligation(duty: _Duty) -> Obligation:
    return Obligation(duty.id, duty.type, duty.properties)


def _unfit(error: ValidationError) -> EngineError:
    where, rule = first_fault(error, "answer")
    return EngineError(f"the answer does not fit: {where}: {rule}")
