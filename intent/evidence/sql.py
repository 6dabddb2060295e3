"""What SQL statements do, read by a real parser in the lexical rules of several databases; the most consequential reading wins.

A text that one database takes for a comment or a string can be a statement in another, so each lexical reading is judged for
itself. Leading words decide what a grammar does not model; a SELECT must parse, or it is doubt.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token, TokenType

from intent.evidence.base import Finding, Leaf
from intent.evidence.reading import distinct, heaviest, shown, table, weight, words_of
from intent.vocabulary import Effect

logging.getLogger("sqlglot").setLevel(logging.CRITICAL)

MAX_CHARACTERS = 4096
_MAX_PARSED_TOKENS = 4000
# The first of each lexical family; the second tuple only parses what the first could tokenize.
_LEXICAL = ("postgres", "mysql", "sqlite", "tsql", "bigquery", "snowflake")
_GRAMMARS = ("", "oracle", "duckdb")
_LITERALS = frozenset({
    TokenType.STRING, TokenType.NATIONAL_STRING, TokenType.RAW_STRING, TokenType.HEREDOC_STRING, TokenType.UNICODE_STRING,
    TokenType.BYTE_STRING, TokenType.HEX_STRING, TokenType.BIT_STRING,
})  # fmt: skip
_COMMANDS = frozenset({TokenType.COMMAND, TokenType.EXECUTE, TokenType.FETCH, TokenType.SHOW, TokenType.RENAME})
_KEYS = frozenset(
    "sql query statement stmt q text script batch sql_query sql_text query_text query_string queries statements sql_statement input expr expression "
    "cmd command code source ql inline body line request".split()
)
_SURE_KEYS = frozenset("sql sql_query sql_text sql_statement statement stmt statements tsql plsql".split())
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
_FENCE = re.compile(r"^\s*```\w*\s*\n(.*?)\n?\s*```\s*$", re.DOTALL)
_LEADING = re.compile(r"^(?:\s+|--[^\n]*\n|#[^\n]*\n|/\*(?!M?!).*?\*/|\(|;)+", re.DOTALL)
_EXECUTABLE_COMMENT = re.compile(r"/\*M?!\d*(.*?)\*/", re.DOTALL)
_CONSOLE = re.compile(r"^[ \t]*(\.[a-z]\w*|\\(?:[a-zA-Z]+\+?|[!?]))(.*)$", re.MULTILINE)
_GO = re.compile(r"^[ \t]*GO[ \t]*\d*[ \t]*$", re.MULTILINE | re.IGNORECASE)


def claims(leaf: Leaf, tool_words: str) -> bool:
    """Whether a leaf is to be read as SQL: its key and the tool say so and it has SQL's form, or it surely is SQL."""
    text = _unfenced(leaf.text)
    words = tool_words.replace("_", " ")
    hinted = bool(_HINT.search(words))
    if leaf.key in _SURE_KEYS and (hinted or _WEAK_HINT.search(words) or leaf.key.startswith("sql")):
        return bool(text.strip())
    if hinted and leaf.key in _KEYS and _CONSOLE.match(text):
        return True
    return _fits(_form(text[:MAX_CHARACTERS])) and ((hinted and leaf.key in _KEYS) or _is_written_as_sql(text))


def findings(text: str) -> tuple[Finding, ...]:
    """What the statements of a text do, one finding a statement; a text that cannot be read is doubt.

    >>> [f.effect.value for f in findings("SELECT name FROM users; DROP TABLE users")]
    ['read', 'change']
    """
    text = _unfenced(text)
    if len(text) > MAX_CHARACTERS:
        opening = _by_keyword(_form(text[:MAX_CHARACTERS]))
        certain = () if opening is None or weight(opening) < weight(Effect.CHANGE) else (_finding("long statement", opening),)
        return (*certain, _finding("too long to be parsed", None))
    return _findings(text)


