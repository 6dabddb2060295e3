"""Exchanges that break HTTP or misuse the routes, as bytes on a connection."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass

from tests.hostile.forms import GOOD

_JSON = "application/json"
_BODY = json.dumps(GOOD).encode()


@dataclass(frozen=True, slots=True)
class Exchange:
    """What is sent, and the statuses that may come back.

    Attributes
    ----------
    whole
        Whether the client sends all that it announced; one that goes away before need not be answered.
    """

    name: str
    sent: bytes
    statuses: frozenset[int]
    whole: bool = True


def _request(method: str = "POST", path: str = "/v1/normalize", body: bytes | None = None, **headers: str) -> bytes:
    named = {"Host": "127.0.0.1", "Connection": "close", **{name.replace("_", "-"): value for name, value in headers.items()}}
    if body is not None:
        named.setdefault("Content-Length", str(len(body)))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + (body or b"")


def _chunked(*chunks: bytes) -> bytes:
    head = _request(Content_Type=_JSON, Transfer_Encoding="chunked")
    return head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


def _exchange(name: str, sent: bytes, *statuses: int, whole: bool = True) -> Exchange:
    return Exchange(name, sent, frozenset(statuses), whole)


def exchanges() -> Iterator[Exchange]:
    """Every exchange, in a fixed order."""
    yield from _media()
    yield from _lengths()
    yield from _routes()
    yield from _heads()
    yield from _batches()


def _media() -> Iterator[Exchange]:
    yield _exchange("no content type", _request(body=_BODY), 415)
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "*/*",
        "",
        ";;=;",
        "x" * 8_000,
    ):
        yield _exchange(f"content type {kind[:40]}", _request(body=_BODY, Content_Type=kind), 415)
    yield _exchange("charset of another kind", _request(body=_BODY.decode().encode("utf-16"), Content_Type=f"{_JSON}; charset=utf-16"), 415)
    yield _exchange("gzip body", _request(body=gzip.compress(_BODY), Content_Type=_JSON, Content_Encoding="gzip"), 415)
    yield _exchange("gzip body unannounced", _request(body=gzip.compress(_BODY), Content_Type=_JSON), 400)
    yield _exchange("two encodings", _request(body=_BODY, Content_Type=_JSON, Content_Encoding="identity, gzip"), 415)
    bomb = gzip.compress(b" " * (64 << 20))
    yield _exchange("gzip bomb", _request(body=bomb, Content_Type=_JSON, Content_Encoding="gzip"), 415)


def _lengths() -> Iterator[Exchange]:
    yield _exchange("no body", _request(Content_Type=_JSON), 400)
    yield _exchange("length of zero", _request(body=b"", Content_Type=_JSON), 400)
    yield _exchange("length too short", _request(body=_BODY, Content_Type=_JSON, Content_Length="10"), 400)
    yield _exchange("length too long, then gone", _request(body=_BODY, Content_Type=_JSON, Content_Length="5000"), whole=False)
    yield _exchange("length beyond the cap", _request(body=b"{}", Content_Type=_JSON, Content_Length=str(1 << 40)), 413)
    for length in ("-1", "1e3", "abc", "9" * 400, "+5", "0x10"):
        yield _exchange(f"length of {length[:8]}", _request(body=_BODY, Content_Type=_JSON, Content_Length=length), 400, 413)
    yield _exchange("two lengths", _request(body=_BODY, Content_Type=_JSON).replace(b"\r\n\r\n", b"\r\nContent-Length: 1\r\n\r\n", 1), 400)
    yield _exchange("length and chunks", _chunked(_BODY).replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n", 1), 200, 400)
    yield _exchange("chunks beyond the cap", _chunked(*[b" " * 65_536] * 40), 413)
    yield _exchange("chunks beyond the cap, then nonsense", _chunked(b" " * (2 << 20)).removesuffix(b"0\r\n\r\n") + b"zz\r\n\r\n", 413)
    yield _exchange("chunks of one byte", _chunked(*(b" " for _ in range(20_000))), 400)
    yield _exchange("chunk of no number", _request(Content_Type=_JSON, Transfer_Encoding="chunked") + b"zz\r\n{}\r\n0\r\n\r\n", 400)
    yield _exchange("unknown transfer encoding", _request(Content_Type=_JSON, Transfer_Encoding="gzip, chunked") + b"0\r\n\r\n", 400, 501)


def _routes() -> Iterator[Exchange]:
    yield _exchange("GET on a POST route", _request("GET"), 405)
    yield _exchange("HEAD on a POST route", _request("HEAD"), 405)
    yield _exchange("DELETE", _request("DELETE"), 405)
    yield _exchange("TRACE", _request("TRACE"), 405)
    yield _exchange("made-up method", _request("FROB"), 405)
    yield _exchange("OPTIONS on everything", _request("OPTIONS", "*"), 400, 404, 405)
    yield _exchange("POST on a GET route", _request(path="/healthz", body=b"{}", Content_Type=_JSON), 405)
    yield _exchange("unknown path", _request("GET", "/v1/normalise"), 404)
    yield _exchange("slash at the end", _request(path="/v1/normalize/", body=_BODY, Content_Type=_JSON), 404, 405)
    yield _exchange("two slashes", _request(path="//v1//normalize", body=_BODY, Content_Type=_JSON), 404, 405)
    for path in (
        "/%",
        "/%zz",
        "/%ff%fe",
        "/%00",
        "/v1/normalize%00",
        "/..%2f..%2fetc/passwd",
        "/static/../../../../etc/passwd",
        "/static/%2e%2e/app.py",
    ):
        yield _exchange(f"path {path}", _request("GET", path), 400, 404, 405)
    yield _exchange("path of 12,000 letters", _request("GET", "/" + "a" * 12_000), 404)
    yield _exchange("path of 100,000 letters", _request("GET", "/" + "a" * 100_000), 400, 404)
    yield _exchange("long query", _request("POST", "/v1/normalize?" + "a=b&" * 3_000, body=_BODY, Content_Type=_JSON), 200)
    yield _exchange("whole address of another host", _request("GET", "http://other.example/v1/normalize"), 400, 404, 405)
    yield _exchange("CONNECT", _request("CONNECT", "other.example:443"), 400, 404, 405)


def _heads() -> Iterator[Exchange]:
    yield _exchange("header of 100,000 letters", _request(body=_BODY, Content_Type=_JSON, X_Long="a" * 100_000), 200, 400)
    yield _exchange("10,000 headers", _request("GET", "/healthz", **{f"X_{i}": "a" for i in range(10_000)}), 200, 400)
    yield _exchange("header that forges a log line", _request("GET", "/nothing", X_Request_ID="a\tERROR forged"), 404)
    yield _exchange("header with a nul", _request("GET", "/healthz", X_Nul="a\0b"), 400)
    yield _exchange("header without a colon", b"GET /healthz HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n", 400)
    yield _exchange("no host", b"GET /nothing HTTP/1.1\r\nConnection: close\r\n\r\n", 400, 404)
    yield _exchange("HTTP/0.9", b"GET /healthz\r\n\r\n", 400)
    yield _exchange("HTTP/9.9", b"GET /nothing HTTP/9.9\r\nHost: a\r\n\r\n", 400, 404, 505)
    yield _exchange("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(32)) + b"\r\n\r\n", 400)
    yield _exchange("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, 404, 405)
    yield _exchange("blank lines", b"\r\n" * 2_000 + b"x\r\n\r\n", 400)
    yield _exchange("not HTTP at all", b"EHLO mail.example\r\n\r\n", 400)
    upgrade = _request(
        "GET", "/v1/normalize", Connection="Upgrade", Upgrade="websocket", Sec_WebSocket_Version="13", Sec_WebSocket_Key="YQ=="
    )
    yield _exchange("upgrade to a web socket", upgrade, 400, 404, 405)


def _batches() -> Iterator[Exchange]:
    bodies = {
        "an array": [GOOD], "one call": GOOD, "null": {"calls": None}, "an object": {"calls": {"0": GOOD}}, "text": {"calls": "x" * 10_000},
        "1,000 calls": {"calls": [{}] * 1_000}, "a batch in a batch": {"calls": {"calls": [GOOD]}},
    }  # fmt: skip
    for name, body in bodies.items():
        yield _exchange(f"batch of {name}", _batch(body), 413, 422)
    yield _exchange("batch of nothing", _batch({"calls": []}), 200)
    yield _exchange("batch of strange items", _batch({"calls": [None, 7, "x", [], {}, [GOOD], {"calls": [GOOD]}, True, 1.5] * 20}), 200)


def _batch(body: object) -> bytes:
    return _request(path="/v1/normalize/batch", body=json.dumps(body).encode(), Content_Type=_JSON)
