"""Deny by default: every reason can happen, none of them lets a call pass, and evidence never lowers what a call is taken for."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intent.classify.gate import Gate, Reading, asked, covered, raised
from intent.schema import Evidence, ReasonCode, View
from intent.vocabulary import Vocabulary, default_path

VOCABULARY = Vocabulary.load(default_path())
LABELS, INTENTS = VOCABULARY.labels, VOCABULARY.ids
GATE = Gate(vocabulary=VOCABULARY, thresholds=np.full(len(INTENTS), 0.6), declared_at_least=0.1)
DOUBT = Evidence(view=View.ARGUMENTS, kind="sql", detail="SELEC", intent=None)

distributions = st.lists(st.floats(0.001, 1), min_size=len(LABELS), max_size=len(LABELS)).map(lambda row: np.array(row) / sum(row))
wishes = st.lists(st.floats(0, 1), min_size=len(INTENTS), max_size=len(INTENTS)).map(np.array)
words = st.sampled_from(LABELS)


def _reads_as(word, probability=0.9):
    row = np.full(len(LABELS), (1 - probability) / (len(LABELS) - 1))
    row[LABELS.index(word)] = probability
    return row


def _asks_for(*wanted):
    return np.array([0.95 if word in wanted else 0.01 for word in INTENTS])


READ = next(word for word in INTENTS if word not in VOCABULARY.top)
AGAINST = {
    ReasonCode.LOW_CONFIDENCE: Reading(_reads_as(READ, 0.59)),
    ReasonCode.OTHER: Reading(_reads_as(VOCABULARY.rest.id)),
    ReasonCode.NOVEL: Reading(_reads_as(READ), novel=True),
    ReasonCode.MISMATCH: Reading(_reads_as(VOCABULARY.top[0]), declared=_asks_for(READ)),
    ReasonCode.CONFLICT: Reading(_reads_as(READ), conflicts=("two views disagree",)),
    ReasonCode.OBFUSCATED: Reading(_reads_as(READ), obfuscated=True),
    ReasonCode.CHANGED_DEFINITION: Reading(_reads_as(READ), changed=True),
    ReasonCode.INVALID_CERTIFICATE: Reading(_reads_as(READ), uncertified="expired"),
}


@pytest.mark.parametrize("word", INTENTS)
def test_a_call_that_nothing_speaks_against_is_forwarded(word):
    assert GATE.reasons(Reading(_reads_as(word), declared=_asks_for(word))) == ()
    assert GATE.reasons(Reading(_reads_as(word))) == ()


@pytest.mark.parametrize("code", AGAINST)
def test_each_reason_alone_denies(code):
    assert [reason.code for reason in GATE.reasons(AGAINST[code])] == [code]


def test_every_code_that_a_gate_can_give_is_given_here():
    outside = {ReasonCode.TOO_LARGE, ReasonCode.MODEL_UNAVAILABLE, ReasonCode.TIMEOUT, ReasonCode.ERROR}
    assert set(AGAINST) | outside == set(ReasonCode)


def test_a_doubt_of_a_parser_denies_and_says_what_could_not_be_read():
    (reason,) = GATE.reasons(Reading(_reads_as(READ), doubts=(DOUBT,)))
    assert reason.code is ReasonCode.CONFLICT
    assert "sql" in reason.message
    assert "SELEC" in reason.message


@given(distributions, st.none() | wishes, st.booleans(), st.booleans(), st.booleans(), st.sampled_from(["", "expired"]))
def test_whatever_else_is_said_a_fault_always_denies(probabilities, declared, novel, obfuscated, changed, uncertified):
    reading = Reading(probabilities, declared, novel=novel, obfuscated=obfuscated, changed=changed, uncertified=uncertified)
    if novel or obfuscated or changed or uncertified:
        assert GATE.reasons(reading)
    for more in ({"conflicts": ("x",)}, {"doubts": (DOUBT,)}, {"novel": True}, {"changed": True}):
        assert len(GATE.reasons(replace(reading, **more))) >= len(GATE.reasons(reading))
        assert GATE.reasons(replace(reading, **more))


@given(distributions)
def test_what_is_forwarded_is_an_intent_at_its_threshold(probabilities):
    likeliest = int(probabilities.argmax())
    forwarded = not GATE.reasons(Reading(probabilities))
    assert forwarded == (likeliest < len(INTENTS) and probabilities[likeliest] >= 0.6)


def test_a_threshold_above_one_forwards_nothing():
    never = replace(GATE, thresholds=np.full(len(INTENTS), 2.0))
    for word in INTENTS:
        (reason,) = never.reasons(Reading(np.eye(len(LABELS))[LABELS.index(word)]))
        assert reason.code is ReasonCode.LOW_CONFIDENCE
        assert "below its threshold 1.000" in reason.message


@given(distributions, wishes)
def test_a_request_never_makes_a_denied_call_pass(probabilities, declared):
    alone, with_request = GATE.reasons(Reading(probabilities)), GATE.reasons(Reading(probabilities, declared))
    assert {reason.code for reason in alone} <= {reason.code for reason in with_request}


@given(distributions, wishes)
def test_coverage_is_a_probability_between_the_wishes_that_count(probabilities, declared):
    counting = [declared[INTENTS.index(word)] for word in VOCABULARY.top]
    assert min(counting) - 1e-9 <= covered(probabilities, declared, VOCABULARY) <= max(counting) + 1e-9


def test_coverage_is_nothing_where_no_top_intent_is_possible():
    assert covered(np.eye(len(LABELS))[-1], np.ones(len(INTENTS)), VOCABULARY) == 0.0


@given(distributions, words)
def test_raising_keeps_the_mass_and_lowers_nothing_above_the_floor(probabilities, floor):
    lifted = raised(probabilities, floor, VOCABULARY)
    assert lifted.sum() == pytest.approx(probabilities.sum())
    for k, word in enumerate(LABELS):
        if word == floor:
            assert lifted[k] >= probabilities[k]
        elif VOCABULARY.at_most(word, floor):
            assert lifted[k] == 0
        else:
            assert lifted[k] == probabilities[k]
    assert raised(lifted, floor, VOCABULARY) == pytest.approx(lifted)


@given(distributions, words, words)
def test_after_raising_the_answer_is_never_below_the_floor(probabilities, floor, other):
    lifted = raised(raised(probabilities, other, VOCABULARY), floor, VOCABULARY)
    answer = LABELS[int(lifted.argmax())]
    assert answer == floor or not VOCABULARY.at_most(answer, floor)


@given(wishes)
def test_what_is_asked_is_a_distribution(declared):
    result = asked(declared, VOCABULARY)
    assert result.sum() == pytest.approx(1)
    assert (result >= -1e-12).all()
    assert result[-1] == pytest.approx(np.prod(1 - declared))


def test_what_is_asked_is_the_highest_wish_and_half_of_each_where_two_cannot_be_compared():
    for word in INTENTS:
        below = [w for w in INTENTS if VOCABULARY.at_most(w, word)]
        wish = np.array([float(w in below) for w in INTENTS])
        assert asked(wish, VOCABULARY)[LABELS.index(word)] == pytest.approx(1)
    both = asked(np.array([float(word in VOCABULARY.top) for word in INTENTS]), VOCABULARY)
    assert [both[LABELS.index(word)] for word in VOCABULARY.top] == pytest.approx([1 / len(VOCABULARY.top)] * len(VOCABULARY.top))