@lru_cache(maxsize=512)
def _findings(text: str) -> tuple[Finding, ...]:
    found = [_console(match) for match in _CONSOLE.finditer(text)]
    text = _GO.sub(";", _CONSOLE.sub(" ", text))
    if not text.strip():
        return distinct(found)
    readings = [reading for dialect, variant in _variants(text) if (reading := _lexed(dialect, variant)) is not None]
    groups: dict[tuple[str, tuple[tuple[int, int, bool], ...]], tuple[list[str], list[Token]]] = {}
    for dialect, variant, tokens in readings:
        signature = (variant, tuple((t.start, t.end, t.token_type in _LITERALS) for t in tokens))
        groups.setdefault(signature, ([], tokens))[0].append(dialect)
    judged: list[tuple[Finding, ...]] = []
    budget = _MAX_PARSED_TOKENS
    for (variant, _), (dialects, tokens) in groups.items():
        judged.append(tuple(_statements(variant, tokens, dialects if len(tokens) <= budget else [])))
        budget -= len(tokens)
    return distinct([*found, *_combined(judged)])


def _variants(text: str) -> Iterator[tuple[str, str]]:
    for dialect in _LEXICAL:
        yield dialect, text
    opened = _EXECUTABLE_COMMENT.sub(r" \1 ", text)
    opened = re.sub(r"--(?=[^\s])", "- -", opened)
    if opened != text:
        yield "mysql", opened


def _lexed(dialect: str, text: str) -> tuple[str, str, list[Token]] | None:
    try:
        return dialect, text, _opened(dialect, text, Dialect.get_or_raise(dialect).tokenize(text))
    except (SqlglotError, RecursionError, ValueError, IndexError, KeyError, TypeError, AttributeError):
        return None


def _opened(dialect: str, text: str, tokens: Sequence[Token]) -> list[Token]:
    """Tokens with the tail of a command, which the tokenizer gives as one string, taken apart."""
    opened: list[Token] = []
    for token in tokens:
        source = text[token.start : token.end + 1]
        if opened and opened[-1].token_type in _COMMANDS and token.token_type is TokenType.STRING and token.text.strip() in source.strip():
            if source.strip()[:1] in {"'", '"'} and source.strip() == source.strip()[0] + token.text + source.strip()[0]:
                opened.append(token)
                continue
            tail = Dialect.get_or_raise(dialect).tokenize(source)
            opened.extend(Token(t.token_type, t.text, t.line, t.col, t.start + token.start, t.end + token.start) for t in tail)
        else:
            opened.append(token)
    return opened


def _combined(judged: Sequence[tuple[Finding, ...]]) -> tuple[Finding, ...]:
    """The heaviest complete reading, and what other readings surely change or disclose beside it."""
    complete = [j for j in judged if j and all(f.effect is not None for f in j)]
    if not judged or not any(judged):
        return (_finding("no statement could be read", None),)
    best = max(complete or [j for j in judged if j], key=lambda j: weight(heaviest(f.effect for f in j)))
    effects = {f.effect for f in best}
    certain = (f for j in judged for f in j if f.effect in {Effect.CHANGE, Effect.DISCLOSE} and f.effect not in effects)
    return (*best, *certain)


def _statements(text: str, tokens: Sequence[Token], dialects: Sequence[str]) -> Iterator[Finding]:
    chunk: list[Token] = []
    for token in [*tokens, None]:
        if token is not None and token.token_type is not TokenType.SEMICOLON:
            chunk.append(token)
        elif chunk:
            yield from _statement(text, chunk, dialects)
            chunk = []


def _statement(text: str, tokens: list[Token], dialects: Sequence[str]) -> Iterator[Finding]:
    form = _skeleton(tokens)
    detail = _headline(tokens)
    inside = _within(form)
    if match := re.match(r"(EXPLAIN|PROFILE) .*?\bANALY[SZ]E\b", form):
        rest = tokens[len(match.group().split()) :]
        while rest and not re.match(r"SELECT|WITH|INSERT|UPDATE|DELETE|MERGE|CREATE|REPLACE|EXECUTE|TABLE|VALUES|REFRESH|DECLARE|CALL", rest[0].text.upper()):
            rest = rest[1:]
        yield from _statement(text, rest, dialects) if rest else (_finding(detail, None),)
        return
    effect = _by_keyword(form)
    called = list(_called(tokens))
    if effect is None:
        effect = _procedure(form, inside) if _PROCEDURAL.match(form) else _queried(text, tokens, dialects, detail)
    if weight(effect) < weight(Effect.CHANGE) and inside is not None:
        effect = inside
    yield _finding(detail, effect)
    if not form.startswith(("GRANT", "REVOKE", "CREATE", "DROP", "ALTER", "EXPLAIN", "DESC")):
        yield from (_finding(f"{name}()", found) for name, found in called if found is not effect)


