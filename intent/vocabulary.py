"""The closed word list: a frozen value, read from data, that knows its order of privilege, its version and its digest.

Nothing else in the package names an intent: the words are data.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from intent.errors import VocabularyError, first_fault

UNKNOWN = "unknown"
_ID = re.compile(r"[a-z][a-z0-9_]{1,31}")


class Effect(StrEnum):
    """What a parser can say of arguments before the vocabulary gives it a word."""

    NONE = "none"
    DERIVE = "derive"
    READ = "read"
    DISCLOSE = "disclose"
    CHANGE = "change"


class Label(BaseModel):
    """The label of calls that are none of the intents."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(description="The word itself.")
    definition: str
    scope_note: str = ""
    examples: tuple[str, ...] = ()
    counter_examples: tuple[str, ...] = ()


class Intent(Label):
    """One word that policies are written in."""

    above: tuple[str, ...] = Field(default=(), description="Intents directly below this one in the order of privilege.")
    verbs: tuple[str, ...] = Field(default=(), description="Verbs that an action parameter uses for it.")


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    rest: Label
    intents: tuple[Intent, ...] = Field(min_length=1)
    effects: dict[Effect, str]


@dataclass(frozen=True)
class Vocabulary:
    """Intents with a partial order of privilege, and one rest label.

    Attributes
    ----------
    intents
        In the order of the file; this is the order of columns of the declared head.
    rest
        The label of everything else; the effective head's last column.
    effects
        The label of each `Effect`.
    """

    name: str
    version: str
    intents: tuple[Intent, ...]
    rest: Label
    effects: dict[Effect, str] = field(hash=False)

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read a TOML or JSON vocabulary.

        Raises
        ------
        VocabularyError
            If the file cannot be read or contradicts itself.
        """
        try:
            text = path.read_text("utf-8")
            data = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        except (OSError, ValueError) as error:
            raise VocabularyError(f"cannot read the vocabulary {path}: {error}") from error
        return cls.parse(data)

    @classmethod
    def parse(cls, data: Any) -> Vocabulary:
        """Build from parsed data, as `to_dict` gives it; raises `VocabularyError`."""
        try:
            document = _Document.model_validate(data)
        except ValidationError as error:
            raise VocabularyError(f"vocabulary does not fit its form: {': '.join(first_fault(error, 'it'))}") from error
        vocabulary = cls(document.name, document.version, document.intents, document.rest, dict(document.effects))
        vocabulary._check()
        return vocabulary

    def _check(self) -> None:
        labels = self.labels
        for word in labels:
            if not _ID.fullmatch(word) or word == UNKNOWN:
                raise VocabularyError(f"a label must match {_ID.pattern} and not be {UNKNOWN!r}, got {word!r}")
        if len(set(labels)) != len(labels):
            raise VocabularyError(f"labels must be distinct, got {labels}")
        if missing := set(Effect) - set(self.effects):
            raise VocabularyError(f"every effect must have a label, missing {sorted(missing)}")
        if strange := set(self.effects.values()) - set(labels):
            raise VocabularyError(f"effects must name labels, got {sorted(strange)}")
        known: set[str] = set()
        for intent in self.intents:
            if strange := set(intent.above) - known:
                raise VocabularyError(f"{intent.id} may only stand above intents before it, got {sorted(strange)}")
            known.add(intent.id)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The intents' words, in order."""
        return tuple(intent.id for intent in self.intents)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The intents' words and the rest label: the columns of the effective head."""
        return (*self.ids, self.rest.id)

    @cached_property
    def _below(self) -> dict[str, frozenset[str]]:
        below: dict[str, frozenset[str]] = {}
        for intent in self.intents:
            below[intent.id] = frozenset({intent.id}).union(*(below[lower] for lower in intent.above))
        return below

    def at_most(self, lower: str, upper: str) -> bool:
        """Whether ``lower`` ≤ ``upper`` in the order of privilege (reflexive; the rest label is below everything).

        >>> v = Vocabulary.load(default_path())
        >>> v.at_most("search", "write"), v.at_most("write", "export")
        (True, False)
        """
        return lower == self.rest.id or lower in self._below.get(upper, frozenset())

    def maximal(self, words: Iterable[str]) -> tuple[str, ...]:
        """Those of ``words`` that no other of them stands above, in vocabulary order."""
        given = set(words)
        return tuple(w for w in self.labels if w in given and not any(w != o and self.at_most(w, o) for o in given))

    @cached_property
    def top(self) -> tuple[str, ...]:
        """The most consequential intents: nothing stands above them."""
        return self.maximal(self.ids)

    @cached_property
    def verbs(self) -> dict[str, str]:
        """Verb to intent; the first intent to name a verb has it."""
        found: dict[str, str] = {}
        for intent in self.intents:
            for verb in intent.verbs:
                found.setdefault(verb, intent.id)
        return found

    @cached_property
    def verb_effects(self) -> dict[str, Effect]:
        """Verb to the effect whose label it names; verbs of intents that no effect has are left out."""
        effect_of = {word: effect for effect, word in self.effects.items()}
        return {verb: effect_of[word] for verb, word in self.verbs.items() if word in effect_of}

    def to_dict(self) -> dict[str, Any]:
        """JSON form; `parse` reads it back."""
        return {
            "name": self.name,
            "version": self.version,
            "rest": self.rest.model_dump(mode="json"),
            "intents": [intent.model_dump(mode="json") for intent in self.intents],
            "effects": {str(effect): word for effect, word in sorted(self.effects.items())},
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the canonical JSON form."""
        text = json.dumps(self.to_dict(), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def default_path() -> Path:
    """The vocabulary of the shipped model: beside the package in a checkout, inside it when installed."""
    inside = Path(__file__).parent / "_shipped" / "vocabulary.toml"
    return inside if inside.is_file() else Path(__file__).parents[1] / "data" / "vocabulary.toml"
