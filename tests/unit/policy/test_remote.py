"""Whatever a server does, an engine that asks it gives an answer that fits or an `EngineError`, in time."""

from __future__ import annotations

import gzip
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from intent.errors import EngineError, PolicyError
from intent.policy.authzen import AuthZenEngine
from intent.policy.cerbos import CerbosEngine
from intent.policy.input import example
from intent.policy.opa import OpaEngine
from intent.policy.remote import Remote
from tests.doubles.policy_server import Received, Respond, answering, raw_reply, reply

TIMEOUT_S = 0.4
ENGINES = pytest.mark.parametrize("kind", [OpaEngine, AuthZenEngine, CerbosEngine], ids=lambda kind: kind.name)


def permit(received: Received, **headers: str) -> bytes:
    """A whole permit in the words of AuthZEN, OPA and Cerbos alike, to this request."""
    asked = received.json().get("context", {}).get("cerbos.requestId", "")
    said = {"src": "resource.tool.vdefault#read", "val": {"allow": True, "obligations": []}}
    result = {"actions": {"tools/call": "EFFECT_ALLOW"}, "outputs": [said]}
    document = {
        "result": {"allow": True, "determining": [], "obligations": []},
        "decision": True,
        "context": {"cerbos.response": {"requestId": asked, "results": [result]}},
    }
    return reply(document, X_Request_ID=received.headers.get("x-request-id", ""), **headers)


def slow(part: bytes, whole: bytes = b"") -> Respond:
    """A byte now and then, each long before a time-out that counts from the last byte."""

    def respond(_received: Received) -> Iterator[bytes]:
        yield whole
        until_s = time.monotonic() + 5
        while time.monotonic() < until_s:
            yield part
            time.sleep(0.05)

    return respond


def endless(_received: Received) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    for _ in range(100):
        yield b"10000\r\n" + b" " * 0x10000 + b"\r\n"


def cut(received: Received) -> list[bytes]:
    return [permit(received)[:-1]]


def redirected(received: Received) -> bytes:
    if received.target.startswith("/elsewhere"):
        return permit(received)
    return raw_reply(b"", "307 Temporary Redirect", Location="/elsewhere")


def twice(received: Received) -> bytes:
    """A permit whose members all come twice, so that a lenient reader takes the last."""
    _, _, body = permit(received).partition(b"\r\n\r\n")
    return raw_reply(body[:-1] + b"," + body[1:], X_Request_ID=received.headers.get("x-request-id", ""))


def squeezed(received: Received) -> bytes:
    _, _, body = permit(received).partition(b"\r\n\r\n")
    return raw_reply(gzip.compress(body), Content_Encoding="gzip", X_Request_ID=received.headers.get("x-request-id", ""))


