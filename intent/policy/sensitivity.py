"""How sensitive what a call touches is: the highest of what rules say, what the caller says, and the default; in doubt, restricted.

::

    [[rule]]
    server = "fs*"
    tool = "*"
    argument = "path"
    pattern = "/srv/hr/**"
    sensitivity = "restricted"

A rule can only raise. Arguments are compared as paths after every way to write the same path is undone, so that no spelling escapes.
"""

from __future__ import annotations

import posixpath
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property
from pathlib import Path
from typing import cast
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from intent.errors import PolicyError, first_fault
from intent.policy.input import Sensitivity
from intent.visible import is_hidden

MAX_RULES = 10_000
_MAX_ENCODINGS = 4
_MAX_LEAVES = 4096
_MAX_CHARACTERS = 1 << 16
_FILE = re.compile(r"file:(?://[^/]*)?(?=/)")
_DRIVE = re.compile(r"(?:/{0,2}[?.]/)?/?[a-z]:(?=/)")
_AROUND = re.compile(r"[\s\"'`;|&<>=,(){}\[\]$]+")
_TAIL = re.compile(r"[?#].*", re.DOTALL)
_ANY_DEPTH = "**"

Segments = tuple[str, ...]


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    server: str = Field(default="*", min_length=1)
    tool: str = Field(default="*", min_length=1)
    argument: str | None = Field(default=None, min_length=1)
    pattern: str | None = Field(default=None, min_length=1, max_length=1024)
    sensitivity: Sensitivity

    @model_validator(mode="after")
    def _names_both(self) -> _Rule:
        if (self.argument is None) != (self.pattern is None):
            raise ValueError("argument and pattern must be given together")
        return self


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: list[_Rule] = Field(default=[], max_length=MAX_RULES)


@dataclass(frozen=True)
class Rule:
    """What one rule covers.

    Attributes
    ----------
    server, tool, argument
        Patterns of `fnmatch`, without regard to case; an argument is a dotted name, ``*`` for every one.
    pattern
        A path: ``*`` within a segment, ``**`` for any number of segments.
    """

    server: str
    tool: str
    argument: str | None
    pattern: str | None
    sensitivity: Sensitivity

    @cached_property
    def _names(self) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
        server, tool, argument = (re.compile(translate(text.casefold())) for text in (self.server, self.tool, self.argument or "*"))
        return server, tool, argument

    @cached_property
    def _glob(self) -> tuple[re.Pattern[str] | None, ...]:
        path = _normal(self.pattern or _ANY_DEPTH)
        return tuple(None if part == _ANY_DEPTH else re.compile(translate(part)) for part in path)

    def covers_tool(self, server: str | None, tool: str | None) -> bool:
        """Whether server and tool are meant; one that the caller does not name may be any."""
        names = zip(self._names[:2], (server, tool), strict=True)
        return all(not name or bool(pattern.match(name.casefold())) for pattern, name in names)

    def covers_argument(self, name: str) -> bool:
        """Whether an argument of this dotted name, case folded, is meant."""
        return self.argument is not None and self._names[2].match(name) is not None

    def covers_value(self, paths: frozenset[Segments] | None) -> bool:
        """Whether one of the paths that a value may mean is covered; None, for too much to read, may be anything."""
        return paths is None or any(_covers(self._glob, path) for path in paths)


@dataclass(frozen=True)
class SensitivityRules:
    """Rules with the sensitivity of what none of them covers.

    Attributes
    ----------
    default
        The least that any call gets.
    """

    rules: tuple[Rule, ...] = ()
    default: Sensitivity = Sensitivity.INTERNAL

    @classmethod
    def load(cls, path: Path | None, default: Sensitivity = Sensitivity.INTERNAL) -> SensitivityRules:
        """Read a TOML file of rules; without a file there are none.

        Raises
        ------
        PolicyError
            With the place and the fault, if the file cannot be read or a rule does not fit.
        """
        if path is None:
            return cls(default=default)
        try:
            document = _Document.model_validate(tomllib.loads(path.read_text("utf-8")))
        except ValidationError as error:
            raise PolicyError(f"{path}: {': '.join(first_fault(error, 'it'))}") from error
        except (OSError, ValueError) as error:
            raise PolicyError(f"cannot read the rules of sensitivity {path}: {error}") from error
        return cls(tuple(Rule(r.server, r.tool, r.argument, r.pattern, r.sensitivity) for r in document.rule), default)

    def of(self, server: str | None, tool: str | None, arguments: Mapping[str, JsonValue] | None, told: object = None) -> Sensitivity:
        """The sensitivity of what a call touches.

        Parameters
        ----------
        server, tool
            None or empty where the caller does not say: every rule may then be meant.
        arguments
            As the call has them.
        told
            What the caller says, a word of `Sensitivity`; None where it says nothing, restricted where it cannot be read.

        Examples
        --------
        >>> rules = SensitivityRules((Rule("fs*", "*", "path", "/srv/hr/**", Sensitivity.RESTRICTED),))
        >>> str(rules.of("fs-1", "read", {"path": "file:///srv/web/%2e%2e/hr/x"})), str(rules.of("fs-1", "read", {"path": "/srv/web"}))
        ('restricted', 'internal')
        """
        meant = [rule for rule in self.rules if rule.covers_tool(server, tool)]
        found = [self.default, *_told(told), *(rule.sensitivity for rule in meant if rule.argument is None)]
        found.extend(_by_arguments([rule for rule in meant if rule.argument is not None], arguments or {}))
        return max(found, key=lambda level: level.rank)