_PROCEDURAL = re.compile(r"(IF|ELSE|ELSEIF|ELSIF|BEGIN|END|WHILE|LOOP|FOR|DECLARE|RETURN|REPEAT|CASE|THEN|EXCEPTION|OPEN|CLOSE|LET|TRY|CATCH|RAISE|LEAVE|BREAK|<)\b")


def _procedure(form: str, inside: Effect | None) -> Effect | None:
    """A fragment of a procedure: what stands in it, or doubt where nothing known does."""
    if inside is not None:
        return inside
    body = re.sub(r"^(?:(?:IF|ELSE|ELSEIF|ELSIF|BEGIN|WHILE|LOOP|REPEAT|THEN|DO)\b[^;]*?)(?=\b(?:SELECT|PRINT|SET|RETURN)\b|$)", "", form)
    if re.match(r"DECLARE\b.*\bCURSOR\b|DECLARE\b.*\bSELECT\b|SELECT\b|RETURN\b|OPEN\b|CLOSE\b|FOR\b.*\bSELECT\b|IF\b.*\bSELECT\b", body or form):
        return Effect.READ
    bare = re.fullmatch(r"(ELSE|BEGIN|END|IF|LOOP|CASE|TRY|CATCH|BREAK|LEAVE|THEN|DECLARE|EXCEPTION|§| )*", body or form)
    return Effect.NONE if bare or body.startswith("PRINT") else None


def _queried(text: str, tokens: Sequence[Token], dialects: Sequence[str], detail: str) -> Effect | None:
    """A statement that reads, if some grammar parses it; `None` otherwise."""
    source = text[tokens[0].start : tokens[-1].end + 1]
    for dialect in (*dialects, *(_GRAMMARS if dialects else ())):
        tree = _parsed(dialect, source)
        if tree is not None:
            return _of_tree(tree)
    del detail
    return None


def _parsed(dialect: str, source: str) -> exp.Expression | None:
    grammar = Dialect.get_or_raise(dialect or None)
    try:
        trees = grammar.parser().parse(grammar.tokenize(source), source)
    except (SqlglotError, RecursionError, ValueError, IndexError, KeyError, TypeError, AttributeError):
        return None
    only = trees[0] if len(trees) == 1 else None
    return only if isinstance(only, exp.Query) else None


def _of_tree(tree: exp.Expression) -> Effect | None:
    if any(tree.find_all(exp.DML, exp.DDL)) and any(not isinstance(n, exp.Query) for n in tree.find_all(exp.DML, exp.DDL)):
        return Effect.CHANGE
    into = tree.find(exp.Into)
    if into is not None and not _into_variable(into):
        return Effect.CHANGE
    tables = [t for t in tree.find_all(exp.Table) if t.name]
    defined = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
    functions = {n.name.lower() for n in tree.find_all(exp.Anonymous)}
    unknown = {name for name in functions if not _is_known(name)}
    if any(_acts(name) for name in unknown):
        return None
    if any(t.name.lower() not in defined for t in tables) or tree.find(exp.SessionParameter, exp.Parameter, exp.Star, exp.CurrentUser):
        return Effect.READ
    if functions & _functions("read") or tree.find(exp.Column):
        return Effect.READ
    return None if unknown else Effect.NONE


def _into_variable(into: exp.Into) -> bool:
    target = into.this if into.this is not None else next(iter(into.expressions), None)
    return target is None or isinstance(target, exp.Parameter | exp.SessionParameter | exp.Placeholder)


