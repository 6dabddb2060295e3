"""Identities: the word of a real provider is taken, by its own keys, and of nobody else."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from intent.delegation.discovery import ALGORITHMS, ProviderKeys
from intent.delegation.identity import Identities, Identity
from intent.errors import DelegationError
from tests.doubles.delegating import START, Turned, encoded, with_claims, with_header
from tests.doubles.provider import Publisher, free_port, id_token, provider, publisher, signed

RSA = RSAKey.generate_key(2048, parameters={"kid": "rsa"})
EC = ECKey.generate_key("P-256", parameters={"kid": "ec"})
OKP = OKPKey.generate_key("Ed25519", parameters={"kid": "okp"})
NOW_S = int(START.timestamp())


class Seconds:
    """A monotonic clock that a test turns."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture(scope="module")
def client() -> Generator[httpx.Client]:
    with httpx.Client(timeout=2) as client:
        yield client


@pytest.fixture
def told() -> Generator[Publisher]:
    with publisher() as found:
        found.publish(RSA, EC, OKP)
        yield found


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def identities(told: Publisher, client: httpx.Client, seconds: Seconds) -> Identities:
    keys = ProviderKeys(told.issuer, client, monotonic=seconds, deadline_s=0.5, max_bytes=1 << 16)
    return Identities(keys, issuer=told.issuer, audience="intent", now=Turned())


def payload(told: Publisher, **changed: Any) -> bytes:
    fine = {"iss": told.issuer, "sub": "ann", "aud": "intent", "exp": NOW_S + 60, "iat": NOW_S}
    return json.dumps({key: value for key, value in {**fine, **changed}.items() if value is not ...}).encode()


def fault_of(identities: Identities, token: str) -> str:
    with pytest.raises(DelegationError) as caught:
        identities.verify(token)
    return str(caught.value.fault)


def test_a_real_provider_is_believed_also_after_it_has_changed_its_key(client: httpx.Client, seconds: Seconds) -> None:
    port = free_port()
    with provider(port) as issuer:
        identities = Identities(ProviderKeys(issuer, client, monotonic=seconds), issuer=issuer, audience="intent", algorithms=["RS256"])
        first = id_token(issuer, "ann", client_id="intent", groups=["restricted"])
        found = identities.verify(first)
        assert (found.subject, found.issuer, found.claims["groups"]) == ("ann", issuer, ["restricted"])
        assert fault_of(identities, id_token(issuer, "ann", client_id="another")) == "audience"
        assert fault_of(identities, with_claims(first, sub="root")) == "signature"
        assert fault_of(identities, with_header(first, alg="HS256")) == "algorithm"
        later = Identities(
            ProviderKeys(issuer, client), issuer=issuer, audience="intent", now=lambda: datetime.now(UTC) + timedelta(days=1)
        )
        assert fault_of(later, first) == "expired"
    # It is gone: what is known of it serves on, but nothing new can be learned.
    assert identities.verify(first).subject == "ann"
    seconds.at += 301
    assert fault_of(identities, first) == "unavailable"
    seconds.at += 11
    with provider(port) as issuer:
        second = id_token(issuer, "bob", client_id="intent")
        assert identities.verify(second).subject == "bob"
        assert fault_of(identities, first) == "signature"
    with provider(port) as issuer:
        seconds.at += 11
        # Within the time that keys are kept, it is the signature that tells of a new one.
        assert identities.verify(id_token(issuer, "eve", client_id="intent")).subject == "eve"


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256"), (OKP, "EdDSA"), (OKP, "Ed25519")],
    ids=lambda value: value if isinstance(value, str) else value.kid,
)
@pytest.mark.parametrize("kind", [None, "JWT", "at+jwt", "application/at+jwt"])
def test_every_allowed_algorithm_and_type_is_read(
    identities: Identities, told: Publisher, key: RSAKey | ECKey | OKPKey, algorithm: str, kind: str | None
) -> None:
    header = {"kid": key.kid, **({} if kind is None else {"typ": kind})}
    found = identities.verify(signed(key, algorithm, payload(told, aud=["other", "intent"], nbf=NOW_S + 30), **header))
    assert found == Identity("ann", told.issuer, json.loads(payload(told, aud=["other", "intent"], nbf=NOW_S + 30)))


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"iss": "https://evil.example"}, "issuer"),
        ({"aud": "other"}, "audience"),
        ({"aud": []}, "audience"),
        ({"aud": ["Intent"]}, "audience"),
        ({"aud": {"intent": 1}}, "malformed"),
        ({"exp": NOW_S}, "expired"),
        ({"exp": NOW_S - 10}, "expired"),
        ({"iat": NOW_S + 31}, "not_yet"),
        ({"nbf": NOW_S + 31}, "not_yet"),
        ({"exp": ...}, "malformed"),
        ({"iat": ...}, "malformed"),
        ({"sub": ...}, "malformed"),
        ({"sub": ""}, "malformed"),
        ({"sub": 7}, "malformed"),
        ({"aud": ...}, "malformed"),
        ({"iss": ...}, "malformed"),
        ({"exp": str(NOW_S + 60)}, "malformed"),
        ({"exp": True}, "malformed"),
        ({"exp": None}, "malformed"),
        ({"exp": -1}, "malformed"),
    ],
)
def test_claims_are_exact(identities: Identities, told: Publisher, changed: dict[str, Any], fault: str) -> None:
    assert fault_of(identities, signed(RSA, "RS256", payload(told, **changed), kid="rsa")) == fault


