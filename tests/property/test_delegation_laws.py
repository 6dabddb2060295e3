"""Laws of delegation: a chain only narrows, a session bounds everything, and a token is whole or refused."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from intent.delegation.claims import Claims
from intent.delegation.fault import Fault
from intent.delegation.token import Session
from intent.delegation.tools import covered
from intent.errors import DelegationError
from tests.doubles.delegating import START, WORDS, Service, Turned, claims_of, decoded, encoded, service

SERVERS = st.sampled_from(["git", "gitlab", "mail", "g"])
TOOLS = st.sampled_from(["log", "lo", "send", "search_code", "*"])
PARTS = st.sampled_from(["*", "?", "git", "mail", "/", "log", "lo", "g", "s", "[gm]", "[!g]", "[", "]", "_"])
PATTERNS = st.one_of(st.lists(PARTS, min_size=1, max_size=5).map("".join), st.sampled_from(["*", "git/*", "mail/*", "git/log"]))
TEXTS = st.one_of(st.lists(PARTS, max_size=6).map("".join), st.text("git/mal_[]*?-!", max_size=12))
SUBSETS = st.sets(st.sampled_from(WORDS), min_size=1)
LIFETIMES = st.one_of(st.none(), st.integers(1, 10_000))
HOPS = st.lists(
    st.tuples(st.one_of(st.none(), SUBSETS), st.one_of(st.none(), st.lists(PATTERNS, min_size=1, max_size=3)), LIFETIMES), max_size=7
)
CALLS = st.lists(st.tuples(st.sampled_from([*WORDS, "destroy"]), SERVERS, TOOLS), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def held() -> Generator[Service]:
    with tempfile.TemporaryDirectory() as folder:
        yield service(Path(folder))


@settings(max_examples=300)
@given(
    intents=SUBSETS,
    tools=st.lists(PATTERNS, min_size=1, max_size=3),
    hops=HOPS,
    calls=CALLS,
    session_s=st.integers(1, 10_000),
    lifetime_s=LIFETIMES,
)
def test_a_longer_chain_never_grants_more_nor_lives_longer(held, intents, tools, hops, calls, session_s, lifetime_s):
    delegations = held.delegations()
    session = Session("s", START, START + timedelta(seconds=session_s))
    token = delegations.issue("ann", "agent-0", session, intents=intents, tools=tools, lifetime_s=lifetime_s)
    before = delegations.verify(token)
    assert before.expires_at <= session.expires_at
    for number, (words, patterns, seconds) in enumerate(hops, 1):
        try:
            token = delegations.exchange(token, f"agent-{number}", intents=words, tools=patterns, lifetime_s=seconds)
        except DelegationError as error:
            assert error.fault == Fault.WIDER  # noqa: PT017 - which exchanges are refused is what is found here
            continue
        after = delegations.verify(token)
        assert after.expires_at <= before.expires_at <= session.expires_at
        assert after.actors == (f"agent-{number}", *before.actors)
        assert (after.subject, after.session, after.claims) == (before.subject, before.session, before.claims)
        for call in calls:
            assert before.grants(*call) or not after.grants(*call)
        before = after


@settings(max_examples=100)
@given(hops=st.lists(st.tuples(SUBSETS, LIFETIMES), min_size=1, max_size=4), data=st.data())
def test_no_link_can_be_left_out_or_put_elsewhere_even_by_the_signer(held, hops, data):
    delegations = held.delegations()
    token = held.token()
    for number, (words, seconds) in enumerate(hops):
        kept = sorted(words & set(delegations.verify(token).intents))
        assume(kept)
        token = delegations.exchange(token, f"next-{number}", intents=kept, lifetime_s=seconds)
    claims = claims_of(token)
    links = claims["ancestry"]
    other = data.draw(st.one_of(st.permutations(links), st.lists(st.sampled_from(links), max_size=len(links) - 1)))
    assume(other != links)
    with pytest.raises(DelegationError):
        delegations.verify(held.signed({**claims, "ancestry": other}))


@settings(max_examples=400)
@given(st.data())
def test_any_changed_character_is_refused(held, data):
    token = held.delegations().exchange(held.token(), "agent-2", tools=["git/log"])
    place = data.draw(st.integers(0, len(token) - 1))
    mark = data.draw(st.one_of(st.sampled_from("ABab01-_.=+/ \n"), st.characters()))
    assume(mark != token[place])
    with pytest.raises(DelegationError):
        held.delegations().verify(token[:place] + mark + token[place + 1 :])


@settings(max_examples=400)
@given(st.data())
def test_any_changed_bit_of_what_is_encoded_is_refused(held, data):
    segments = held.token().split(".")
    part = data.draw(st.integers(0, 2))
    raw = bytearray(decoded(segments[part]))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    segments[part] = encoded(bytes(raw))
    with pytest.raises(DelegationError):
        held.delegations().verify(".".join(segments))


@settings(max_examples=400)
@given(st.one_of(st.text(max_size=200), st.lists(st.text("ABab01-_=", max_size=40), min_size=2, max_size=5).map(".".join)))
def test_no_text_is_a_token_and_none_raises_anything_else(held, text):
    with pytest.raises(DelegationError) as caught:
        held.delegations().verify(text)
    assert caught.value.fault in set(Fault)


@settings(max_examples=400)
@given(st.dictionaries(st.sampled_from(list(Claims.model_fields)), st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["sub", "act", "iat", "exp", "jti", "x"]), inner, max_size=3), max_leaves=6), min_size=1, max_size=4))  # fmt: skip
def test_no_claims_raise_anything_else(held, changed):
    fine = claims_of(held.token())
    try:
        chain = held.delegations().verify(held.signed({**fine, **changed}))
    except DelegationError as error:
        assert error.fault in set(Fault)  # noqa: PT017 - most are refused, and those that are not are looked at below
    else:
        assert chain.expires_at <= chain.session_expires_at
        assert set(chain.intents) <= set(WORDS)


@settings(max_examples=1500)
@given(PATTERNS, PATTERNS, TEXTS)
def test_what_a_covered_pattern_matches_the_covering_one_matches(pattern, by, text):
    assume(covered(pattern, by))
    assert fnmatchcase(text, by) or not fnmatchcase(text, pattern)


@given(PATTERNS, PATTERNS, PATTERNS)
def test_covering_is_transitive_and_reflexive(first, second, third):
    assert covered(first, first)
    assert covered(first, "*")
    if covered(first, second) and covered(second, third) and not {"[", "?"} & set(first + second + third):
        text = first.replace("*", "x")
        assert fnmatchcase(text, third)


@settings(max_examples=300)
@given(st.integers(1, 3600), st.lists(st.one_of(st.none(), st.integers(-4000, 8000)), min_size=1, max_size=8))
def test_what_has_expired_once_never_comes_back(held, lifetime_s, moments):
    held.clock.at = START
    token = held.token(lifetime_s=lifetime_s)
    clock = Turned()
    delegations = held.delegations(now=clock)
    latest = None
    for moment in moments:
        clock.broken = OSError() if moment is None else None
        clock.at = START + timedelta(seconds=moment or 0)
        latest = latest if moment is None else max(moment, moment if latest is None else latest)
        try:
            delegations.verify(token)
        except DelegationError:
            continue
        assert moment is not None
        assert latest < lifetime_s


@given(st.datetimes(datetime(2026, 3, 1), datetime(2026, 3, 2)), st.integers(1, 90_000), LIFETIMES)  # noqa: DTZ001 - bounds are naive
def test_a_token_is_good_exactly_from_its_issue_to_its_end(held, moment, session_s, lifetime_s):
    begun = datetime(2026, 3, 1, tzinfo=UTC)
    clock = Turned(begun)
    delegations = held.delegations(now=clock, leeway_s=0)
    session = Session("s", begun, begun + timedelta(seconds=session_s))
    token = delegations.issue("ann", "agent", session, intents=WORDS, tools=["*"], lifetime_s=lifetime_s)
    clock.at = moment.replace(tzinfo=UTC)
    good = clock.at < begun + timedelta(seconds=min(session_s, lifetime_s or session_s))
    if good:
        assert delegations.verify(token).session == "s"
        return
    with pytest.raises(DelegationError) as caught:
        delegations.verify(token)
    assert caught.value.fault in {Fault.EXPIRED, Fault.SESSION_EXPIRED}