@lru_cache(maxsize=8)
def _functions(kind: str) -> frozenset[str]:
    return words_of(table("sql")["functions"][kind])


def _is_known(name: str) -> bool:
    return name in _functions("read") or name.startswith(tuple(_functions("pure"))) or name in _functions("derive")


def _acts(name: str) -> bool:
    return any(word in _functions("verbs") for word in re.split(r"[_$.]+", name.lower()))


def _called(tokens: Sequence[Token]) -> Iterator[tuple[str, Effect | None]]:
    """Functions with effects of their own: read from tokens, because each grammar names them differently."""
    for token, following in zip(tokens, tokens[1:], strict=False):
        name = token.text.lower()
        if following.token_type is not TokenType.L_PAREN and not name.startswith(("xp_", "sp_")):
            continue
        if token.token_type in _LITERALS:
            continue
        if name in _functions("disclose"):
            yield name, Effect.DISCLOSE
        elif name in _functions("change"):
            yield name, Effect.CHANGE
        elif name in _functions("doubt"):
            yield name, None
        elif name in _functions("read"):
            yield name, Effect.READ


def _skeleton(tokens: Sequence[Token]) -> str:
    """The statement in upper case, literals as §, so that words in strings and quoted names decide nothing."""
    return " ".join(_plain(token) for token in tokens)


def _plain(token: Token) -> str:
    if token.token_type in _LITERALS:
        return "§"
    if token.token_type is TokenType.IDENTIFIER:
        return '"' + re.sub(r"\W", "", token.text).lower() + '"'
    return token.text.upper()


def _form(text: str) -> str:
    """The skeleton of an unparsed text, for telling SQL from prose before any parser is asked."""
    text = _EXECUTABLE_COMMENT.sub(r" \1 ", text)
    text = _LEADING.sub("", text)
    text = re.sub(r"--[^\n]*|/\*.*?\*/", " ", text, flags=re.DOTALL)
    text = re.sub(r"\$\$.*?(?:\$\$|$)|'(?:[^']|'')*'", "§", text, flags=re.DOTALL)
    return " ".join(re.sub(r"[\"`]", '"', text).upper().split()).strip()


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[Effect, re.Pattern[str]], ...]:
    return tuple((Effect(entry["effect"]), re.compile("|".join(entry["pattern"]))) for entry in table("sql")["statement"])


@lru_cache(maxsize=4)
def _pattern(section: str, kind: str) -> re.Pattern[str]:
    return re.compile("|".join(table("sql")[section][kind]))


def _by_keyword(form: str) -> Effect | None:
    return next((effect for effect, pattern in _patterns() if pattern.search(form)), None)


def _within(form: str) -> Effect | None:
    kinds = (("disclose", Effect.DISCLOSE), ("change", Effect.CHANGE))
    return next((effect for kind, effect in kinds if _pattern("within", kind).search(form)), None)


def _fits(form: str) -> bool:
    return bool(_pattern("shape", "sure").search(form[:2000]))


def _is_written_as_sql(text: str) -> bool:
    """Without any hint: keywords in capitals, or punctuation that prose does not have."""
    body = _LEADING.sub("", text)[:2000]
    first = re.match(r"[A-Za-z]+", body)
    if first is None:
        return False
    second = re.search(r"\b(FROM|SET|INTO|TABLE|VALUES|AS|DATABASE|WHERE|USER|VIEW|INDEX|ON|TO|OF|TABLES|COLUMNS|TYPE|CASE|DATA)\b", body)
    if first.group().isupper() and (second or not re.search(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}", body)):
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
    return _finding(f"{name} {rest.strip()[:60]}", effect)


def _headline(tokens: Sequence[Token]) -> str:
    words = [token.text for token in tokens[:7] if token.token_type not in _LITERALS and len(token.text) < 64]
    return re.sub(r" ?([.,()]) ?", r"\1", " ".join(words))


def _unfenced(text: str) -> str:
    match = _FENCE.match(text)
    return match.group(1) if match else text


def _finding(detail: str, effect: Effect | None) -> Finding:
    return Finding("sql", shown(detail), effect)
