"""What the arguments of a call surely do, read by real parsers; a parser that fails gives doubt, never harmlessness."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from intent.evidence import code, destination, graphql, http, shell, sql
from intent.evidence.base import Finding, Leaf
from intent.evidence.reading import Budget, distinct, of_each_effect
from intent.text import name_words
from intent.vocabulary import Effect

MOST_OF_AN_EFFECT = 12
_ACTION_KEYS = frozenset({"action", "operation", "op", "mode", "method", "command", "verb", "task"})


def collect(leaves: Sequence[Leaf], tool_words: str, verbs: Mapping[str, Effect]) -> tuple[Finding, ...]:
    """Findings of every parser, the first few of each effect, so that no number of harmless ones hides another.

    Parameters
    ----------
    tool_words
        The tool's name, description and parameter names in lower case: which parser is meant.
    verbs
        What an action verb does.
    """
    requests = tuple(http.readings(leaves, tool_words))
    found = [*requests, *graphql.readings(leaves, tool_words)]
    commands: list[Leaf] = []
    budget = Budget()
    for leaf in leaves:
        if sql.claims(leaf, tool_words):
            found += sql.findings(leaf.text, budget)
        elif code.claims(leaf, tool_words):
            found += code.findings(leaf.text)
        elif not graphql.claims(leaf, tool_words):
            commands.append(leaf)
        if not (requests and http.is_method(leaf)):
            found += _action(leaf, verbs)
    found += shell.readings(commands, tool_words)
    # Last, because where a call sends something informs and never binds.
    found += destination.readings(leaves, tool_words)
    return of_each_effect(distinct(found), MOST_OF_AN_EFFECT)


def _action(leaf: Leaf, verbs: Mapping[str, Effect]) -> Iterator[Finding]:
    """The verb of an action parameter of a multiplexed tool; a value that is no known verb says nothing."""
    if leaf.key not in _ACTION_KEYS or len(leaf.text) > 64 or len(leaf.text.split()) > 3:
        return
    words = name_words(leaf.text).split()
    effect = next((verbs[w] for w in (*words[:1], *words[-1:]) if w in verbs), None)
    if effect is not None:
        yield Finding("action", f"{leaf.key}: {leaf.text}", effect)
