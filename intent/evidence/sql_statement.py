"""What one SQL statement does, from its tokens: leading words decide what no grammar models, a query must parse, or it is doubt."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from sqlglot import Token, TokenType, exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError

from intent.evidence.base import Finding
from intent.evidence.reading import Budget, shown, table, weight, words_of
from intent.vocabulary import Effect

logging.getLogger("sqlglot").setLevel(logging.CRITICAL)

# What a parser that was not written for hostile text may raise on one.
UNREADABLE = (SqlglotError, RecursionError, ValueError, IndexError, KeyError, TypeError, AttributeError)
# To start a parser costs as much as to give it a few tokens.
_START_TOKENS = 4
# Tried after the grammars whose lexical rules gave the tokens.
_MORE_GRAMMARS = ("", "oracle", "duckdb")
LITERALS = frozenset({
    TokenType.STRING, TokenType.NATIONAL_STRING, TokenType.RAW_STRING, TokenType.HEREDOC_STRING, TokenType.UNICODE_STRING,
    TokenType.BYTE_STRING, TokenType.HEX_STRING, TokenType.BIT_STRING,
})  # fmt: skip
_ACTING = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Copy, exp.Drop, exp.Alter, exp.TruncateTable, exp.Command)
_EXPLAINING = frozenset({"EXPLAIN", "PROFILE", "DESCRIBE", "DESC"})
_MEASURING = frozenset({"ANALYZE", "ANALYSE"})
# Statements that name functions without calling them.
_NAMING = ("GRANT", "REVOKE", "CREATE", "DROP", "ALTER")
_PROCEDURAL = re.compile(
    r"(IF|ELSE|ELSEIF|ELSIF|BEGIN|END|WHILE|LOOP|FOR|DECLARE|RETURN|REPEAT|CASE|THEN|EXCEPTION|OPEN|CLOSE|LET|TRY|CATCH|RAISE|LEAVE|BREAK|<)\b"
)
_PROCEDURE_HEAD = re.compile(r"^(?:(?:IF|ELSE|ELSEIF|ELSIF|BEGIN|WHILE|LOOP|REPEAT|THEN|DO)\b[^;]*?)(?=\b(?:SELECT|PRINT|SET|RETURN)\b|$)")
_PROCEDURE_READS = re.compile(
    r"DECLARE\b.*\bCURSOR\b|DECLARE\b.*\bSELECT\b|SELECT\b|RETURN\b|OPEN\b|CLOSE\b|FOR\b.*\bSELECT\b|IF\b.*\bSELECT\b"
)
_PROCEDURE_FRAME = re.compile(r"(ELSE|BEGIN|END|IF|LOOP|CASE|TRY|CATCH|BREAK|LEAVE|THEN|DECLARE|EXCEPTION|§| )*")


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to cut a text into tokens.

    Attributes
    ----------
    dialects
        The databases that cut it so: the grammars that a query is to be parsed with, in order.
    """

    text: str
    tokens: Sequence[Token]
    dialects: Sequence[str]


def statements(reading: Reading, budget: Budget) -> Iterator[Finding]:
    """Findings of every statement of one reading; ``budget`` is in tokens, counted each time that a parser is given them."""
    chunk: list[Token] = []
    for token in reading.tokens:
        if token.token_type is not TokenType.SEMICOLON:
            chunk.append(token)
        elif chunk:
            yield from _statement(reading, chunk, budget)
            chunk = []
    if chunk:
        yield from _statement(reading, chunk, budget)


def finding(detail: str, effect: Effect | None) -> Finding:
    """A finding of this parser."""
    return Finding("sql", shown(detail), effect)


def opening(form: str) -> tuple[Effect | None, int]:
    """What the leading words of a statement say, and how many characters of the form say so; None and 0 where no rule knows them.

    >>> opening("SHOW CREATE TABLE ORDERS")
    (<Effect.READ: 'read'>, 11)
    """
    for effect, pattern in _patterns():
        if match := pattern.search(form):
            return effect, match.end()
    return None, 0


@lru_cache(maxsize=4)
def pattern(section: str, kind: str) -> re.Pattern[str]:
    """The alternatives of one entry of the word table, as one pattern."""
    return re.compile("|".join(table("sql")[section][kind]))


def _statement(reading: Reading, tokens: Sequence[Token], budget: Budget) -> Iterator[Finding]:
    if tokens[0].text.upper() in _EXPLAINING:
        yield from _explained(reading, tokens, budget)
        return
    form = _skeleton(tokens)
    effect, end = opening(form)
    inside = _within(form[end:] if effect is Effect.READ else form)
    if effect is None:
        effect = _procedure(form, inside) if _PROCEDURAL.match(form) else _queried(reading, tokens, budget)
    if weight(effect) < weight(Effect.CHANGE) and inside is not None:
        effect = inside
    yield finding(_headline(tokens), effect)
    if not form.startswith(_NAMING):
        yield from (finding(f"{name}()", found) for name, found in _called(tokens) if found is not effect)


def _explained(reading: Reading, tokens: Sequence[Token], budget: Budget) -> Iterator[Finding]:
    """A plan is read, and its one statement is not run, unless the plan is measured; what stands behind that statement is run."""
    start = _after_options(tokens)
    if _MEASURING.isdisjoint(token.text.upper() for token in tokens[1:start]):
        yield finding(_headline(tokens), _within(_skeleton(tokens[start + 1 :])) or Effect.READ)
    elif start < len(tokens):
        yield from _statement(reading, tokens[start:], budget)
    else:
        yield finding(_headline(tokens), None)


