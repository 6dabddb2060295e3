"""Whether the words of a request name a destination: exact where a forgery would look alike, lenient where people write as they speak.

A host or an account is named exactly, or a host by what people call the site. A person is named by one word of the name. Nothing
is resolved ("reply to him", "everyone on the list"): what is named only so counts as not named, and a policy may ask once more.
The answer is monotone: words added before or after a request never take a name away. So a person's first name names every
address that begins with it, whatever the domain, even where the request spells out another one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from intent.evidence.address import brand, is_domain, parsed, registrable
from intent.evidence.destination import Destination, DestinationKind
from intent.evidence.reading import table, words_of

MIN_FUZZY_CHARACTERS = 7
_MOST_JOINED = 6
_MOST_GROUPS = 12
_LONGEST_CODE = 40
_LONGEST_SLIP = 32
_POSSESSIVE = re.compile(r"['\u2019]s(?![^\W_])")
_WORD = re.compile(r"[^\W_]+")
_SPELLED = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]{1,30}:[/\\]{2}[^\s<>\"'`)\]}|]+|[\w.+%'-]{1,64}@(?:[\w-]{1,63}\.){1,8}\w{2,24}"
    r"|(?<![\w-])(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}(?![\w-])(?:[/?#][^\s<>\"'`)\]}|]*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request as a set of names.

    Attributes
    ----------
    text
        Case-folded.
    hosts
        Registrable names of the hosts that are spelled out.
    joined
        Up to six consecutive words written as one, stemmed; addresses that are spelled out are not taken apart.
    codes
        Up to twelve consecutive groups of letters and digits written as one, the first with a digit in it.
    persons
        Initial and surname, or first name and initial, of words that stand side by side.
    openings, endings
        Long words, and two in one, by length and their first or last three letters, for what differs by one slip.
    """

    text: str
    hosts: frozenset[str]
    joined: frozenset[str]
    codes: frozenset[str]
    persons: frozenset[str]
    openings: dict[tuple[str, int], list[str]]
    endings: dict[tuple[str, int], list[str]]


def unrequested(request: str, destinations: Iterable[Destination]) -> tuple[Destination, ...]:
    """The destinations that no word of the request names, in order.

    >>> to = [Destination(DestinationKind.EMAIL, "john.smith@example.com"), Destination(DestinationKind.HOST, "https://evil.example/x")]
    >>> [d.value for d in unrequested("Mail John the minutes", to)]
    ['https://evil.example/x']
    """
    given = tuple(destinations)
    return tuple(d for d in given if not _is_named(d, _read(request)))


def _is_named(destination: Destination, asked: _Asked) -> bool:
    value = destination.value.strip().casefold()
    if not value or _stands_in(value, asked.text):
        return True
    match destination.kind:
        case DestinationKind.EMAIL:
            return _mail_is_named(destination, asked)
        case DestinationKind.HOST:
            return _host_is_named(destination.host, asked)
        case DestinationKind.PHONE:
            return _phone_is_named(value, asked)
        case DestinationKind.ACCOUNT:
            return "".join(_WORD.findall(value)) in asked.codes or (value.isalpha() and _whole_is_named(value, asked))
        case DestinationKind.USER:
            return _whole_is_named(value, asked) or _person_is_named(_names(value), asked)
        case DestinationKind.CHANNEL:
            return _whole_is_named(value, asked)
        case DestinationKind.PATH:
            return _path_is_named(destination, asked)


def _stands_in(value: str, text: str) -> bool:
    """Whether a value stands in a text, and no letter, digit or address runs on from it."""
    opening = r"(?<![\w.+%@-])" if "@" in value[1:] else r"(?<![^\W_])"
    bounded = (opening if value[:1].isalnum() else "") + re.escape(value) + (r"(?![^\W_])(?!\.[^\W_])" if value[-1:].isalnum() else "")
    return value in text and re.search(bounded, text) is not None


def _mail_is_named(destination: Destination, asked: _Asked) -> bool:
    local, _, domain = destination.value.casefold().rpartition("@")
    names = list(_names(local))
    if not any(_is_telling(name) for name in names):
        return _brand_is_named(domain, asked) and brand(domain) not in _words("mailboxes")
    letters = "".join(filter(str.isalpha, _plain(local)))
    return _person_is_named(names, asked) or _stem(letters) in asked.joined or (len(letters) >= 4 and letters in asked.persons)


def _person_is_named(names: Iterable[str], asked: _Asked) -> bool:
    return any(_is_telling(name) and (_stem(name) in asked.joined or _is_slip(name, asked)) for name in names)


def _host_is_named(host: str, asked: _Asked) -> bool:
    if not host:
        return False
    return registrable(host) in asked.hosts or _stands_in(host, asked.text) or _brand_is_named(host, asked)


def _brand_is_named(host: str, asked: _Asked) -> bool:
    name = "".join(_WORD.findall(_plain(brand(host))))
    return _is_telling(name) and _stem(name) in asked.joined