FAULTS: dict[str, Respond] = {
    "nothing in time": slow(b""),
    "headers byte by byte": slow(b"a", b"HTTP/1.1 200 OK\r\nX: "),
    "a body byte by byte": slow(b" ", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"),
    "hung up": lambda _received: [b""],
    "not HTTP": lambda _received: [b"hello\r\n\r\n"],
    "no content": lambda _received: raw_reply(b"", "204 No Content"),
    "unauthorized": lambda received: permit(received).replace(b"200 OK", b"401 Unauthorized"),
    "an error of the server": lambda received: permit(received).replace(b"200 OK", b"500 Internal Server Error"),
    "created": lambda received: permit(received).replace(b"200 OK", b"201 Created"),
    "a redirect": redirected,
    "a cut body": cut,
    "an endless body": endless,
    "a huge body": lambda received: [permit(received).replace(b"Content-Length: ", b"X: ") + b" " * (2 << 20)],
    "a compressed body": squeezed,
    "an empty body": lambda _received: raw_reply(b""),
    "no JSON": lambda _received: raw_reply(b"yes"),
    "a bare true": lambda _received: raw_reply(b"true"),
    "a list": lambda _received: raw_reply(b"[]"),
    "an empty object": lambda _received: raw_reply(b"{}"),
    "not a number": lambda received: permit(received).replace(b"true", b"NaN "),
    "every member twice": twice,
    "too deep": lambda _received: raw_reply(b"[" * 100_000),
    "not UTF-8": lambda _received: raw_reply(b'{"decision": "\xff"}'),
}


@ENGINES
def test_the_whole_permit_is_a_permit(kind: Callable[..., OpaEngine]):
    with answering(permit) as server:
        engine = kind(server.url, timeout_s=5)
        assert engine.evaluate(example()).allowed
        engine.close()


@ENGINES
@pytest.mark.parametrize("fault", list(FAULTS))
def test_no_fault_of_a_server_is_an_answer(kind: Callable[..., OpaEngine], fault: str):
    with answering(FAULTS[fault]) as server:
        engine = kind(server.url, timeout_s=TIMEOUT_S)
        start_s = time.monotonic()
        with pytest.raises(EngineError):
            engine.evaluate(example())
        assert time.monotonic() - start_s < TIMEOUT_S + 1
        engine.close()
    assert len(server.received) == 1, "nothing is asked twice"


@ENGINES
def test_nobody_there_is_an_error(kind: Callable[..., OpaEngine]):
    with answering(permit) as server:
        url = server.url
    engine = kind(url, timeout_s=TIMEOUT_S)
    with pytest.raises(EngineError, match="cannot be asked"):
        engine.evaluate(example())
    engine.close()


@ENGINES
def test_an_engine_answers_again_after_a_fault(kind: Callable[..., OpaEngine]):
    asked: list[int] = []

    def at_first_cut(received: Received) -> bytes | list[bytes]:
        asked.append(1)
        return cut(received) if len(asked) == 1 else permit(received)

    with answering(at_first_cut) as server:
        engine = kind(server.url, timeout_s=5)
        with pytest.raises(EngineError):
            engine.evaluate(example())
        assert engine.evaluate(example()).allowed
        engine.close()


@ENGINES
def test_a_token_is_sent_and_never_shown(kind: Callable[..., OpaEngine]):
    with answering(lambda _received: raw_reply(b"{}", "403 Forbidden")) as server:
        engine = kind(server.url, token="secret-of-the-engine", timeout_s=5)
        with pytest.raises(EngineError) as raised:
            engine.evaluate(example())
        engine.close()
    assert server.received[0].headers["authorization"] == "Bearer secret-of-the-engine"
    assert "secret" not in str(raised.value)


@ENGINES
def test_a_closed_engine_is_an_error(kind: Callable[..., OpaEngine]):
    with answering(permit) as server:
        engine = kind(server.url, timeout_s=5)
        assert engine.evaluate(example()).allowed
        engine.close()
        with pytest.raises(EngineError, match="closed"):
            engine.evaluate(example())


def test_connections_are_kept_and_shared_between_threads():
    with answering(permit) as server:
        engine = AuthZenEngine(server.url, timeout_s=10)
        assert all(engine.evaluate(example()).allowed for _ in range(20))
        assert server.connections == 1
        with ThreadPoolExecutor(8) as pool:
            assert all(verdict.allowed for verdict in pool.map(engine.evaluate, [example()] * 200))
        assert server.connections < 50
        engine.close()
    asked = [received.headers["x-request-id"] for received in server.received]
    assert len(set(asked)) == len(asked) == 220


def test_neither_proxy_nor_credentials_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password something\n", "utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with answering(permit) as server:
        engine = AuthZenEngine(server.url, timeout_s=5)
        assert engine.evaluate(example()).allowed
        engine.close()
    assert "authorization" not in server.received[0].headers


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    place = tmp_path_factory.mktemp("tls")
    chain, key = place / "chain.crt", place / "private.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"),
            *("-subj", "/CN=engine", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(chain)),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return chain, key


def test_a_certificate_is_always_checked(certificate: tuple[Path, Path]):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with answering(permit, context) as server:
        url = server.url.replace("http://", "https://")
        for engine in (AuthZenEngine(url, timeout_s=5), AuthZenEngine(url.replace("127.0.0.1", "localhost"), ca_file=certificate[0])):
            with pytest.raises(EngineError, match="cannot be asked"):
                engine.evaluate(example())
            engine.close()
        assert server.received == []
        engine = AuthZenEngine(url, ca_file=certificate[0], timeout_s=5)
        assert engine.evaluate(example()).allowed
        engine.close()


@pytest.mark.parametrize(
    "url",
    [
        *("", "engine", "ftp://engine", "file:///etc/passwd", "http://", "http:///path", "http://engine:99999", "http://[::1", "//engine"),
        *("http://user:word@engine", "http://engine?x=1", "http://engine/#x", "http://engine\n", "http://\ud800"),
    ],
)
def test_an_address_that_does_not_fit_is_refused(url: str):
    with pytest.raises(PolicyError, match="address"):
        Remote(url)


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan")])
def test_a_deadline_must_be_one(timeout_s: float):
    with pytest.raises(PolicyError, match="time-out"):
        Remote("http://engine", timeout_s=timeout_s)


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "ключ"])
def test_a_token_that_a_header_cannot_carry_is_refused(token: str):
    with pytest.raises(PolicyError, match="token"):
        Remote("http://engine", token=token)


def test_certificates_that_are_not_there_are_refused(tmp_path: Path):
    with pytest.raises(PolicyError, match="certificates"):
        Remote("https://engine", ca_file=tmp_path / "none.crt")


def test_the_digest_is_that_of_the_address():
    assert Remote("http://engine/").digest == Remote("http://engine").digest != Remote("http://engine:81").digest


def test_a_document_that_is_no_json_is_an_error():
    with answering(permit) as server:
        remote = Remote(server.url)
        for value in (float("nan"), "\ud800"):
            with pytest.raises(EngineError):
                remote.post("/", {"value": value})
        remote.close()
    assert server.received == []
