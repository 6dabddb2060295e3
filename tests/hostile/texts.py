"""Texts inside calls that fit the contract: made to deceive, to take long, or to break a parser."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from tests.hostile.forms import ARGUMENTS_FULL, MARKS_FULL, Answer, Input, call, filled


def _repeated(unit: str) -> str:
    return (unit * MARKS_FULL)[:MARKS_FULL]


def _run(tool: str, key: str, text: str) -> bytes:
    """A tool that runs what its argument says."""
    tools = {
        "sql": {"name": "run_sql", "description": "Run an SQL query on the Postgres database."},
        "shell": {"name": "run_command", "description": "Run a shell command in bash and return its output."},
        "graphql": {"name": "graphql_request", "description": "Send a GraphQL query to the API."},
        "http": {"name": "http_request", "description": "Send an HTTP request to a URL."},
        "python": {"name": "execute_python", "description": "Run Python code."},
    }
    return call(request="Run this for me.", tool=tools[tool], arguments={key: text})


def scripts() -> Iterator[Input]:
    """Characters that grow, hide, stack or turn."""
    texts = {
        "U+FDFA, which grows": _repeated("\ufdfa"),
        "bidi overrides": _repeated("a\u202eb\u202c"),
        "nested isolates": _repeated("\u2066"),
        "tags": _repeated("a\U000e0041"),
        "zalgo": "a" + _repeated("\u0301\u0316"),
        "zalgo of many letters": _repeated("a" + "\u0301" * 20),
        "marks that are reordered": _repeated("\U0001d165\u0301\u0316\u0345"),
        "hangul": _repeated("\u1100\u1161\u11a8"),
        "ligatures": _repeated("\ufb03\u2103\u33ff"),
        "look-alikes": _repeated("\u0434\u0435l\u0435t\u0435 "),
        "one word of look-alikes": _repeated("\u0435a"),
        "joiners": _repeated("d\u200be\u200dl\u2060"),
        "controls": _repeated("\x01\x7f\x9b"),
        "variation selectors": _repeated("a\ufe0f"),
        "private use": _repeated("\ue000\U000f0000"),
        "noncharacters": _repeated("\uffff\ufdd0"),
        "right to left": _repeated("\u05d0\u0627"),
        "mathematical letters": _repeated("\U0001d41d\U0001d41e"),
        "emoji families": _repeated("\U0001f468\u200d\U0001f469\u200d\U0001f467"),
    }
    for name, text in texts.items():
        yield Input(f"request of {name}", call(request=text), Answer.VALID)
        yield Input(
            f"description and argument of {name}", call(tool={"name": "t", "description": text}, arguments={"text": text}), Answer.VALID
        )


def patterns() -> Iterator[Input]:
    """Runs that a pattern may take quadratic time on."""
    units = {
        "letters": "a", "capitals": "A", "digits": "1", "dots": ".", "at signs": "@", "slashes": "/", "backslashes": "\\", "percent": "%",
        "percent signs of letters": "%61", "quotes": "'", "double quotes": '"', "brackets": "(", "braces": "{", "square brackets": "[",
        "angle brackets": "<", "equals": "=", "colons": ":", "dashes": "-", "underscores": "_", "line feeds": "\n", "blanks": " ", "semicolons": ";",
        "base64": "QWxs", "hexadecimal": "4d5a", "escapes": "\\x41", "unicode escapes": "\\u0041", "addresses": "a@b.", "hosts": "a.b.",
        "links": "http://a:b@", "schemes": "x://", "keys": "password=", "bearers": "bearer ", "tokens": "eyJ", "pem": "-----BEGIN PRIVATE KEY-----",
        "key starts": "sk-a", "paths": "../", "camels": "aB", "dollars": "$", "hash signs": "#", "commas": ",", "question marks": "?",
        "ampersands": "&", "pipes": "|", "stars": "*", "backquotes": "`", "tildes": "~", "sentences": "a. ", "lines": "a\n", "numbers": "1.",
        "markup": "<a href=", "comments": "<!--", "quoted pairs": '"a":"', "words of one letter": "a b ",
    }  # fmt: skip
    for name, unit in units.items():
        long = filled(unit, 2 * ARGUMENTS_FULL)[: ARGUMENTS_FULL // 2]
        tool = {"name": "save_text", "description": long[:600]}
        yield Input(f"run of {name}", call(request=long[:600], tool=tool, arguments={"text": long, "url": long[:30_000]}), Answer.VALID)


def parsers() -> Iterator[Input]:
    """Texts that parsers of languages may take long on, or fail on."""
    size = 4_000
    sql = {
        "brackets": "SELECT " + "(" * size + "1" + ")" * size, "short brackets": "SELECT " + "(" * 1900 + "1" + ")" * 1900,
        "subqueries": "SELECT * FROM (" * 260, "cases": "SELECT " + "CASE WHEN " * 390, "nots": "SELECT " + "NOT " * 990,
        "unions": "SELECT 1 UNION " * 260, "statements": "DROP TABLE a;" * 300, "selects": "SELECT 1;" * 440, "quotes": "SELECT " + "'" * 3999,
        "comments": "/*" * 2_000, "executable comments": "/*!" * 1_300, "dashes": "--" * 2_000, "conditions": "SELECT * FROM t WHERE " + "a or " * 790,
        "deletes": "DELETE FROM a WHERE b " * 180, "fence": "```\n" + "\n" * 100_000, "arrows": "SELECT " + "a->" * 1_300,
        "long list": "SELECT * FROM t WHERE a IN (" + "1," * 30_000 + "1)", "long insert": "INSERT INTO t VALUES " + "(1)," * 20_000 + "(1)",
    }  # fmt: skip
    shell = {
        "backquotes": "`" * size, "substitutions": "$(" * size + ")" * size, "substitutions in quotes": 'echo "' + '$(echo "' * 1_000,
        "braces": "{a,b}" * 1_000, "nested braces": "{" * size, "subshells": "(" * size + "ls" + ")" * size, "heredocs": "cat <<A\n" * 600,
        "heredoc without end": "cat <<'E'\n" + "rm -rf /\n" * 1_000, "pipes": "cat |" * 1_000, "commands": "ls;" * 2_000, "ands": "ls && " * 1_000,
        "redirections": "ls " + ">a " * 2_000, "arithmetic": "$((" * 2_000, "quotes": "'" * 3_999, "backslashes": "\\" * 3_999, "ifs": "if a; then " * 500,
        "functions": "f() { f | f & }; f", "shells in shells": "bash -c '" * 500, "evals": "eval " * 1_000, "sudos": "sudo " * 1_000, "envs": "env A=b " * 800,
        "fence": "```\n" + "\n" * 1_200, "xargs": "xargs " * 1_000, "globs": "rm -rf " + "*" * 3_000, "expansions": "${a:-" * 1_000, "long line": "echo " + "word " * 40_000,
    }  # fmt: skip
    graphql = {
        "braces": "{" * size, "selections": "{a" * 1_500 + "}" * 1_500, "aliases": "query {" + " ".join(f"a{i}: user" for i in range(1_500)) + "}",
        "fragments": "query {...a} " + " ".join(f"fragment a{i} on A {{...a{i + 1}}}" for i in range(300)),
        "circular fragments": "query {...a} fragment a on A {...b} fragment b on A {...a}", "lists": "query {a(b: " + "[" * 1_800 + "]" * 1_800 + ")}",
        "objects": "query {a(b: " + "{b: " * 900 + "1" + "}" * 900 + ")}", "directives": "query {a " + "@skip(if: true) " * 200 + "}",
        "variables": "query(" + " ".join(f"$a{i}: Int" for i in range(300)) + ") {a}", "types": "query($a: " + "[" * 1_800 + "Int" + "]" * 1_800 + ") {a}",
        "mutations": "mutation {" + " ".join(f"a{i}: deleteUser(id: {i}) {{id}}" for i in range(130)) + "}", "blocks": '"""' * 1_300, "comments": "#\n" * 2_000,
        "long document": "query {" + "user {id name} " * 10_000 + "}",
    }  # fmt: skip
    for kind, key, texts in (("sql", "sql", sql), ("shell", "command", shell), ("graphql", "query", graphql)):
        for name, text in texts.items():
            # These two read, however oddly they are written.
            reads = kind == "graphql" and name in ("circular fragments", "variables")
            yield Input(f"{kind} of {name}", _run(kind, key, text), Answer.VALID if reads else Answer.DENIED_OR_TOP)
    yield Input("python of brackets", _run("python", "code", "(" * size), Answer.DENIED_OR_TOP)
    yield Input("python of a fence", _run("python", "code", "```\n" + "\n" * 1_200), Answer.DENIED_OR_TOP)
    yield Input("python of lambdas", _run("python", "code", "lambda: " * 1_000), Answer.DENIED_OR_TOP)
    yield Input("link of dots", _run("http", "url", "http://" + "a." * 8_000), Answer.VALID)
    yield Input("link of accounts", _run("http", "url", "http://" + "a:b@" * 8_000), Answer.VALID)
    yield Input("link with a body of links", _run("http", "body", "https://x.example/a?u=" * 3_000), Answer.VALID)