def _phone_is_named(value: str, asked: _Asked) -> bool:
    """With or without the country's digits; a zero may stand for them."""
    digits = "".join(filter(str.isdigit, value))
    national = [digits[k:] for k in range(1, 4) if len(digits) - k >= 7]
    return any(
        form in asked.codes for form in (digits, f"00{digits}", digits.removeprefix("00"), *national, *(f"0{form}" for form in national))
    )


def _path_is_named(destination: Destination, asked: _Asked) -> bool:
    """A store's URL by its bucket; a place on a disk by its last part."""
    if "://" in destination.value:
        return bool(destination.host) and _whole_is_named(destination.host, asked)
    last = re.split(r"[/\\]", destination.value.rstrip("/\\"))[-1].casefold()
    return _stands_in(last, asked.text) or _whole_is_named(last.rpartition(".")[0] or last, asked)


def _whole_is_named(value: str, asked: _Asked) -> bool:
    whole = "".join(_WORD.findall(_plain(value)))
    return bool(whole) and (_stem(whole) in asked.joined or _is_slip(whole, asked))


def _is_slip(word: str, asked: _Asked) -> bool:
    """Whether a long word stands in the request but for one slip; words with digits, which forgers number, are never so close."""
    if not MIN_FUZZY_CHARACTERS <= len(word) <= _LONGEST_SLIP or not word.isalpha():
        return False
    # One slip leaves the first three letters as they are, or the last three.
    sizes = range(len(word) - 1, len(word) + 2)
    near = (other for n in sizes for other in (*asked.openings.get((word[:3], n), ()), *asked.endings.get((word[-3:], n), ())))
    return any(_differ_by_one(word, other) for other in near)


def _differ_by_one(one: str, other: str) -> bool:
    """Equal, or one letter changed, left out, added, or two neighbours exchanged (Damerau 1964)."""
    if abs(len(one) - len(other)) > 1:
        return False
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    a, b = one[at:], other[at:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])


@lru_cache(maxsize=128)
def _read(request: str) -> _Asked:
    spelled = [match[0] for match in _SPELLED.finditer(request)]
    hosts = (address.host for text in spelled if _is_host(text) and (address := parsed(text)) is not None)
    joined: set[str] = set()
    codes: set[str] = set()
    persons: set[str] = set()
    long: set[str] = set()
    for words in _runs(request):
        joined.update(_stem("".join(words[i : i + n])) for i in range(len(words)) for n in range(1, _MOST_JOINED + 1))
        long.update(_stem("".join(pair)) for k in (1, 2) for pair in zip(*(words[i:] for i in range(k)), strict=False))
        codes.update(_codes(words))
        persons.update(form for pair in pairwise(words) for form in _persons(*pair))
    openings: dict[tuple[str, int], list[str]] = {}
    endings: dict[tuple[str, int], list[str]] = {}
    for word in long:
        if MIN_FUZZY_CHARACTERS - 1 <= len(word) <= _LONGEST_SLIP and word.isalpha():
            openings.setdefault((word[:3], len(word)), []).append(word)
            endings.setdefault((word[-3:], len(word)), []).append(word)
    found = frozenset(registrable(host) for host in hosts if host)
    return _Asked(request.casefold(), found, frozenset(joined), frozenset(codes), frozenset(persons), openings, endings)


def _runs(request: str) -> Iterator[list[str]]:
    """The words between addresses that are spelled out: an address names itself, and not each of its words."""
    start = 0
    for match in _SPELLED.finditer(request):
        if "@" in match[0] or _is_host(match[0]):
            yield _WORD.findall(_plain(request[start : match.start()]))
            start = match.end()
    yield _WORD.findall(_plain(request[start:]))


def _is_host(spelled: str) -> bool:
    return "@" not in spelled and ("//" in spelled or "\\\\" in spelled or is_domain(re.split(r"[/?#]", spelled)[0]))


def _codes(words: list[str]) -> Iterator[str]:
    for i, word in enumerate(words):
        if not any(map(str.isdigit, word)):
            continue
        code = ""
        for group in words[i : i + _MOST_GROUPS]:
            code += group
            if len(code) > _LONGEST_CODE:
                break
            yield code


def _persons(first: str, last: str) -> Iterator[str]:
    if _is_telling(first) and _is_telling(last):
        yield from (first[0] + last, first + last[0], last + first, last + first[0], last[0] + first)


def _names(value: str) -> Iterator[str]:
    """The words of a name or of the local part of an address, digits left out."""
    return (word for part in _WORD.findall(_plain(value)) for word in re.split(r"\d+", part) if len(word) > 1)


def _is_telling(word: str) -> bool:
    """Whether a word names anybody: not a function, a thing that requests speak of, or a word of grammar."""
    return len(word) > 1 and not any({word, _stem(word)} & _words(kind) for kind in ("role", "content", "stop"))


def _plain(text: str) -> str:
    """Case and accents folded, possessives left out."""
    folded = unicodedata.normalize("NFKD", _POSSESSIVE.sub("", text).casefold())
    return "".join(mark for mark in folded if not unicodedata.combining(mark))


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


@lru_cache(maxsize=8)
def _words(kind: str) -> frozenset[str]:
    return words_of(table("destination")["generic"][kind])
