"""The three views of a call: what is declared, what the tool can do, what the arguments effect; canonical and bounded in size.

Nothing here decides anything: a view is what the rest of the package reads instead of the call itself. The only error is `TooLarge`,
however hostile the schema or the arguments.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from pydantic import JsonValue

from intent.decoding import MAX_PIECES, Decoded, decoded_pieces
from intent.errors import InvalidCall, TooLarge
from intent.evidence.base import Leaf
from intent.schema import Tool
from intent.secrets import MASK, mask_secrets
from intent.strict_json import loads
from intent.text import CanonicalText, Change, canonicalize, name_words, utf8_size

_DECODE_DEPTH = 2
# A parameter of a schema has a type, a description, a title and more.
_ITEMS_PER_LEAF = 8
# Near enough to what an encoder makes of a text at the worst: a token of every mark, and of every three letters or digits.
_TOKEN = re.compile(r"[0-9A-Za-z]{1,3}|\S")
_NOTHING: Mapping[str, object] = {}
# Keywords under which schemas stand by a name of their own, and keywords under which no schema stands.
_BY_NAME = frozenset(("properties", "$defs", "definitions", "patternProperties", "dependentSchemas"))
_DATA = frozenset(("enum", "const", "default", "example", "examples", "required", "type", "dependentRequired"))


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps on what is read of one call; past any of them the call is too large to be judged.

    The request and the description are embedded, which takes about 0.1 ms for each token on one core: ``max_tokens`` bounds each of them
    whatever it is made of. Descriptions of real tools stay below 4 KiB.
    """

    max_name_bytes: int = 512
    max_description_bytes: int = 16384
    max_schema_bytes: int = 262144
    max_request_bytes: int = 16384
    max_tokens: int = 3072
    max_arguments_bytes: int = 262144
    max_leaves: int = 4096
    max_depth: int = 32
    max_decoded_bytes: int = 16384


@dataclass(frozen=True, slots=True)
class Capability:
    """What a tool says that it can do.

    Attributes
    ----------
    name
        The tool's name in words.
    description
        As the server gives it; empty where there is none.
    parameters
        Names of the schema's properties, nested ones and the strings of enumerations included, in words, comma separated.
    parameter_notes
        Descriptions inside the schema, one a line.
    """

    name: CanonicalText
    description: CanonicalText
    parameters: CanonicalText
    parameter_notes: CanonicalText

    @property
    def _parts(self) -> tuple[CanonicalText, ...]:
        return self.name, self.description, self.parameters, self.parameter_notes

    @property
    def changes(self) -> frozenset[Change]:
        """Every change in any part."""
        return frozenset[Change]().union(*(part.changes for part in self._parts))

    @property
    def deceptions(self) -> frozenset[Change]:
        """Every change in any part that undid what only serves to deceive."""
        return frozenset[Change]().union(*(part.deceptions for part in self._parts))

    @property
    def obfuscated(self) -> bool:
        """Whether any part is obfuscated."""
        return any(part.obfuscated for part in self._parts)


@dataclass(frozen=True, slots=True)
class EffectView:
    """The arguments of a call as a list of scalars.

    Attributes
    ----------
    leaves
        In document order; a text found inside an encoding follows the leaf that it was hidden in.
    text
        One line a leaf: the keys in words, a colon, the value.
    changes, deceptions
        Of all keys and values together.
    """

    leaves: tuple[Leaf, ...]
    text: str
    changes: frozenset[Change] = frozenset()
    deceptions: frozenset[Change] = frozenset()

    @property
    def obfuscated(self) -> bool:
        """Whether something in the arguments only serves to deceive."""
        return bool(self.deceptions)


def read_declared(request: str, limits: Limits) -> CanonicalText:
    """The request of the user; raises `TooLarge`."""
    return _read_prose(request, limits.max_request_bytes, limits.max_tokens, "request")


def read_capability(tool: Tool, limits: Limits) -> Capability:
    """What the tool's definition says, whatever its schema looks like.

    Raises
    ------
    TooLarge
        If the name, the description or the schema passes its cap in bytes, tokens, depth or items.

    Examples
    --------
    >>> tool = Tool(name="sendMail", input_schema={"properties": {"toAddress": {"type": "string", "description": "Who gets it."}}})
    >>> view = read_capability(tool, Limits())
    >>> view.name.text, view.parameters.text, view.parameter_notes.text
    ('send mail', 'to address', 'Who gets it.')
    """
    _refuse_large(tool.input_schema, "tool.input_schema", limits.max_schema_bytes, limits)
    names, notes = _read_schema(tool.input_schema)
    cap = limits.max_schema_bytes
    return Capability(
        name=_in_words(canonicalize(tool.name, max_bytes=limits.max_name_bytes, where="tool.name")),
        description=_read_prose(tool.description or "", limits.max_description_bytes, limits.max_tokens, "tool.description"),
        parameters=_joined(", ", (_in_words(canonicalize(name, max_bytes=cap, where="tool.input_schema")) for name in names)),
        parameter_notes=canonicalize("\n".join(notes), max_bytes=cap, where="tool.input_schema"),
    )


