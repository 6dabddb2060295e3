"""Carries out what an answer is bound to; whatever cannot be carried out is `Unfulfilled`, and the call is denied or its result withheld."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

import anyio
import anyio.to_thread
from pydantic import JsonValue

from intent.gateway.call import Call
from intent.gateway.masking import Mask, Result, Unmaskable, masked_result, size_bytes
from intent.policy.outcome import Obligation, ObligationType
from intent.secrets import mask_secrets
from intent.visible import marked

log = logging.getLogger(__name__)

_MAX_MESSAGE = 1000
_MAX_WINDOWS = 65_536


class Unfulfilled(Exception):
    """An obligation that could not be carried out."""


class Terminates(Protocol):
    """What ends a session elsewhere too, such as the store of delegations."""

    def __call__(self, session: str, /) -> object:
        """End a session; any error means that it was not ended."""
        ...


class Duties:
    """Carries out obligations other than step-up.

    Parameters
    ----------
    end_session
        Ends a session here: every later call of it is denied.
    terminate
        Ends it elsewhere too; None: there is no elsewhere.
    webhook
        Address that notifications are posted to as JSON; None: they are log lines only.
    webhook_timeout_s
        Longest time for one notification, in seconds.
    clock
        Monotonic seconds; injected.
    """

    def __init__(
        self,
        end_session: Callable[[str], None],
        *,
        terminate: Terminates | None = None,
        webhook: str | None = None,
        webhook_timeout_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._end_session = end_session
        self._terminate = terminate
        self._webhook = webhook
        self._webhook_timeout_s = webhook_timeout_s
        self._clock = clock
        self._calls: dict[tuple[str, str], deque[float]] = {}

    supported = (ObligationType.MASK, ObligationType.LIMIT, ObligationType.NOTIFICATION, ObligationType.SESSION_TERMINATION)

    async def before(self, duty: Obligation, call: Call) -> None:
        """Do what must be done before a call.

        Raises
        ------
        Unfulfilled
            If it cannot be done, or an obligation on the result could not be carried out for want of a clear order.
        """
        match duty.type:
            case ObligationType.NOTIFICATION:
                await self._notify(duty, call)
            case ObligationType.SESSION_TERMINATION:
                await self._end(call)
            case ObligationType.LIMIT:
                self._count(duty, call)
            case ObligationType.MASK:
                _mask(duty)
            case ObligationType.STEP_UP:
                raise Unfulfilled("a step-up is a matter of consent")

    def after(self, duty: Obligation, result: Result) -> Result:
        """The result as it may be delivered.

        Raises
        ------
        Unfulfilled
            If it must be withheld.
        """
        if duty.type is ObligationType.MASK:
            try:
                return masked_result(result, _mask(duty))
            except Unmaskable as error:
                raise Unfulfilled(str(error)) from error
        if duty.type is ObligationType.LIMIT:
            most = _whole(duty.properties, "result_bytes")
            if most is not None and size_bytes(result) > most:
                raise Unfulfilled(f"the result is longer than {most} bytes")
        return result

    async def _notify(self, duty: Obligation, call: Call) -> None:
        told = {
            "channel": _word(duty, "channel"),
            "message": _word(duty, "message"),
            "obligation": duty.id,
            "server": call.tool.server or "",
            "tool": call.tool.name,
            "subject": call.caller.subject,
            "session": call.caller.session,
        }
        log.warning("notification: %s", " ".join(f"{name}={marked(text)!r}" for name, text in told.items()))
        if self._webhook is not None:
            await self._post(self._webhook, told)

    async def _post(self, address: str, told: Mapping[str, str]) -> None:
        import httpx

        try:
            async with httpx.AsyncClient(timeout=self._webhook_timeout_s, follow_redirects=False, trust_env=False) as client:
                with anyio.fail_after(self._webhook_timeout_s):
                    answer = await client.post(address, json=dict(told))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise Unfulfilled(f"the notification did not arrive: {type(error).__name__}") from error
        if not answer.is_success:
            raise Unfulfilled(f"the notification was answered with {answer.status_code}")

    async def _end(self, call: Call) -> None:
        if not call.caller.session:
            raise Unfulfilled("the call belongs to no session that could be ended")
        self._end_session(call.caller.session)
        if self._terminate is not None:
            try:
                await anyio.to_thread.run_sync(self._terminate, call.caller.session)
            except Exception as error:  # whatever ends sessions elsewhere is somebody else's code
                log.exception("a session could not be ended")
                raise Unfulfilled("the session could not be ended everywhere") from error

    def _count(self, duty: Obligation, call: Call) -> None:
        most, window_s = _whole(duty.properties, "calls"), _whole(duty.properties, "window_s")
        if (most is None) != (window_s is None) or (most is None and _whole(duty.properties, "result_bytes") is None):
            raise Unfulfilled("a limit must say calls and window_s, or result_bytes")
        if most is None or window_s is None:
            return
        now = self._clock()
        key = (call.caller.session or call.caller.subject, duty.id)
        if key not in self._calls and len(self._calls) >= _MAX_WINDOWS:
            raise Unfulfilled("too many sessions are counted at once")
        held = self._calls.setdefault(key, deque())
        while held and held[0] <= now - window_s:
            held.popleft()
        if len(held) >= most:
            raise Unfulfilled(f"more than {most} calls within {window_s} s")
        held.append(now)


def _mask(duty: Obligation) -> Mask:
    try:
        return Mask(duty.properties.get("fields"))
    except Unmaskable as error:
        raise Unfulfilled(str(error)) from error


def _word(duty: Obligation, name: str) -> str:
    found = duty.properties.get(name)
    return mask_secrets(found[:_MAX_MESSAGE])[0] if isinstance(found, str) else ""


def _whole(properties: Mapping[str, JsonValue], name: str) -> int | None:
    """A whole number that is not negative; policies may write it as a text."""
    found = properties.get(name)
    if found is None:
        return None
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) < 16:
        found = int(found)
    if isinstance(found, bool) or not isinstance(found, int) or found < 0:
        raise Unfulfilled(f"{name} must be a whole number")
    return found
