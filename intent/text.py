"""Canonical text: what a reader sees is what is classified; bounded in size, free of invisible marks, look-alikes and secrets.

Canonicalizing canonical text changes nothing. Every step that altered a text is noted, and steps that undo what only serves to
deceive are noted apart, so that a caller can classify the raw text too and distrust a difference.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from intent.errors import TooLarge
from intent.secrets import mask_secrets

__all__ = ["CanonicalText", "Change", "canonicalize", "mask_secrets", "name_words", "utf8_size"]


class Change(StrEnum):
    """What canonicalization found and altered."""

    COMPATIBILITY = "compatibility"
    INVISIBLE = "invisible"
    BIDI = "bidi"
    TAG = "tag"
    COMBINING = "combining"
    LOOKALIKE = "lookalike"
    CONTROL = "control"
    SECRET = "secret"  # noqa: S105  (the name of a change, not a password)


@dataclass(frozen=True, slots=True)
class CanonicalText:
    """A text as it is classified, beside the text as a naive reader would classify it.

    Attributes
    ----------
    text
        Canonical.
    raw
        The original with white space normalised and secrets masked; equals ``text`` where nothing changed.
    changes
        Every kind of alteration, harmless ones included.
    deceptions
        The kinds among them that were met in a form that only serves to deceive.
    """

    text: str
    raw: str
    changes: frozenset[Change] = frozenset()
    deceptions: frozenset[Change] = frozenset()

    @property
    def obfuscated(self) -> bool:
        """Whether something in the original only serves to deceive: the readings of ``raw`` and ``text`` should then be compared."""
        return bool(self.deceptions)


# The longest run of marks that any script needs on one letter; and normalising takes time quadratic in the length of a run.
_MAX_MARKS = 8
# Characters that normal form KC writes out as words: 3 bytes become up to 33.
_GROWING = re.compile("[\u3200-\u33ff\ufc5e-\ufc63\ufdf0-\ufdfc]")
_BLANKS = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u2800\u3000"
_BREAKS = "\x85\u2028\u2029"
_SPACES = str.maketrans(_BLANKS + _BREAKS, " " * len(_BLANKS) + "\n" * len(_BREAKS))
_SPACE = re.compile(f"[{_BLANKS}{_BREAKS}]")
_CONTROL_SET = "\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff"
_CONTROL = re.compile(f"[{_CONTROL_SET}]")
_OVERRIDES = re.compile("[\u202d\u202e]")
_BIDI_SET = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_INVISIBLE_SET = (
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2065\u206a-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0080-\U000e0fff"
)
_BIDI = re.compile(f"[{_BIDI_SET}]+")
_INVISIBLE = re.compile(f"[{_INVISIBLE_SET}]+")
_TAG = re.compile("[\U000e0000-\U000e007f]+")
# The flags of England, Scotland and Wales are a black flag and tags.
_FLAG = re.compile("(\U0001f3f4)[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f")
# Scripts whose ordinary spelling puts nothing invisible inside a word: Latin, Greek, Cyrillic.
_SIMPLE = "0-9A-Za-z\u00c0-\u024f\u0370-\u052f\u1e00-\u1fff"
_SPLIT_WORD = re.compile(f"(?<=[{_SIMPLE}])[{_BIDI_SET}{_INVISIBLE_SET}]+(?=[{_SIMPLE}])")
_OVERLAY_SET = "\u0334-\u0338\u20d0-\u20f0"
_OVERLAY = re.compile(f"[{_OVERLAY_SET}]+")
# A key cap (U+20E3) is an ordinary emoji.
_STRUCK_WORD = re.compile("(?<=[^\\W_])[\u0334-\u0338\u20d0-\u20e2\u20e4-\u20f0]")
# Nearly every text has none of these, and one search tells.
_ODD = re.compile(f"[{_CONTROL_SET}{_BIDI_SET}{_INVISIBLE_SET}{_OVERLAY_SET}\U000e0000-\U000e007f]")
_STACK = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{3,}")


def _marks() -> tuple[str, str]:
    """Marks for use in character classes: those of the basic plane, and those of the others that normalising reorders.

    A class is one look-up in the basic plane but a walk beyond it, so the second is kept short and used only where it is needed.
    """
    near = [chr(code) for code in range(0x300, 0xFE30) if unicodedata.category(chr(code))[0] == "M"]
    far = [chr(code) for code in range(0x10000, 0x1E950) if unicodedata.combining(chr(code))]
    # The last two are half-width forms that normalise to a mark.
    return "".join(near) + "\uff9e\uff9f", "".join(far)


def _lookalikes() -> dict[str, str]:
    """Non-ASCII character to the ASCII letter or digit that it looks like."""
    rows = Path(__file__).with_name("lookalikes.tsv").read_text("utf-8").splitlines()[1:]
    return {chr(int(code, 16)): target for code, target, _ in (row.split("\t") for row in rows)}


_MARKS, _FAR_MARKS = _marks()
_LOOKALIKES = _lookalikes()
_LOOKALIKE_SET = frozenset(_LOOKALIKES)
_TABLE = str.maketrans(_LOOKALIKES)
# Small Cyrillic letters that are a small form of a capital look-alike; letters of their own, but not in the middle of Latin ones.
_SMALL_CAPITALS = str.maketrans(
    {
        upper.lower(): target.lower()
        for upper, target in _LOOKALIKES.items()
        if "\u0400" <= upper <= "\u042f" and upper.lower() not in _LOOKALIKES
    }
)
_MARK = re.compile(f"[{_MARKS}\U00010000-\U0001e94f]")
_FAR = re.compile("[\U00010000-\U0001e94f]")
_LONG_RUN = re.compile(f"([{_MARKS}]{{{_MAX_MARKS}}})[{_MARKS}]+")
_LONG_FAR_RUN = re.compile(f"(?=[^\x00-\u02ff])([{_MARKS}{_FAR_MARKS}]{{{_MAX_MARKS}}})[{_MARKS}{_FAR_MARKS}]+")
_SYMBOLS = "".join(mark for mark in _LOOKALIKES if not mark.isalnum())
_WORD = re.compile(f"([\\w{_MARKS}{_SYMBOLS}]+)")
_FOREIGN = frozenset(mark for mark in _LOOKALIKES if not unicodedata.name(mark, "").startswith("LATIN")) | set(map(chr, _SMALL_CAPITALS))
_ASCII_LETTER = re.compile("[A-Za-z]")
_LATIN_WORD = re.compile("[0-9A-Za-z\u00c0-\u024f\u1e00-\u1eff\u0300-\u036f]+")


def utf8_size(text: str) -> int:
    """Bytes of the UTF-8 form; a lone surrogate counts three."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def canonicalize(text: str, *, max_bytes: int, where: str = "text") -> CanonicalText:
    """Bring a text into the form that is classified.

    Raises
    ------
    TooLarge
        If the text passes ``max_bytes`` of UTF-8, before or after; ``where`` names it in the message.

    Examples
    --------
    >>> canonicalize("read\u200bme", max_bytes=99)
    CanonicalText(text='readme', raw='read\u200bme', changes=frozenset({<Change.INVISIBLE: 'invisible'>}), deceptions=frozenset({<Change.INVISIBLE: 'invisible'>}))
    >>> canonicalize("d\u0435l\u0435te", max_bytes=99).text
    'delete'
    """
    _refuse_size(text, max_bytes, where)
    if text.isascii() and (text.isprintable() or text.replace("\n", "").replace("\t", "").isprintable()):
        masked, count = mask_secrets(text)
        if count:
            _refuse_size(masked, max_bytes, where)
        return CanonicalText(masked, masked, frozenset({Change.SECRET}) if count else frozenset())
    return _Canonicalizer(max_bytes, where).run(text)


