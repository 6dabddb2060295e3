"""Laws of destinations: nothing raises, what is spelled out is requested, and more words never make less requested."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from intent.evidence import graphql, http
from intent.evidence.base import Leaf
from intent.evidence.destination import Destination, DestinationKind, destinations, readings
from intent.evidence.naming import unrequested

PIECES = st.sampled_from([
    "bob", "Bob", "smith", "ann@example.com", "ann", "@", ".", "#", "'s", "https://", "www.", "evil.example", "/", "\\", "s3://", "+1", "415", "5550134",
    "DE89", "3704", "0044", " ", "  ", "\n", "-", "_", "general", "release notes", "report.pdf", "\u00e9", "\u0301", "\u0130", "\u00df", "\u03c3", "\u03a3", "\u2019s", ",", ";",
    "GET", "mutation {", "query", "}", "{a}", "(", ")", "?d=", "%41", "[", "]", "engineering", "enginering", "co.uk", "10.0.0.1", "\ud800", "\x00",
])  # fmt: skip
TEXTS = st.one_of(st.lists(PIECES, max_size=12).map("".join), st.lists(PIECES, max_size=12).map(" ".join), st.text(max_size=60))
KEYS = st.sampled_from(
    ["to", "cc", "channel", "url", "body", "iban", "phone", "destination", "from", "name", "bucket", "method", "headers", "query", "params"]
)
LEAVES = st.lists(st.builds(Leaf, st.lists(KEYS, max_size=3).map(tuple), TEXTS, st.sampled_from([None, "base64", "url"])), max_size=6)
DESTINATIONS = st.builds(Destination, st.sampled_from(list(DestinationKind)), TEXTS)


@settings(max_examples=400, deadline=None)
@given(LEAVES, TEXTS, TEXTS)
def test_nothing_raises(leaves, request_text, words):
    found = destinations(leaves, words)
    unrequested(request_text, found)
    list(readings(leaves, words))
    list(http.readings(leaves, f"http {words}"))
    list(graphql.readings(leaves, f"graphql {words}"))


@settings(max_examples=400, deadline=None)
@given(DESTINATIONS, TEXTS, TEXTS)
def test_a_destination_that_the_request_spells_out_is_requested(destination, before, after):
    assert unrequested(f"{before} {destination.value} {after}", [destination]) == ()


@settings(max_examples=400, deadline=None)
@given(LEAVES, TEXTS)
def test_every_found_destination_is_requested_where_it_is_spelled_out(leaves, before):
    found = destinations(leaves)
    assert unrequested(" ".join([before, *(d.value for d in found)]), found) == ()


@settings(max_examples=600, deadline=None)
@given(TEXTS, TEXTS, TEXTS, st.lists(DESTINATIONS, max_size=5))
def test_words_before_or_after_never_make_more_unrequested(request_text, before, after, given_destinations):
    fewer = unrequested(f"{before} {request_text} {after}", given_destinations)
    assert set(fewer) <= set(unrequested(request_text, given_destinations))


@settings(deadline=None)
@given(LEAVES, TEXTS)
def test_destinations_inform_and_never_bind(leaves, words):
    assert all(not f.binding and f.effect is not None and len(f.detail) <= 160 for f in readings(leaves, words))


@settings(deadline=None)
@given(LEAVES)
def test_destinations_are_distinct_and_keep_their_order_when_arguments_follow(leaves):
    found = destinations(leaves)
    assert len(set(found)) == len(found)
    assert destinations([*leaves, Leaf(("to",), "z@z.example")])[: len(found)] == found