def tool_digest(tool: Tool) -> str:
    """SHA-256 (hex) of name, description and schema as canonical JSON; annotations and server do not count.

    Raises
    ------
    TooLarge
        If the schema nests too deeply to be written.

    Examples
    --------
    >>> tool_digest(Tool(name="a", server="x")) == tool_digest(Tool(name="a", server="y"))
    True
    """
    definition = {"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}
    try:
        text = json.dumps(definition, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    except (RecursionError, ValueError) as error:
        raise TooLarge("tool.input_schema", Limits().max_depth, "levels deep") from error
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read_effect(arguments: Mapping[str, JsonValue], limits: Limits) -> EffectView:
    r"""Flatten the arguments; strings that hold JSON are flattened one level deeper, encoded texts become leaves of their own.

    Raises
    ------
    TooLarge
        If the arguments pass a cap in bytes, depth, leaves, or in what was decoded from them.

    Examples
    --------
    >>> read_effect({"steps": [{"targetUrl": "https://a.example"}], "dryRun": False}, Limits()).text
    'steps target url: https://a.example\ndry run: false'
    """
    return _Flattening(limits).read(arguments)


def _read_prose(text: str, max_bytes: int, max_tokens: int, where: str) -> CanonicalText:
    canonical = canonicalize(text, max_bytes=max_bytes, where=where)
    if len(canonical.text) > max_tokens and sum(1 for _ in _TOKEN.finditer(canonical.text)) > max_tokens:
        raise TooLarge(where, max_tokens, "tokens")
    return canonical


def _in_words(name: CanonicalText) -> CanonicalText:
    return CanonicalText(name_words(name.text), name_words(name.raw), name.changes, name.deceptions)


def _joined(separator: str, parts: Iterable[CanonicalText]) -> CanonicalText:
    # A dictionary, because a schema repeats its words and order is worth keeping.
    distinct = tuple(dict.fromkeys(part for part in parts if part.text or part.raw))
    return CanonicalText(
        text=separator.join(dict.fromkeys(part.text for part in distinct if part.text)),
        raw=separator.join(dict.fromkeys(part.raw for part in distinct if part.raw)),
        changes=frozenset[Change]().union(*(part.changes for part in distinct)),
        deceptions=frozenset[Change]().union(*(part.deceptions for part in distinct)),
    )


def _refuse_large(value: object, where: str, max_bytes: int, limits: Limits) -> None:
    """Measure before anything is read, without recursion; the bytes are those of keys and strings, and two for every other item."""
    size = items = 0
    max_items = _ITEMS_PER_LEAF * limits.max_leaves
    stack: list[tuple[object, int]] = [(value, 0)]
    while stack:
        item, depth = stack.pop()
        items += 1
        size += utf8_size(item) + 2 if isinstance(item, str) else 2
        children = _children(item)
        if isinstance(item, Mapping):
            size += sum(utf8_size(str(key)) + 3 for key in cast("Mapping[object, object]", item))
        if depth > limits.max_depth:
            raise TooLarge(where, limits.max_depth, "levels deep")
        if size > max_bytes:
            raise TooLarge(where, max_bytes)
        if items + len(children) > max_items:
            raise TooLarge(where, max_items, "items")
        stack.extend((child, depth + 1) for child in children)


def _children(item: object) -> Collection[object]:
    if isinstance(item, Mapping):
        return cast("Mapping[object, object]", item).values()
    return cast("list[object]", item) if isinstance(item, list) else ()


def _walk_schema(schema: object) -> Iterator[tuple[str | None, Mapping[str, object]]]:
    """Every schema inside a schema, in document order, with the name of the property that it describes.

    References stay unresolved: what they may refer to stands in the same document, and is met there once.
    """
    stack: list[tuple[str | None, object]] = [(None, schema)]
    while stack:
        name, value = stack.pop()
        found: Mapping[str, object] = cast("Mapping[str, object]", value) if isinstance(value, Mapping) else _NOTHING
        yield name, found
        inner = ((None, item) for item in cast("list[object]", value)) if isinstance(value, list) else _subschemas(found)
        stack.extend(reversed(list(inner)))


def _subschemas(schema: Mapping[str, object]) -> Iterator[tuple[str | None, object]]:
    for keyword, value in schema.items():
        if keyword in _BY_NAME and isinstance(value, Mapping):
            for name, inner in cast("Mapping[object, object]", value).items():
                yield (str(name) if keyword == "properties" else None), inner
        elif keyword not in _DATA and isinstance(value, (Mapping, list)):
            yield None, cast("object", value)


def _choices(schema: Mapping[str, object]) -> Iterator[str]:
    choices = schema.get("enum")
    yield from (choice for choice in cast("list[object]", choices) if isinstance(choice, str)) if isinstance(choices, list) else ()
    if isinstance(constant := schema.get("const"), str):
        yield constant


def _read_schema(schema: object) -> tuple[list[str], list[str]]:
    """Names of properties, each before its choices, and the descriptions."""
    names: list[str] = []
    notes: list[str] = []
    for name, inner in _walk_schema(schema):
        if name is not None:
            names.append(name)
        names.extend(_choices(inner))
        if isinstance(note := inner.get("description"), str):
            notes.append(note)
    return names, notes


class _Flattening:
    """Collects the leaves of one call."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.leaves: list[Leaf] = []
        self.changes: set[Change] = set()
        self.deceptions: set[Change] = set()
        self.read_bytes = self.decoded_bytes = self.decoded_count = 0

    def read(self, arguments: Mapping[str, JsonValue]) -> EffectView:
        _refuse_large(arguments, "arguments", self.limits.max_arguments_bytes, self.limits)
        stack: list[tuple[tuple[str, ...], object, int]] = [((), arguments, 0)]
        while stack:
            path, value, depth = stack.pop()
            if depth > self.limits.max_depth:
                raise TooLarge("arguments", self.limits.max_depth, "levels deep")
            inner = self._container_in(value)
            if inner is None:
                self._add_scalar(path, value)
            else:
                stack.extend((key, item, depth + 1) for key, item in reversed(list(self._entries(path, inner))))
        lines = (_line(leaf) for leaf in self.leaves)
        return EffectView(tuple(self.leaves), "\n".join(lines), frozenset(self.changes), frozenset(self.deceptions))

    def _container_in(self, value: object) -> object | None:
        """The value if it holds others, what its text holds if that is a JSON object, else None."""
        if isinstance(value, (Mapping, list)):
            return cast("object", value)
        if not isinstance(value, str) or not _looks_like_json(value):
            return None
        # As it stands, because a mask may break its form; then without the invisible marks that may break it too.
        for text in (value, self._canonical(value).text):
            try:
                found = loads(text, max_bytes=self.limits.max_arguments_bytes, max_depth=self.limits.max_depth)
            except InvalidCall:
                continue
            return cast("object", found) if any(isinstance(item, dict) for item in (found, *_children(found))) else None
        return None

    def _entries(self, path: tuple[str, ...], container: object) -> Iterator[tuple[tuple[str, ...], object]]:
        if isinstance(container, Mapping):
            for key, item in cast("Mapping[object, object]", container).items():
                yield (*path, self._canonical(str(key)).text), item
        else:
            yield from ((path, item) for item in cast("list[object]", container))

    def _add_scalar(self, path: tuple[str, ...], value: object) -> None:
        if not isinstance(value, str):
            self._add(Leaf(path, json.dumps(value, default=str)))
            return
        text = self._canonical(value).text
        self._add(Leaf(path, _masked_by_key(path, text)))
        for piece in self._decoded(text):
            self._add(Leaf(path, self._canonical(piece.text).text, piece.encoding))

    def _decoded(self, text: str) -> tuple[Decoded, ...]:
        # One more than is allowed, so that nothing goes unread without notice.
        cap = self.limits.max_decoded_bytes
        pieces = decoded_pieces(text, max_depth=_DECODE_DEPTH, max_bytes=cap + 1, max_pieces=MAX_PIECES + 1)
        self.decoded_bytes += sum(utf8_size(piece.text) for piece in pieces)
        if self.decoded_bytes > cap:
            raise TooLarge("text decoded from arguments", cap)
        if len(pieces) > MAX_PIECES:
            raise TooLarge("an argument", MAX_PIECES, "encoded pieces")
        return pieces

    def _add(self, leaf: Leaf) -> None:
        self.leaves.append(leaf)
        if len(self.leaves) > self.limits.max_leaves:
            raise TooLarge("arguments", self.limits.max_leaves, "values")

    def _canonical(self, text: str) -> CanonicalText:
        canonical = canonicalize(text, max_bytes=self.limits.max_arguments_bytes, where="arguments")
        self.read_bytes += utf8_size(canonical.text)
        # Twice, because a text that holds JSON is read as a text and as JSON.
        if self.read_bytes > 2 * self.limits.max_arguments_bytes:
            raise TooLarge("arguments", self.limits.max_arguments_bytes)
        self.changes |= canonical.changes
        self.deceptions |= canonical.deceptions
        return canonical


def _looks_like_json(text: str) -> bool:
    return len(text) > 2 and "{" in text and '"' in text and "}" in text[-64:]


def _masked_by_key(path: tuple[str, ...], text: str) -> str:
    """A password says what it is by its key; the whole of it must be maskable, so that no command hides under a key."""
    key = path[-1] if path else ""
    return MASK if mask_secrets(f"{key}={text}")[0] == f"{key}={MASK}" else text


def _line(leaf: Leaf) -> str:
    keys = " ".join(filter(None, map(name_words, leaf.path)))
    value = " ".join(leaf.text.split())
    return f"{keys}: {value}" if keys else value