def _refuse_size(text: str, max_bytes: int, where: str) -> None:
    if len(text) > max_bytes or utf8_size(text) > max_bytes:
        raise TooLarge(where, max_bytes)


class _Canonicalizer:
    """The slow path; collects what it notes on the way."""

    def __init__(self, max_bytes: int, where: str) -> None:
        self.max_bytes = max_bytes
        self.where = where
        self.changes: set[Change] = set()
        self.deceptions: set[Change] = set()

    def run(self, text: str) -> CanonicalText:
        plain = _with_plain_spaces(text)
        raw, _ = mask_secrets(plain)
        stripped = plain
        if _ODD.search(plain):
            self._note_deceptions(plain)
            stripped = self._strip(plain)
        canonical = self._fold_and_mask(self._normalise(stripped))
        _refuse_size(canonical, self.max_bytes, self.where)
        return CanonicalText(canonical, raw, frozenset(self.changes), frozenset(self.deceptions))

    def _note_deceptions(self, text: str) -> None:
        if _SPLIT_WORD.search(text):
            self.deceptions.add(Change.INVISIBLE)
        if _OVERRIDES.search(text):
            self.deceptions.add(Change.BIDI)
        if _STRUCK_WORD.search(text):
            self.deceptions.add(Change.COMBINING)

    def _strip(self, text: str) -> str:
        text = self._replace(Change.INVISIBLE, _FLAG, r"\1", text) if "\U0001f3f4" in text else text
        stripped = self._replace(Change.TAG, _TAG, "", text)
        if stripped != text:
            self.deceptions.add(Change.TAG)
        stripped = self._replace(Change.BIDI, _BIDI, "", stripped)
        stripped = self._replace(Change.INVISIBLE, _INVISIBLE, "", stripped)
        return self._replace(Change.CONTROL, _CONTROL, " ", stripped)

    def _normalise(self, text: str) -> str:
        self._refuse_growth(text)
        for _ in range(4):
            # Before, because long runs are slow to normalise; again after, because normalising brings marks to light.
            unstacked = self._unstack(text)
            normal = unicodedata.normalize("NFKC", unstacked)
            if normal != unstacked and normal != unicodedata.normalize("NFC", unstacked):
                self.changes.add(Change.COMPATIBILITY)
            if normal == text:
                break
            text = normal
        _refuse_size(text, self.max_bytes, self.where)
        return text

    def _refuse_growth(self, text: str) -> None:
        growing = set(_GROWING.findall(text))
        if sum(text.count(mark) * utf8_size(unicodedata.normalize("NFKC", mark)) for mark in growing) > self.max_bytes:
            raise TooLarge(self.where, self.max_bytes)

    def _unstack(self, text: str) -> str:
        if not _MARK.search(text):
            return text
        text = self._replace(Change.COMBINING, _OVERLAY, "", text)
        text = self._replace(Change.COMBINING, _STACK, "", text)
        return self._replace(Change.COMBINING, _LONG_FAR_RUN if _FAR.search(text) else _LONG_RUN, r"\1", text)

    def _fold_and_mask(self, text: str) -> str:
        # A mask ends words, so that what stands beside it may fold now.
        for _ in range(3):
            folded = self._fold(text)
            text, count = mask_secrets(folded)
            if not count:
                break
            self.changes.add(Change.SECRET)
        return text

    def _fold(self, text: str) -> str:
        if _LOOKALIKE_SET.isdisjoint(text):
            return text
        folding = _Folding()
        pieces = _WORD.split(text)
        pieces[1::2] = [word if word.isascii() else folding.word(word) for word in pieces[1::2]]
        folded = "".join(pieces)
        if folded == text:
            return text
        self.changes.add(Change.LOOKALIKE)
        if folding.mixed or (folding.whole and not folding.foreign):
            self.deceptions.add(Change.LOOKALIKE)
        return unicodedata.normalize("NFKC", folded)

    def _replace(self, change: Change, pattern: re.Pattern[str], replacement: str, text: str) -> str:
        replaced, count = pattern.subn(replacement, text)
        if count:
            self.changes.add(change)
        return replaced


