"""Cerbos through its AuthZEN endpoint: what a call did and where it came from is told among the resource's attributes, duties are outputs.

Cerbos gives its policies neither the properties of an action nor the context, and it answers without the request's ``X-Request-ID``; it
repeats ``cerbos.requestId`` instead. A rule whose condition fails, as on a missing attribute, is skipped; so a rule that permits must have
an output, the attributes are described by a schema that Cerbos enforces, and an attribute that breaks it is an error here.
"""

from __future__ import annotations

import secrets
from typing import Annotated, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from intent.errors import EngineError, first_fault
from intent.policy.answer import read_obligations, verdict
from intent.policy.authzen import PATH, read_decision
from intent.policy.input import PolicyInput
from intent.policy.outcome import Verdict
from intent.policy.remote import RemoteEngine
from intent.policy.request import TOOLS_CALL

_ALLOW, _DENY = "EFFECT_ALLOW", "EFFECT_DENY"


class _Record(BaseModel):
    """Members that we do not read are passed over; those that we read are never converted."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, populate_by_name=True)


class _Said(_Record):
    """What a rule says of itself: its effect, because rules of both effects may match, and its duties; nothing else, misspelled perhaps."""

    model_config = ConfigDict(extra="forbid")

    allow: bool
    obligations: list[JsonValue]


class _Output(_Record):
    src: str
    val: _Said
    error: Literal[""] = ""


class _Result(_Record):
    actions: dict[str, str]
    outputs: list[_Output] = Field(default_factory=list[_Output])
    validation_errors: Annotated[list[JsonValue], Field(alias="validationErrors", max_length=0)] = Field(default_factory=list[JsonValue])


class _Response(_Record):
    request_id: Annotated[str, Field(alias="requestId")]
    results: Annotated[list[_Result], Field(min_length=1, max_length=1)]


class CerbosEngine(RemoteEngine):
    """A Cerbos server with a resource policy for ``tool``, as in ``intent/policy/default_cerbos``.

    Parameters
    ----------
    url
        Address of its HTTP listener, such as ``http://127.0.0.1:3592``.
    token, timeout_s, ca_file
        As `Remote` takes them.
    """

    name = "cerbos"

    def evaluate(self, given: PolicyInput) -> Verdict:
        """Answer one input; the determining policies are the names of the rules that had an output.

        Raises
        ------
        EngineError
            As `Remote.post`; on an answer to another request or of another shape; on attributes that break the schema; on a permit without
            the output of a rule; and on an output that failed or does not fit.
        """
        asked = secrets.token_hex(16)
        decision, context = read_decision(self._remote.post(PATH, request_of(given, asked)).document)
        return _verdict(decision, _response(context.get("cerbos.response"), asked))


def request_of(given: PolicyInput, request_id: str) -> dict[str, JsonValue]:
    """The input as Cerbos can read it: ``R.attr.action`` and ``R.attr.context`` hold what it would not give to policies."""
    document = given.document()
    subject, action, resource, context = (_object(document[name]) for name in ("subject", "action", "resource", "context"))
    attributes: dict[str, JsonValue] = {**_object(resource["properties"]), "action": action["properties"], "context": context}
    return {
        "subject": subject,
        "action": {"name": action["name"]},
        "resource": {**resource, "properties": attributes},
        "context": {"cerbos.requestId": request_id, "cerbos.includeMeta": True},
    }


def _verdict(decision: bool, result: _Result) -> Verdict:
    if result.actions != {TOOLS_CALL: _ALLOW if decision else _DENY}:
        raise EngineError("cerbos: the decision and the effect differ")
    said = [output for output in result.outputs if output.val.allow == decision]
    if decision and len(said) != len(result.outputs):
        raise EngineError("cerbos: a rule that denies matched a permit")
    if decision and not said:
        raise EngineError("cerbos: a permit without the output of a rule, so its obligations are not known")
    duties = [duty for output in said for duty in read_obligations(output.val.obligations)]
    return verdict(decision, (output.src.rpartition("#")[2] for output in said), duties)


def _response(value: JsonValue, asked: str) -> _Result:
    try:
        response = _Response.model_validate(value)
    except ValidationError as error:
        where, rule = first_fault(error, "cerbos.response")
        raise EngineError(f"cerbos: the answer does not fit: {where}: {rule}") from error
    if response.request_id != asked:
        raise EngineError("cerbos: the answer is one to another request")
    return response.results[0]


def _object(value: JsonValue) -> dict[str, JsonValue]:
    """A part of the input document, which is an object by its making."""
    return cast("dict[str, JsonValue]", value)
