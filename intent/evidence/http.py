"""What HTTP requests do, by method, address and body: the promise of the method, and where the promise is known not to hold.

Several requests in one call are judged together: every method is taken with every address, so that no order of arguments can
part a method from its address. The most consequential reading is what counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum, auto
from functools import lru_cache
from itertools import pairwise, product

from intent.decoding import decoded_pieces
from intent.evidence import graphql, sql
from intent.evidence.address import Address, parsed
from intent.evidence.base import Finding, Leaf
from intent.evidence.reading import distinct, heaviest, of_each_effect, shown, table, words_of
from intent.text import name_words
from intent.vocabulary import Effect

MIN_CONTENT_CHARACTERS = 256
MIN_HIDDEN_CHARACTERS = 16
_LONGEST_ASKED = 512
_MOST_LEAVES = 512
_MOST_ADDRESSES = 64
_MOST_METHODS = 8
_HTTP = re.compile(
    r"\bhttps?\b(?!:)|\b(?:curl|wget|webhooks?|fetch|restful|axios|urllib|ajax|postman)\b|\b(?:rest|web|api|url)\s+(?:api|calls?|requests?|endpoints?|client)\b"
    r"|\brequests?\s+(?:get|post|put|patch|delete|url|method)\b|\b(?:get|post|put|patch|delete)\s+requests?\b|\bcall\s+(?:an?\s+)?(?:api|endpoint|url)\b"
)
_METHODS_NAMED = re.compile(
    r"\bhttp[\s_]+(?:method|verb|request)s?\b|\b(?:get|post|put|patch|delete)\b\W{1,6}(?:or\W+)?\b(?:get|post|put|patch|delete)\b"
)
_METHOD_IN_WORDS = re.compile(
    r"\b(?:http|requests?|rest)\s+(get|post|put|patch|delete)\b|\b(get|post|put|patch|delete)\s+(?:http\s+)?requests?\b"
)
_SENDS = re.compile(r"\b(?:post|webhooks?|send|payload|publish)\b")
_REQUEST_LINE = re.compile(r"\s*([A-Z][A-Z-]{2,19})\s+((?:https?://|/)\S{0,4096})(?:[ \t]+(HTTP/\d(?:\.\d)?))?[ \t]*(?:\n|\Z)")
_OVERRIDE_IN_TEXT = re.compile(
    r"(?<![\w$])(?:_method|_HttpMethod|x-http-method(?:-override)?|x-method-override)\b[\"'\s:=]{1,16}([A-Za-z-]{2,20})", re.IGNORECASE
)
_CALL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:$]*")
_EMPTY = frozenset(("", "null", "{}", "[]", "none", '""'))


class _Role(StrEnum):
    METHOD = auto()
    URL = auto()
    HEADER = auto()
    PARAM = auto()
    BODY = auto()


@dataclass(frozen=True, slots=True)
class _Request:
    """The parts of the requests that a call makes, and the methods that headers or parameters put in place of the first one."""

    methods: tuple[str, ...]
    overrides: tuple[str, ...]
    addresses: tuple[str, ...]
    params: tuple[Leaf, ...]
    body: tuple[Leaf, ...]
    words: str


def readings(leaves: Sequence[Leaf], tool_words: str) -> Iterator[Finding]:
    """What the requests in a call's arguments do; nothing where the call makes none.

    Parameters
    ----------
    tool_words
        The tool's name, description and parameter names in lower case.

    Returns
    -------
    A request without a method binds only if it has a body; a method or address that cannot be read is doubt.

    Examples
    --------
    >>> [f.effect.value for f in readings([Leaf(("method",), "DELETE"), Leaf(("url",), "https://api.example/v1/users/4")], "http request")]
    ['change']
    """
    hinted = bool(_HTTP.search(tool_words.replace("_", " ")))
    found: list[Finding] = []
    for leaf in leaves:
        if leaf.decoded_from is None and (match := _REQUEST_LINE.match(leaf.text)) and (match[3] or (hinted and _is_method(match[1]))):
            found += _judged(_raw(leaf, match, tool_words))
    request = _read(leaves[:_MOST_LEAVES], tool_words)
    if request.addresses and _speaks(request, hinted, tool_words):
        found += _judged(request)
        if len(leaves) > _MOST_LEAVES:
            found.append(_finding("too many arguments of a request", None))
    yield from of_each_effect(distinct(found))


def is_method(leaf: Leaf) -> bool:
    """Whether a leaf names a method of HTTP, and is no verb of an application.

    >>> is_method(Leaf(("method",), "POST")), is_method(Leaf(("method",), "publish"))
    (True, False)
    """
    return leaf.key in _words("keys", "method") and _is_method(leaf.text.strip())


def _read(leaves: Sequence[Leaf], tool_words: str) -> _Request:
    parts: dict[_Role, list[Leaf]] = {role: [] for role in _Role}
    for leaf in leaves:
        role = _role(leaf)
        if role is not None and leaf.text.strip().lower() not in _EMPTY:
            parts[role].append(leaf)
    plain = {role: [leaf.text for leaf in found if leaf.decoded_from is None] for role, found in parts.items()}
    return _Request(
        methods=tuple(dict.fromkeys(text.strip().upper() for text in plain[_Role.METHOD]))[:_MOST_METHODS],
        overrides=tuple(dict.fromkeys(_overrides(parts, plain[_Role.URL]))),
        addresses=tuple(dict.fromkeys(_joined(parts[_Role.URL]))),
        params=tuple(parts[_Role.PARAM]),
        body=tuple(parts[_Role.BODY]),
        words=tool_words,
    )


def _raw(leaf: Leaf, match: re.Match[str], tool_words: str) -> _Request:
    """A request as it goes over the line: first line, headers, an empty line, body."""
    head, _, body = leaf.text[match.end() :].partition("\n\n")
    host = re.search(r"^host:[ \t]*(\S+)", head, re.IGNORECASE | re.MULTILINE)
    address = f"https://{host[1]}{match[2]}" if host and match[2].startswith("/") else match[2]
    overrides = tuple(found.upper() for found in _OVERRIDE_IN_TEXT.findall(leaf.text[:8192]))
    content = (Leaf((*leaf.path, "body"), body),) if body.strip() else ()
    return _Request((match[1],), overrides, (address,), (), content, tool_words)


def _role(leaf: Leaf) -> _Role | None:
    """By the outermost key that says what stands under it; a method or address only by its own key."""
    keys = [name_words(key).replace(" ", "_") for key in leaf.path]
    for key in keys[:-1]:
        for role in (_Role.HEADER, _Role.BODY, _Role.PARAM):
            if key in _words("keys", role):
                return role
    last = keys[-1] if keys else ""
    return next((role for role in _Role if last in _words("keys", role)), None)


def _joined(leaves: Sequence[Leaf]) -> Iterator[str]:
    """Addresses as they stand; where a base is given beside paths, the paths behind it."""
    read = [(leaf, address) for leaf in leaves if leaf.decoded_from is None for address in (parsed(leaf.text),)]
    paths = [leaf.text for leaf, a in read if a is not None and not a.host and a.scheme in {"", "http", "https"}]
    bases = [
        leaf.text for leaf, a in read if a is not None and a.host and not a.query and (leaf.key in _words("keys", "base") or not a.segments)
    ]
    yield from (leaf.text for leaf, _ in read if not (bases and paths and leaf.text in {*bases, *paths}))
    yield from (f"{base.rstrip('/')}/{path.lstrip('/')}" for base, path in product(bases[:8], paths[:_MOST_ADDRESSES]))
    if len(bases) > 8 or len(paths) > _MOST_ADDRESSES:
        yield ""


def _overrides(parts: dict[_Role, list[Leaf]], urls: Sequence[str]) -> Iterator[str]:
    names = _words("override", "header") | _words("override", "param")
    for leaf, following in pairwise((*parts[_Role.HEADER], None)):
        if leaf is not None and leaf.text.strip().lower() in names and following is not None:
            yield following.text.strip().upper()
    for leaf in (*parts[_Role.HEADER], *parts[_Role.PARAM], *parts[_Role.BODY]):
        if leaf.path[-1].strip().lower() in names:
            yield leaf.text.strip().upper()
        yield from (found.upper() for found in _OVERRIDE_IN_TEXT.findall(leaf.text[:8192]))
    for url in urls:
        address = parsed(url)
        yield from (value.strip().upper() for name, value in (address.query if address else ()) if name.lower() in names)


def _speaks(request: _Request, hinted: bool, tool_words: str) -> bool:
    """Whether the arguments make a request: the tool says so, or a known method stands beside an address."""
    web = any(
        (a := parsed(text)) is not None and (a.scheme in _words("schemes", "web") or text.startswith("/")) for text in request.addresses
    )
    if any(map(_is_method, request.methods)):
        return hinted or web
    if not request.methods:
        return hinted and any((a := parsed(text)) is None or a.scheme or a.host for text in request.addresses)
    named = _METHODS_NAMED.search(tool_words) is not None
    return hinted and (named or any(not method.isalpha() or len(method) > 24 for method in request.methods))


def _judged(request: _Request) -> Iterator[Finding]:
    methods = request.methods or (_implied(request),)
    binding = bool(request.methods or request.overrides or (request.body and methods != ("GET",)))
    for text, method in product(request.addresses[:_MOST_ADDRESSES], methods):
        address = parsed(text)
        effect = heaviest(_effect(m, address, request) for m in (method, *request.overrides))
        where = f"{address.host}{address.path}" if address and address.host else (address.path if address else "an unreadable address")
        over = f" as {', '.join(request.overrides)}" if request.overrides else ""
        scheme = "" if address is None or address.scheme in {"", *_words("schemes", "web")} else f"{address.scheme}:"
        yield _finding(f"{method}{over} {scheme}{where}", effect, binding=binding or effect is None)
    if len(request.addresses) > _MOST_ADDRESSES:
        yield _finding("too many addresses", None)


def _implied(request: _Request) -> str:
    """The method of a request that names none: the only one that the tool speaks of, else what clients send by default."""
    words = request.words.replace("_", " ")
    named = {match[1] or match[2] for match in _METHOD_IN_WORDS.finditer(words)}
    # A text or a message beside an address may be what is looked for there, unless the tool speaks of sending.
    if request.body and (_SENDS.search(words) or _is_sure(request.body)):
        return next((n.upper() for n in named if n in {"put", "patch"} and len(named) == 1), "POST")
    return named.pop().upper() if len(named) == 1 else "GET"


def _is_sure(body: Sequence[Leaf]) -> bool:
    return any(_words("keys", "loose_body").isdisjoint(leaf.path) for leaf in body)


def _effect(method: str, address: Address | None, request: _Request) -> Effect | None:
    if address is None:
        return None
    if address.scheme and address.scheme not in _words("schemes", "web"):
        return _of_scheme(method, address)
    if method in _words("methods", "read"):
        return _of_reading(method, address, request)
    if method not in _words("methods", "change"):
        return None
    if method in _words("methods", "remove"):
        return Effect.CHANGE
    if _is_messaging(address):
        return Effect.DISCLOSE
    if method == "POST" and (asked := _of_asking(address, request)) is not Effect.CHANGE:
        return asked
    gives = (method == "POST" and _is_inbox(address)) or (address.is_outside and _has_content(request.body))
    return Effect.DISCLOSE if gives else Effect.CHANGE


def _of_scheme(method: str, address: Address) -> Effect | None:
    if address.scheme in _words("schemes", "disclose"):
        return Effect.DISCLOSE
    if address.scheme in _words("schemes", "none"):
        return Effect.NONE
    if address.scheme not in _words("schemes", "read"):
        return None
    if method in _words("methods", "read"):
        return Effect.READ
    local = address.scheme == "file" or method in _words("methods", "remove")
    return (Effect.CHANGE if local else Effect.DISCLOSE) if method in _words("methods", "change") else None


def _of_reading(method: str, address: Address, request: _Request) -> Effect | None:
    """A read, unless the name of the endpoint or what the address carries says otherwise."""
    values = (*address.query, *((leaf.key, leaf.text) for leaf in request.params))
    documents = [g for _, value in values if graphql.is_written_as_graphql(value) for g in graphql.findings(value)]
    if _is_graphql(address) and documents:
        return heaviest(f.effect for f in documents)
    if _is_messaging(address) and (values or request.body):
        return Effect.DISCLOSE
    if address.is_outside and _carries(address, values):
        return None
    if _breaks_promise(address, bool(values)):
        return None
    asks = method in {"REPORT", "SEARCH", "PROPFIND", "QUERY"} or _is_query_endpoint(address)
    return Effect.READ if asks or not _is_sure(request.body) else None


def _of_asking(address: Address, request: _Request) -> Effect | None:
    """What a POST does if it surely only asks; a change where that is not sure."""
    if _is_graphql(address):
        documents = [leaf for leaf in (*request.body, *request.params) if graphql.is_written_as_graphql(leaf.text)]
        others = [leaf for leaf in request.body if leaf not in documents]
        if documents and not (address.is_outside and _has_content(others)):
            return heaviest(f.effect for leaf in documents for f in graphql.of_leaf(leaf, request.body))
        return Effect.CHANGE
    if _is_query_endpoint(address) and _is_query(request.body):
        return heaviest((Effect.READ, *(f.effect for leaf in request.body if sql.claims(leaf, "sql") for f in sql.findings(leaf.text))))
    small = sum(len(leaf.text) for leaf in request.body) <= MIN_CONTENT_CHARACTERS
    return Effect.READ if small and _is_answering_procedure(address, request.body) else Effect.CHANGE


def _is_query_endpoint(address: Address) -> bool:
    last = address.segments[-1] if address.segments else ""
    name, _, custom = last.rpartition(":")
    return last.lower() in _words("query", "endpoint") or (bool(name) and custom in _words("query", "custom"))


def _is_query(body: Sequence[Leaf]) -> bool:
    """Whether a body holds the terms of a question and nothing else: known keys on top, no long text, nothing hidden."""
    sizes = [len(leaf.text) for leaf in body if not re.fullmatch(r"-?[\d.eE+-]{1,32}", leaf.text)]
    largest = int(table("http")["query"]["largest_characters"])
    return sum(sizes) <= largest and all(leaf.decoded_from is None and _is_query_key(leaf) for leaf in body)


def _is_query_key(leaf: Leaf) -> bool:
    inner = [name_words(key).replace(" ", "_") for key in leaf.path]
    at = next((i for i, key in enumerate(inner) if key in _words("keys", _Role.BODY)), len(inner))
    under = inner[at + 1 : at + 2]
    return bool(under) and under[0] in {name_words(key).replace(" ", "_") for key in _words("query", "query_key")}


def _is_answering_procedure(address: Address, body: Sequence[Leaf]) -> bool:
    """JSON-RPC and calls of the form /package.Service/GetThing, by the verb that opens the procedure's name."""
    named = [leaf for leaf in body if leaf.key == "method"]
    if named and any(leaf.key == "jsonrpc" for leaf in body):
        return all(_opens_with(re.split(r"[_./]", leaf.text)[-1], "query", "procedure") for leaf in named)
    before = address.segments[-2] if len(address.segments) > 1 else ""
    is_service = before.lower() == "rpc" or re.fullmatch(r"[a-z][\w.]*\.[A-Z]\w*", before) is not None
    return is_service and _opens_with("".join(address.segments[-1:]), "query", "procedure")


