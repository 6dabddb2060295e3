"""Where the arguments of a call send something: recipients, hosts, numbers, accounts, channels and places, by key and by form.

A destination is a fact, not a judgement: it informs, and never raises or doubts. Whether the user has named it is answered beside,
in `intent.evidence.naming`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from intent.evidence.address import is_domain, parsed
from intent.evidence.base import Finding, Leaf
from intent.evidence.reading import distinct, of_each_effect, shown, table, words_of
from intent.text import name_words
from intent.vocabulary import Effect

MOST_FINDINGS = 16
_LONGEST_NAME = 128
_LONGEST_URL = 2048
# A destination that a key names, not a text in which one stands.
_LONGEST_LIST = 4096
_URL = re.compile(
    r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{1,30}:[/\\]{2}[^\s<>\"'`)\]}|]{1,8192}"
    r"|(?<![\w@/.-])www\.[^\s<>\"'`)\]}|]{1,8192}|(?<=[\"'(=])//[\w-]{1,63}\.[^\s<>\"'`)\]}|]{1,8192}",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%'-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w@])")
_BARE_DOMAIN = re.compile(
    r"(?<![\w@./\\-])(?:[a-z0-9-]{1,63}\.){1,6}(?:com|org|net|io|info|biz|xyz|top|online|site|club|shop|ru|cn)(?![\w@-]|\.\w)(?:/[^\s<>\"'`)\]}|]{0,2048})?",
    re.IGNORECASE,
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){10,30}(?![A-Za-z0-9])")
_IBAN_FORM = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{10,30}")
_PHONE = re.compile(r"(?<![\w+])\+\d(?:[ ().-]{0,2}\d){7,14}(?!\d)")
_ANY_PHONE = re.compile(r"(?:\+|00)?\d(?:[ ().-]{0,2}\d){5,14}")
_STORE = re.compile(r"(?:s3|gs|gcs|az|abfss?|hdfs|file|ftp|sftp|smb|nfs|scp|rsync)$")
_NO_NAME = re.compile(r"[\W\d_]*|true|false|null|none|self|me|[\d.:/TZ+-]+", re.IGNORECASE)
_SPLIT = re.compile(r"[,;\n]")


class DestinationKind(StrEnum):
    """What sort of place or person something goes to."""

    EMAIL = "email"
    HOST = "host"
    PHONE = "phone"
    ACCOUNT = "account"
    CHANNEL = "channel"
    USER = "user"
    PATH = "path"


@dataclass(frozen=True, slots=True)
class Destination:
    """Somebody or somewhere that arguments name.

    Attributes
    ----------
    kind
        By the form of the value, else by its key.
    value
        As written; of an address in a longer text, the address alone.
    key
        The key it stood under, lower case with underscores.
    embedded
        Whether it stands in a text (a link in a message) rather than under a key of a destination.
    """

    kind: DestinationKind
    value: str
    key: str = ""
    embedded: bool = False

    @property
    def host(self) -> str:
        """The host of a URL, the domain of an e-mail address, the bucket of a store's URL; else empty."""
        if self.kind is DestinationKind.EMAIL:
            return self.value.rpartition("@")[2].lower()
        if self.kind not in {DestinationKind.HOST, DestinationKind.PATH}:
            return ""
        address = parsed(self.value)
        return address.host if address is not None else ""


def readings(leaves: Sequence[Leaf], tool_words: str) -> Iterator[Finding]:
    """One informing finding a destination, at most 16, those under a key of their own first; none of them binds.

    >>> [f.detail for f in readings([Leaf(("to",), "bob@example.com")], "send email")]
    ['email bob@example.com in to']
    """
    ordered = sorted(destinations(leaves, tool_words), key=lambda d: d.embedded)
    found = (Finding("destination", shown(f"{d.kind} {d.value} in {d.key}"), Effect.DISCLOSE, binding=False) for d in ordered)
    yield from of_each_effect(distinct(found), MOST_FINDINGS)


def destinations(leaves: Sequence[Leaf], schema_words: str = "") -> tuple[Destination, ...]:
    """Every destination in the arguments, in order, each once.

    Parameters
    ----------
    schema_words
        The tool's name, description and parameter names in lower case; with them, keys that may as well mean a language or a city
        (``to: "French"``) count only in tools that tell, give or pay. Values of a sure form (an e-mail address) always count.

    Examples
    --------
    >>> [(d.kind.value, d.value) for d in destinations([Leaf(("to",), "Bob <bob@example.com>; Ann"), Leaf(("channel",), "#general")])]
    [('email', 'bob@example.com'), ('user', 'Ann'), ('channel', '#general')]
    """
    return tuple(dict.fromkeys(found for leaf in leaves for found in _of_leaf(leaf, schema_words)))


