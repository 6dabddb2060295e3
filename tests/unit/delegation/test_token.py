"""Tokens: what is issued is verified, what is handed on is narrower, and everything else is refused with its own fault."""

from __future__ import annotations

import hashlib
import hmac
import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from joserfc import jws
from joserfc.jwk import OctKey, OKPKey, RSAKey

from intent.delegation.chain import Chain
from intent.delegation.fault import Fault
from intent.delegation.keys import ALGORITHM
from intent.delegation.signature import sign
from intent.delegation.token import TYPE, Delegations, Session
from intent.errors import DelegationError, StoreError
from tests.doubles.delegating import HOUR, SESSION, START, Service, claims_of, decoded, encoded, service, with_claims, with_header

MINUTE = timedelta(minutes=1)


@pytest.fixture
def held(tmp_path: Path) -> Service:
    return service(tmp_path)


def fault_of(delegations: Delegations, token: object) -> str:
    with pytest.raises(DelegationError) as caught:
        delegations.verify(token)  # type: ignore[arg-type] # a token from outside may be anything
    return str(caught.value.fault)


def test_what_is_issued_is_verified_whole(held: Service) -> None:
    token = held.token(lifetime_s=600)
    assert held.delegations().verify(token) == Chain(
        subject="ann",
        actors=("agent-1",),
        session="s-1",
        session_started_at=START,
        session_expires_at=START + HOUR,
        expires_at=START + timedelta(seconds=600),
        intents=("look", "make", "send"),
        tools=("git/*", "mail/send"),
        claims=("restricted",),
        token_id=claims_of(token)["jti"],
    )


def test_an_exchange_names_the_current_actor_first_and_keeps_the_ancestry(held: Service) -> None:
    first = held.token()
    second = held.delegations().exchange(first, "agent-2", intents=["look"], tools=["git/log"])
    third = held.delegations().exchange(second, "agent-3")
    chain = held.delegations().verify(third)
    assert (chain.actors, chain.intents, chain.tools) == (("agent-3", "agent-2", "agent-1"), ("look",), ("git/log",))
    said = claims_of(third)
    assert said["act"] == {"sub": "agent-3", "act": {"sub": "agent-2", "act": {"sub": "agent-1"}}}
    assert said["parent"] == claims_of(second)["jti"]
    assert [link["jti"] for link in said["ancestry"]] == [claims_of(first)["jti"], claims_of(second)["jti"]]
    assert (chain.subject, chain.claims) == ("ann", ("restricted",))


@pytest.mark.parametrize(
    "asked",
    [
        {"intents": ["look", "send"]},
        {"tools": ["*"]},
        {"tools": ["mail/*"]},
        {"tools": ["git/log", "files/read"]},
        {"tools": ["g*"]},
        {"tools": ["[g]it/log"]},
    ],
)
def test_an_exchange_for_more_is_refused(held: Service, asked: dict[str, list[str]]) -> None:
    token = held.token(intents=["look"])
    with pytest.raises(DelegationError) as caught:
        held.delegations().exchange(token, "agent-2", **asked)
    assert caught.value.fault == Fault.WIDER


def test_an_exchange_never_lives_longer_than_its_parent(held: Service) -> None:
    token = held.token(lifetime_s=120)
    handed = held.delegations().exchange(token, "agent-2", lifetime_s=86_400)
    assert held.delegations().verify(handed).expires_at == START + timedelta(seconds=120)
    whole = held.token(lifetime_s=86_400)
    assert held.delegations().verify(whole).expires_at == SESSION.expires_at


def test_a_chain_is_no_longer_than_allowed(held: Service) -> None:
    delegations = held.delegations(max_depth=3)
    token = held.token()
    for name in ("agent-2", "agent-3"):
        token = delegations.exchange(token, name)
    with pytest.raises(DelegationError) as caught:
        delegations.exchange(token, "agent-4")
    assert caught.value.fault == Fault.DEPTH
    assert fault_of(held.delegations(max_depth=2), token) == "depth"


