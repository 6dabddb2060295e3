"""The bytes that stand for an event, and digests and shapes that stand for what must not be kept."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import rfc8785
from pydantic import JsonValue, ValidationError

from intent.audit.event import CallRecord, Event
from intent.errors import AuditError
from intent.schema import ToolCall

MAX_EVENT_BYTES = 4 << 20
MAX_COLUMN = 256
_SAFE_INTEGER = 2**53 - 1
_MAX_DEPTH, _MAX_MEMBERS, _MAX_ITEMS, _MAX_NAME = 4, 32, 8, 64


def canonical(value: object) -> bytes:
    """Canonical JSON (RFC 8785); an integer beyond 2^53, which has no canonical form there, as its decimal digits in a string.

    Raises
    ------
    AuditError
        On a value that JSON does not have: not a number, a lone surrogate, nesting without end.

    Examples
    --------
    >>> canonical({"b": 1.0, "a": 2**60})
    b'{"a":"1152921504606846976","b":1}'
    """
    try:
        try:
            return rfc8785.dumps(cast("Any", value))
        except rfc8785.IntegerDomainError:
            return rfc8785.dumps(cast("Any", _spelled(value)))
    except (ValueError, RecursionError) as error:
        raise AuditError(f"an event must have a canonical form: {str(error)[:120] or type(error).__name__}") from error


def event_bytes(event: Event) -> bytes:
    """The canonical bytes of an event: what the chain is made over.

    Raises
    ------
    AuditError
        If the event has none, passes `MAX_EVENT_BYTES`, or its time has no zone.
    """
    if event.at.tzinfo is None:
        raise AuditError("the time of an event must have a zone")
    try:
        body = canonical(event.model_dump(mode="json"))
    except (ValueError, TypeError, RecursionError) as error:
        raise AuditError(f"an event must be JSON: {type(error).__name__}") from error
    if len(body) > MAX_EVENT_BYTES:
        raise AuditError(f"an event must be at most {MAX_EVENT_BYTES} bytes, got {len(body)}")
    return body


def event_of(body: bytes) -> Event:
    """The event of canonical bytes.

    Raises
    ------
    AuditError
        If they are none.
    """
    try:
        return Event.model_validate_json(body)
    except ValidationError as error:
        raise AuditError("a recorded event must fit the record") from error


def columns(body: bytes) -> dict[str, str | int]:
    """What a store is searched by, derived from the bytes of an event alone; members that this version does not know do not matter.

    Raises
    ------
    AuditError
        If the bytes are no event.
    """
    try:
        event: dict[str, Any] = json.loads(body)
        texts = {name: _text(event[name]) for name in ("id", "kind", "decision_id", "subject", "agent", "session")}
        return {
            **{name: searchable(text) for name, text in texts.items()},
            "at": timestamp(datetime.fromisoformat(event["at"])),
            "intent": _without_null(_text(event["judgement"]["intent"]) if event["judgement"] else ""),
            "reads": _without_null(_text(event["reads"])),
            "sensitivity": _without_null(_text(event["sensitivity"])),
            "allowed": int(event["allowed"]),
        }
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise AuditError("a recorded event must have the members of one") from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text")
    return value


def searchable(text: str) -> str:
    r"""A text as a column holds it: itself, or its digest where it is long or has characters that some database refuses.

    >>> searchable("session-1"), searchable("a\0b")[:14]
    ('session-1', 'sha256:59b271a')
    """
    if len(text) <= MAX_COLUMN and "\0" not in text and not text.startswith("sha256:"):
        return text
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _without_null(text: str) -> str:
    """A text that every database takes; whole, because policies read it."""
    return text.replace("\0", "\ufffd")


def timestamp(at: datetime) -> str:
    """A time in UTC to the microsecond, in a form whose order is that of time.

    >>> timestamp(datetime(2026, 1, 2, tzinfo=UTC))
    '2026-01-02T00:00:00.000000Z'
    """
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def call_record(call: ToolCall, key: bytes, *, definition: str = "", raw: bool = False) -> CallRecord:
    """A call without its content.

    Parameters
    ----------
    key
        Secret of the digests: without it nobody can try out what a short request was.
    definition
        Digest of the tool's definition, where it was read.
    raw
        Keep the whole call as well.
    """
    return CallRecord(
        tool=call.tool.name if call.tool else "",
        server=(call.tool.server or "") if call.tool else "",
        definition=definition,
        request_hmac=None if call.request is None else request_hmac(key, call.request),
        arguments_hmac=None if call.arguments is None else arguments_hmac(key, call.arguments),
        shape=None if call.arguments is None else shape(call.arguments),
        raw=json.dumps(call.model_dump(mode="json", exclude_none=True), ensure_ascii=False) if raw else None,
    )


def request_hmac(key: bytes, request: str) -> str:
    """HMAC-SHA-256 of a request, in hexadecimal."""
    return hmac.digest(key, b"request\0" + request.encode("utf-8", "surrogatepass"), "sha256").hex()


def arguments_hmac(key: bytes, arguments: Mapping[str, JsonValue]) -> str:
    """HMAC-SHA-256 of the canonical arguments, in hexadecimal: equal for equal arguments in any order of names.

    Raises
    ------
    AuditError
        If the arguments are no JSON.
    """
    return hmac.digest(key, b"arguments\0" + canonical(dict(arguments)), "sha256").hex()


def shape(value: JsonValue, depth: int = 0) -> JsonValue:
    """Names, types and lengths of a JSON value without any value; capped in depth, members, items and length of names.

    >>> shape({"path": "/etc/passwd", "lines": [1, 2]})["members"]["path"]
    {'type': 'string', 'length': 11}
    """
    if isinstance(value, str):
        return {"type": "string", "length": len(value)}
    if isinstance(value, Mapping):
        found: dict[str, JsonValue] = {"type": "object", "length": len(value)}
        if depth < _MAX_DEPTH:
            found["members"] = {_name(name): shape(value[name], depth + 1) for name in list(value)[:_MAX_MEMBERS]}
        return found
    if isinstance(value, list):
        items = [shape(item, depth + 1) for item in value[:_MAX_ITEMS]] if depth < _MAX_DEPTH else []
        return {"type": "array", "length": len(value), "items": cast("JsonValue", items)}
    return {"type": "null" if value is None else {bool: "boolean", int: "integer", float: "number"}[type(value)]}


def _name(name: str) -> str:
    return name[:_MAX_NAME].encode("utf-8", "replace").decode("utf-8")


def _spelled(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _spelled(part) for name, part in cast("Mapping[str, object]", value).items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_spelled(part) for part in cast("Sequence[object]", value)]
    outside = isinstance(value, int) and not isinstance(value, bool) and abs(value) > _SAFE_INTEGER
    return str(value) if outside else value