def _of_leaf(leaf: Leaf, schema_words: str) -> Iterator[Destination]:
    key, kind = _role(leaf)
    if _is_source(key):
        return
    if kind is None or len(leaf.text) > _LONGEST_LIST:
        yield from (Destination(found, value, key, embedded=True) for found, value in _shapes(leaf.text))
        return
    if leaf.decoded_from == "url" and kind is DestinationKind.HOST:
        return
    tells = not schema_words or not _words("tools", "telling").isdisjoint(re.findall(r"[a-z]+", schema_words))
    plain = leaf.decoded_from is None and (tells or key not in _words("keys", "ambiguous"))
    pieces = [leaf.text] if kind in {DestinationKind.HOST, DestinationKind.PATH} else _SPLIT.split(leaf.text)
    for piece in filter(None, map(str.strip, pieces)):
        shapes = list(_shapes(piece)) or ([named] if plain and (named := _plain(kind, piece)) else [])
        yield from (Destination(found, value, key) for found, value in shapes)


def _role(leaf: Leaf) -> tuple[str, DestinationKind | None]:
    """The key that says what a value is, and the kind that it says; a generic key hands the question to the key above it."""
    keys = [name_words(key).replace(" ", "_") for key in leaf.path]
    if len(keys) > 1 and _is_source(keys[-2]) and keys[-1] in _words("keys", "personal"):
        return keys[-2], None
    for key in reversed(keys[-3:]):
        if _is_source(key):
            return key, None
        kind = _kind(key)
        above = key in _words("keys", "generic") and key != keys[0]
        if kind is not None and not above:
            return key, kind
        if not above:
            break
    last = keys[-1] if keys else ""
    return last, _kind(last)


def _is_source(key: str) -> bool:
    return key in _words("keys", "source") or key.startswith(("from_", "sender_", "source_"))


def _kind(key: str) -> DestinationKind | None:
    exact = next((kind for kind in DestinationKind if kind is not DestinationKind.EMAIL and key in _words("keys", kind)), None)
    if exact is not None or "_" not in key:
        return exact
    last = key.rsplit("_", 1)[1]
    sure = (kind for kind in DestinationKind if kind is not DestinationKind.EMAIL and last in _words("keys", kind))
    return None if last in _words("keys", "ambiguous") else next(sure, None)


def _shapes(text: str) -> Iterator[tuple[DestinationKind, str]]:
    """What a text holds that is a destination by its form, in the order of the forms."""
    for match in _URL.finditer(text):
        value = match[0].rstrip(".,;:!?*_\\")
        address = parsed(value)
        store = address is not None and _STORE.match(address.scheme)
        shorter = address.host if address is not None and address.host else value[:_LONGEST_URL]
        yield (DestinationKind.PATH if store else DestinationKind.HOST), value if len(value) <= _LONGEST_URL else shorter
    text = _URL.sub(lambda match: " " * len(match[0]), text) if "/" in text or "www." in text.lower() else text
    yield from ((DestinationKind.EMAIL, match[0].lstrip("'")) for match in _EMAIL.finditer(text) if "@" in text)
    yield from (
        (DestinationKind.HOST, match[0].rstrip(".,;:!?*_")) for match in _BARE_DOMAIN.finditer(text) if is_domain(match[0].split("/")[0])
    )
    yield from ((DestinationKind.ACCOUNT, found) for match in _IBAN.finditer(text) if (found := _checked(match[0])))
    yield from ((DestinationKind.PHONE, match[0]) for match in _PHONE.finditer(text))


def _plain(kind: DestinationKind, text: str) -> tuple[DestinationKind, str] | None:
    """A value that its key alone says something of; None where it names nothing."""
    if kind is DestinationKind.HOST:
        address = parsed(text)
        return (kind, text) if address is not None and address.host and len(text) <= _LONGEST_URL else None
    if _IBAN_FORM.fullmatch(re.sub(r"[ -]", "", text)):
        return DestinationKind.ACCOUNT, text
    if kind is DestinationKind.PHONE:
        return (kind, text) if _ANY_PHONE.fullmatch(text) else None
    if len(text) > _LONGEST_NAME:
        return None
    if text[0] == "#":
        return DestinationKind.CHANNEL, text
    if kind is DestinationKind.USER and (text[0] in "/~\\" or re.match(r"[A-Za-z]:\\", text)):
        return DestinationKind.PATH, text
    numbered = kind in {DestinationKind.ACCOUNT, DestinationKind.CHANNEL, DestinationKind.PATH}
    return (kind, text) if numbered and any(map(str.isalnum, text)) else None if _NO_NAME.fullmatch(text) else (kind, text)


def _checked(text: str) -> str | None:
    """The longest opening of a text that passes the check digits of ISO 13616; None where none does."""
    for end in sorted({len(text), *(match.start() for match in re.finditer(r"[ -]", text))}, reverse=True):
        compact = re.sub(r"[ -]", "", text[:end])
        if 15 <= len(compact) <= 34 and int("".join(str(int(c, 36)) for c in compact[4:] + compact[:4])) % 97 == 1:
            return text[:end]
    return None


@lru_cache(maxsize=32)
def _words(section: str, kind: str) -> frozenset[str]:
    return words_of(table("destination")[section][kind])
