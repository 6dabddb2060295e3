"""What PowerShell does, read from the verbs of its cmdlets; lexical, so what is neither a cmdlet nor a plain expression is doubt.

Cmdlets are named verb-noun from a closed list of verbs, and the verb says whether they change something. Programs that are no cmdlets
are handed on as commands of a shell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from intent.evidence.base import Finding
from intent.evidence.nested import Language, Nested, Reading
from intent.evidence.reading import shown, table, words_of
from intent.vocabulary import Effect

_MASKED = re.compile(r"@'\n.*?\n'@|@\"\n.*?\n\"@|'(?:[^']|'')*'|\"(?:[^\"`]|`.|\"\")*\"|<#.*?#>|(?<![\w`])#[^\n]*", re.DOTALL)
_SPLIT = re.compile(r"[;\n|{}()]|&&|(?<=\w)=(?=\s)")
_CMDLET = re.compile(r"(?:^|[;|({&=\n])\s*([A-Za-z]+)-([A-Za-z]\w*)(?=$|[\s;|)}])")
_ALIASED = re.compile(r"(?:^|[;|({&=\n])\s*(?:iex|iwr|irm|gci|gc|gps|saps|icm|gwmi|gcim|ogv)(?=$|[\s;|)}(])", re.IGNORECASE)
_HEAD = re.compile(
    r"^\s*(?:\[[\w.\[\]]+\]\s*)?(?:\$[\w:]+\s*[-+*/]?=\s*)?(?:(?:return|throw|if|elseif|else|foreach|for|while|do|try|catch|finally|in|switch|param|function|begin|process|end|until|filter|break|continue|exit)\b\s*)*"
)
_VARIABLE = re.compile(r"^\s*\$\{?([\w:]+)\}?(?:\s+(\S.*)|\s*)$", re.DOTALL)
_OPERATOR = re.compile(
    r"(?i)[-+*/%]?=|[-+*/%,.]\s|in\b|-(?:[ic]?(?:eq|ne|gt|ge|lt|le|like|notlike|match|notmatch|contains|notcontains|in|notin|replace|split)|and|or|xor|not|is|isnot|as|f|join|band|bor|shl|shr)\b|\?\?"
)
_METHOD = re.compile(r"(\]::|\.)(\w+)\(")
_TYPE = re.compile(r"\[([\w.]+)\]::(\w+)")
_REDIRECT = re.compile(r"(?<![-=<])>>?(?!&)\s*(?!\$null\b|\s|>|=)\S")
_EXPRESSION = re.compile(r"^(?:[$@\[\"'\d§,.+*/%!-]|\s*$)")
_PURE_METHOD = re.compile(
    r"(?i)to\w+|trim\w*|split|replace|substring|contains\w*|startswith|endswith|add(days|hours|minutes|seconds|months|years)?|indexof|lastindexof|pad\w+|insert|equals|compareto|get\w+|match(es)?|"
    r"format|join|isnullor\w+|parse\w*|tryparse|new|abs|round|max|min|pow|sqrt|floor|ceiling|newguid|now|where|foreach|count|reverse|sort|first|last|keys|values|item|combine|frombase64string|isabsolute|exists"
)
_PURE_TYPES = words_of(
    "math datetime string guid convert int int32 int64 double regex timespan text.encoding system.text.encoding system.math system.datetime system.guid system.convert system.string char bool version uri system.uri io.path system.io.path array pscustomobject environment system.environment"
)
_CARRIES = re.compile(r"(?i)-(infile|form)\b")
_BODY = re.compile(r"(?i)-body\s+(\S+)")
_METHOD_OPTION = re.compile(r"(?i)-(?:method|custommethod)[\s:]+([\w$'\"]+)")


def looks_like_powershell(text: str) -> bool:
    """Whether a text has a cmdlet where a command stands.

    >>> looks_like_powershell("Get-ChildItem -Recurse"), looks_like_powershell("apt-get update")
    (True, False)
    """
    masked = _mask(text)
    if _ALIASED.search(masked) or re.search(r"(?i)\$env:\w|\]::\w", masked):
        return True
    return any(_is_cmdlet(m.group(1), m.group(2)) for m in _CMDLET.finditer(masked))


def _is_cmdlet(verb: str, noun: str) -> bool:
    name = f"{verb}-{noun}"
    native = any(name in words_of(names) for names in table("shell")["simple"].values())
    return verb.lower() in _list("verb") and not native


def read(text: str) -> list[Reading]:
    """What a text does, and the native commands in it that are still to be read."""
    masked = _mask(text)
    found: list[Reading] = [*_subexpressions(text), *_methods(masked, text)]
    if _REDIRECT.search(masked):
        found.append(_finding(text, Effect.CHANGE))
    start = 0
    for split in [*_SPLIT.finditer(masked), None]:
        end = split.start() if split else len(text)
        found += _segment(masked[start:end], text[start:end], _statement(masked, text, start))
        if masked[start - 1 : start] not in {"(", "{", "="} and _runs_variable(masked[start:end], masked):
            found.append(_finding(text[start:end], None))
        start = split.end() if split else end
    if set("'\"<") & set(masked) or _unbalanced(masked):
        found.append(_finding(text, None))
    return found or [_finding(text, Effect.NONE)]


def _mask(text: str) -> str:
    """The text with strings and comments blotted out, at its own length."""
    return _MASKED.sub(lambda m: ("§" if m.group()[0] not in "#<" else " ") * len(m.group()), text)


def _unbalanced(masked: str) -> bool:
    """Whether brackets do not pair, or a pipe leads from or to nothing."""
    open_: list[str] = []
    for character in masked:
        if character in "({[":
            open_.append(character)
        elif character in ")}]" and (not open_ or open_.pop() + character not in {"()", "{}", "[]"}):
            return True
    return bool(open_ or re.search(r"(?:^|[;({])\s*\||\|\s*(?:$|[;)}])", masked))


def _subexpressions(text: str) -> Iterator[Reading]:
    """Commands inside a double-quoted string run when the string is made."""
    for match in _MASKED.finditer(text):
        if match.group()[0] in {'"', "@"} and "$(" in match.group():
            yield Nested(Language.POWERSHELL, match.group().partition("$(")[2].rstrip('"@\n').rpartition(")")[0])


def _statement(masked: str, text: str, start: int) -> str:
    """From a command to the end of its statement, with its strings: where its options are looked for."""
    end = re.compile(r"[;|\n]").search(masked, start)
    return text[start : end.start() if end else len(text)]


def _runs_variable(segment: str, masked: str) -> bool:
    """Whether a variable stands where another shell would run what it holds."""
    match = _VARIABLE.match(segment)
    if match is None or match.group(1).lower().startswith(("env:", "_", "psitem")):
        return False
    if match.group(2):
        return not _OPERATOR.match(match.group(2))
    return re.search(rf"\${re.escape(match.group(1))}\s*[-+*/]?=", masked) is None


def _segment(masked: str, raw: str, statement: str) -> Iterator[Reading]:
    head = _HEAD.match(masked)
    offset = head.end() if head else 0
    masked, raw = masked[offset:].strip(), raw[offset:].strip()
    word = masked.split()[0] if masked.split() else ""
    if word[:1] in {"&", "."} and (len(word) == 1 or word[:1] == "&" or word[:2] in {".\\", "./"}):
        yield from _called(masked, raw)
    elif word in {"?", "%"}:
        return
    elif "-" in word and re.fullmatch(r"[A-Za-z]+-[A-Za-z]\w*", word):
        yield from _cmdlet(word.lower(), statement)
    elif word.lower() in _aliases():
        yield from _cmdlet(_aliases()[word.lower()], statement)
    elif not _EXPRESSION.match(masked):
        yield _finding(raw, None) if looks_like_powershell(raw) else Nested(Language.SHELL, raw)


def _called(masked: str, raw: str) -> Iterator[Reading]:
    target = masked[1:].strip() if masked[:2] not in {".\\", "./"} else masked
    if target.startswith("$") or not target:
        yield _finding(raw, None)
    elif target.startswith("{"):
        return
    else:
        yield _finding(raw, Effect.CHANGE)


def _cmdlet(name: str, statement: str) -> Iterator[Reading]:
    if name in {"invoke-webrequest", "invoke-restmethod"}:
        yield _finding(statement, _web(statement))
    elif name in {"invoke-expression"}:
        yield from _evaluated(statement)
    elif name == "invoke-command":
        yield _finding(statement, Effect.CHANGE if re.search(r"(?i)-filepath", statement) else Effect.NONE)
    elif name == "invoke-sqlcmd" and (query := re.search(r"(?i)-query\s+[\"'](.*?)[\"'](?=\s+-|\s*$)", statement, re.DOTALL)):
        yield Nested(Language.SQL, query.group(1))
    elif name == "new-object":
        yield _finding(statement, None if re.search(r"(?i)-com|process|scripting", statement) else Effect.NONE)
    elif name in {"copy-item", "move-item"} and re.search(r"(?i)-tosession|-destination\s+[\"']?\\\\", statement):
        yield _finding(statement, Effect.DISCLOSE)
    else:
        yield _finding(statement, _by_verb(name))


def _by_verb(name: str) -> Effect | None:
    for effect in (Effect.DISCLOSE, Effect.NONE, Effect.READ):
        if name in _list(effect.value):
            return effect
    verb = name.partition("-")[0]
    kinds = (Effect.DISCLOSE, Effect.CHANGE, Effect.READ, Effect.NONE)
    return next((effect for effect in kinds if verb in _list(f"{effect.value}_verbs")), None)


def _web(statement: str) -> Effect | None:
    """A request: its method, what its body carries, and where the answer is kept."""
    method = _METHOD_OPTION.search(statement)
    body = _BODY.search(statement)
    carried = statement[body.start(1) :] if body else ""
    if (
        _CARRIES.search(statement)
        or carried.startswith(("$", "("))
        or (carried.startswith(("@", '"')) and re.search(r"\$(?!true|false|null)", carried))
    ):
        return Effect.DISCLOSE
    if re.search(r"\$\(", statement.partition("-")[0] or statement):
        return Effect.DISCLOSE
    if method is not None and method.group(1).startswith("$"):
        return None
    if body or (method is not None and method.group(1).strip("'\"").lower() not in {"get", "head", "options"}):
        return Effect.CHANGE
    return Effect.CHANGE if re.search(r"(?i)-outfile\b", statement) else Effect.READ


def _evaluated(statement: str) -> Iterator[Reading]:
    literal = re.search(r"(?:-Command\s+)?'((?:[^']|'')*)'\s*$", statement.strip(), re.IGNORECASE)
    if literal:
        yield Nested(Language.POWERSHELL, literal.group(1))
        return
    yield _finding(statement, Effect.CHANGE)
    yield _finding(statement, None)


def _methods(masked: str, text: str) -> Iterator[Reading]:
    """Methods of objects of .NET: the pure ones by name, those that write or send by theirs, others are doubt."""
    for match in _METHOD.finditer(masked):
        name = match.group(2).lower()
        detail = text[max(0, match.start() - 60) : match.end() + 40]
        if name.startswith(("upload", "send", "post", "put")):
            yield _finding(detail, Effect.DISCLOSE)
        elif name.startswith(
            ("write", "delete", "move", "copy", "create", "kill", "start", "stop", "save", "set", "append", "remove", "downloadfile")
        ):
            yield _finding(detail, Effect.CHANGE)
        elif name.startswith(("read", "download", "getresponse", "enumerate")):
            yield _finding(detail, Effect.READ)
        elif not _PURE_METHOD.fullmatch(name):
            yield _finding(detail, None)
    for match in _TYPE.finditer(masked):
        if match.group(1).lower() not in _PURE_TYPES and not re.match(r"(?i)read|exists|get", match.group(2)):
            yield _finding(match.group(), None)


@lru_cache(maxsize=16)
def _list(name: str) -> frozenset[str]:
    return words_of(table("shell")["powershell"][name])


@lru_cache(maxsize=1)
def _aliases() -> Mapping[str, str]:
    return {alias: name for alias, _, name in (entry.partition("=") for entry in table("shell")["powershell"]["alias"].split())}


def _finding(detail: str, effect: Effect | None) -> Finding:
    return Finding("shell", shown(detail), effect)
