"""What a shell text does: its commands, the files its output goes to, and, where the grammar had to guess, what its words surely say."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from intent.evidence.base import Finding
from intent.evidence.commands import powershell
from intent.evidence.commands.command import read as read_command
from intent.evidence.commands.syntax import Command, Script, Word, script
from intent.evidence.nested import Nested, Reading
from intent.evidence.reading import shown
from intent.vocabulary import Effect

_SURE = frozenset({Effect.CHANGE, Effect.DISCLOSE})
_NO_FILE = re.compile(r"/dev/(?:null|stdout|stderr|tty|fd/\d+)|nul|NUL|\$null|&?\d*-?")
_NETWORK = re.compile(r"/dev/(?:tcp|udp)/")
_SEPARATOR = re.compile(r"[;&|\n(){}`]+|\$\(")
_MAX_SEGMENTS = 64


def read(text: str) -> list[Reading]:
    """What a text of bounded length does, and the programs inside it that are still to be read."""
    if not text.strip():
        return []
    parsed = script(text)
    found = list(_parsed(parsed))
    if not parsed.complete:
        found += [_finding("not surely parsed", None), *_guessed(text)]
    if powershell.looks_like_powershell(text):
        # Whichever shell runs it: what the other one surely does counts too.
        return [*powershell.read(text), *(r for r in found if isinstance(r, Nested) or r.effect in _SURE)]
    return found or [_finding(text, Effect.NONE)]


def _parsed(parsed: Script) -> Iterator[Reading]:
    for command in parsed.commands:
        yield from read_command(command, parsed.functions)
    for word in parsed.written:
        yield from _written(word)
    for word in parsed.read:
        if _NETWORK.match(word.text):
            yield _finding(f"< {word.text}", Effect.DISCLOSE)
        elif word.text != "/dev/null":
            yield _finding(f"< {word.text}", Effect.READ)
    if parsed.tests:
        yield _finding("a test", Effect.READ)


def _written(word: Word) -> Iterator[Reading]:
    if _NETWORK.match(word.text):
        yield _finding(f"> {word.text}", Effect.DISCLOSE)
    elif word.dynamic or not _NO_FILE.fullmatch(word.text):
        yield _finding(f"> {word.text}", Effect.CHANGE)


def _guessed(text: str) -> Iterator[Reading]:
    """Of a text that no grammar takes: what each piece between separators would surely change or disclose."""
    if _NETWORK.search(text):
        yield _finding("a network device", Effect.DISCLOSE)
    for piece in _SEPARATOR.split(text)[-_MAX_SEGMENTS:]:
        words = _words(piece)
        if not words:
            continue
        command = Command(tuple(Word(word) for word in words), piece.strip())
        yield from (r for r in read_command(command, frozenset()) if isinstance(r, Nested) or r.effect in _SURE)


def _words(piece: str) -> list[str]:
    try:
        words = shlex.split(piece)
    except ValueError:
        words = [word.strip("'\"\\") for word in piece.split()]
    while words and (words[0] in {"!", "if", "while", "until", "elif", ""} or re.fullmatch(r"[A-Za-z_]\w*=\S*", words[0])):
        words.pop(0)
    return words


def _finding(detail: str, effect: Effect | None) -> Finding:
    return Finding("shell", shown(detail), effect)