def test_time_decides_to_the_second(held: Service) -> None:
    token = held.token(lifetime_s=60)
    held.clock.at = START + timedelta(seconds=59, microseconds=999_999)
    held.delegations().verify(token)
    held.clock.at = START + MINUTE
    assert fault_of(held.delegations(), token) == "expired"
    held.clock.at = START + HOUR
    assert fault_of(held.delegations(), token) == "session_expired"
    held.clock.at = START - timedelta(seconds=5)
    held.delegations().verify(token)
    held.clock.at = START - timedelta(seconds=6)
    assert fault_of(held.delegations(), token) == "not_yet"


def test_a_session_that_is_over_or_has_not_begun_gets_no_token(held: Service) -> None:
    for session, fault in (
        (Session("s", START - HOUR, START), Fault.SESSION_EXPIRED),
        (Session("s", START + MINUTE, START + HOUR), Fault.NOT_YET),
        (Session("s", datetime(2026, 3, 1, 9), START + HOUR), Fault.MALFORMED),  # noqa: DTZ001 - without a time zone on purpose
        (Session("s\n", START, START + HOUR), Fault.MALFORMED),
    ):
        with pytest.raises(DelegationError) as caught:
            held.delegations().issue("ann", "agent-1", session, intents=["look"], tools=["*"])
        assert caught.value.fault == fault


def test_a_session_begun_by_a_clock_a_little_ahead_gets_one(held: Service) -> None:
    session = Session("s", START + timedelta(seconds=3), START + HOUR)
    token = held.delegations().issue("ann", "agent-1", session, intents=["look"], tools=["*"])
    assert held.delegations().verify(token).session_started_at == session.started_at


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"intents": []}, "scope"),
        ({"intents": ["look", "destroy"]}, "scope"),
        ({"intents": ["look destroy"]}, "scope"),
        ({"tools": []}, "malformed"),
        ({"tools": [""]}, "malformed"),
        ({"tools": ["git/\x00"]}, "malformed"),
        ({"tools": [f"git/{k}" for k in range(65)]}, "malformed"),
        ({"lifetime_s": 0}, "malformed"),
        ({"claims": ["c" * 257]}, "malformed"),
        ({"tools": [f"git/{'x' * 200}{k}" for k in range(60)]}, "too_large"),
    ],
)
def test_what_could_not_be_verified_is_not_issued(held: Service, asked: dict[str, object], fault: str) -> None:
    with pytest.raises(DelegationError) as caught:
        held.token(**asked)
    assert caught.value.fault == fault


def test_a_word_that_the_vocabulary_lost_is_refused(held: Service) -> None:
    assert fault_of(held.delegations(vocabulary_ids=["look", "make"]), held.token()) == "scope"


def test_issuer_and_audience_are_exact(held: Service) -> None:
    token = held.token()
    assert fault_of(held.delegations(issuer="https://intent.example/"), token) == "issuer"
    assert fault_of(held.delegations(audience="Gateway"), token) == "audience"
    assert fault_of(held.delegations(), held.signed({**claims_of(token), "aud": ["gateway"]})) == "malformed"


def test_a_revoked_session_ends_every_token_of_it_at_once(held: Service) -> None:
    delegations = held.delegations()
    first = held.token()
    second = delegations.exchange(first, "agent-2")
    other = delegations.issue("ann", "agent-1", Session("s-2", START, START + HOUR), intents=["look"], tools=["*"])
    delegations.revoke_session("s-1", why="lost", by="ops")
    assert fault_of(delegations, first) == fault_of(delegations, second) == "revoked"
    with pytest.raises(DelegationError):
        held.token()
    assert delegations.verify(other).session == "s-2"


@pytest.mark.parametrize("answer", [StoreError("down"), OSError(), RuntimeError(), TimeoutError()])
def test_a_failing_store_denies(held: Service, answer: Exception) -> None:
    class Failing:
        def revoked(self, _: str) -> bool:
            raise answer

        def revoke(self, _: str, **_record: object) -> None:
            raise answer

    token = held.token()
    failing = held.delegations(revocations=Failing())
    assert fault_of(failing, token) == "unavailable"
    with pytest.raises(DelegationError) as caught:
        failing.revoke_session("s-1", why="lost", by="ops")
    assert caught.value.fault == Fault.UNAVAILABLE


