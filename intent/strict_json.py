"""Strict JSON: no duplicate keys, no NaN, no lone surrogates, no deep nesting, no surprise in size or time."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn, cast

from intent.errors import MalformedJson, TooLarge

MAX_DEPTH = 64
_MAX_DIGITS = 400
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def loads(text: str | bytes, *, max_bytes: int, where: str = "input", max_depth: int = MAX_DEPTH) -> Any:
    """Parse one JSON value.

    Raises
    ------
    TooLarge
        If the text passes ``max_bytes`` or nests deeper than ``max_depth``.
    MalformedJson
        If it is not UTF-8, not JSON, or says one thing twice.
    """
    size = len(text) if isinstance(text, bytes) else len(text.encode("utf-8", "surrogatepass"))
    if size > max_bytes:
        raise TooLarge(where, max_bytes)
    try:
        decoded = text.decode("utf-8") if isinstance(text, bytes) else text
    except UnicodeDecodeError as error:
        raise MalformedJson(f"bytes that are not UTF-8 at offset {error.start}") from error
    _refuse_depth(decoded, where, max_depth)
    try:
        value = json.loads(decoded, object_pairs_hook=_refuse_duplicates, parse_constant=_refuse_constant, parse_int=_bounded_int)
    except MalformedJson:
        raise
    except (ValueError, RecursionError) as error:
        raise MalformedJson(_first_line(error)) from error
    _refuse_surrogates(value)
    return value


def _refuse_depth(text: str, where: str, max_depth: int) -> None:
    if text.count("[") + text.count("{") <= max_depth:
        return
    depth = 0
    for match in _BRACKETS.finditer(text):
        mark = match.group()
        if mark in "[{":
            depth += 1
            if depth > max_depth:
                raise TooLarge(where, max_depth, "levels deep")
        elif mark in "]}":
            depth -= 1


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise MalformedJson(f"the key {twice[:40]!r} twice in one object")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedJson(f"the constant {name}, which JSON does not have")


def _bounded_int(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise MalformedJson(f"an integer of {len(digits)} digits")
    return int(digits)


def _refuse_surrogates(value: object) -> None:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            if not item.isascii() and any("\ud800" <= mark <= "\udfff" for mark in item):
                raise MalformedJson("a lone surrogate")
        elif isinstance(item, dict):
            found = cast("dict[str, object]", item)
            stack.extend((*found, *found.values()))
        elif isinstance(item, list):
            stack.extend(cast("list[object]", item))


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__
