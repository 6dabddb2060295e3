"""What a parser found: an effect in the vocabulary-free words of `intent.vocabulary.Effect`, or doubt."""

from __future__ import annotations

from dataclasses import dataclass

from intent.vocabulary import Effect


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact read from the arguments of a call.

    Attributes
    ----------
    kind
        The parser: sql, shell, http, graphql, action, destination, code.
    detail
        What was read, in at most 160 characters, secrets masked.
    effect
        None where the parser could not tell: that is doubt, never harmlessness.
    binding
        Whether the arguments surely *are* this effect (a parsed statement); what does not bind informs, and cannot raise.
    """

    kind: str
    detail: str
    effect: Effect | None
    binding: bool = True


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar of the arguments: where it stands and what it says, canonical.

    Attributes
    ----------
    path
        Keys from the root; list positions are left out (``steps``, ``url``), so that the same field reads the same everywhere.
    text
        The value as canonical text; numbers and booleans in JSON spelling.
    decoded_from
        The encoding (base64, url, hex) that this text was hidden in, else None.
    """

    path: tuple[str, ...]
    text: str
    decoded_from: str | None = None

    @property
    def key(self) -> str:
        """The last key, lower case, words joined by underscores (``targetUrl`` → ``target_url``); empty at the root."""
        from intent.text import name_words

        return name_words(self.path[-1]).replace(" ", "_") if self.path else ""
