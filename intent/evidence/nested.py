"""A program inside a program: what a parser found in the arguments of a command and hands on to the parser of that language."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from intent.evidence.base import Finding


class Language(StrEnum):
    """The languages that are read."""

    SHELL = "shell"
    POWERSHELL = "powershell"
    CODE = "code"
    PYTHON = "python"
    JAVASCRIPT = "javascript"
    SQL = "sql"


@dataclass(frozen=True, slots=True)
class Nested:
    """A text that is still to be read, and in which language."""

    language: Language
    text: str


Reading = Finding | Nested