def _opens_with(name: str, section: str, kind: str) -> bool:
    return _CALL_NAME.fullmatch(name) is not None and name_words(name).split(" ")[0] in _words(section, kind)


def _is_graphql(address: Address) -> bool:
    return any(part.lower() in {"graphql", "gql", "graphql.json"} for part in address.segments[-2:])


def _is_messaging(address: Address) -> bool:
    return _endpoints().match(f"{address.host}{address.path or '/'}") is not None


def _is_inbox(address: Address) -> bool:
    """A webhook by its name, or a path that ends in a verb of sending."""
    hooks = _words("message", "hook")
    parts = [part.lower() for part in address.segments]
    if any(label in hooks for label in address.host.split(".")[:-2]) or any(part in hooks for part in parts[:-1]):
        return True
    return bool(parts) and _opens_with(re.split(r"[:.]", address.segments[-1])[-1].replace("-", "_"), "message", "verb")


def _has_content(body: Sequence[Leaf]) -> bool:
    """Whether a body carries more than the fields of a record: a long text, a file, or something in an encoding."""
    filed = {"files", "file", "multipart", "upload", "attachment", "attachments"}
    return any(
        len(leaf.text) >= MIN_CONTENT_CHARACTERS
        or (leaf.decoded_from is not None and len(leaf.text) >= MIN_HIDDEN_CHARACTERS)
        or not filed.isdisjoint(name_words(key).replace(" ", "_") for key in leaf.path)
        or re.match(r"@[\w./~-]+$", leaf.text) is not None
        for leaf in body
    )