def test_an_answer_that_is_no_answer_denies(held: Service) -> None:
    class Mute:
        def revoked(self, _: str) -> None:
            return None

    assert fault_of(held.delegations(revocations=Mute()), held.token()) == "revoked"


@pytest.mark.parametrize("broken", [OSError(), RuntimeError(), OverflowError()])
def test_a_clock_that_raises_denies(held: Service, broken: Exception) -> None:
    token = held.token()
    held.clock.broken = broken
    assert fault_of(held.delegations(), token) == "unavailable"


def test_a_clock_that_goes_back_revives_nothing(held: Service) -> None:
    delegations = held.delegations()
    token = held.token(lifetime_s=60)
    held.clock.at = START + MINUTE
    assert fault_of(delegations, token) == "expired"
    for back in (1, 30, 60):
        held.clock.at = START + MINUTE - timedelta(seconds=back)
        assert fault_of(delegations, token) == "expired"
    held.clock.at = START - HOUR
    assert fault_of(delegations, token) == "unavailable"
    held.clock.at = datetime(2026, 3, 1, 10)  # noqa: DTZ001 - without a time zone on purpose
    assert fault_of(delegations, token) == "unavailable"


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        ({"alg": "none"}, "algorithm"),
        ({"alg": "None"}, "algorithm"),
        ({"alg": "HS256"}, "algorithm"),
        ({"alg": "EdDSA"}, "algorithm"),
        ({"alg": "Ed448"}, "algorithm"),
        ({"alg": ["Ed25519"]}, "algorithm"),
        ({"alg": None}, "algorithm"),
        ({"typ": "JWT"}, "type"),
        ({"typ": "at+jwt"}, "type"),
        ({"typ": None}, "type"),
        ({"crit": ["exp"]}, "malformed"),
        ({"b64": True}, "malformed"),
        ({"jku": "https://evil.example/keys"}, "malformed"),
        ({"jwk": {"kty": "OKP"}}, "malformed"),
        ({"cty": "JWT"}, "malformed"),
        ({"kid": 7}, "malformed"),
        ({"kid": "../../keys.json"}, "unknown_key"),
        ({"kid": ""}, "unknown_key"),
    ],
)
def test_a_header_that_is_not_ours_is_refused(held: Service, header: dict[str, object], fault: str) -> None:
    assert fault_of(held.delegations(), with_header(held.token(), **header)) == fault


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"typ": "JWT"}, {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AA"}}])
def test_a_header_that_is_not_ours_is_refused_even_signed(held: Service, header: dict[str, object]) -> None:
    kid, key = held.ring.current
    full = {"alg": ALGORITHM, "kid": kid, "typ": TYPE, **header}
    signing_input = f"{encoded(json.dumps(full).encode())}.{held.token().split('.')[1]}"
    assert fault_of(held.delegations(), f"{signing_input}.{encoded(key.private_key.sign(signing_input.encode()))}") in {"malformed", "type"}


def test_no_algorithm_and_no_key_of_an_attacker_is_taken(held: Service) -> None:
    token = held.token()
    kid, key = held.ring.current
    header = {"alg": ALGORITHM, "kid": kid, "typ": TYPE}
    payload = decoded(token.split(".")[1])
    assert fault_of(held.delegations(), sign(header, payload, OKPKey.generate_key("Ed25519"))) == "signature"
    unsigned = f"{encoded(json.dumps({**header, 'alg': 'none'}).encode())}.{token.split('.')[1]}."
    assert fault_of(held.delegations(), unsigned) == "malformed"
    rsa = jws.serialize_compact({**header, "alg": "RS256"}, payload, RSAKey.generate_key(2048))
    assert fault_of(held.delegations(), rsa) == "algorithm"
    # The public key is known to all: taken for a secret, it would let anybody sign.
    public = decoded(str(key.as_dict()["x"]))
    for secret in (public, key.as_pem(private=False), json.dumps(key.as_dict()).encode()):
        for name in ("HS256", ALGORITHM):
            start = f"{encoded(json.dumps({**header, 'alg': name}).encode())}.{token.split('.')[1]}"
            forged = f"{start}.{encoded(hmac.new(secret, start.encode(), hashlib.sha256).digest())}"
            assert fault_of(held.delegations(), forged) == ("algorithm" if name == "HS256" else "signature")
    assert OctKey.import_key(public).is_private  # it would indeed have served as one


@pytest.mark.parametrize(
    "changed",
    [
        {"act": {"sub": "root"}},
        {"act": {"sub": "agent-2", "act": {"sub": "root"}}},
        {"sub": "root"},
        {"exp": 4_000_000_000},
        {"scope": "look make send"},
        {"tools": ["*"]},
        {"sid": "s-2"},
        {"ancestry": []},
    ],
)
def test_a_claim_that_was_changed_breaks_the_signature(held: Service, changed: dict[str, object]) -> None:
    token = held.delegations().exchange(held.token(), "agent-2", intents=["look"], tools=["git/log"])
    assert fault_of(held.delegations(), with_claims(token, **changed)) == "signature"


ROOT = {"jti": "j-0", "act": "agent-1", "scope": "look", "tools": ["git/*"], "exp": int((START + HOUR).timestamp())}


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"act": {"sub": "agent-2"}}, "malformed"),
        ({"act": {"sub": "agent-2", "act": {"sub": "root"}}}, "malformed"),
        ({"act": {"sub": "agent-1", "act": {"sub": "agent-2"}}}, "malformed"),
        ({"act": {"sub": "agent-2", "iss": "x", "act": {"sub": "agent-1"}}}, "malformed"),
        ({"parent": "j-9"}, "malformed"),
        ({"parent": None}, "malformed"),
        ({"jti": "j-0"}, "malformed"),
        ({"scope": "look look"}, "malformed"),
        ({"scope": " look"}, "malformed"),
        ({"scope": ""}, "malformed"),
        ({"scope": "look make"}, "wider"),
        ({"scope": "destroy"}, "scope"),
        ({"tools": ["git/*", "*"]}, "wider"),
        ({"tools": ["gi*"]}, "wider"),
        ({"exp": ROOT["exp"] + 1}, "wider"),
        ({"exp": float(ROOT["exp"])}, "malformed"),
        ({"exp": True}, "malformed"),
        ({"exp": None}, "malformed"),
        ({"exp": 10**30}, "malformed"),
        ({"exp": -1}, "malformed"),
        ({"iat": str(int(START.timestamp()))}, "malformed"),
        ({"iat": int(START.timestamp()) + 6, "nbf": int(START.timestamp()) + 6}, "not_yet"),
        ({"nbf": int(START.timestamp()) + 6}, "not_yet"),
        ({"session": {"iat": int(START.timestamp()), "exp": int(START.timestamp()) + 60}}, "wider"),
        ({"session": {"iat": int(START.timestamp())}}, "malformed"),
        ({"ancestry": [{**ROOT, "exp": ROOT["exp"] + 1}]}, "wider"),
        ({"ancestry": [{**ROOT, "scope": "look make"}, {**ROOT, "jti": "j-1"}]}, "malformed"),
        ({"ancestry": []}, "malformed"),
        ({"admin": True}, "malformed"),
        ({"claims": "restricted"}, "malformed"),
        ({"claims": ["b", "a"]}, "malformed"),
        ({"sub": ""}, "malformed"),
        ({"sub": "an\u0007n"}, "malformed"),
    ],
)
def test_links_that_do_not_fit_are_refused_even_signed(held: Service, changed: dict[str, object], fault: str) -> None:
    fine = {
        **claims_of(held.token(intents=["look"], tools=["git/log"])),
        "act": {"sub": "agent-2", "act": {"sub": "agent-1"}},
        "parent": "j-0",
        "ancestry": [ROOT],
    }
    assert held.delegations().verify(held.signed(fine)).actors == ("agent-2", "agent-1")
    assert fault_of(held.delegations(), held.signed({**fine, **changed})) == fault


