r"""Masks fields in what a server answers, in structured content and in text; what cannot be masked for certain is `Unmaskable`.

A field is matched by its whole name, whatever its case, and hidden characters in a name do not hide it. In text that is not JSON a field
must stand as ``name: value`` or ``name=value`` on one line. Where it labels a value in any other way, such as the head of a column, a tag
or the word before a number, the text is unmaskable, because nobody can say where the value ends; as a word of prose it is let be.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, cast

from fastmcp.prompts.base import PromptResult
from fastmcp.resources.base import ResourceResult
from fastmcp.tools.base import ToolResult
from pydantic import BaseModel

from intent import strict_json
from intent.errors import InvalidCall
from intent.secrets import mask_secrets
from intent.visible import is_hidden

MASKED = "[masked]"
MAX_TEXT_BYTES = 4 << 20
_MAX_DEPTH = 64
_MAX_FIELDS = 256
# A value that goes on in the next line: an open bracket, a YAML block, or nothing yet.
_OPEN_ENDED = re.compile(r"(?:[\[{(]|[|>][-+0-9]{0,2})?\s*,?\s*")
_SIGN = re.compile(r"""["'`*]{0,3}\s{0,8}[:=]\s{0,8}""")
# Cells of a table, a header or a heading; a field alone in one is the label of something that stands elsewhere.
_CELLS = re.compile(r"[,;|\t]")
_AROUND_CELL = " \t\"'`*#-"
_VALUE_FOLLOWS = re.compile(r"""["'`*\s]{1,8}(?:(?:is|was|are|->|\u2192)\s{1,8})?\S{0,64}\d""", re.IGNORECASE)
_Model = TypeVar("_Model", bound=BaseModel)
Result = ToolResult | ResourceResult | PromptResult


class Unmaskable(Exception):
    """A result in which a field cannot be masked for certain."""


class Mask:
    """Masks some fields.

    Parameters
    ----------
    fields
        Names of the fields to mask.

    Raises
    ------
    Unmaskable
        If the names are none, too many, or not names.

    Examples
    --------
    >>> Mask(["ssn"]).value({"SSN": 1, "name": "Ann", "note": "ssn: 123"})
    {'SSN': '[masked]', 'name': 'Ann', 'note': 'ssn: [masked]'}
    """

    def __init__(self, fields: object) -> None:
        if not isinstance(fields, list | tuple):
            raise Unmaskable("the fields to mask must be a list")
        names = [name for name in cast("Sequence[object]", fields) if isinstance(name, str) and _folded(name)]
        if not 0 < len(names) <= _MAX_FIELDS or len(names) != len(cast("Sequence[object]", fields)):
            raise Unmaskable(f"the fields to mask must be 1 to {_MAX_FIELDS} names")
        self._names = frozenset(map(_folded, names))
        anyone = "|".join(sorted(map(re.escape, self._names), key=len, reverse=True))
        self._mention = re.compile(rf"(?<![\w-])(?:{anyone})(?![\w-])")

    def value(self, value: Any, depth: int = 0) -> Any:
        """A JSON value with the fields masked, at every depth, and secrets with them.

        Raises
        ------
        Unmaskable
            If it nests too deeply, or holds a text that cannot be masked.
        """
        if depth > _MAX_DEPTH:
            raise Unmaskable(f"the result nests deeper than {_MAX_DEPTH} levels")
        if isinstance(value, dict):
            members = cast("dict[str, Any]", value)
            return {key: MASKED if _folded(key) in self._names else self.value(item, depth + 1) for key, item in members.items()}
        if isinstance(value, list):
            return [self.value(item, depth + 1) for item in cast("list[Any]", value)]
        return self.text(value, depth + 1) if isinstance(value, str) else value

    def text(self, text: str, depth: int = 0) -> str:
        """A text with the fields masked, and secrets with them.

        Raises
        ------
        Unmaskable
            If a field is mentioned where its value cannot be told.
        """
        if len(text) > MAX_TEXT_BYTES:
            raise Unmaskable(f"a text is longer than {MAX_TEXT_BYTES} characters")
        parsed = _parsed(text)
        if isinstance(parsed, dict | list):
            return json.dumps(self.value(parsed, depth + 1), ensure_ascii=False)
        # Before the lines are cut: a private key stands on many.
        return "".join(self._line(line) for line in mask_secrets(text)[0].splitlines(keepends=True))

    def _line(self, line: str) -> str:
        body = line.rstrip("\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029")
        end = line[len(body) :]
        parsed = _parsed(body)
        if isinstance(parsed, dict | list):
            return json.dumps(self.value(parsed, 1), ensure_ascii=False) + end
        plain = "".join(mark for mark in body if not is_hidden(mark) or mark.isspace())
        found = self._mention.search(plain.casefold())
        return line if found is None else self._labelled(plain) + end

    def _labelled(self, line: str) -> str:
        """A line that names a field: masked after the sign that follows it, and as it is where the name is only a word of prose."""
        lower = line.casefold()
        # Casefolding may lengthen a text, and a place in it is then none in the text itself.
        if len(lower) != len(line) or any(_folded(cell.strip(_AROUND_CELL)) in self._names for cell in _CELLS.split(line)):
            raise Unmaskable("a field is named where its value cannot be told")
        for found in self._mention.finditer(lower):
            sign = _SIGN.match(line, found.end())
            rest = line[sign.end() :] if sign else line[found.end() :]
            if sign and not _OPEN_ENDED.fullmatch(rest):
                # The rest of the line goes with the value, since nothing says where it ends.
                return line[: sign.end()] + MASKED
            if sign or _VALUE_FOLLOWS.match(rest) or line[: found.start()].rstrip("/").endswith("<"):
                raise Unmaskable("a field is named where its value cannot be told")
        return line