def _after_options(tokens: Sequence[Token]) -> int:
    """Where the statement begins that an EXPLAIN explains: behind option words, and behind brackets that begin with one."""
    options = words_of(table("sql")["explain"]["options"].upper())
    at = 1
    while at < len(tokens):
        word = tokens[at].text.upper()
        opens = word == "(" and at + 1 < len(tokens) and tokens[at + 1].text.upper() in options
        if not (opens or word in options or tokens[at].token_type in LITERALS):
            break
        at += 1
    return at


def _procedure(form: str, inside: Effect | None) -> Effect | None:
    """A fragment of a procedure: what stands in it, or doubt where nothing known does."""
    if inside is not None:
        return inside
    body = _PROCEDURE_HEAD.sub("", form)
    if _PROCEDURE_READS.match(body or form):
        return Effect.READ
    return Effect.NONE if _PROCEDURE_FRAME.fullmatch(body or form) or body.startswith("PRINT") else None


def _queried(reading: Reading, tokens: Sequence[Token], budget: Budget) -> Effect | None:
    """A statement that reads, if some grammar parses it; None otherwise."""
    source = reading.text[tokens[0].start : tokens[-1].end + 1]
    for dialect in (*reading.dialects, *_MORE_GRAMMARS):
        tree = _parsed(dialect, source) if budget.allows(len(tokens) + _START_TOKENS) else None
        if tree is not None:
            return _of_tree(tree)
    return None


def _parsed(dialect: str, source: str) -> exp.Expr | None:
    grammar = Dialect.get_or_raise(dialect or None)
    try:
        trees = grammar.parser().parse(grammar.tokenize(source), source)
    except UNREADABLE:
        return None
    only = trees[0] if len(trees) == 1 else None
    return only if isinstance(only, exp.Query) else None


def _of_tree(tree: exp.Expr) -> Effect | None:
    if tree.find(*_ACTING) is not None or any(not _into_variables(into) for into in tree.find_all(exp.Into)):
        return Effect.CHANGE
    functions = {call.name.lower() for call in tree.find_all(exp.Anonymous)}
    unknown = {name for name in functions if not _is_known(name)}
    if any(_acts(name) for name in unknown):
        return None
    if _reads(tree) or functions & _functions("read"):
        return Effect.READ
    return None if unknown else Effect.NONE


def _reads(tree: exp.Expr) -> bool:
    defined = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
    if any(source.name and source.name.lower() not in defined for source in tree.find_all(exp.Table)):
        return True
    return tree.find(exp.SessionParameter, exp.Parameter, exp.Star, exp.CurrentUser, exp.Column) is not None


def _into_variables(into: exp.Expr) -> bool:
    """Whether rows go into variables of the session alone; grammars wrap a variable as if it were a table."""
    targets = into.expressions or [into.this]
    return all(_is_variable(target.this if isinstance(target, exp.Table) else target) for target in targets)


def _is_variable(target: object) -> bool:
    if isinstance(target, exp.Var):
        return target.name.startswith("@")
    return isinstance(target, exp.Parameter | exp.SessionParameter | exp.Placeholder)


@lru_cache(maxsize=8)
def _functions(kind: str) -> frozenset[str]:
    return words_of(table("sql")["functions"][kind])


def _is_known(name: str) -> bool:
    return name in _functions("read") or name.startswith(tuple(_functions("pure"))) or name in _functions("derive")


def _acts(name: str) -> bool:
    return any(word in _functions("verbs") for word in re.split(r"[_$.]+", name.lower()))


def _called(tokens: Sequence[Token]) -> Iterator[tuple[str, Effect | None]]:
    """Functions with effects of their own: read from tokens, because each grammar names them differently."""
    kinds = (("disclose", Effect.DISCLOSE), ("change", Effect.CHANGE), ("doubt", None), ("read", Effect.READ))
    for token, following in pairwise(tokens):
        name = token.text.lower()
        called = following.token_type is TokenType.L_PAREN or name.startswith(("xp_", "sp_"))
        if called and token.token_type not in LITERALS:
            yield from ((name, effect) for kind, effect in kinds if name in _functions(kind))


def _skeleton(tokens: Sequence[Token]) -> str:
    """The statement in upper case, literals as §, so that words in strings and quoted names decide nothing."""
    words: list[str] = []
    for token, following in pairwise((*tokens, None)):
        if token is not None:
            # A variable is one word: @n.
            joined = token.token_type is TokenType.PARAMETER and following is not None and following.start == token.end + 1
            words += (_plain(token), "" if joined else " ")
    return "".join(words).rstrip()


def _plain(token: Token) -> str:
    if token.token_type in LITERALS:
        return "§"
    if token.token_type is TokenType.IDENTIFIER:
        return '"' + re.sub(r"\W", "", token.text).lower() + '"'
    return token.text.upper()


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[Effect, re.Pattern[str]], ...]:
    return tuple((Effect(entry["effect"]), re.compile("|".join(entry["pattern"]))) for entry in table("sql")["statement"])


def _within(form: str) -> Effect | None:
    kinds = (("disclose", Effect.DISCLOSE), ("change", Effect.CHANGE))
    return next((effect for kind, effect in kinds if pattern("within", kind).search(form)), None)


def _headline(tokens: Sequence[Token]) -> str:
    words = [token.text for token in tokens[:7] if token.token_type not in LITERALS and len(token.text) < 64]
    return re.sub(r" ?([.,()]) ?", r"\1", " ".join(words))