@pytest.mark.parametrize("text", [b'{"exp":NaN}', b'{"exp":1e999}', b"[]", b"", b'{"sub":"a","sub":"b"}', b"\xff"])
def test_a_payload_that_is_no_strict_object_is_refused(identities: Identities, text: bytes) -> None:
    assert fault_of(identities, signed(RSA, "RS256", text, kid="rsa")) == "malformed"


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"NaN", b"Infinity"])
def test_a_time_that_is_no_number_is_refused(identities: Identities, told: Publisher, name: str, number: bytes) -> None:
    text = payload(told, **{name: 123_454_321}).replace(b"123454321", number)
    assert number in text
    assert fault_of(identities, signed(RSA, "RS256", text, kid="rsa")) == "malformed"


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        ({"alg": "none"}, "algorithm"),
        ({"alg": "HS256"}, "algorithm"),
        ({"alg": "RS512"}, "algorithm"),
        ({"alg": ["RS256"]}, "algorithm"),
        ({"typ": "delegation+jwt"}, "type"),
        ({"typ": "logout+jwt"}, "type"),
        ({"typ": ["JWT"]}, "type"),
        ({"typ": 1}, "type"),
        ({"crit": ["exp"]}, "malformed"),
        ({"b64": False}, "malformed"),
        ({"jwk": {}}, "malformed"),
        ({"jku": "https://evil.example"}, "malformed"),
        ({"kid": 1}, "malformed"),
        ({"kid": "nobody"}, "unknown_key"),
        ({"kid": "ec"}, "unknown_key"),
        ({"alg": "ES256"}, "unknown_key"),
        ({"alg": "PS256"}, "signature"),
    ],
)
def test_a_header_that_asks_for_something_else_is_refused(
    identities: Identities, told: Publisher, header: dict[str, Any], fault: str
) -> None:
    assert fault_of(identities, with_header(signed(RSA, "RS256", payload(told), kid="rsa"), **header)) == fault


def test_only_pinned_algorithms_are_read_and_only_known_ones_can_be_pinned(told: Publisher, client: httpx.Client) -> None:
    keys = ProviderKeys(told.issuer, client)
    pinned = Identities(keys, issuer=told.issuer, audience="intent", algorithms=["ES256"], now=Turned())
    assert fault_of(pinned, signed(RSA, "RS256", payload(told), kid="rsa")) == "algorithm"
    assert pinned.verify(signed(EC, "ES256", payload(told), kid="ec")).subject == "ann"
    assert {"none", "HS256", "HS384", "HS512"}.isdisjoint(ALGORITHMS)
    for strange in ("HS256", "none", "RS1"):
        with pytest.raises(ValueError, match="algorithms must be some of"):
            Identities(keys, issuer=told.issuer, audience="intent", algorithms=[strange])


