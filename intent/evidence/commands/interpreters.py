"""Commands that run a program they are given: the program is handed on to its parser where it is written out, else it is doubt."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from intent.evidence.commands.options import arguments
from intent.evidence.commands.syntax import Command, Source, Word
from intent.evidence.commands.transfers import finding
from intent.evidence.nested import Language, Nested, Reading
from intent.evidence.reading import table, words_of
from intent.vocabulary import Effect

_LANGUAGES = {"shell": Language.SHELL, "python": Language.PYTHON, "javascript": Language.JAVASCRIPT, "powershell": Language.POWERSHELL}
_PYTHON_MODULES = {
    Effect.NONE: words_of("timeit calendar this __hello__ platform sysconfig site"),
    Effect.READ: words_of("json.tool base64 tokenize ast dis pydoc inspect pyflakes mypy pylint flake8"),
    Effect.DISCLOSE: words_of("http.server SimpleHTTPServer smtpd aiosmtpd pyftpdlib twine"),
}

_POWERSHELL_VALUES = words_of(
    "executionpolicy ep ex exec version windowstyle w workingdirectory wd inputformat outputformat configurationname psconsolefile settingsfile custompipename"
)


@lru_cache(maxsize=1)
def interpreters() -> Mapping[str, str]:
    """Name of an interpreter to its kind in the table."""
    return {name: kind for kind, spec in table("shell")["interpreters"].items() for name in words_of(spec["names"])}


def sql_clients() -> Mapping[str, Mapping[str, Any]]:
    """Clients of databases by name."""
    return table("shell")["sql"]


def interpreted(name: str, command: Command) -> list[Reading]:
    """What an interpreter runs."""
    kind = interpreters()[name]
    if kind == "powershell":
        return _powershell(command)
    spec = table("shell")["interpreters"][kind]
    given = arguments(
        command.words[1:], words_of(spec["code"]) | words_of(spec["values"]) | frozenset({"-m"} if kind == "python" else ()), leading=True
    )
    texts = given.values(*words_of(spec["code"]))
    if kind == "python" and (modules := given.values("-m")):
        return [_module(command, modules[0])]
    if kind == "shell" and given.has("-n") and not texts:
        return [finding(command, Effect.READ)]
    if kind == "javascript" and given.has("-c", "--check"):
        return [finding(command, Effect.READ)]
    if texts or (kind == "shell" and given.has("-c")):
        return _programs(kind, command, texts or list(given.operands[:1]))
    if given.has("--version", "-V", "--help") or (kind != "shell" and given.has("-v") and not given.operands):
        return [finding(command, Effect.NONE)]
    if [w for w in given.operands if w.text != "-"] and not given.has("-s"):
        return [finding(command, Effect.CHANGE, "runs a script")]
    return _fed(kind, command)


def _programs(kind: str, command: Command, texts: list[Word]) -> list[Reading]:
    found: list[Reading] = []
    for word in texts:
        if kind not in _LANGUAGES:
            found.append(finding(command, None, "a language that is not read"))
            if re.search(r"(^| )-\w*i", command.arguments):
                found.append(finding(command, Effect.CHANGE))
            continue
        found.append(Nested(_LANGUAGES[kind], word.text))
        # Of a program in quotes, the shell expands parts before the interpreter sees it.
        if word.dynamic:
            found.append(finding(command, None, "a program that is not written out"))
    return found


def _fed(kind: str, command: Command) -> list[Reading]:
    """A program on standard input; without any, an interactive session. A program that is hidden in an encoding is doubt, whatever it is."""
    hidden = [finding(command, Effect.CHANGE, "runs what it is given"), finding(command, None, "a program that is not written out")]
    if command.given.source is Source.NONE:
        return [finding(command, Effect.CHANGE, "an interactive session")]
    if command.given.source is not Source.TEXT:
        return [*hidden]
    if kind not in _LANGUAGES:
        return [finding(command, None, "a language that is not read")]
    return [Nested(_LANGUAGES[kind], command.given.text), *(hidden if command.given.decoded else [])]


def _module(command: Command, module: Word) -> Reading:
    if module.dynamic:
        return finding(command, None, "a module that is not written out")
    rest = command.source.partition(module.text)[2]
    if module.text in {"pip", "uv", "twine", "poetry"}:
        return Nested(Language.SHELL, f"{module.text}{rest}")
    effect = next((effect for effect, names in _PYTHON_MODULES.items() if module.text in names), Effect.CHANGE)
    return finding(command, effect)


def _powershell(command: Command) -> list[Reading]:
    """PowerShell takes any opening of an option's name, and reads what follows ``-Command`` to the end."""
    words = list(command.words[1:])
    while words:
        word = words.pop(0)
        name = word.text.lower().lstrip("-/")
        if word.text[:1] not in {"-", "/"}:
            runs_file = name.endswith(".ps1")
            return [finding(command, Effect.CHANGE, "runs a script")] if runs_file else _as_powershell([word, *words])
        if "command".startswith(name) and name:
            return _as_powershell(words)
        if ("encodedcommand".startswith(name) and name != "ex") or name in {"ec", "enc"}:
            return _encoded(command, words[:1])
        if "file".startswith(name):
            return [finding(command, Effect.CHANGE, "runs a script")]
        if name in _POWERSHELL_VALUES and words:
            words.pop(0)
    return _fed("powershell", command)


def _as_powershell(words: list[Word]) -> list[Reading]:
    """What is expanded stays as it is written: whether a shell stands before PowerShell is not known, and it doubts variables itself."""
    return [Nested(Language.POWERSHELL, " ".join(word.text for word in words))] if words else []


def _encoded(command: Command, words: list[Word]) -> list[Reading]:
    try:
        text = base64.b64decode(words[0].text if words else "", validate=True).decode("utf-16-le")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        text = ""
    if not text:
        return [finding(command, None, "an encoded program")]
    return [Nested(Language.POWERSHELL, text), finding(command, None, "an encoded program")]


def queried(name: str, command: Command) -> list[Reading]:
    """The statements that a client of a database sends."""
    spec = sql_clients()[name]
    lists = {kind: words_of(spec[kind]) for kind in ("code", "file", "list", "values", "flags")}
    given = arguments(command.words[1:], lists["code"] | lists["file"] | lists["values"], lists["flags"])
    texts = given.values(*lists["code"])
    if spec["operand"]:
        texts += given.operands[spec["operand"] - 1 :]
    found: list[Reading] = [Nested(Language.SQL, word.text) for word in texts]
    if given.strange or any(word.dynamic for word in texts):
        found.append(finding(command, None, "a statement or an option that is not known"))
    if given.values("-o", "-L", "--output", "--log-file"):
        found.append(finding(command, Effect.CHANGE))
    if given.has(*lists["file"]):
        found.append(finding(command, Effect.CHANGE, "runs a file"))
    elif given.has(*lists["list"]) or given.has("--version", "--help"):
        found.append(finding(command, Effect.READ))
    return found or _fed_statements(command)


def _fed_statements(command: Command) -> list[Reading]:
    match command.given.source:
        case Source.TEXT:
            return [Nested(Language.SQL, command.given.text)]
        case Source.NONE:
            return [finding(command, None, "an interactive session")]
        case _:
            return [finding(command, Effect.CHANGE, "runs what it is given"), finding(command, None, "statements that are not written out")]
