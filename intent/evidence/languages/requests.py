"""Requests that a Python program sends: what they ask for by their method, and whether what they carry was read somewhere."""

from __future__ import annotations

import ast
import re

from intent.evidence.languages.names import Names
from intent.vocabulary import Effect

_LIBRARIES = ("requests", "httpx", "aiohttp", "urllib3", "urllib.request", "http.client", "requests_html", "cloudscraper", "grequests")
_METHODS = frozenset("get head options post put patch delete request stream urlopen Request".split())
_BODIES = frozenset("data json files content body".split())
_LOCAL = re.compile(r"^https?://(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?(?:[/?][^@]*)?$")
_NETWORK_READS = frozenset(_LIBRARIES)
_READERS = frozenset(
    "read readline readlines read_text read_bytes getenv environ listdir walk glob rglob iterdir fetchall fetchone fetchmany check_output getoutput popen "
    "read_csv read_excel read_json read_sql read_parquet load loads_file gethostname getuser open stdout argv input scandir expanduser uname".split()
)


def requested(node: ast.Call, names: frozenset[str], method: str, known: Names) -> list[Effect | None] | None:
    """Effects of a call that sends a request; None where it sends none.

    Parameters
    ----------
    names
        What the called function resolves to.
    method
        Its last name, where it is an attribute.
    """
    last = method or next(iter(names), "").rpartition(".")[2]
    library = any(name.startswith(tuple(f"{prefix}." for prefix in _LIBRARIES)) for name in names)
    if last not in _METHODS or not (library or (not names and _has_url(node, known))):
        return None
    verbs = _verbs(node, last)
    if verbs is None:
        return [None]
    body = _body(node, last)
    if body:
        return [_sent(node, body, known)]
    if any(verb not in {"GET", "HEAD", "OPTIONS"} for verb in verbs):
        return [Effect.CHANGE]
    carried = [*node.args, *(k.value for k in node.keywords if k.arg in {"params", "url"})]
    leaks = any(_carries(value, known, network=False) and not isinstance(value, ast.Name) for value in carried)
    return [Effect.DISCLOSE if leaks else Effect.READ]


def _verbs(node: ast.Call, last: str) -> list[str] | None:
    if last in {"urlopen", "Request"}:
        given = [k.value for k in node.keywords if k.arg == "method"]
    elif last in {"request", "stream"}:
        given = [k.value for k in node.keywords if k.arg == "method"] or node.args[:1]
    else:
        return [last.upper()]
    if any(not (isinstance(value, ast.Constant) and isinstance(value.value, str)) for value in given):
        return None
    return [str(value.value).upper() for value in given if isinstance(value, ast.Constant)]


def _body(node: ast.Call, last: str) -> list[ast.expr]:
    found = [k.value for k in node.keywords if k.arg in _BODIES]
    if last in {"post", "put", "patch", "urlopen", "Request"}:
        found += node.args[1:3]
    elif last == "request":
        found += node.args[2:3]
    found += [k.value for k in node.keywords if k.arg is None]
    return [value for value in found if not (isinstance(value, ast.Constant) and value.value is None)]


def _sent(node: ast.Call, body: list[ast.expr], known: Names) -> Effect:
    if any(isinstance(a, ast.Constant) and isinstance(a.value, str) and _LOCAL.match(a.value) for a in node.args[:2]):
        return Effect.CHANGE
    files = any(k.arg == "files" for k in node.keywords)
    return Effect.DISCLOSE if files or any(_carries(value, known, network=True) for value in body) else Effect.CHANGE


def _carries(node: ast.expr, known: Names, *, network: bool) -> bool:
    """Whether an expression holds what was read: by name or by call, through the names it is made of."""
    seen: set[str] = set()
    waiting = list(ast.walk(node))
    while waiting and len(seen) < 64:
        inner = waiting.pop()
        if isinstance(inner, ast.Attribute) and (inner.attr in _READERS or (network and inner.attr in {"json", "text", "content"})):
            return True
        if isinstance(inner, ast.Name) and inner.id not in seen:
            seen.add(inner.id)
            if inner.id in known.parameters or (inner.id in _READERS and not known.is_local(inner.id)):
                return True
            for value in known.values(inner.id):
                waiting += list(ast.walk(value))
    return bool(waiting)


def _has_url(node: ast.Call, known: Names) -> bool:
    """Whether the first arguments hold an address, so that a method called ``post`` posts."""
    del known
    for value in node.args[:2]:
        first = value.values[0] if isinstance(value, ast.JoinedStr) and value.values else value
        if isinstance(first, ast.Constant) and isinstance(first.value, str) and re.match(r"https?://", first.value):
            return True
    return False
