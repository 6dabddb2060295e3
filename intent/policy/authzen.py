"""Any policy decision point that speaks AuthZEN 1.0 over HTTP; a decision that is not a JSON boolean is an error."""

from __future__ import annotations

import secrets

from pydantic import JsonValue

from intent.errors import EngineError
from intent.policy.answer import read_obligations, verdict
from intent.policy.input import PolicyInput
from intent.policy.outcome import Verdict
from intent.policy.remote import RemoteEngine

PATH = "/access/v1/evaluation"
REQUEST_ID = "X-Request-ID"


class AuthZenEngine(RemoteEngine):
    """A policy decision point at an address.

    Parameters
    ----------
    url
        Address that the paths of AuthZEN are below.
    token, timeout_s, ca_file
        As `Remote` takes them.
    """

    name = "authzen"

    def evaluate(self, given: PolicyInput) -> Verdict:
        """Answer one input; which policies decided is not told by AuthZEN.

        Raises
        ------
        EngineError
            As `Remote.post`; if the answer bears another request identifier or none; if ``decision`` is not a boolean; and on an obligation
            that does not fit, such as one of an unknown type, which nobody could carry out.
        """
        asked = secrets.token_hex(16)
        reply = self._remote.post(PATH, given.document(), {REQUEST_ID: asked})
        if reply.headers.get(REQUEST_ID.lower()) != asked:
            raise EngineError(f"authzen: the answer must bear the {REQUEST_ID} of its request")
        decision, context = read_decision(reply.document)
        return verdict(decision, (), read_obligations(context.get("obligations", [])))


def read_decision(document: dict[str, JsonValue]) -> tuple[bool, dict[str, JsonValue]]:
    """The decision and the context of an access evaluation response; an empty context where there is none.

    Raises
    ------
    EngineError
        If ``decision`` is not a boolean or ``context`` is not an object.

    Examples
    --------
    >>> read_decision({"decision": False})
    (False, {})
    >>> read_decision({"decision": "true"})
    Traceback (most recent call last):
    intent.errors.EngineError: the answer does not fit: decision must be true or false
    """
    decision, context = document.get("decision"), document.get("context", {})
    if not isinstance(decision, bool):
        raise EngineError("the answer does not fit: decision must be true or false")
    if not isinstance(context, dict):
        raise EngineError("the answer does not fit: context must be an object")
    return decision, context
