"""Step-up: the person in front of the client is shown the whole call and says yes or no; everything that is no yes is a no.

A connection of the handshake protocol is asked while the call waits. Since version 2026-07-28 there is no way back to the client: the call
is answered with the question, and comes again with the answer. An answer is good for one call, once, and for a short time.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import anyio
import mcp_types
from fastmcp.server.context import Context
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import JsonValue

from intent.decision_point.evaluation import Evaluation
from intent.gateway.call import Call
from intent.secrets import MASK, mask_secrets
from intent.visible import marked

QUESTION = "intent-step-up"
MAX_ARGUMENTS_SHOWN = 8000
_MAX_PENDING = 4096
_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"approve": {"type": "boolean", "title": "Allow this call", "default": True}},
}


@dataclass(frozen=True, slots=True)
class Pending:
    """A call that waits for its answer."""

    key: str
    answer: Evaluation
    until: float


class Consent:
    """Asks for approval.

    Parameters
    ----------
    timeout_s
        Longest wait for an answer, in seconds.
    clock, new_id
        Injected; ``clock`` gives monotonic seconds, ``new_id`` what nobody can guess.
    """

    def __init__(
        self,
        *,
        timeout_s: float = 120.0,
        clock: Callable[[], float] = time.monotonic,
        new_id: Callable[[], str] = lambda: secrets.token_urlsafe(32),
    ) -> None:
        self._timeout_s = timeout_s
        self._clock = clock
        self._new_id = new_id
        self._pending: dict[str, Pending] = {}

    @staticmethod
    def possible(ctx: Context) -> bool:
        """Whether the client of this call has declared that it can put a form to its user."""
        about = ctx.request_context
        capabilities = about.session.client_capabilities if about is not None else None
        elicitation = capabilities.elicitation if capabilities is not None else None
        return elicitation is not None and (elicitation.form is not None or elicitation.url is None)

    @staticmethod
    def deferred(ctx: Context) -> bool:
        """Whether the answer must come with a second call."""
        about = ctx.request_context
        return about is not None and about.protocol_version in MODERN_PROTOCOL_VERSIONS

    async def asked(self, ctx: Context, text: str) -> str:
        """Ask and wait; an empty text is a yes, any other says why not."""
        about = ctx.request_context
        if about is None or not self.possible(ctx):
            return "the client cannot ask its user"
        try:
            with anyio.fail_after(self._timeout_s):
                found = await about.session.elicit_form(text, _SCHEMA, related_request_id=ctx.request_id)
        except TimeoutError:
            return f"nobody answered within {self._timeout_s:g} s"
        return _refused(found)

    def question(self, call: Call, answer: Evaluation, text: str) -> mcp_types.InputRequiredResult:
        """What a call is answered with that must come again; the call waits under a name of its own."""
        now = self._clock()
        # In order of their age, since all wait equally long.
        while self._pending and (len(self._pending) >= _MAX_PENDING or next(iter(self._pending.values())).until <= now):
            del self._pending[next(iter(self._pending))]
        name = self._new_id()
        self._pending[name] = Pending(call.key, answer, now + self._timeout_s)
        params = mcp_types.ElicitRequestFormParams(message=text, requested_schema=_SCHEMA)
        return mcp_types.InputRequiredResult(input_requests={QUESTION: mcp_types.ElicitRequest(params=params)}, request_state=name)

    def resumed(self, ctx: Context, call: Call) -> tuple[Evaluation, str] | None:
        """The decision on a call that has come again, and why not (empty: a yes); None for a call that comes for the first time.

        Raises
        ------
        LookupError
            If it brings an answer to a question that was never asked about this very call, was answered already, or is too old.
        """
        state, responses = ctx.request_state, ctx.input_responses
        if state is None and not responses:
            return None
        held = self._pending.pop(state or "", None)
        if held is None or held.key != call.key or held.until <= self._clock():
            raise LookupError("the answer belongs to no open question about this call")
        found = cast("Mapping[str, object]", responses or {}).get(QUESTION)
        return held.answer, _refused(found)


def question_text(call: Call, answer: Evaluation, messages: Sequence[str]) -> str:
    """What a person reads before deciding: nothing hidden, secrets masked, in a fixed order."""
    judged, tool = answer.decision, call.tool
    shown = json.dumps(_masked(call.arguments), ensure_ascii=False, sort_keys=True)
    rest = len(shown) - MAX_ARGUMENTS_SHOWN
    cut = shown[:MAX_ARGUMENTS_SHOWN] + (f" … and {rest} more characters" if rest > 0 else "")
    lines = [
        ("Allow this call?", ""),
        ("Server: ", tool.server or "unnamed"),
        ("Tool: ", tool.name),
        ("Intent: ", judged.intent),
        ("In the name of: ", call.caller.subject),
        ("Arguments: ", cut),
        *(("Why you are asked: ", message) for message in messages),
    ]
    return "\n".join(label + marked(text) for label, text in lines)


def _refused(found: object) -> str:
    if not isinstance(found, mcp_types.ElicitResult):
        return "the question was not answered"
    if found.action != "accept":
        return f"the user answered: {found.action}"
    return "" if (found.content or {}).get("approve", True) is True else "the user did not approve"


def _masked(value: JsonValue, key: str = "") -> JsonValue:
    if isinstance(value, dict):
        return {name: _masked(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_masked(item, key) for item in value]
    if not isinstance(value, str):
        return value
    # A password says what it is by its key.
    return MASK if key and mask_secrets(f"{key}={value}")[0] == f"{key}={MASK}" else mask_secrets(value)[0]
