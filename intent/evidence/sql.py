"""What SQL statements do, read by a real parser in the lexical rules of several databases; the most consequential reading wins.

A text that one database takes for a comment or a string can be a statement in another, so each lexical reading is judged for
itself. Leading words decide what a grammar does not model; a SELECT must parse, or it is doubt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from types import new_class
from typing import cast

from sqlglot import Token, Tokenizer
from sqlglot.dialects.dialect import Dialect

from intent.evidence.base import Finding, Leaf
from intent.evidence.reading import Budget, distinct, heaviest, table, unfenced, weight, words_of
from intent.evidence.sql_statement import LITERALS, UNREADABLE, Reading, finding, opening, pattern, statements
from intent.vocabulary import Effect

MAX_CHARACTERS = 4096
_MAX_PARSED_TOKENS = 4000
# The first of each lexical family.
_LEXICAL = ("postgres", "mysql", "sqlite", "tsql", "bigquery", "snowflake")
_KEYS = words_of("""
    sql query statement stmt q text script batch sql_query sql_text query_text query_string queries statements sql_statement input expr
    expression cmd command code source ql inline body line request
""")
_SURE_KEYS = words_of("sql sql_query sql_text sql_statement statement stmt statements tsql plsql")
_HINT = re.compile(
    r"\b(?:\w*sql\w*|postgres\w*|mariadb|snowflake|bigquery|bq|redshift|duckdb|clickhouse|athena|trino|presto|dwh|databricks|cockroach\w*|timescale\w*|ddl|dml)\b"
)
_WEAK_HINT = re.compile(r"\b(?:databases?|db|warehouse|oracle|hive|spark|tables?)\b")
_LOWER_CASE = re.compile(
    r"(?is)select\s+(?:distinct\s+)?(?!(?:[a-z]+\s+){4})\S.*?\sfrom\s+[\w.\"`\[\]]+(?:\s+(?:as\s+)?\w+)?\s*"
    r"(?:;|$|,|where\s+\S+\s*(?:[=<>!]|in\s*\(|like\s+'|is\s|between\s)|(?:left|right|inner|cross|full)?\s*join\s|group\s+by|order\s+by|limit\s+\d|union\s)"
    r"|insert\s+into\s+[\w.]+\s*(?:\(|values|select)|update\s+[\w.]+\s+set\s+\w+\s*=|delete\s+from\s+[\w.]+\s*(?:;|$|where\s+\S+\s*(?:[=<>!]|in\s*\())"
    r"|drop\s+(?:table|database|schema|view)\s+(?:if\s+exists\s+)?[\w.]+\s*(?:;|$|cascade)|truncate\s+table\s+[\w.]+\s*(?:;|$)|with\s+\w+\s+as\s*\(\s*(?:select|delete|insert|update)\b"
    r"|create\s+table\s+[\w.]+\s*\(|alter\s+table\s+[\w.]+\s+(?:add|drop|rename|alter)\s"
)
_SECOND_KEYWORD = re.compile(r"\b(FROM|SET|INTO|TABLE|VALUES|AS|DATABASE|WHERE|USER|VIEW|INDEX|ON|TO|OF|TABLES|COLUMNS|TYPE|CASE|DATA)\b")
_LEADING = re.compile(r"^(?:\s+|--[^\n]*\n|#[^\n]*\n|/\*(?!M?!).*?\*/|\(|;)+", re.DOTALL)
_EXECUTABLE_COMMENT = re.compile(r"/\*M?!\d*(.*?)\*/", re.DOTALL)
_CONSOLE = re.compile(r"^[ \t]*(\.[a-z]\w*|\\(?:[a-zA-Z]+\+?|[!?]))(.*)$", re.MULTILINE)
_GO = re.compile(r"^[ \t]*GO[ \t]*\d*[ \t]*$", re.MULTILINE | re.IGNORECASE)


def claims(leaf: Leaf, tool_words: str) -> bool:
    """Whether a leaf is to be read as SQL: its key and the tool say so and it has SQL's form, or it surely is SQL."""
    text = unfenced(leaf.text)
    hinted, weakly = _hints(tool_words)
    if leaf.key in _SURE_KEYS and (hinted or weakly or leaf.key.startswith("sql")):
        return bool(text.strip())
    if hinted and leaf.key in _KEYS and _CONSOLE.match(text):
        return True
    return _fits(_form(text[:MAX_CHARACTERS])) and ((hinted and leaf.key in _KEYS) or _is_written_as_sql(text))


# The words are those of a tool, long, and the same for each of its arguments.
@lru_cache(maxsize=16)
def _hints(tool_words: str) -> tuple[bool, bool]:
    """Whether a tool names SQL or a database, and whether it names what only may be one."""
    words = tool_words.replace("_", " ")
    return _HINT.search(words) is not None, _WEAK_HINT.search(words) is not None