def _carries(address: Address, values: Sequence[tuple[str, str]]) -> bool:
    """Whether an address is long or encoded enough to carry content out: a query string, a path or a host name may."""
    asking = _words("query", "query_key")
    long = any(len(value) >= (_LONGEST_ASKED if name.lower() in asking else MIN_CONTENT_CHARACTERS) for name, value in values)
    parts = (*(value for _, value in values), *address.segments, *address.host.split("."))
    return long or any(_hides(part) for part in parts)


def _hides(part: str) -> bool:
    pieces = decoded_pieces(part[:4096], max_depth=1)
    return any(
        piece.encoding in {"base64", "hex"} and len(piece.text) >= MIN_HIDDEN_CHARACTERS and not _is_position(piece.text)
        for piece in pieces
    )


def _is_position(text: str) -> bool:
    """A cursor, which a server has given to be handed back: short, and one word, or one object of numbers and identifiers."""
    return len(text) <= 96 and re.fullmatch(r"\{[\w\"':,.{}\[\]-]*\}|[\w:/=.,+-]+", text) is not None


def _breaks_promise(address: Address, with_values: bool) -> bool:
    """Whether a procedure that a GET calls is named like a command: /api/deleteUser?id=3, not /blog/delete-a-file."""
    is_interface = any(
        re.fullmatch(r"api|rpc|rest|v\d+(?:\.\d+)?|ajax|admin|actions?", part.lower())
        for part in (*address.segments[:-1], *address.host.split(".")[:-2])
    )
    last = address.segments[-1] if address.segments else ""
    return is_interface and (with_values or len(name_words(last).split()) > 1) and _opens_with(last, "broken_promise", "verb")


def _is_method(text: str) -> bool:
    return text.upper() in _words("methods", "read") | _words("methods", "change")


@lru_cache(maxsize=1)
def _endpoints() -> re.Pattern[str]:
    return re.compile("|".join(table("http")["message"]["endpoint"]))


@lru_cache(maxsize=64)
def _words(section: str, kind: str) -> frozenset[str]:
    return words_of(table("http")[section][kind])


def _finding(detail: str, effect: Effect | None, *, binding: bool = True) -> Finding:
    return Finding("http", shown(detail), effect, binding)
