"""Cedar in the process: validated before it may answer, and silent about nothing, because Cedar skips a policy that fails.

A forbid whose condition errs is left out by Cedar and the call is allowed. So the set is validated in strict mode, each request is
checked against the schema, and an answer that comes with an error is no answer.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, cast

import cedarpy
from pydantic import JsonValue

from intent.errors import EngineError, PolicyError
from intent.policy.annotations import NAME_OF_POLICY, duties, obligations_of
from intent.policy.input import PolicyInput
from intent.policy.outcome import Verdict

NAME = "cedar"
_cedarpy: Any = cedarpy  # its hints name a dict without saying of what
_END = re.compile(";")
PRINCIPAL, ACTION, RESOURCE = "Identity", "Action", "Tool"


class CedarEngine:
    """One Cedar policy set with its schema; immutable, and so safe between threads.

    Parameters
    ----------
    policies, schema
        In Cedar's own syntax.
    digest
        Of the set that they were read from; computed from both texts where it is not given.

    Raises
    ------
    PolicyError
        If either cannot be parsed, a policy does not fit the schema, has no ``@id`` or that of another, carries an annotation that
        is no obligation, or is a template, which would never apply.
    """

    name = NAME

    def __init__(self, policies: str, schema: str, *, digest: str | None = None) -> None:
        self.digest = digest or hashlib.sha256(b"\0".join(text.encode("utf-8", "replace") for text in (policies, schema))).hexdigest()
        self._schema = _parsed_schema(schema)
        annotations = _annotations(policies)
        names = _names(annotations)
        _validate(policies, self._schema, names)
        self._obligations = {names[key]: obligations_of(names[key], found) for key, found in annotations.items()}
        self._policies = cedarpy.PolicySet.from_str(policies)

    @property
    def policies(self) -> tuple[str, ...]:
        """Names of the policies, in the order of the text."""
        return tuple(self._obligations)

    def evaluate(self, given: PolicyInput) -> Verdict:
        """Answer one input.

        Raises
        ------
        EngineError
            If the input does not fit the schema, a policy erred, or Cedar did not decide.
        """
        try:
            document = given.document()
        except (AttributeError, TypeError, ValueError) as error:
            raise EngineError(f"cedar: the input has no document: {type(error).__name__}") from error
        return self.decide(document)

    def decide(self, document: Mapping[str, JsonValue]) -> Verdict:
        """Answer an input in the form of `PolicyInput.document`; raises as `evaluate` does."""
        try:
            request, entities = _asked(document)
            answer = _cedarpy.is_authorized(request, self._policies, entities, self._schema)
            decision, errors, names = answer.decision, list(answer.diagnostics.errors), _determining(answer.diagnostics)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic in Rust is no Exception, and must not be the end of the process either
            raise EngineError(f"cedar: the request could not be asked: {type(error).__name__}") from error
        if errors or decision is cedarpy.Decision.NoDecision:
            raise EngineError(f"cedar: {_without_values(errors)}")
        return self._verdict(decision is cedarpy.Decision.Allow, names)

    def _verdict(self, allowed: bool, determining: list[str]) -> Verdict:
        if allowed and not determining:
            raise EngineError("cedar: a call was allowed by no policy")
        if not all(name in self._obligations for name in determining):
            raise EngineError("cedar: an unknown policy decided")
        found = [obligation for name in determining for obligation in self._obligations[name]]
        return Verdict(allowed, duties(found, allowed=allowed), tuple(determining))


def _parsed_schema(text: str) -> cedarpy.Schema:
    try:
        return cedarpy.Schema.from_str(text)
    except ValueError as error:
        raise PolicyError(f"schema: {error}") from error


def _annotations(policies: str) -> dict[str, dict[str, str]]:
    """Annotations by Cedar's own id of each policy, in the order of the text."""
    try:
        document = cast("dict[str, Any]", json.loads(cedarpy.policies_to_json_str(policies)))
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"policies: after line {_read_until(policies)}: {error}") from error
    if document["templates"]:
        raise PolicyError(f"policies: a policy must have no slots, got {len(document['templates'])} with ?principal or ?resource")
    if not document["staticPolicies"]:
        raise PolicyError("policies: a set must hold a policy, got none")
    found: dict[str, dict[str, Any]] = document["staticPolicies"]
    ordered = sorted(found, key=lambda key: int(key.removeprefix("policy")))
    return {key: {name: value or "" for name, value in found[key].get("annotations", {}).items()} for key in ordered}


def _read_until(policies: str) -> int:
    """The last line of the text that belongs to a policy that can be parsed: Cedar says what is wrong, and not where."""
    start = 0
    for end in (match.end() for match in _END.finditer(policies)):
        try:
            cedarpy.PolicySet.from_str(policies[start:end])
        except ValueError:
            continue
        start = end
    return policies.count("\n", 0, start) + bool(start)


def _names(annotations: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    names: dict[str, str] = {}
    for place, (key, found) in enumerate(annotations.items(), 1):
        name = found.get(NAME_OF_POLICY, "")
        if not name or not name.isprintable():
            raise PolicyError(f"policies: number {place} must have an @id that can be printed, got {name!r}")
        if name in names.values():
            raise PolicyError(f"policies: an @id must name one policy, got {name!r} twice")
        names[key] = name
    return names


def _validate(policies: str, schema: cedarpy.Schema, names: Mapping[str, str]) -> None:
    result = _cedarpy.validate_policies(policies, schema)
    if result.validation_passed:
        return
    faults = [f"policy {names.get(fault.policy_id, fault.policy_id)!r}: {fault.error}" for fault in result.errors]
    raise PolicyError("; ".join(faults) or "policies: not valid")


def _asked(document: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Cedar's request and entities; actions have no attributes there, so those of ours go into the context."""
    subject, action, resource = document["subject"], document["action"], document["resource"]
    principal, target = {"type": PRINCIPAL, "id": subject["id"]}, {"type": RESOURCE, "id": resource["id"]}
    request: dict[str, Any] = {
        "principal": principal,
        "action": {"type": ACTION, "id": action["name"]},
        "resource": target,
        "context": {"action": action["properties"], **document["context"]},
    }
    entities: list[dict[str, Any]] = [
        {"uid": uid, "attrs": {"type": record["type"], **record["properties"]}, "parents": []}
        for uid, record in ((principal, subject), (target, resource))
    ]
    return request, entities


def _determining(diagnostics: Any) -> list[str]:
    """Names of the policies that decided, sorted; an empty one for a policy that Cedar does not name."""
    names = diagnostics.id_annotations_by_reason
    return sorted(str(names.get(key, "")) for key in diagnostics.reasons)


def _without_values(errors: list[str]) -> str:
    """What went wrong, cut before Cedar shows the request, which may be private."""
    return errors[0].partition(":")[0].partition("\n")[0] if errors else "no decision"
