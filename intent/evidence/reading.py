"""What the parsers share: the order of effects, the wording of a finding, and the word tables beside this file."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from intent.evidence.base import Finding
from intent.vocabulary import Effect

DETAIL_CHARACTERS = 160
_WEIGHT = {Effect.NONE: 0, Effect.DERIVE: 1, Effect.READ: 2, Effect.CHANGE: 4, Effect.DISCLOSE: 5}
_DOUBT_WEIGHT = 3
_SECRET = re.compile(
    r"(?i)((?:pass(?:word|wd)?|pwd|token|secret|api[_-]?key|authorization|bearer|basic)['\"]?(?:\s*[:=]\s*|\s+))(?:(?:bearer|basic)\s+)?\S+"
)
_FENCE = re.compile(r"```\w*\s*")
_LONG = re.compile(r"\b(?=\w*\d)\w{32,}\b|://[^/\s@]+:[^/\s@]+@")


@dataclass(slots=True)
class Budget:
    """How much more may be given to a parser: what bounds the time of a text, or of all texts of a call, made to take long.

    >>> budget = Budget(200)
    >>> budget.allows_text("ls -l"), budget.allows_text("ls -l"), budget.allows_text("ls -l")
    (True, True, False)
    """

    left: int = 16_384

    def allows(self, cost: int) -> bool:
        """Whether there is enough left, which then is spent."""
        self.left -= cost
        return self.left >= 0

    def allows_text(self, text: str) -> bool:
        """`allows`, in characters; to begin with a text costs as much as some of them."""
        return self.allows(len(text) + 64)


def weight(effect: Effect | None) -> int:
    """Order of consequence; doubt stands above a read and below a change.

    >>> weight(Effect.READ) < weight(None) < weight(Effect.CHANGE)
    True
    """
    return _DOUBT_WEIGHT if effect is None else _WEIGHT[effect]


def heaviest(effects: Iterable[Effect | None]) -> Effect | None:
    """The most consequential of the effects; `Effect.NONE` where there are none.

    >>> heaviest([Effect.READ, Effect.CHANGE, None])
    <Effect.CHANGE: 'change'>
    """
    return max(effects, key=weight, default=Effect.NONE)


def shown(text: str) -> str:
    """One line of at most `DETAIL_CHARACTERS`, with what looks like a secret masked.

    >>> shown("curl -H 'Authorization: Bearer abc' https://x.example")
    "curl -H 'Authorization: *** https://x.example"
    """
    line = " ".join(text[: 4 * DETAIL_CHARACTERS].split())
    line = _LONG.sub("***", _SECRET.sub(r"\1***", line))
    return line if len(line) <= DETAIL_CHARACTERS else line[: DETAIL_CHARACTERS - 1] + "…"


def unfenced(text: str) -> str:
    r"""What stands in a code fence of Markdown, else the text.

    Without a pattern: one with two lazy ends takes cubic time on line feeds.

    >>> unfenced("```sql\nSELECT 1\n```"), unfenced("SELECT 1")
    ('SELECT 1', 'SELECT 1')
    """
    opening, _, body = text.strip().partition("\n")
    return body.removesuffix("```").strip() if body.endswith("```") and _FENCE.fullmatch(opening) else text


def distinct(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings in order, duplicates removed."""
    return tuple(dict.fromkeys(findings))


def of_each_effect(found: Sequence[Finding], most: int = 6) -> tuple[Finding, ...]:
    """The first few findings of each effect, in order, so that no number of harmless ones can push out another."""
    count: Counter[tuple[Effect | None, bool]] = Counter()
    kept: list[Finding] = []
    for finding in found:
        count[finding.effect, finding.binding] += 1
        if count[finding.effect, finding.binding] <= most:
            kept.append(finding)
    return tuple(kept)


@lru_cache(maxsize=16)
def table(name: str) -> Mapping[str, Any]:
    """The word table ``name.toml`` of this package, read once."""
    return tomllib.loads(resources.files("intent.evidence").joinpath(f"{name}.toml").read_text("utf-8"))


def words_of(value: str | Sequence[str]) -> frozenset[str]:
    """A set of words, from a blank-separated text or from a list of entries that may hold blanks.

    >>> sorted(words_of("log diff"))
    ['diff', 'log']
    """
    return frozenset(value.split() if isinstance(value, str) else value)
