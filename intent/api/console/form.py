"""The console's form: urlencoded text in, a call out, and back again; everything is kept as text until it is parsed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from intent.api import body
from intent.api.problems import ProblemCode, ProblemError
from intent.visible import is_hidden

if TYPE_CHECKING:
    from starlette.requests import Request

    from intent.schema import ToolCall
    from intent.settings import Settings

_MAX_FIELDS = 16


@dataclass(frozen=True, slots=True)
class Form:
    """What stands in the fields; the access token is never among it, so it cannot be shown again."""

    mode: str = "json"
    call: str = ""
    request: str = ""
    name: str = ""
    description: str = ""
    arguments: str = ""

    @classmethod
    def of_pairs(cls, pairs: dict[str, str]) -> Form:
        """From submitted fields; unknown ones are left aside."""
        known = {name: pairs.get(name, "").replace("\r\n", "\n") for name in ("call", "request", "name", "description", "arguments")}
        return cls(mode="fields" if pairs.get("mode") == "fields" else "json", **known)

    @classmethod
    def of_call(cls, call: dict[str, Any], mode: str = "json") -> Form:
        """Both ways of writing a call, filled from one that fits the contract."""
        tool: dict[str, Any] = call.get("tool") or {}
        arguments = call.get("arguments")
        return cls(
            mode=mode,
            call=_pretty(call),
            request=call.get("request") or "",
            name=tool.get("name") or "",
            description=tool.get("description") or "",
            arguments="" if arguments is None else _pretty(arguments),
        )

    async def to_call(self, max_bytes: int) -> ToolCall:
        """The call that the form says.

        Raises
        ------
        ProblemError
            ``malformed_json``, ``too_large`` or ``invalid_call``.
        """
        if self.mode == "json":
            return body.call_of(await body.parse(self.call, max_bytes))
        arguments = await body.parse(self.arguments, max_bytes) if self.arguments.strip() else None
        tool = {"name": self.name.strip(), "description": self.description or None} if self.name.strip() or self.description else None
        return body.call_of({"request": self.request or None, "tool": tool, "arguments": arguments})


async def submitted(request: Request, settings: Settings) -> dict[str, str]:
    """The submitted fields.

    Raises
    ------
    ProblemError
        As `intent.api.body.read`, and ``bad_request`` for what is not urlencoded UTF-8.
    """
    kind, _ = body.media_type(request)
    if kind != "application/x-www-form-urlencoded":
        raise ProblemError(ProblemCode.UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/x-www-form-urlencoded.")
    raw = await body.read(request, max_bytes=settings.max_body_bytes, timeout_s=settings.body_timeout_s)
    try:
        return dict(parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS))
    except ValueError:
        raise ProblemError(ProblemCode.BAD_REQUEST, "The form must be urlencoded UTF-8 with few fields.") from None


def _pretty(value: object) -> str:
    """JSON to read; characters that would not show are escaped, so that the field hides nothing."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return "".join(json.dumps(mark)[1:-1] if is_hidden(mark) else mark for mark in text)