class _Folding:
    """Folds look-alikes word by word, so that prose in another script stays as it is.

    Attributes
    ----------
    mixed
        A word mixed ASCII letters with look-alikes of another script.
    whole
        A word of three letters or more, all of another script, read as a Latin one.
    foreign
        Some word is honestly of another script: then a whole word of look-alikes is likely just a word.
    """

    def __init__(self) -> None:
        self.mixed = self.whole = self.foreign = False
        self._known: dict[str, str] = {}

    def word(self, word: str) -> str:
        known = self._known.get(word)
        if known is None:
            known = self._known[word] = "_".join(map(self.word, word.split("_"))) if "_" in word else self._part(word)
        return known

    def _part(self, word: str) -> str:
        if word.isascii():
            return word
        folded = word.translate(_TABLE)
        latin = _ASCII_LETTER.search(word) is not None
        if latin and not _LATIN_WORD.fullmatch(folded):
            folded = folded.translate(_SMALL_CAPITALS)
        if not _LATIN_WORD.fullmatch(folded):
            self.foreign = True
            return word
        if folded != word and not _FOREIGN.isdisjoint(word):
            self.mixed |= latin
            self.whole |= not latin and sum(mark in _FOREIGN for mark in word) >= 3
        return folded


def _with_plain_spaces(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.translate(_SPACES) if _SPACE.search(text) else text


_CASE_BOUNDARY = re.compile(
    "(?<=[a-z0-9])(?=[A-Z])"
    # HTTPResponse is HTTP Response; but the s of listPRs is a plural.
    "|(?<=[A-Z])(?=[A-Z](?!s(?![a-z]))[a-z])"
    "|(?<=[A-Za-z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])"
)
_SEPARATORS = re.compile(r"[\s!-/:-@\[-`{-~]+")


@lru_cache(maxsize=8192)
def name_words(name: str) -> str:
    """An identifier in lower-case words, split at punctuation, at changes of case and at digits.

    >>> name_words("getHTTPResponse"), name_words("github.list_PRs__v2")
    ('get http response', 'github list prs v 2')
    """
    return _SEPARATORS.sub(" ", _CASE_BOUNDARY.sub(" ", name)).strip().lower()
