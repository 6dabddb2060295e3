"""Programs inside programs, read one after another to a bounded depth and number; what lies beyond the bounds is doubt."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping

from intent.evidence import sql
from intent.evidence.base import Finding
from intent.evidence.commands import powershell, script
from intent.evidence.languages import javascript, python, source
from intent.evidence.nested import Language, Nested, Reading
from intent.evidence.reading import distinct, shown, weight
from intent.vocabulary import Effect

MAX_CHARACTERS = 4096
MAX_FINDINGS = 32
_MAX_DEPTH = 6
_MAX_TEXTS = 40
_MAX_STATEMENTS = 4
# Constructs that a grammar recovers from at more than linear cost.
_COSTLY = re.compile(r"\||=\(|\$\{|<<")
_MAX_COSTLY = 200


def _sql(text: str) -> list[Reading]:
    return list(sql.findings(text))


_READERS: Mapping[Language, Callable[[str], list[Reading]]] = {
    Language.SHELL: script.read,
    Language.POWERSHELL: powershell.read,
    Language.CODE: source.read,
    Language.PYTHON: python.read,
    Language.JAVASCRIPT: javascript.read,
    Language.SQL: _sql,
}


def unfolded(program: Nested) -> tuple[Finding, ...]:
    """Findings of a program and of every program inside it, at most `MAX_FINDINGS`; the heaviest are kept."""
    waiting = deque([(program, 0)])
    seen = {program}
    found: list[Finding] = []
    texts: dict[Language, int] = dict.fromkeys(Language, 0)
    while waiting:
        nested, depth = waiting.popleft()
        texts[nested.language] += 1
        beyond = depth > _MAX_DEPTH or sum(texts.values()) > _MAX_TEXTS or texts[Language.SQL] > _MAX_STATEMENTS
        if beyond:
            found.append(_doubt("more programs inside it than are read", nested))
            break
        for reading in _read(nested):
            if isinstance(reading, Finding):
                found.append(reading)
            elif reading not in seen:
                seen.add(reading)
                waiting.append((reading, depth + 1))
    return _limited(found)


def _read(nested: Nested) -> list[Reading]:
    text = nested.text[:MAX_CHARACTERS]
    costly = [match.start() for match in _COSTLY.finditer(text)]
    if len(costly) > _MAX_COSTLY:
        text = text[: costly[_MAX_COSTLY]]
    readings = _READERS[nested.language](text)
    if len(text) == len(nested.text):
        return readings
    sure = [r for r in readings if isinstance(r, Nested) or r.effect in {Effect.CHANGE, Effect.DISCLOSE}]
    return [*sure, _doubt("too long to be parsed", nested)]


def _doubt(why: str, nested: Nested) -> Finding:
    kind = "code" if nested.language in {Language.CODE, Language.PYTHON, Language.JAVASCRIPT} else "shell"
    return Finding(kind, shown(why), None)


def _limited(found: list[Finding]) -> tuple[Finding, ...]:
    """Without duplicates and, where there are too many, without the lightest, so that none hides behind a crowd."""
    kept = distinct(found)
    if len(kept) <= MAX_FINDINGS:
        return kept
    # One of each effect comes first: a crowd of one must not push out another.
    leading = {finding.effect: finding for finding in reversed(kept)}
    ranked = sorted(kept, key=lambda finding: (leading[finding.effect] is not finding, -weight(finding.effect)))
    chosen = set(ranked[:MAX_FINDINGS])
    return tuple(finding for finding in kept if finding in chosen)
