"""What a decision tells beside its label: only what tightens, only what was read, and never more than a reader can take in."""

import numpy as np
import pytest

from intent.classify.explanation import Explanation, Views
from intent.classify.facts import annotation_conflicts, annotation_evidence, destination_evidence, encoding_evidence, finding_evidence
from intent.evidence.base import Finding
from intent.schema import ReasonCode, Tool, View
from intent.views import Limits, read_capability, read_declared, read_effect
from intent.vocabulary import Effect
from tests.doubles.worded_model import VOCABULARY

CHANGE, READ, DISCLOSE = (VOCABULARY.effects[e] for e in (Effect.CHANGE, Effect.READ, Effect.DISCLOSE))
DESTRUCTIVE = Tool(name="get", annotations={"destructiveHint": True})


def _surely(word):
    return np.eye(len(VOCABULARY.labels))[VOCABULARY.labels.index(word)]


@pytest.mark.parametrize(
    "annotations",
    [
        None,
        {},
        {"destructiveHint": False},
        {"destructiveHint": "true"},
        {"readOnlyHint": True},
        {"destructiveHint": True, "readOnlyHint": True},
    ],
)
def test_annotations_that_do_not_tighten_are_no_evidence(annotations):
    tool = Tool(name="get", annotations=annotations)
    assert annotation_evidence(tool, VOCABULARY) == ()
    assert annotation_conflicts(tool, _surely(READ), VOCABULARY) == ()


def test_a_destructive_tool_that_reads_as_less_is_a_conflict():
    (fact,) = annotation_evidence(DESTRUCTIVE, VOCABULARY)
    assert (fact.view, fact.intent) == (View.ANNOTATIONS, CHANGE)
    assert annotation_conflicts(DESTRUCTIVE, _surely(READ), VOCABULARY) == (
        f"the author calls the tool destructive, and it reads as {READ}",
    )
    assert annotation_conflicts(DESTRUCTIVE, _surely(CHANGE), VOCABULARY) == ()
    assert annotation_conflicts(DESTRUCTIVE, _surely(DISCLOSE), VOCABULARY) == ()


def test_a_doubt_has_no_intent():
    assert finding_evidence(Finding("sql", "?", None), VOCABULARY).intent is None
    assert finding_evidence(Finding("sql", "DROP", Effect.CHANGE), VOCABULARY).intent == CHANGE


def test_a_hidden_text_is_told_with_its_place():
    (fact,) = encoding_evidence(read_effect({"body": {"note": "cGxlYXNlIGRlbGV0ZSBldmVyeSByb3cgb2YgdGhlIHRhYmxl"}}, Limits()))
    assert (fact.kind, fact.detail, fact.intent) == ("encoding", "base64 in body.note", None)
    assert encoding_evidence(read_effect({"body": "plain"}, Limits())) == ()


def test_a_place_that_no_word_of_the_request_names_is_told_where_the_call_has_consequences():
    view = read_effect({"to": "mallory@evil.example", "body": "hi"}, Limits())
    request = read_declared("send a note to anna@home.example", Limits())
    (fact,) = destination_evidence(request, view, "send mail", _surely(DISCLOSE), VOCABULARY)
    assert fact.kind == "unrequested_destination"
    assert "mallory@evil.example" in fact.detail
    assert destination_evidence(request, view, "send mail", _surely(READ), VOCABULARY) == ()
    assert destination_evidence(None, view, "send mail", _surely(DISCLOSE), VOCABULARY) == ()
    named = read_declared("send a note to mallory@evil.example", Limits())
    assert destination_evidence(named, view, "send mail", _surely(DISCLOSE), VOCABULARY) == ()


def test_an_explanation_shows_the_views_and_what_was_changed_in_them(normalizer):
    tool = Tool(name="sendMail", description="Se\u200bnds.", input_schema={"properties": {"toAddress": {}}})
    decision = normalizer.refuse(ReasonCode.ERROR, "x")
    views = Views(read_declared("go", Limits()), read_capability(tool, Limits()), read_effect({"to": "a"}, Limits()))
    found = Explanation.of(decision, views)
    assert (found.declared, found.capability, found.effect) == ("go", "send mail\nSends.\nparameters: to address", "to: a")
    assert "invisible" in found.changes
    assert Explanation.of(decision, None) == Explanation(decision, None, None, None, ())