def test_a_public_key_is_no_secret(identities: Identities, told: Publisher) -> None:
    for secret in (RSA.as_pem(private=False), json.dumps(told.keys[0]).encode(), OKP.public_key.public_bytes_raw()):
        for name, fault in (("HS256", "algorithm"), ("RS256", "signature"), ("Ed25519", "signature")):
            kid = "okp" if name == "Ed25519" else "rsa"
            start = f"{encoded(json.dumps({'alg': name, 'kid': kid}).encode())}.{encoded(payload(told))}"
            forged = f"{start}.{encoded(hmac.new(secret, start.encode(), hashlib.sha256).digest())}"
            assert fault_of(identities, forged) == fault


def test_keys_that_must_not_sign_are_not_read(identities: Identities, told: Publisher) -> None:
    secret = OctKey.import_key(b"0" * 32)
    weak = json.loads(json.dumps(RSA.as_dict(private=False)))
    told.keys = [
        {**secret.as_dict(private=True), "kid": "oct"},
        {**weak, "n": weak["n"][:200], "kid": "weak"},
        {**RSA.as_dict(private=False), "use": "enc", "kid": "enc"},
        {**RSA.as_dict(private=True), "kid": "private"},
        {**RSA.as_dict(private=False), "alg": "PS256", "kid": "only-ps"},
        {**ECKey.generate_key("P-384").as_dict(private=False), "kid": "p384"},
        {**OKPKey.generate_key("X25519").as_dict(private=False), "kid": "x25519"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "broken"},
        {"kty": "AKP", "kid": "tomorrow"},
        "text",
        None,
        EC.as_dict(private=False),
    ]
    for kid in ("oct", "weak", "enc", "private", "only-ps"):
        assert fault_of(identities, signed(RSA, "RS256", payload(told), kid=kid)) == "unknown_key"
    for kid in ("p384", "broken"):
        assert fault_of(identities, signed(EC, "ES256", payload(told), kid=kid)) == "unknown_key"
    assert fault_of(identities, signed(OKP, "EdDSA", payload(told), kid="x25519")) == "unknown_key"
    assert identities.verify(signed(RSA, "PS256", payload(told), kid="only-ps")).subject == "ann"
    assert identities.verify(signed(EC, "ES256", payload(told), kid="ec")).subject == "ann"


def test_without_an_identifier_there_must_be_one_choice(identities: Identities, told: Publisher, seconds: Seconds) -> None:
    assert identities.verify(signed(RSA, "RS256", payload(told))).subject == "ann"
    told.publish(RSA, RSAKey.generate_key(2048, parameters={"kid": "second"}))
    seconds.at += 301
    assert fault_of(identities, signed(RSA, "RS256", payload(told))) == "unknown_key"
    assert identities.verify(signed(RSA, "RS256", payload(told), kid="rsa")).subject == "ann"


def test_a_new_key_is_fetched_once_and_a_withdrawn_one_is_refused(identities: Identities, told: Publisher, seconds: Seconds) -> None:
    old = signed(RSA, "RS256", payload(told), kid="rsa")
    assert identities.verify(old).subject == "ann"
    assert len(told.asked) == 2
    fresh = RSAKey.generate_key(2048, parameters={"kid": "new"})
    told.publish(fresh)
    seconds.at += 10
    assert identities.verify(signed(fresh, "RS256", payload(told), kid="new")).subject == "ann"
    assert len(told.asked) == 4
    assert fault_of(identities, old) == "unknown_key"


def test_unknown_keys_do_not_make_the_provider_pay(identities: Identities, told: Publisher, seconds: Seconds) -> None:
    fine = signed(RSA, "RS256", payload(told), kid="rsa")
    identities.verify(fine)
    for number in range(50):
        assert fault_of(identities, signed(RSA, "RS256", payload(told), kid=f"k-{number}")) == "unknown_key"
    assert len(told.asked) == 2
    seconds.at += 10
    for number in range(50):
        assert fault_of(identities, signed(RSA, "RS256", payload(told), kid=f"k-{number}")) == "unknown_key"
    assert len(told.asked) == 4
    assert identities.verify(fine).subject == "ann"