def test_json_that_says_one_thing_twice_is_refused(held: Service) -> None:
    payload = decoded(held.token().split(".")[1])
    assert fault_of(held.delegations(), held.signed(payload[:-1] + b',"sub":"root"}')) == "malformed"
    assert fault_of(held.delegations(), held.signed(payload.replace(b'"ann"', b'"ann","\\u0073ub":"root"'))) == "malformed"
    header, rest = held.token().split(".", 1)
    twice = decoded(header)[:-1] + b',"alg":"Ed25519"}'
    assert fault_of(held.delegations(), f"{encoded(twice)}.{rest}") == "malformed"


@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b"{", b'{"a":NaN}', b"\xff", b"[" * 3000, b'{"sub":"\\ud800"}'])
def test_a_payload_that_is_no_strict_object_is_refused(held: Service, payload: bytes) -> None:
    assert fault_of(held.delegations(), held.signed(payload)) == "malformed"


def test_other_spellings_of_the_same_bytes_are_refused(held: Service) -> None:
    token = held.token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    respelled = 0
    for part in range(3):
        segments = token.split(".")
        last = alphabet.index(segments[part][-1])
        for spare in range(1, 4 if len(segments[part]) % 4 == 3 else 16 if len(segments[part]) % 4 == 2 else 1):
            other = [*segments]
            other[part] = segments[part][:-1] + alphabet[last ^ spare]
            assert decoded(other[part]) == decoded(segments[part])
            assert fault_of(held.delegations(), ".".join(other)) in {"malformed", "signature"}
            respelled += 1
    assert respelled >= 15
    for odd in (token + "=", token + "\n", " " + token, token.replace(".", ".."), token + ".", token.rsplit(".", 1)[0] + ".", "." + token):
        assert fault_of(held.delegations(), odd) == "malformed"
    assert fault_of(held.delegations(), token[:-2] + "+/") == "malformed"