def masked_result(result: Result, mask: Mask) -> Result:
    """A result with the fields masked in everything that it carries.

    Raises
    ------
    Unmaskable
        If it carries what is no text, such as a picture.
    """
    if isinstance(result, ToolResult):
        update: dict[str, Any] = {
            "content": [_block(block, mask) for block in result.content],
            "structured_content": mask.value(result.structured_content),
            "meta": mask.value(result.meta),
        }
        return ToolResult(**update, is_error=result.is_error)
    if isinstance(result, ResourceResult):
        contents = [_resource(item, mask) for item in result.contents]
        return ResourceResult(contents, meta=mask.value(result.meta))
    messages = [item.model_copy(update={"content": _block(item.content, mask)}) for item in result.messages]
    return PromptResult(messages, description=mask.text(result.description or "") or None, meta=mask.value(result.meta))


def size_bytes(result: Result) -> int:
    """Length of a result as JSON in UTF-8, in bytes."""
    return len(result.model_dump_json().encode("utf-8", "surrogatepass"))


def _block(block: _Model, mask: Mask) -> _Model:
    """A content block with the texts in it masked; what else it says, such as its type, stays."""
    document = block.model_dump(mode="json", by_alias=True, exclude_none=True)
    if any("blob" in part or "data" in part for part in _parts(document)):
        raise Unmaskable("the result holds what is no text")
    kept = {"type": document["type"]} if "type" in document else {}
    return type(block).model_validate({**mask.value(document), **kept})


def _parts(document: dict[str, Any]) -> Iterable[dict[str, Any]]:
    yield document
    inner = document.get("resource")
    if isinstance(inner, dict):
        yield cast("dict[str, Any]", inner)


def _resource(item: Any, mask: Mask) -> Any:
    if not isinstance(item.content, str):
        raise Unmaskable("the result holds what is no text")
    return item.model_copy(update={"content": mask.text(item.content), "meta": mask.value(item.meta)})


def _folded(name: str) -> str:
    """A name as it is compared.

    >>> _folded("S" + chr(0x200B) + "SN ")
    'ssn'
    """
    return "".join(mark for mark in unicodedata.normalize("NFKC", name) if not is_hidden(mark)).strip().casefold()


def _parsed(text: str) -> object:
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return strict_json.loads(text, max_bytes=4 * MAX_TEXT_BYTES)
    except InvalidCall:
        return None
