"""Texts that a Python program hands to a shell or a database, as far as they are written out; what is filled in stands as a variable."""

from __future__ import annotations

import ast
import re
import shlex
from dataclasses import dataclass

from intent.evidence.languages.names import Names

_MAX_DEPTH = 8
_STATEMENT = re.compile(
    r"(?i)\s*(?:--[^\n]*\n\s*|\(\s*|/\*.*?\*/\s*)*(select|insert|update|delete|drop|create|alter|truncate|with|pragma|show|explain|grant|revoke|merge|replace|call|exec|begin|commit|vacuum|attach|copy|describe|set|use|values|analyze|load)\b"
)


@dataclass(frozen=True, slots=True)
class Text:
    """A text of a program; ``whole`` is False where something is filled in, written as ``$v``."""

    text: str
    whole: bool = True


def is_statement(text: str) -> bool:
    """Whether a text opens like SQL."""
    return bool(_STATEMENT.match(text))


def literal_text(node: ast.expr, names: Names, depth: int = 0) -> Text | None:
    """The text of an expression: a literal, a concatenation, an f-string, a name bound once; None where none of it is known."""
    if depth > _MAX_DEPTH:
        return None
    match node:
        case ast.Constant(value=str(value) | bytes(value)):
            return Text(value if isinstance(value, str) else value.decode("utf-8", "replace"))
        case ast.JoinedStr(values=parts):
            return _joined([literal_text(part, names, depth + 1) if isinstance(part, ast.Constant) else None for part in parts])
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _joined([literal_text(left, names, depth + 1), literal_text(right, names, depth + 1)])
        case ast.BinOp(left=left, op=ast.Mod()) | ast.Call(func=ast.Attribute(value=left, attr="format")):
            text = literal_text(left, names, depth + 1)
            return None if text is None else Text(re.sub(r"%[sdr]|\{[^{}]*\}", "$v", text.text), whole=False)
        case ast.Call(func=ast.Name(id="text") | ast.Attribute(attr="text"), args=[only]):
            return literal_text(only, names, depth + 1)
        case ast.Name(id=name) if len(names.values(name)) == 1 and name not in names.parameters:
            return literal_text(names.values(name)[0], names, depth + 1)
        case _:
            return None


def command_text(node: ast.expr, names: Names) -> str | None:
    """The command of an expression that is a text or a list of words."""
    if isinstance(node, ast.Name) and len(names.values(node.id)) == 1 and node.id not in names.parameters:
        node = names.values(node.id)[0]
    if isinstance(node, ast.List | ast.Tuple):
        return " ".join(_word(item, names) for item in node.elts)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "split" and not node.args:
        node = node.func.value
    text = literal_text(node, names)
    return None if text is None else text.text


def _word(node: ast.expr, names: Names) -> str:
    text = literal_text(node, names)
    if text is None:
        return '"$v"'
    return shlex.quote(text.text) if text.whole else f'"{text.text}"'


def _joined(parts: list[Text | None]) -> Text | None:
    if not any(part is not None for part in parts):
        return None
    return Text("".join("$v" if part is None else part.text for part in parts), all(part is not None and part.whole for part in parts))