@pytest.mark.parametrize("token", ["", "a", "a.b", "a.b.c.d", "..", "é.é.é", "a.b.c\x00", None, 7, b"a.b.c", ["a"], {}])
def test_what_is_no_token_is_refused(held: Service, token: object) -> None:
    assert fault_of(held.delegations(), token) == "malformed"


def test_an_oversized_token_is_not_even_looked_at(held: Service) -> None:
    assert fault_of(held.delegations(), "a" * 8193) == "too_large"
    assert fault_of(held.delegations(max_token_bytes=100), held.token()) == "too_large"


def test_a_retired_key_verifies_nothing_and_a_rotated_one_still_does(held: Service) -> None:
    delegations = held.delegations()
    old, _ = held.ring.current
    token = held.token()
    held.ring.rotate()
    handed = delegations.exchange(token, "agent-2")
    assert delegations.verify(token).actors == ("agent-1",)
    held.ring.retire(old)
    assert fault_of(delegations, token) == "unknown_key"
    assert delegations.verify(handed).actors == ("agent-2", "agent-1")


def test_a_key_ring_that_is_gone_or_open_denies(held: Service, tmp_path: Path) -> None:
    token, delegations = held.token(), held.delegations()
    file = tmp_path / "keys.json"
    file.chmod(0o644)
    assert fault_of(delegations, token) == "unavailable"
    file.chmod(0o600)
    assert delegations.verify(token).subject == "ann"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.unlink()
    assert fault_of(delegations, token) == "unavailable"


def test_the_machines_own_clock_serves_by_default(held: Service) -> None:
    now = datetime.now(UTC)
    delegations = Delegations(held.ring, issuer="i", audience="a", revocations=held.revocations, vocabulary_ids=["look"])
    token = delegations.issue("ann", "agent-1", Session("s", now, now + MINUTE), intents=["look"], tools=["*"])
    assert delegations.verify(token).grants("look", "git", "log")


@pytest.mark.parametrize("depth", [0, 17])
def test_a_depth_that_cannot_be_kept_is_refused_at_once(held: Service, depth: int) -> None:
    with pytest.raises(ValueError, match="max_depth must be 1 to 16"):
        held.delegations(max_depth=depth)