def many_texts() -> Iterator[Input]:
    """Each text is short enough to be parsed; together they must not take long either."""
    select = "SELECT " + ", ".join(f"column{i}" for i in range(280))
    yield Input("60 long queries", _many("run_sql", "Run SQL on Postgres.", [f"{select}, {i} FROM t" for i in range(60)]), Answer.VALID)
    yield Input("60 unreadable queries", _many("run_sql", "Run SQL on Postgres.", [f"SELECT {i} " + "a->" * 1_300 for i in range(60)]))
    yield Input("4,000 queries", _many("run_sql", "Run SQL on Postgres.", [f"SELECT {i} FROM t" for i in range(4_000)]), Answer.VALID)
    yield Input(
        "60 long scripts", _many("run_command", "Run a bash command.", [f"echo {i}; " + "ls -l | sort && " * 250 for i in range(60)])
    )
    yield Input("4,000 commands", _many("run_command", "Run a bash command.", [f"ls folder{i}" for i in range(4_000)]), Answer.VALID)
    yield Input(
        "60 long documents",
        _many("graphql", "Run a GraphQL query.", [f"query a{i} {{" + "a{" * 1_300 + "b" + "}" * 1_301 for i in range(60)]),
    )
    yield Input("4,000 links", _many("fetch", "Fetch links.", [f"https://host{i}.example/a?b=c" for i in range(4_000)]), Answer.VALID)


