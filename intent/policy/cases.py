"""Test cases of a policy set: an input that differs from the example in what the case names, and the answer that it must get.

::

    [[case]]
    name = "nobody exports after a restricted read"
    allow = false
    determining = ["export-after-restricted-read"]
    obligations = []
    [case.input]
    action.properties.intent = "export"
    context.session.read_sensitivity = "restricted"
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

from intent.errors import EngineError, PolicyError, first_fault
from intent.policy.engine import Engine
from intent.policy.input import DelegationFacts, Judgement, PolicyInput, Principal, SessionFacts, Target, example
from intent.policy.outcome import ObligationType
from intent.schema import Version

# What `PolicyInput.document` works out by itself, and so what a case gives by giving what it follows from.
_DERIVED = frozenset({"depth", "sensitivity_rank", "read_sensitivity_rank"})


class _Case(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(min_length=1)
    allow: bool
    obligations: list[str] = []
    determining: list[str] | None = None
    input: dict[str, Any] = {}


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    case: list[_Case] = []


@dataclass(frozen=True, slots=True)
class Case:
    """One input and its answer.

    Attributes
    ----------
    obligations
        Types of the obligations of the answer, sorted; no others may come.
    determining
        Names of the policies that decide, sorted; None where the case does not say.
    """

    name: str
    given: PolicyInput
    allow: bool
    obligations: tuple[str, ...] = ()
    determining: tuple[str, ...] | None = None

    def fault(self, engine: Engine) -> str:
        """What is wrong with an engine's answer; empty where nothing is. An engine that fails gives no answer, not even a denial."""
        try:
            verdict = engine.evaluate(self.given)
        except EngineError as error:
            return f"the engine gave no answer: {error}"
        kinds = tuple(sorted(obligation.type for obligation in verdict.obligations))
        if verdict.allowed != self.allow:
            return f"must be {_word(self.allow)}, got {_word(verdict.allowed)} by {_listed(verdict.determining)}"
        if kinds != self.obligations:
            return f"must have the obligations {_listed(self.obligations)}, got {_listed(kinds)}"
        if self.determining is not None and verdict.determining != self.determining:
            return f"must be decided by {_listed(self.determining)}, got {_listed(verdict.determining)}"
        return ""


def parse(data: bytes, where: str = "cases") -> tuple[Case, ...]:
    """Read the cases of a TOML file.

    Raises
    ------
    PolicyError
        With the case and its fault: not TOML, a name twice, a field that the policy input does not have or cannot hold, an obligation
        that does not exist.
    """
    try:
        document = _Document.model_validate(tomllib.loads(data.decode("utf-8")))
    except ValidationError as error:
        raise PolicyError(f"{where}: {': '.join(first_fault(error, 'it'))}") from error
    except ValueError as error:
        raise PolicyError(f"{where}: {error}") from error
    names = [case.name for case in document.case]
    if twice := {name for name in names if names.count(name) > 1}:
        raise PolicyError(f"{where}: a name must be of one case, got {sorted(twice)[0]!r} twice")
    return tuple(_built(case, f"{where}: case {case.name!r}") for case in document.case)


def input_of(document: Mapping[str, Any]) -> PolicyInput:
    """The input whose document this is; the inverse of `PolicyInput.document`.

    Raises
    ------
    ValidationError
        If a field is missing or holds what it cannot hold.

    Examples
    --------
    >>> input_of(example().document()) == example()
    True
    """
    subject, action, resource, context = (document[key] for key in ("subject", "action", "resource", "context"))
    told = resource["properties"]
    return PolicyInput(
        principal=_PRINCIPAL.validate_python({"id": subject["id"], "type": subject["type"], **subject["properties"]}),
        delegation=_DELEGATION.validate_python(context["delegation"]),
        judgement=_JUDGEMENT.validate_python(action["properties"]),
        target=_TARGET.validate_python({"tool": resource["id"], "server": told["server"], "sensitivity": told["sensitivity"]}),
        session=_SESSION.validate_python(context["session"]),
        model=Version.model_validate(context["model"]),
        vocabulary=Version.model_validate(context["vocabulary"]),
    )


_PRINCIPAL, _DELEGATION, _JUDGEMENT = TypeAdapter(Principal), TypeAdapter(DelegationFacts), TypeAdapter(Judgement)
_TARGET, _SESSION = TypeAdapter(Target), TypeAdapter(SessionFacts)


def _built(case: _Case, where: str) -> Case:
    if strange := set(case.obligations) - set(ObligationType):
        raise PolicyError(f"{where}: an obligation must be one of {_listed(tuple(ObligationType))}, got {sorted(strange)[0]!r}")
    given = _given(case.input, where)
    determining = None if case.determining is None else tuple(sorted(case.determining))
    return Case(case.name, given, case.allow, tuple(sorted(case.obligations)), determining)


def _given(overrides: Mapping[str, Any], where: str) -> PolicyInput:
    document = _merged(example().document(), overrides, where)
    try:
        given = input_of(document)
        _require_same(given.document(), overrides, where)
    except ValidationError as error:
        raise PolicyError(f"{where}: {': '.join(first_fault(error, 'input'))}") from error
    except ValueError as error:
        raise PolicyError(f"{where}: {error}") from error
    return given


def _merged(base: Mapping[str, JsonValue], over: Mapping[str, Any], where: str) -> dict[str, JsonValue]:
    merged = dict(base)
    for key, value in over.items():
        if key not in base:
            raise PolicyError(f"{where}: {key} must be a field of the policy input")
        if key in _DERIVED:
            raise PolicyError(f"{where}: {key} follows from other fields and must not be given")
        old = base[key]
        if type(old) is not type(value):
            raise PolicyError(f"{where}: {key} must be {type(old).__name__}, got {type(value).__name__}")
        merged[key] = _merged(old, cast("Mapping[str, Any]", value), f"{where}: {key}") if isinstance(old, dict) else value
    return merged


def _require_same(document: Mapping[str, Any], over: Mapping[str, Any], where: str) -> None:
    """Refuse an override that the input does not carry on, such as the name of the action."""
    for key, value in over.items():
        if isinstance(value, dict):
            _require_same(document[key], cast("Mapping[str, Any]", value), f"{where}: {key}")
        elif document[key] != value:
            raise PolicyError(f"{where}: {key} must be {document[key]!r}")


def _word(allowed: bool) -> str:
    return "allowed" if allowed else "denied"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"
