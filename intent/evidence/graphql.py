"""What GraphQL documents do, read by the reference grammar: queries read, mutations change, and some mutations disclose.

The kind of an operation is a promise of the protocol; a query whose fields are named like commands breaks it, and is doubt. Nothing
is looked up: names of fields are read in words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionNode,
    parse,
)

from intent.evidence.base import Finding, Leaf
from intent.evidence.reading import distinct, heaviest, of_each_effect, shown, table, weight, words_of
from intent.text import name_words
from intent.vocabulary import Effect

MAX_CHARACTERS = 16384
MAX_TOKENS = 2000
MAX_DEPTH = 64
_MOST_FIELDS = 256
_HINT = re.compile(r"\b(?:graphql|graph ql|gql)\b")
_LEAD = re.compile(r"\A(?:[\s,]+|#[^\n]*(?:\n|\Z))*+")
_OPERATION = re.compile(
    r"(?:query|mutation|subscription)\b(?:\s*+[A-Za-z_]\w*+)?\s*+(?:\([^()]*+(?:\([^()]*+\)[^()]*+)*+\)\s*+)?(?:@[^{]{1,200})?\{\s*+[A-Za-z_.#]"
)
_FRAGMENT = re.compile(r"fragment\s++\w++\s++on\s++\w++\s*+(?:@[^{]{1,200})?\{")
_SHORTHAND = re.compile(r"\{\s*+[A-Za-z_]\w*+\s*+(?::\s*+\w++\s*+)?[({\s}]")
_NAME_KEYS = frozenset(("operation_name", "operationname"))


def readings(leaves: Sequence[Leaf], tool_words: str) -> Iterator[Finding]:
    """Findings of every leaf that is to be read as GraphQL; an operation's name beside it says which operation is meant.

    Parameters
    ----------
    tool_words
        The tool's name, description and parameter names in lower case.
    """
    for leaf in leaves:
        if claims(leaf, tool_words):
            yield from of_leaf(leaf, leaves)


def claims(leaf: Leaf, tool_words: str) -> bool:
    """Whether a leaf is to be read as GraphQL: key and tool say so and it has braces, or it surely is GraphQL.

    >>> claims(Leaf(("query",), "mutation { deletePost(id: 3) { id } }"), "run"), claims(Leaf(("query",), "cheap flights"), "graphql docs")
    (True, False)
    """
    if leaf.key not in _words("keys"):
        return False
    hinted = bool(_HINT.search(tool_words.replace("_", " ")))
    if is_written_as_graphql(leaf.text) and (hinted or leaf.key in _words("sure_keys")):
        # A selection without a keyword may be a text with placeholders.
        return (
            hinted or _SHORTHAND.match(leaf.text, _end_of_lead(leaf.text)) is None or all(f.effect is not None for f in findings(leaf.text))
        )
    if not hinted or leaf.key not in _words("sure_keys"):
        return False
    return "{" in leaf.text or (leaf.key.endswith(("mutation", "graphql", "gql", "mutations")) and bool(leaf.text.strip()))


def is_written_as_graphql(text: str) -> bool:
    """Whether a text has the form of an operation or of fragments: an opening word and a selection set."""
    body = text[_end_of_lead(text) :][:2048]
    return bool(_OPERATION.match(body) or _FRAGMENT.match(body) or (_SHORTHAND.match(body) and '"' not in body[:2] and ";" not in body))


def of_leaf(leaf: Leaf, leaves: Sequence[Leaf]) -> tuple[Finding, ...]:
    """Findings of one document, with the operation's name read from the leaves that stand beside it."""
    found = findings(leaf.text, _operation_name(leaf, leaves))
    if leaf.key.endswith(("mutation", "mutations")) and weight(heaviest(f.effect for f in found)) <= weight(Effect.READ):
        # The tool may put the keyword in front of a bare selection.
        return (*found, _finding("a mutation that reads as a query", None))
    return found


def findings(text: str, operation_name: str | None = None) -> tuple[Finding, ...]:
    """What a document does, one finding an operation or a root field; what cannot be read is doubt.

    Parameters
    ----------
    operation_name
        The operation that is meant where there are several; without it the most consequential of all is told with the rest.

    Examples
    --------
    >>> [f.effect.value for f in findings("mutation { sendInvoice(id: 4) { id } deletePost(id: 3) { id } }")]
    ['disclose', 'change']
    """
    return (_finding("too long to be parsed", None),) if len(text) > MAX_CHARACTERS else _findings(text, operation_name)


