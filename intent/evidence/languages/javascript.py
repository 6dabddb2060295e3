"""What JavaScript does, read from the names it calls and the properties it sets; lexical, so a call that no table knows is doubt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from intent.evidence.base import Finding
from intent.evidence.nested import Language, Nested, Reading
from intent.evidence.reading import shown, table, words_of
from intent.vocabulary import Effect

_KEYWORDS = frozenset(
    "if for while switch catch function return typeof await async new super yield in of void delete else do with constructor get set static throw case".split()
)
_CALL = re.compile(
    r"(?<![\w$.])(?P<name>(?:(?:this|super)\s*\.\s*)?[A-Za-z_$][\w$]*(?:\s*\??\.\s*[A-Za-z_$#][\w$]*)*)\s*(?:\?\.\s*)?\(|\.\s*(?P<method>[A-Za-z_$#][\w$]*(?:\s*\??\.\s*[A-Za-z_$][\w$]*)*)\s*(?:\?\.\s*)?\("
)
_DEFINED = re.compile(
    r"function\s*\*?\s*([\w$]+)|(?:const|let|var)\s+([\w$]+)\s*=\s*(?:async\s*)?(?:function\b|\([^()]*\)\s*=>|[\w$]+\s*=>)|^\s*(?:async\s+)?([\w$]+)\s*\([^()]*\)\s*\{",
    re.MULTILINE,
)
_REFERENCE = re.compile(r"(?<![\w$.])((?:fs|fsPromises|fs\.promises|child_process|process|Deno|navigator)(?:\s*\.\s*\w+)+)\b(?!\s*\()")
_COMPUTED = re.compile(r"\]\s*(?:\?\.\s*)?\(|(?<!\})(?<!\}\s)\)\s*\(")
_SET = re.compile(
    r"\.\s*(?:value|innerHTML|innerText|textContent|outerHTML|outerText|href|src|action|checked|disabled|selected|selectedIndex|cookie|title|className|hash|search|pathname|location|scrollTop|scrollLeft|hidden|contentEditable|files|designMode|style(?:\s*\.\s*\w+)?|dataset\s*\.\s*\w+|on[a-z]+)\s*(?:[-+*/]|\?\?|\|\|)?=(?![=>])"
    r"|(?<![\w$.])(?:window|globalThis|self|document|process\s*\.\s*env|localStorage|sessionStorage)\s*(?:\.\s*[\w$]+|\[[^\]]*\])\s*=(?![=>])|(?<![\w$.])location\s*=(?![=>])|\bdelete\s+(?:window|localStorage|process)"
)
_SEES = re.compile(
    r"(?<![\w$.])(?:document|window|location|localStorage|sessionStorage|navigator|process\s*\.\s*(?:env|argv|cwd|platform|versions?)|history|screen|performance|__dirname|\$0)\b"
)
_SECRETS = re.compile(
    r"document\s*\.\s*(?:cookie|body|documentElement|forms)|localStorage|sessionStorage|process\s*\.\s*env|readFile|innerHTML|innerText|textContent|outerHTML"
)
_GLOBALS = re.compile(
    r"(?<![\w$.])(?:eval|Function|child_process|importScripts|WebAssembly|Proxy|Reflect)\b|\bimport\s*\(|\.\s*(?:constructor|__proto__|prototype)\b|\[\s*(?:\"|')?§*(?:\"|')?\s*\+|\\u[0-9a-fA-F{]|\\x[0-9a-fA-F]"
)
_SHELLS = frozenset("exec execSync".split())
_MODULES = words_of(
    "fs fs/promises path os util crypto url querystring assert events buffer stream readline zlib timers string_decoder perf_hooks node:fs node:path node:os node:util node:crypto node:url node:fs/promises lodash moment dayjs axios node-fetch date-fns uuid"
)


def read(text: str) -> list[Reading]:
    """What a script of bounded length does, and the programs inside it that are still to be read."""
    if not text.strip():
        return []
    code, complete = masked(text)
    found: list[Reading] = [*_calls(code, text), *_others(code, text)]
    if not complete or any(code.count(a) != code.count(b) for a, b in ("()", "{}", "[]")):
        found.append(_finding("not surely read", None))
    if not found and _SEES.search(code):
        found.append(_finding(text, Effect.READ))
    return found or [_finding(text, Effect.NONE)]


def masked(text: str) -> tuple[str, bool]:
    """The script with strings, patterns and comments blotted out at its own length, and whether all of them end; ``${…}`` stays code.

    >>> masked("a('x') // y")
    ("a('§')     ", True)
    """
    out = list(text)
    stack: list[str] = []
    position = 0
    while position < len(text):
        if stack and stack[-1] == "`":
            position = _in_template(text, out, stack, position)
            continue
        end = _literal_end(text, position)
        if end is not None:
            comment = text[position] == "/" and text[position + 1 : position + 2] in {"/", "*"}
            inside = range(position, end) if comment else range(position + 1, end - 1)
            for at in inside[: len(text) - inside.start]:
                out[at] = " " if comment else "§"
            if end > len(text):
                return "".join(out), False
            position = max(end, position + 1)
            continue
        if text[position] == "`":
            stack.append("`")
        elif stack and text[position] in "{}":
            _brace(text[position], stack)
        position += 1
    return "".join(out), not stack


def _brace(character: str, stack: list[str]) -> None:
    if character == "{":
        stack.append("{")
    else:
        stack.pop()


def _in_template(text: str, out: list[str], stack: list[str], position: int) -> int:
    if text[position] == "`":
        stack.pop()
    elif text.startswith("${", position):
        stack.append("{")
        return position + 2
    elif text[position] == "\\":
        for at in (position, position + 1):
            if at < len(text):
                out[at] = "§"
        return position + 2
    else:
        out[position] = "§"
    return position + 1


_LITERAL = re.compile(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|//[^\n]*|/\*.*?\*/", re.DOTALL)
_PATTERN = re.compile(r"/(?![*/])(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*")


def _literal_end(text: str, position: int) -> int | None:
    """Where a literal or a comment that opens here ends, beyond the text for one that does not end; None where none opens."""
    character = text[position]
    if character not in "'\"/":
        return None
    match = _LITERAL.match(text, position)
    if match is not None:
        return match.end()
    if character != "/":
        return len(text) + 1
    if text.startswith("/*", position):
        return len(text) + 1
    before = text[max(0, position - 24) : position].rstrip()
    if not before or before[-1] in "(,=:[!&|?{};+-*%~^<>\n" or re.search(r"\b(?:return|typeof|case|in|of)$", before):
        pattern = _PATTERN.match(text, position)
        return pattern.end() if pattern else len(text) + 1
    return None


def _calls(code: str, text: str) -> Iterator[Reading]:
    defined = {name for match in _DEFINED.finditer(code) for name in match.groups() if name}
    for match in _CALL.finditer(code):
        name = re.sub(r"\s|\?(?=\.)", "", match.group("name") or match.group("method"))
        opening = match.end()
        if name in _KEYWORDS or (match.group("name") and name in defined):
            continue
        if re.search(r"\bfunction\s*\*?\s*$|\b(?:get|set|async|static)\s+$", code[max(0, match.start() - 24) : match.start()]):
            continue
        yield from _called(name, code, text, match.start(), opening)


def _called(name: str, code: str, text: str, start: int, opening: int) -> Iterator[Reading]:
    last = name.rpartition(".")[2]
    end = _closing(code, opening)
    arguments = text[opening:end]
    shown_call = text[start : min(end + 1, start + 120)]
    if last == "fetch" or name in {"axios", "got", "$.ajax", "axios.request", "request"}:
        yield _finding(shown_call, _fetched(arguments, code[opening:end]))
    elif last == "require" or name == "import":
        module = re.fullmatch(r"\s*['\"]([\w:/.@-]+)['\"]\s*", arguments)
        if module is None or module.group(1) not in _MODULES:
            yield _finding(shown_call, None)
    elif last in _SHELLS and (command := re.match(r"\s*(['\"])((?:[^\\'\"$]|\\.)*)\1\s*(?:,|$)", arguments)):
        yield Nested(Language.SHELL, re.sub(r"\\(.)", r"\1", command.group(2)))
    elif (effect := _looked_up(name)) is not Effect.NONE:
        carried = effect is Effect.READ and last in {"get", "head"} and _SECRETS.search(arguments)
        yield _finding(shown_call, Effect.DISCLOSE if carried else effect)


def _fetched(arguments: str, code: str) -> Effect | None:
    """A request: its method, its body, and whether its address carries what was read here."""
    method = re.search(r"\bmethod['\"]?\s*:\s*(?:['\"`](\w+)['\"`]|(\S))|\btype\s*:\s*['\"](\w+)['\"]", arguments)
    body = re.search(r"\b(?:body|data)['\"]?\s*[:,]", code) or re.search(r"\{[^}]*\bbody\b[^}:]*\}", code)
    if _SECRETS.search(code):
        return Effect.DISCLOSE
    if method is not None and method.group(2):
        return None
    if body:
        return Effect.CHANGE if re.match(r"\s*['\"`]/(?!/)", arguments) else Effect.DISCLOSE
    name = (method.group(1) or method.group(3)).upper() if method else "GET"
    if name not in {"GET", "HEAD", "OPTIONS"}:
        return Effect.CHANGE
    second = re.search(r",\s*([A-Za-z_$.][\w$.]*)\s*$", code)
    return None if second else Effect.READ


def _closing(code: str, opening: int) -> int:
    depth = 1
    for position in range(opening, min(len(code), opening + 1000)):
        depth += {"(": 1, ")": -1}.get(code[position], 0)
        if depth == 0:
            return position
    return min(len(code), opening + 1000)


def _others(code: str, text: str) -> Iterator[Reading]:
    for match in _SET.finditer(code):
        yield _finding(text[match.start() : match.start() + 80], Effect.CHANGE)
    for match in _REFERENCE.finditer(code):
        effect = _looked_up(re.sub(r"\s", "", match.group(1)))
        if effect in {Effect.CHANGE, Effect.DISCLOSE}:
            yield _finding(match.group(1), effect)
    for pattern in (_COMPUTED, _GLOBALS):
        if (match := pattern.search(code)) is not None:
            yield _finding(text[max(0, match.start() - 40) : match.end() + 40], None)
    for match in re.finditer(r"\bimport\b[^;\n]*?['\"]([^'\"\n]+)['\"]", text):
        if code[match.start() : match.start() + 6] == "import" and match.group(1) not in _MODULES:
            yield _finding(match.group(), None)
    if _SEES.search(code):
        yield _finding(text, Effect.READ)


def _looked_up(name: str) -> Effect | None:
    """The effect of a called name: its longest tail that a table knows, or its root; a name of no table is doubt."""
    parts = name.split(".")
    if f"{parts[0]}." in _names() and len(parts) > 1 and name not in _names():
        return _names()[f"{parts[0]}."]
    for start in range(len(parts)):
        tail = ".".join(parts[start:])
        if tail in _names():
            return _names()[tail]
    return None


@lru_cache(maxsize=1)
def _names() -> dict[str, Effect | None]:
    lists = table("code")["javascript"]
    kinds: tuple[tuple[str, Effect | None], ...] = (
        ("pure", Effect.NONE), ("read", Effect.READ), ("change", Effect.CHANGE), ("disclose", Effect.DISCLOSE), ("doubt", None),
    )  # fmt: skip
    return {name: effect for kind, effect in kinds for name in words_of(lists[kind])}


def _finding(detail: str, effect: Effect | None) -> Finding:
    return Finding("code", shown(detail), effect)
