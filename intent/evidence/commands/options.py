"""Options and operands of a command, told apart by the lists of the program that takes them; an option of no list is said so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from intent.evidence.commands.syntax import Word


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one command.

    Attributes
    ----------
    options
        Name and value, in order; the value is None for an option that takes none.
    strange
        Options that no list names: whether the next word is their value is not known.
    """

    options: tuple[tuple[str, Word | None], ...]
    operands: tuple[Word, ...]
    strange: tuple[str, ...]

    def values(self, *names: str) -> list[Word]:
        """Values of the options of these names."""
        return [value for name, value in self.options if name in names and value is not None]

    def has(self, *names: str) -> bool:
        """Whether one of these options is given."""
        return any(name in names for name, _ in self.options)


def arguments(words: Sequence[Word], values: frozenset[str], flags: frozenset[str] | None = None, *, leading: bool = False) -> Arguments:
    """Read options as getopt does.

    Parameters
    ----------
    values
        Options that take a value.
    flags
        Options that take none; None: every option that takes no value is known.
    leading
        Options end at the first operand, as where a command follows.
    """
    reader = _Reader(list(words), values, flags)
    while reader.words:
        word = reader.words.pop(0)
        if word.text == "--" and not word.dynamic:
            reader.operands += reader.words
            break
        if word.text.startswith("-") and len(word.text) > 1:
            reader.option(word)
            continue
        reader.operands.append(word)
        if leading:
            reader.operands += reader.words
            break
    return Arguments(tuple(reader.options), tuple(reader.operands), tuple(reader.strange))


class _Reader:
    def __init__(self, words: list[Word], values: frozenset[str], flags: frozenset[str] | None) -> None:
        self.words = words
        self.values = values
        self.flags = flags
        self.options: list[tuple[str, Word | None]] = []
        self.operands: list[Word] = []
        self.strange: list[str] = []

    def option(self, word: Word) -> None:
        name, equals, value = word.text.partition("=")
        if word.text in self.values:
            self.options.append((word.text, self._next()))
        elif equals and name.startswith("--"):
            self.options.append((name, replace(word, text=value, alone=False)))
            self._check(name)
        elif word.text.startswith("--") or (self.flags is not None and word.text in self.flags):
            self.options.append((word.text, None))
            self._check(word.text)
        else:
            self._cluster(word)

    def _cluster(self, word: Word) -> None:
        for position, letter in enumerate(word.text[1:], start=2):
            name = f"-{letter}"
            if name in self.values:
                rest = word.text[position:]
                self.options.append((name, replace(word, text=rest, alone=False) if rest else self._next()))
                return
            self.options.append((name, None))
            self._check(name)

    def _check(self, name: str) -> None:
        if self.flags is not None and name not in self.flags and name not in self.values:
            self.strange.append(name)

    def _next(self) -> Word | None:
        return self.words.pop(0) if self.words else None