def findings(text: str, budget: Budget | None = None) -> tuple[Finding, ...]:
    """What the statements of a text do, one finding a statement; a text that cannot be read is doubt.

    Parameters
    ----------
    budget
        Of the call that the text is a part of; a text that passes it is doubt.

    Examples
    --------
    >>> [f.effect.value for f in findings("SELECT name FROM users; DROP TABLE users")]
    ['read', 'change']
    """
    text = unfenced(text)
    if budget is not None and not budget.allows_text(text[:MAX_CHARACTERS]):
        return (finding("too much to be parsed", None),)
    if len(text) > MAX_CHARACTERS:
        effect, _ = opening(_form(text[:MAX_CHARACTERS]))
        certain = () if effect is None or weight(effect) < weight(Effect.CHANGE) else (finding("long statement", effect),)
        return (*certain, finding("too long to be parsed", None))
    return _findings(text)


@lru_cache(maxsize=512)
def _findings(text: str) -> tuple[Finding, ...]:
    found = [_console(match) for match in _CONSOLE.finditer(text)]
    text = _GO.sub(";", _CONSOLE.sub(" ", text))
    if not text.strip():
        return distinct(found)
    budget = Budget(_MAX_PARSED_TOKENS)
    return distinct([*found, *_combined([tuple(statements(reading, budget)) for reading in _readings(text)])])


def _readings(text: str) -> Iterator[Reading]:
    """Each distinct way to cut the text into tokens."""
    groups: dict[tuple[str, tuple[tuple[int, int, bool], ...]], tuple[Sequence[Token], list[str]]] = {}
    for dialect, variant in _variants(text):
        tokens = _lexed(dialect, variant)
        if tokens is not None:
            signature = (variant, tuple((t.start, t.end, t.token_type in LITERALS) for t in tokens))
            groups.setdefault(signature, (tokens, []))[1].append(dialect)
    yield from (Reading(variant, tokens, dialects) for (variant, _), (tokens, dialects) in groups.items())


def _variants(text: str) -> Iterator[tuple[str, str]]:
    for dialect in _LEXICAL:
        yield dialect, text
    # MySQL runs what stands in such comments, and takes "--1" for a number.
    opened = re.sub(r"--(?=\S)", "- -", _EXECUTABLE_COMMENT.sub(r" \1 ", text))
    if opened != text:
        yield "mysql", opened


def _lexed(dialect: str, text: str) -> Sequence[Token] | None:
    try:
        return _lexer(dialect)(dialect=dialect).tokenize(text)
    except UNREADABLE:
        return None


@lru_cache(maxsize=len(_LEXICAL))
def _lexer(dialect: str) -> type[Tokenizer]:
    """The lexical rules of a database, without the commands whose tail it would give as one string."""
    base = Dialect.get_or_raise(dialect).tokenizer_class
    return cast("type[Tokenizer]", new_class("Lexer", (base,), exec_body=lambda body: body.update(COMMANDS=frozenset())))


def _combined(judged: Sequence[tuple[Finding, ...]]) -> tuple[Finding, ...]:
    """The heaviest complete reading, and what other readings surely change or disclose beside it."""
    complete = [j for j in judged if j and all(f.effect is not None for f in j)]
    if not judged or not any(judged):
        return (finding("no statement could be read", None),)
    best = max(complete or [j for j in judged if j], key=lambda j: weight(heaviest(f.effect for f in j)))
    effects = {f.effect for f in best}
    certain = (f for j in judged for f in j if f.effect in {Effect.CHANGE, Effect.DISCLOSE} and f.effect not in effects)
    return (*best, *certain)


def _form(text: str) -> str:
    """The skeleton of an unparsed text, for telling SQL from prose before any parser is asked."""
    text = _EXECUTABLE_COMMENT.sub(r" \1 ", text)
    text = _LEADING.sub("", text)
    text = re.sub(r"--[^\n]*|/\*.*?\*/", " ", text, flags=re.DOTALL)
    text = re.sub(r"\$\$.*?(?:\$\$|$)|'(?:[^']|'')*'", "§", text, flags=re.DOTALL)
    return " ".join(re.sub(r"[\"`]", '"', text).upper().split()).strip()


def _fits(form: str) -> bool:
    return bool(pattern("shape", "sure").search(form[:2000]))


def _is_written_as_sql(text: str) -> bool:
    """Without any hint: keywords in capitals, or punctuation that prose does not have."""
    body = _LEADING.sub("", text)[:2000]
    first = re.match(r"[A-Za-z]+", body)
    if first is None:
        return False
    if first.group().isupper() and (_SECOND_KEYWORD.search(body) or not re.search(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}", body)):
        return True
    return bool(_LOWER_CASE.match(body))


def _console(match: re.Match[str]) -> Finding:
    name, rest = match.group(1), match.group(2)
    console = table("sql")["console"]
    if name.lower() == "\\copy":
        effect: Effect | None = Effect.DISCLOSE if re.search(r"(?i)\bto\b(?!\s+(?:p?stdout)\b)", rest) else Effect.CHANGE
    elif name in {".output", ".once", "\\o"} and not rest.strip():
        effect = Effect.NONE
    else:
        effect = next((e for e in (Effect.READ, Effect.NONE, Effect.DISCLOSE, Effect.CHANGE) if name in words_of(console[e.value])), None)
    return finding(f"{name} {rest.strip()[:60]}", effect)
