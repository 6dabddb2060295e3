"""Web addresses as browsers read them: what host a text surely names, whoever wrote it and however it is disguised."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl, unquote, urlsplit

from intent.evidence.reading import table, words_of

MAX_CHARACTERS = 8192
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]{0,30}):(?!\d{1,5}(?:[/?#]|$))", re.IGNORECASE)
_HOST_FIRST = re.compile(
    r"(?:[\w-]{1,63}\.){1,8}[a-z][\w-]{1,62}(?::\d{1,5})?(?:[/?#]|$)|localhost(?::\d+)?(?:[/?#]|$)|[\d.]{7,15}(?::\d+)?(?:[/?#]|$)",
    re.IGNORECASE,
)
_PORT_FIRST = re.compile(r"[\w.-]{1,253}:\d{1,5}(?:[/?#]|$)")
# Browsers take any number of slashes after these, and a backslash for a slash.
_SPECIAL = re.compile(r"(https?|wss?|ftp):[/\\]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a request goes.

    Attributes
    ----------
    scheme
        Lower case; empty where the text names none.
    host
        Lower case, without user, port and final dot; empty for a path alone.
    path
        As written, percent signs decoded.
    query
        Names and values of the query string, decoded, at most 256 of them.
    """

    scheme: str
    host: str
    path: str
    query: tuple[tuple[str, str], ...] = ()

    @property
    def segments(self) -> tuple[str, ...]:
        """The parts of the path that are not empty."""
        return tuple(part for part in self.path.split("/") if part)

    @property
    def is_outside(self) -> bool:
        """Whether the host can be reached by anybody: not a path alone, a private address or a name of a local network."""
        return is_outside(self.host)


@lru_cache(maxsize=512)
def parsed(text: str) -> Address | None:
    r"""Read an address; None where no reading is sure (empty, too long, blanks inside the host, a broken port or bracket).

    >>> parsed("https:\\\\evil.example\\@good.example/x?a=1")
    Address(scheme='https', host='evil.example', path='/@good.example/x', query=(('a', '1'),))
    >>> parsed("api.shop.example/v1").host, parsed("/v1/orders").host
    ('api.shop.example', '')
    """
    text = "".join(text.strip().splitlines()).replace("\t", "")
    if not text or len(text) > MAX_CHARACTERS:
        return None
    if _SPECIAL.match(text):
        text = _SPECIAL.sub(lambda match: f"{match[1]}://", text.replace("\\", "/"), count=1)
    elif not _SCHEME.match(text) and (_HOST_FIRST.match(text) or _PORT_FIRST.match(text)):
        text = f"//{text}"
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").rstrip(".")
        _ = parts.port
        query = tuple(parse_qsl(parts.query, keep_blank_values=True, max_num_fields=256))
    except ValueError:
        return None
    if re.search(r"[\s<>\"^`{}|]", host):
        return None
    return Address(parts.scheme.lower(), unquote(host), unquote(parts.path), query)


def is_outside(host: str) -> bool:
    """Whether a host is reachable by anybody.

    >>> is_outside("api.example.com"), is_outside("10.1.2.3"), is_outside("build.internal"), is_outside("")
    (True, False, False, False)
    """
    if not host:
        return False
    try:
        number = ipaddress.ip_address(host)
    except ValueError:
        labels = host.lower().rstrip(".").split(".")
        return not (labels[-1] in _words("inside") or (len(labels) == 1 and not labels[0][:1].isdigit()))
    return number.is_global


def registrable(host: str) -> str:
    """The name that somebody bought or was given: without what stands left of it; an IP address is its own.

    >>> registrable("www.shop.example.co.uk"), registrable("evil.github.io"), registrable("10.0.0.1")
    ('example.co.uk', 'evil.github.io', '10.0.0.1')
    """
    host = host.lower().rstrip(".")
    labels = host.split(".")
    if _is_number(host) or len(labels) <= 2:
        return host
    for length in range(len(labels) - 1, 1, -1):
        if ".".join(labels[-length:]) in _words("shared"):
            return ".".join(labels[-length - 1 :])
    country = len(labels[-1]) == 2 and labels[-2] in _words("second_level")
    return ".".join(labels[-3 if country else -2 :])


def brand(host: str) -> str:
    """The first label of the registrable name: what people call a site by; empty for an IP address.

    >>> brand("www.secure-systems-252.com")
    'secure-systems-252'
    """
    return "" if _is_number(host) else registrable(host).split(".")[0]


def is_domain(text: str) -> bool:
    """Whether a dotted word is a domain rather than a file name or the end of a sentence.

    >>> is_domain("example.com"), is_domain("report.pdf")
    (True, False)
    """
    last = text.lower().rpartition(".")[2]
    return last in _words("top_level") or (
        len(last) == 2 and last.isalpha() and last not in {"py", "js", "md", "ts", "sh", "rb", "cs", "go"}
    )


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=8)
def _words(name: str) -> frozenset[str]:
    return words_of(table("address")[name])