def _told(told: object) -> tuple[Sensitivity, ...]:
    if told is None:
        return ()
    known = isinstance(told, str) and told in set(Sensitivity)
    return (Sensitivity(told) if known else Sensitivity.RESTRICTED,)


def _by_arguments(rules: list[Rule], arguments: Mapping[str, JsonValue]) -> Iterator[Sensitivity]:
    for count, (name, text) in enumerate(_leaves(arguments)):
        named = [rule for rule in rules if rule.covers_argument(name)]
        if not named:
            continue
        paths = _readings(text) if count < _MAX_LEAVES else None
        yield from (rule.sensitivity for rule in named if rule.covers_value(paths))


def _leaves(arguments: Mapping[str, JsonValue]) -> Iterator[tuple[str, str]]:
    """Every string with the dotted name of where it stands, case folded; keys count as strings of what holds them."""
    waiting: list[tuple[str, JsonValue]] = [("", cast("JsonValue", arguments))]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, str):
            yield name, value
        elif isinstance(value, list):
            waiting.extend((name, item) for item in value)
        elif isinstance(value, dict):
            for key, item in value.items():
                yield name, key
                waiting.append((f"{name}.{key}".removeprefix(".").casefold(), item))


def _readings(text: str) -> frozenset[Segments] | None:
    """Every path that a text may mean, or None where it is too long or too often encoded to say."""
    if len(text) > _MAX_CHARACTERS:
        return None
    found: set[Segments] = set()
    for _ in range(_MAX_ENCODINGS):
        for piece in {text, _TAIL.sub("", text), *_AROUND.split(text)}:
            found |= _paths(piece)
        decoded = unquote(text)
        if decoded == text:
            return frozenset(found)
        text = decoded
    return None


def _paths(text: str) -> set[Segments]:
    """A text as a path: as it stands, without its scheme or drive, and from the root, as a relative one may be read."""
    plain = _plain(text)
    forms = {plain, _FILE.sub("", plain, count=1), _DRIVE.sub("", plain, count=1), _DRIVE.sub("", _FILE.sub("", plain, count=1), count=1)}
    normal = {_normal(form) for form in forms if form}
    return normal | {("", *_without_climbing(path)) for path in normal}


def _without_climbing(path: Segments) -> Segments:
    start = next((place for place, part in enumerate(path) if part not in {"", ".."}), len(path))
    return path[start:]


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text)
    return "".join(mark for mark in folded if mark == " " or not is_hidden(mark)).strip().replace("\\", "/").casefold()


def _normal(text: str) -> Segments:
    """Segments of a path without ``.``, ``..`` and doubled slashes; the first is empty for one that begins at the root."""
    path = posixpath.normpath(_plain(text))
    return tuple(re.sub(r"\A/+", "/", path).split("/")) if path != "/" else ("",)


def _covers(glob: tuple[re.Pattern[str] | None, ...], path: Segments) -> bool:
    """Whether a glob matches a whole path, in time linear in both: ``None`` stands for any number of segments."""
    places = _reachable(glob, {0})
    for segment in path:
        steps = {place if glob[place] is None else place + 1 for place in places if place < len(glob) and _fits(glob[place], segment)}
        places = _reachable(glob, steps)
    return len(glob) in places


def _fits(part: re.Pattern[str] | None, segment: str) -> bool:
    return part is None or part.match(segment) is not None


def _reachable(glob: tuple[re.Pattern[str] | None, ...], places: set[int]) -> set[int]:
    found = set(places)
    for place, part in enumerate(glob):
        if part is None and place in found:
            found.add(place + 1)
    return found
