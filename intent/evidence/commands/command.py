"""What one command does: wrappers are taken off, programs in its arguments handed on, the rest is read by the tables of programs.

A program that no table knows is doubt; so is a name that is only known when the command runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from intent.evidence.commands.interpreters import interpreted, interpreters, queried, sql_clients
from intent.evidence.commands.options import Arguments, arguments
from intent.evidence.commands.syntax import Command, Source, Word
from intent.evidence.commands.transfers import TRANSFERS, finding, transferred
from intent.evidence.nested import Language, Nested, Reading
from intent.evidence.reading import table, words_of
from intent.vocabulary import Effect

_MAX_WRAPPERS = 16
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
_SCRIPT = re.compile(r"(?i)\.(sh|bash|py|pl|rb|js|ps1|bat|cmd|exe|com|jar|run|bin|out|appimage|php|lua|ts)$")
_SHELL_NAMES = ("-s", "-i", "--shell", "--login")


def read(command: Command, functions: frozenset[str]) -> list[Reading]:
    """What a command does, and the programs inside it that are still to be read.

    Parameters
    ----------
    functions
        Functions that the same text defines; their bodies are read where they stand.
    """
    found: list[Reading] = [*_hazards(command, command.assigned)]
    for _ in range(_MAX_WRAPPERS):
        if not command.words:
            return found
        name = program(command.words[0])
        if name is None or name not in _wrappers() or name in functions:
            return [*found, *_named(name, command, functions)]
        inner, noted = _unwrapped(name, command)
        found += noted
        if inner is None:
            return found
        command = inner
    return [*found, finding(command, None, "too many wrappers")]


def program(word: Word) -> str | None:
    """The name of the program that a word runs, folders of the system taken off; None where only running it tells.

    >>> program(Word("/usr/bin/git")), program(Word("./git")), program(Word("$x", dynamic=True))
    ('git', './git', None)
    """
    if word.dynamic or word.pattern or not word.text:
        return None
    text = word.text.replace("\\", "/")
    folder, _, base = text.rpartition("/")
    if folder and f"{folder}/".lower() not in _words("trusted_folders"):
        return text
    return base if base in _effects() or base in _wrappers() else base.lower().removesuffix(".exe")


def _named(name: str | None, command: Command, functions: frozenset[str]) -> list[Reading]:
    if name is None:
        return [finding(command, None, "a name that is not written out")]
    if name in functions:
        return []
    if name in _HANDLERS:
        return _HANDLERS[name](command)
    if name in TRANSFERS:
        return transferred(name, command)
    if name in interpreters():
        return interpreted(name, command)
    if name in sql_clients():
        return queried(name, command)
    entering = table("shell")["entering"].get(_rule_name(name))
    if entering is not None and (inner := _entered(entering, command)) is not None:
        return read(inner, functions)
    return [finding(command, effect) for effect in _tabled(name, command)]


def _tabled(name: str, command: Command) -> list[Effect | None]:
    """Effects by table; content that a command put out leaves with whatever talks to the network."""
    if command.arguments in {"--version", "--help"} and name in _effects():
        return [Effect.READ]
    effect = _by_rules(name, command) if _rule_name(name) in table("shell")["programs"] else _effects().get(name)
    if effect is None and ("/" in name or _SCRIPT.search(name)):
        return [Effect.CHANGE]
    if effect is Effect.READ and _filters(name, command):
        return [Effect.NONE]
    if effect is Effect.NONE and (name in {"echo", "printf", "print"}) and any(_shows(word) for word in command.words[1:]):
        return [Effect.READ]
    if name in _words("network") and any(word.tainted and not word.alone for word in command.words[1:]):
        return [Effect.DISCLOSE]
    return [effect]


def _by_rules(name: str, command: Command) -> Effect | None:
    values, rules, default = _rules(_rule_name(name))
    rest = list(command.words[1:])
    leading = ""
    while rest and rest[0].text.startswith("-") and len(rest[0].text) > 1 and values:
        option = rest.pop(0).text
        leading += f"{option} {rest.pop(0).text if option in values and rest else ''} "
    line = replace(command, words=(command.words[0], *rest)).arguments
    # What decides may stand before the sub-command, so each rule sees the whole line too.
    for effect, pattern in rules:
        if pattern.search(line) or (leading and pattern.search(f"{leading}{line}")):
            return effect
    return default if line or not values else _bare(leading, default)


def _bare(leading: str, default: Effect | None) -> Effect | None:
    return Effect.READ if leading.strip() in {"--version", "--help", "-h", "-V"} else default


def _filters(name: str, command: Command) -> bool:
    """Whether a text filter works on its pipe alone."""
    if command.given.source not in {Source.PIPE, Source.TEXT} or name not in _words("filter"):
        return False
    operands = [word.text for word in command.words[1:] if not word.text.startswith("-")]
    beyond = any(re.match(r"-\w*[rRf]|--(recursive|file|files0)", w.text) for w in command.words[1:])
    return not beyond and len(operands) <= (2 if name == "tr" else name in _words("patterned"))


def _shows(word: Word) -> bool:
    """Whether echoing a word tells something of the system: a variable or the names of files, but not a sum."""
    return word.pattern or (word.dynamic and not word.text.startswith("$(("))


def _hazards(command: Command, names: tuple[str, ...]) -> list[Reading]:
    bad = [name for name in names if name in _words("hazards")]
    return [finding(command, None, f"{bad[0]} changes what runs")] if bad else []


def _unwrapped(name: str, command: Command) -> tuple[Command | None, list[Reading]]:
    """The command inside a wrapper, and what the wrapper itself gives away."""
    spec = _wrappers()[name]
    given = arguments(command.words[1:], words_of(spec["values"]), words_of(spec["flags"]), leading=True)
    rest = list(given.operands)[spec.get("skip", 0) :]
    noted: list[Reading] = []
    if name in {"env", "sudo", "doas"}:
        rest, noted = _without_assignments(command, rest)
    if given.strange and not (set(given.strange) <= {"-v", "-V", "-l", "-s", "-i", "-c", "-S"}):
        noted.append(finding(command, None, f"an option that is not known: {given.strange[0]}"))
    if (special := _special(name, command, given, rest)) is not None:
        return None, [*noted, *special]
    if name == "xargs":
        return _xargs(command, given, rest), noted
    if name == "exec" and not rest:
        return None, [*noted, finding(command, Effect.NONE)]
    return replace(command, words=tuple(rest), assigned=()), noted


def _special(name: str, command: Command, given: Arguments, rest: list[Word]) -> list[Reading] | None:
    """Wrappers without a command of their own, or with a text that a shell reads."""
    texts = given.values("-S", "--split-string") if name == "env" else []
    if name == "env" and "-S" in given.strange:
        texts = rest[:]
    if name == "flock" and rest and rest[0].text in {"-c", "--command"}:
        texts = rest[1:]
    if texts:
        return [Nested(Language.SHELL, " ".join(word.text for word in texts))]
    if name in {"command", "type"} and given.has("-v", "-V"):
        return [finding(command, Effect.READ)]
    if name in {"sudo", "doas"} and not rest:
        return [finding(command, Effect.READ if given.has("-l", "-V", "-v") else Effect.CHANGE)]
    if name in {"sudo", "doas"} and given.has(*_SHELL_NAMES):
        return [Nested(Language.SHELL, " ".join(word.text for word in rest))]
    if not rest and name != "xargs":
        return [finding(command, Effect.READ if name == "env" else Effect.NONE)] if name != "exec" else None
    return None


def _without_assignments(command: Command, rest: list[Word]) -> tuple[list[Word], list[Reading]]:
    names: list[str] = []
    while rest and _ASSIGNMENT.match(rest[0].text):
        names.append(rest.pop(0).text.partition("=")[0])
    return rest, _hazards(command, tuple(names))


def _xargs(command: Command, given: Arguments, rest: list[Word]) -> Command:
    """The command with a word for what is read; where it stands inside another word, that word carries it."""
    marks = [word.text for word in given.values("-I", "--replace", "-i", "-J")] or (["{}"] if given.has("-i", "--replace") else [])
    words = [replace(w, dynamic=True, tainted=True, alone=w.text == marks[0]) if marks and marks[0] in w.text else w for w in rest]
    if not rest:
        words = [Word("echo")]
    if not marks:
        words.append(Word("…", dynamic=True, alone=True))
    return Command(tuple(words), command.source)


def _entered(spec: Mapping[str, Any], command: Command) -> Command | None:
    """The command that ``docker exec`` or ``kubectl exec`` runs; None where they do something else."""
    texts = [word.text for word in command.words]
    at = next((i for i, text in enumerate(texts[1:6], start=1) if not text.startswith("-") and text == spec["after"]), None)
    if at is None:
        return None
    rest = command.words[at + 1 :]
    split = next((i for i, word in enumerate(rest) if word.text == "--"), None)
    if split is not None:
        return replace(command, words=rest[split + 1 :]) if rest[split + 1 :] else None
    given = arguments(rest, words_of(spec["values"]), words_of(spec["flags"]), leading=True)
    inner = given.operands[spec["skip"] :]
    return replace(command, words=inner) if inner and not given.strange else None


def _find(command: Command) -> list[Reading]:
    words = command.words[1:]
    found: list[Reading] = [finding(command, Effect.READ)]
    position = 0
    while position < len(words):
        text = words[position].text
        if text in {"-delete", "-fprint", "-fprint0", "-fprintf", "-fls"}:
            found.append(finding(command, Effect.CHANGE))
        elif text in {"-exec", "-execdir", "-ok", "-okdir"}:
            start = position + 1
            position = next((i for i in range(start, len(words)) if words[i].text in {";", "+"}), len(words))
            inner = tuple(_holding_a_name(word) for word in words[start:position])
            found += read(Command(inner, command.source), frozenset()) if inner else [finding(command, None)]
        elif words[position].alone and words[position].dynamic and position:
            found.append(finding(command, None, "an argument that is not written out"))
        position += 1
    return found


def _holding_a_name(word: Word) -> Word:
    if "{}" in word.text:
        return replace(word, dynamic=True, alone=word.text == "{}", pattern=False)
    return replace(word, pattern=False) if word.pattern else word


def _eval(command: Command) -> list[Reading]:
    return _as_text(command, command.words[1:])


def _as_text(command: Command, words: tuple[Word, ...]) -> list[Reading]:
    """Words that a shell reads again: what is expanded in them is not known."""
    if not words:
        return [finding(command, Effect.NONE)]
    doubt = [finding(command, None, "text that is not written out")] if any(word.dynamic for word in words) else []
    return [Nested(Language.SHELL, " ".join(word.text for word in words)), *doubt]


def _watch(command: Command) -> list[Reading]:
    given = arguments(command.words[1:], frozenset({"-n", "--interval"}), leading=True)
    return _as_text(command, given.operands)


def _trap(command: Command) -> list[Reading]:
    return _as_text(command, tuple(w for w in command.words[1:2] if w.text and not w.text.startswith("-")))


def _alias(command: Command) -> list[Reading]:
    texts = [replace(w, text=w.text.partition("=")[2]) for w in command.words[1:] if "=" in w.text]
    return [reading for text in texts for reading in _as_text(command, (text,))] or [finding(command, Effect.READ)]


def _parallel(command: Command) -> list[Reading]:
    end = next((i for i, w in enumerate(command.words) if w.text in {":::", "::::", ":::+"}), len(command.words))
    given = arguments(
        command.words[1:end], frozenset({"-j", "--jobs", "-a", "-N", "-n", "-I", "--delay", "--timeout", "--colsep", "-C"}), leading=True
    )
    return [finding(command, None, "what it is given becomes part of a command"), *_as_text(command, given.operands)]


def _other_user(command: Command) -> list[Reading]:
    given = arguments(command.words[1:], frozenset({"-c", "--command", "-s", "--shell", "-u", "-g", "-G"}))
    texts = given.values("-c", "--command")
    if command.words[0].text == "runuser" and given.has("-u") and given.operands:
        return read(replace(command, words=given.operands), frozenset())
    return _as_text(command, tuple(texts)) if texts else [finding(command, Effect.CHANGE, "a session of another user")]


def _recorded(command: Command) -> list[Reading]:
    given = arguments(command.words[1:], frozenset({"-c", "--command", "-T", "-t", "-o", "-O", "-I", "-E"}))
    return [finding(command, Effect.CHANGE), *(_as_text(command, tuple(texts)) if (texts := given.values("-c", "--command")) else [])]


def _cmd(command: Command) -> list[Reading]:
    words = list(command.words[1:])
    while words and words[0].text.startswith("/") and words[0].text.lower() not in {"/c", "/k", "/r"}:
        words.pop(0)
    return _as_text(command, tuple(words[1:])) if words else [finding(command, Effect.CHANGE, "an interactive shell")]


def _runs(command: Command) -> list[Reading]:
    return [finding(command, Effect.CHANGE, "runs a script")]


def _declare(command: Command) -> list[Reading]:
    names = tuple(w.text.partition("=")[0] for w in command.words[1:] if "=" in w.text)
    shows = all(word.text.startswith("-") for word in command.words[1:])
    return [*_hazards(command, names), finding(command, Effect.READ if shows else Effect.NONE)]


_HANDLERS: dict[str, Callable[[Command], list[Reading]]] = {
    "find": _find,
    "gfind": _find,
    "eval": _eval,
    "watch": _watch,
    "trap": _trap,
    "alias": _alias,
    "parallel": _parallel,
    "su": _other_user,
    "runuser": _other_user,
    "script": _recorded,
    "cmd": _cmd,
    "source": _runs,
    ".": _runs,
    "export": _declare,
    "set": _declare,
    "declare": _declare,
}


def _wrappers() -> Mapping[str, Mapping[str, Any]]:
    return table("shell")["wrappers"]


@lru_cache(maxsize=16)
def _words(name: str) -> frozenset[str]:
    return words_of(table("shell")["words"][name])


@lru_cache(maxsize=1)
def _same() -> Mapping[str, str]:
    pairs = (entry.partition("=") for entry in table("shell")["same"]["names"].split())
    return {name: of for name, _, of in pairs}


def _rule_name(name: str) -> str:
    return _same().get(name, name)


@lru_cache(maxsize=1)
def _effects() -> Mapping[str, Effect | None]:
    """Programs of one effect; the most consequential list wins where a name stands in two."""
    simple = table("shell")["simple"]
    return {name: Effect(kind) for kind in ("none", "read", "change", "disclose") for name in words_of(simple[kind])} | dict.fromkeys(
        (*table("shell")["programs"], *_same()), None
    )


@lru_cache(maxsize=256)
def _rules(name: str) -> tuple[frozenset[str], tuple[tuple[Effect | None, re.Pattern[str]], ...], Effect | None]:
    spec = table("shell")["programs"][name]
    rules = tuple((_effect(effect), re.compile(pattern)) for effect, pattern in spec["rules"])
    return words_of(spec.get("values", "")), rules, _effect(spec["default"])


def _effect(word: str) -> Effect | None:
    return None if word == "doubt" else Effect(word)