def test_many_threads_at_once_fetch_once(identities: Identities, told: Publisher) -> None:
    told.pause_s = 0.05
    token = signed(RSA, "RS256", payload(told), kid="rsa")
    found: list[str] = []
    workers = [threading.Thread(target=lambda: found.append(identities.verify(token).subject)) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == ["ann"] * 8
    assert len(told.asked) == 2


def test_keys_are_not_used_longer_than_they_are_kept(identities: Identities, told: Publisher, seconds: Seconds) -> None:
    token = signed(RSA, "RS256", payload(told), kid="rsa")
    identities.verify(token)
    told.status = 500
    seconds.at += 299
    assert identities.verify(token).subject == "ann"
    seconds.at += 1
    assert fault_of(identities, token) == "unavailable"
    asked = len(told.asked)
    assert fault_of(identities, token) == "unavailable"
    assert len(told.asked) == asked
    told.status = 200
    seconds.at += 10
    assert identities.verify(token).subject == "ann"


@pytest.mark.parametrize(
    "changed",
    [
        {"status": 404},
        {"status": 302, "headers": {"location": "/.well-known/openid-configuration"}},
        {"body": b"{"},
        {"body": b"[]"},
        {"body": b'{"issuer": "a", "issuer": "b"}'},
        {"body": gzip.compress(b"{}"), "headers": {"content-encoding": "gzip"}},
        {"document": {}},
        {"body": b" " * 60_000, "pause_s": 0.2},
    ],
)
def test_a_provider_that_answers_badly_denies(identities: Identities, told: Publisher, changed: dict[str, Any]) -> None:
    for name, value in changed.items():
        setattr(told, name, value)
    start = time.monotonic()
    assert fault_of(identities, signed(RSA, "RS256", payload(told), kid="rsa")) == "unavailable"
    assert time.monotonic() - start < 2


@pytest.mark.parametrize(
    "address", ["http://evil.example/keys", "file:///etc/passwd", "https://user:word@evil.example/", "", 7, None, "http://[", "ftp://a"]
)
def test_the_keys_may_only_be_at_a_safe_address(identities: Identities, told: Publisher, address: object) -> None:
    told.document["jwks_uri"] = address
    with pytest.raises(DelegationError, match=r"must be https|must be URLs|must name the keys") as caught:
        identities.verify(signed(RSA, "RS256", payload(told), kid="rsa"))
    assert caught.value.fault == "unavailable"
    assert told.asked == ["/.well-known/openid-configuration"]


def test_no_more_is_read_than_allowed(identities: Identities, told: Publisher) -> None:
    told.body = b" " * (1 << 26)
    with pytest.raises(DelegationError, match="a document must be at most 65536 bytes") as caught:
        identities.verify(signed(RSA, "RS256", payload(told), kid="rsa"))
    assert caught.value.fault == "unavailable"


@pytest.mark.parametrize("issuer", ["https://evil.example", "", None, "/"])
def test_the_discovery_document_must_be_the_issuers_own(identities: Identities, told: Publisher, issuer: str | None) -> None:
    told.document["issuer"] = told.issuer + "/" if issuer == "/" else issuer
    assert fault_of(identities, signed(RSA, "RS256", payload(told), kid="rsa")) == "unavailable"
    assert told.asked == ["/.well-known/openid-configuration"]


@pytest.mark.parametrize("keys", [None, {}, "text", 7])
def test_what_is_no_key_set_denies(identities: Identities, told: Publisher, keys: Any) -> None:
    told.keys = keys
    assert fault_of(identities, signed(RSA, "RS256", payload(told), kid="rsa")) == "unavailable"


@pytest.mark.parametrize("issuer", ["http://evil.example", "issuer", "https://user:word@evil.example", "http://127.0.0.1.evil.example"])
def test_an_issuer_must_be_at_a_safe_address(client: httpx.Client, issuer: str) -> None:
    with pytest.raises(DelegationError, match="must be https"):
        ProviderKeys(issuer, client)


def test_a_provider_that_is_not_there_denies(client: httpx.Client) -> None:
    issuer = f"http://127.0.0.1:{free_port()}"
    gone = Identities(ProviderKeys(issuer, client), issuer=issuer, audience="intent")
    assert fault_of(gone, signed(RSA, "RS256", b"{}", kid="rsa")) == "unavailable"


def test_an_oversized_token_is_not_even_looked_at(identities: Identities, told: Publisher) -> None:
    assert fault_of(identities, "a" * 20_000) == "too_large"
    assert told.asked == []