@lru_cache(maxsize=512)
def _findings(text: str, operation_name: str | None) -> tuple[Finding, ...]:
    if _depth(text) > MAX_DEPTH:
        return (_finding("nested too deeply to be parsed", None),)
    try:
        document = parse(text, no_location=True, max_tokens=MAX_TOKENS)
    except (GraphQLError, RecursionError, ValueError) as error:
        return (_finding(f"unreadable: {getattr(error, 'message', 'nested too deeply')}", None),)
    operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    if operation_name:
        operations = [o for o in operations if o.name is not None and o.name.value == operation_name]
    if not operations:
        named = f"no operation is named {operation_name}" if operation_name else "no operation"
        return (_finding(named, None),)
    found = [finding for operation in operations for finding in _operation(operation, fragments)]
    return of_each_effect(distinct(found))


def _operation(operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]) -> Iterator[Finding]:
    fields = list(_root_fields(operation, fragments))
    kind = operation.operation.value
    if any(name is None for name, _ in fields):
        yield _finding(f"{kind} with a fragment that is not there, or too many fields", None)
    known = [(name, called) for name, called in fields if name is not None]
    if operation.operation is OperationType.MUTATION:
        yield from (_finding(f"{kind} {name}", _of_mutation(name)) for name, _ in known)
        if not known:
            yield _finding(kind, Effect.CHANGE)
        return
    for name, called in known:
        if called and _breaks_promise(name):
            yield _finding(f"{kind} {name}, named like a command", None)
    yield _finding(f"{kind} {', '.join(dict.fromkeys(name for name, _ in known))}", Effect.READ)


def _root_fields(operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]) -> Iterator[tuple[str | None, bool]]:
    """Names of the fields that an operation starts from, and whether they have arguments; a name of None is what could not be resolved."""
    stack: list[SelectionNode] = list(reversed(operation.selection_set.selections))
    seen: set[str] = set()
    count = 0
    while stack:
        node = stack.pop()
        count += 1
        if count > _MOST_FIELDS:
            yield None, False
            return
        if isinstance(node, FieldNode):
            yield node.name.value, bool(node.arguments)
        elif isinstance(node, InlineFragmentNode):
            stack.extend(reversed(node.selection_set.selections))
        elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
            seen.add(node.name.value)
            fragment = fragments.get(node.name.value)
            if fragment is not None:
                stack.extend(reversed(fragment.selection_set.selections))
            else:
                yield None, False


def _of_mutation(field: str) -> Effect:
    """What a root field of a mutation does, by the words of its name."""
    words = name_words(field).split()
    first, rest = words[:1], words[1:]
    if set(first) & (_words("disclose") | _words("disclose_first")):
        return Effect.DISCLOSE
    if set(first) & _words("change_first"):
        gives = set(first) & {"create", "add"} and set(rest) & _words("disclosed")
        return Effect.DISCLOSE if gives else Effect.CHANGE
    return Effect.DISCLOSE if set(rest) & _words("disclose") else Effect.CHANGE


def _breaks_promise(field: str) -> bool:
    words = name_words(field).split()
    return len(words) > 1 and words[0] in _words("broken_promise")


def _operation_name(leaf: Leaf, leaves: Sequence[Leaf]) -> str | None:
    """The one name beside the document; where several documents stand in one place, or several names, none is sure."""
    beside = [other for other in leaves if other.path[:-1] == leaf.path[:-1] and other.decoded_from is None]
    names = [other.text for other in beside if other.key in _NAME_KEYS and other.text not in {"", "null"}]
    repeated = Counter(other.path for other in beside)[leaf.path] > 1
    return names[0] if len(names) == 1 and not repeated else None


def _depth(text: str) -> int:
    """Deepest nesting of brackets, strings not excepted: more than a parser is asked to follow is not parsed."""
    level = deepest = 0
    for match in re.finditer(r"[{(\[]|([})\]])", text):
        level += -1 if match[1] else 1
        deepest = max(deepest, level)
    return deepest


def _end_of_lead(text: str) -> int:
    match = _LEAD.match(text[:4096])
    return match.end() if match else 0


@lru_cache(maxsize=8)
def _words(name: str) -> frozenset[str]:
    return words_of(table("graphql")[name])


def _finding(detail: str, effect: Effect | None) -> Finding:
    return Finding("graphql", shown(detail), effect)
