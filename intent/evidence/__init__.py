"""What the arguments of a call surely do, read by real parsers; a parser that fails gives doubt, never harmlessness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from intent.evidence import sql
from intent.evidence.base import Finding, Leaf
from intent.evidence.reading import distinct
from intent.vocabulary import Effect

MOST_FINDINGS = 64
_ACTION_KEYS = frozenset({"action", "operation", "op", "mode", "method", "command", "verb", "task"})


def collect(leaves: Sequence[Leaf], tool_words: str, verbs: Mapping[str, Effect]) -> tuple[Finding, ...]:
    """Findings of every parser, in the order of the leaves, at most 64 of them.

    Parameters
    ----------
    tool_words
        The tool's name, description and parameter names in lower case: which parser is meant.
    verbs
        What an action verb does.
    """
    found: list[Finding] = []
    for leaf in leaves:
        if sql.claims(leaf, tool_words):
            found += sql.findings(leaf.text)
        found += _action(leaf, verbs)
        if len(found) >= MOST_FINDINGS:
            break
    return distinct(found)[:MOST_FINDINGS]


def _action(leaf: Leaf, verbs: Mapping[str, Effect]) -> tuple[Finding, ...]:
    """The verb of an action parameter of a multiplexed tool; a value that is no known verb says nothing."""
    from intent.text import name_words

    if leaf.key not in _ACTION_KEYS or len(leaf.text) > 64:
        return ()
    words = name_words(leaf.text).split()
    effect = next((verbs[w] for w in (*words[:1], *words[-1:]) if w in verbs), None)
    return () if effect is None else (Finding("action", f"{leaf.key}: {leaf.text}", effect),)