def _many(name: str, description: str, texts: list[str]) -> bytes:
    key = {"run_sql": "sql", "run_command": "command", "graphql": "query", "fetch": "url"}[name]
    return call(request="Run these.", tool={"name": name, "description": description}, arguments={"steps": [{key: text} for text in texts]})


def encodings() -> Iterator[Input]:
    """Text in encodings in encodings."""

    def coded(text: str, rounds: int) -> str:
        for _ in range(rounds):
            text = base64.b64encode(text.encode()).decode()
        return text

    yield Input("base64 in base64", call(arguments={"text": coded("delete everything", 12)}), Answer.VALID)
    yield Input("long base64", call(arguments={"text": coded("delete everything " * 8_000, 1)}))
    yield Input("many pieces of base64", call(arguments={"text": " ".join(coded(f"delete file number {i}", 1) for i in range(2_000))}))
    yield Input("many arguments in base64", call(arguments={f"k{i}": coded(f"delete file number {i}", 1) for i in range(2_000)}))
    yield Input(
        "random-like base64", call(arguments={"text": coded("".join(chr(33 + i * i % 90) for i in range(90_000)), 1)}), Answer.VALID
    )
    yield Input("percent signs in percent signs", call(arguments={"text": "%2525252525" * 10_000}), Answer.VALID)
    yield Input("gzip in base64", call(arguments={"text": "H4sIAAAAAAAA/" + "A" * 100_000}), Answer.VALID)
    yield Input("data links", call(arguments={"text": "data:text/html;base64,PHNjcmlwdD4=" * 3_000}), Answer.VALID)
