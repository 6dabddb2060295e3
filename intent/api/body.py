"""The body, read by hand: capped while it streams, timed, and parsed as strict JSON into the records of the contract."""

from __future__ import annotations

from email.message import Message
from typing import TYPE_CHECKING, Any, NoReturn

import anyio
from anyio import to_thread

from intent import strict_json
from intent.api.problems import ProblemCode, ProblemError
from intent.errors import InvalidCall, MalformedJson, TooLarge
from intent.schema import ToolCall

if TYPE_CHECKING:
    from starlette.requests import Request

    from intent.settings import Settings

_INLINE_BYTES = 16_384
_PLACES = frozenset(
    """
    call calls id request tool name description input_schema annotations server arguments context
    subject action resource properties type evaluations options evaluations_semantic
    session_id hook_event_name tool_name tool_input
    """.split()
)
_NOT_JSON = "The body must be one strict JSON value in UTF-8: no key twice in an object, no NaN or Infinity, no lone surrogate."


async def read(request: Request, *, max_bytes: int, timeout_s: float) -> bytes:
    """Read the whole body.

    Raises
    ------
    ProblemError
        ``too_large`` as soon as the announced or the received length passes ``max_bytes``; ``request_timeout`` after ``timeout_s``;
        ``unsupported_media_type`` for an encoded (compressed) body.
    """
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise ProblemError(ProblemCode.UNSUPPORTED_MEDIA_TYPE, "The body must not be compressed.")
    announced = request.headers.get("content-length", "0")
    if not announced.isascii() or not announced.isdecimal() or len(announced) > 15 or int(announced) > max_bytes:
        _refuse_size(max_bytes)
    parts = bytearray()
    try:
        with anyio.fail_after(timeout_s):
            async for part in request.stream():
                parts += part
                if len(parts) > max_bytes:
                    _refuse_size(max_bytes)
    except TimeoutError:
        raise ProblemError(ProblemCode.REQUEST_TIMEOUT, headers={"Connection": "close"}) from None
    return bytes(parts)


def _refuse_size(max_bytes: int) -> NoReturn:
    raise ProblemError(ProblemCode.TOO_LARGE, f"The body must be at most {max_bytes} bytes.", {"Connection": "close"})


def media_type(request: Request) -> tuple[str, str]:
    """Type and charset of the body, lower case; the charset is ``utf-8`` where none is named."""
    header = Message()
    header["Content-Type"] = request.headers.get("content-type", "application/octet-stream")
    return header.get_content_type(), str(header.get_param("charset") or "utf-8").lower()


async def json_value(request: Request, settings: Settings) -> Any:
    """Read and parse a JSON body.

    Raises
    ------
    ProblemError
        ``unsupported_media_type``, ``too_large`` (bytes or depth), ``request_timeout`` or ``malformed_json``.
    """
    kind, charset = media_type(request)
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise ProblemError(ProblemCode.UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json.")
    if charset not in ("utf-8", "utf8"):
        raise ProblemError(ProblemCode.UNSUPPORTED_MEDIA_TYPE, "The charset must be utf-8.")
    raw = await read(request, max_bytes=settings.max_body_bytes, timeout_s=settings.body_timeout_s)
    return await parse(raw, settings.max_body_bytes)


async def parse(raw: bytes | str, max_bytes: int) -> Any:
    """Strict JSON from a text; a long one is parsed in a worker thread, so that it does not hold up the others.

    Raises
    ------
    ProblemError
        ``malformed_json`` or ``too_large``.
    """
    try:
        if len(raw) <= _INLINE_BYTES:
            return strict_json.loads(raw, max_bytes=max_bytes, where="body")
        return await to_thread.run_sync(lambda: strict_json.loads(raw, max_bytes=max_bytes, where="body"))
    except TooLarge as error:
        unit = "bytes" if error.limit == max_bytes else "levels deep"
        raise ProblemError(ProblemCode.TOO_LARGE, f"The body must be at most {error.limit} {unit}.") from None
    except MalformedJson:
        raise ProblemError(ProblemCode.MALFORMED_JSON, _NOT_JSON) from None


def call_of(value: object) -> ToolCall:
    """One call from parsed JSON.

    Raises
    ------
    ProblemError
        ``invalid_call``, with the field of the contract that is at fault.
    """
    try:
        return ToolCall.parse(value)
    except InvalidCall as error:
        raise ProblemError(ProblemCode.INVALID_CALL, sentence_of(error, "call")) from None


def sentence_of(error: InvalidCall, whole: str) -> str:
    """What is wrong with an input, without any part of it; ``whole`` names the input itself."""
    return f"{_place(error.where, whole)}{str(error).removeprefix(error.where)}."


def _place(where: str, whole: str) -> str:
    """The path of a fault, cut at the first key that is the client's own."""
    known: list[str] = []
    for part in where.split("."):
        if part not in _PLACES:
            break
        known.append(part)
    return ".".join(known) or whole


def calls_of(value: object, max_batch: int) -> list[object]:
    """The items of a batch, as they came: each is judged, or refused, in its own place.

    Raises
    ------
    ProblemError
        ``invalid_call`` where there is no list ``calls``; ``too_large`` where it has more than ``max_batch`` items.
    """
    calls: object = value.get("calls") if isinstance(value, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - parsed JSON
    if not isinstance(calls, list):
        raise ProblemError(ProblemCode.INVALID_CALL, 'The body must be an object with a list "calls".')
    if len(calls) > max_batch:  # pyright: ignore[reportUnknownArgumentType] - parsed JSON
        raise ProblemError(ProblemCode.TOO_LARGE, f"calls must have at most {max_batch} items.")
    return calls  # pyright: ignore[reportUnknownVariableType] - parsed JSON
