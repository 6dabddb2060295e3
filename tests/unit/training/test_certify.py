"""The certificate of a new model rests on what the whole decision path says, without requests, on rows that nothing was fitted on."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from intent.certificate.certificate import spend, status
from intent.certificate.ltt import Bound, Certified, certify, dangerous_rows
from intent.corpus import Row, RowLabel
from intent.embedding.hashing import HashingEncoder
from intent.normalizer import Normalizer
from intent.schema import ReasonCode, Tool, ToolCall
from intent.training.certify import Promise, read_calibration, with_thresholds, write_certificate
from intent.vocabulary import Effect
from tests.doubles.small_model import VOCABULARY, small, small_bundle
from tests.doubles.worded_model import DIMENSIONS, worded_model

NOW = datetime(2026, 3, 1, tzinfo=UTC)
READ, CHANGE, DISCLOSE = (VOCABULARY.effects[e] for e in (Effect.READ, Effect.CHANGE, Effect.DISCLOSE))
SAYS = {"n1 fetch": (READ, 60.0), "n1 purge": (CHANGE, 60.0), "n1 mail": (DISCLOSE, 60.0)}
READS = [word for word in VOCABULARY.ids if word not in VOCABULARY.top]


def _row(k, name, intent, request=None):
    tool = Tool(name=f"{name}_{k}", description=f"Handles item {k}.")
    return Row(f"row/{k}/{name}", "catalogue", f"server-{k % 40}", None, ToolCall(request=request, tool=tool), RowLabel(intent=intent))


def _rows(n, request=None):
    kinds = (("fetch", READ), ("purge", CHANGE), ("mail", DISCLOSE))
    return [_row(k, name, intent, request) for k in range(n) for name, intent in kinds]


def _bundle():
    return small_bundle(worded_model(SAYS), HashingEncoder(DIMENSIONS, 60))


def _certified(bundle, rows, alpha=0.02, delta=0.05):
    calibration = read_calibration(bundle, rows)
    certified = certify(calibration, VOCABULARY, alpha, delta)
    final = with_thresholds(bundle, certified)
    ledger = spend((), delta, budget=delta, purpose="a test", at=NOW)
    made = write_certificate(final, Promise(rows, calibration, certified, "two people"), ledger, delta, NOW, 90)
    return replace(final, certificate=made)


@pytest.mark.parametrize("request_text", ["Only delete everything and mail it to everybody, please.", "too long to be read " * 5000])
def test_a_reading_for_the_certificate_does_not_look_at_the_request(request_text):
    bundle = small_bundle()
    rows = [row for row in small().parts.certify if row.label.intent and row.call.tool][:60]
    asked = [replace(row, call=row.call.model_copy(update={"request": request_text})) for row in rows]
    plain, other = read_calibration(bundle, rows), read_calibration(bundle, asked)
    assert (plain.probabilities == other.probabilities).all()
    assert (plain.blocked == other.blocked).all()


def test_a_reading_is_what_the_service_answers():
    bundle = small_bundle()
    rows = [row for row in small().parts.certify if row.label.intent and row.call.tool][:40]
    found = read_calibration(bundle, rows)
    normalizer = Normalizer(bundle, require_certificate=False)
    for k, row in enumerate(rows):
        decision = normalizer.normalize(ToolCall(tool=row.call.tool, arguments=row.call.arguments))
        assert found.probabilities[k].tolist() == list(decision.probabilities.values())
        assert VOCABULARY.labels[found.primary[k]] == row.label.intent
        lifted = {ReasonCode.LOW_CONFIDENCE, ReasonCode.MISMATCH}
        assert found.blocked[k] == bool({reason.code for reason in decision.reasons} - lifted)


def test_enough_rows_bear_a_certificate_under_which_reads_are_forwarded():
    bundle = _certified(_bundle(), _rows(200))
    assert status(bundle.certificate, bundle.content_digest, VOCABULARY.digest, NOW).valid
    decision = Normalizer(bundle, now=lambda: NOW).normalize(ToolCall(tool=Tool(name="fetch_page")))
    assert (decision.intent, decision.certificate.valid) == (READ, True)
    assert {bound.n for bound in bundle.certificate.bounds} == {200}


def test_too_few_rows_give_an_invalid_certificate_and_nothing_is_forwarded():
    bundle = _certified(_bundle(), _rows(20))
    found = status(bundle.certificate, bundle.content_digest, VOCABULARY.digest, NOW)
    assert not found.valid
    assert "too few, even without an error" in found.why
    assert all(bundle.model.thresholds[VOCABULARY.ids.index(word)] > 1 for word in READS)
    strict, lax = Normalizer(bundle, now=lambda: NOW), Normalizer(bundle, now=lambda: NOW, require_certificate=False)
    for name in ("fetch", "purge", "mail"):
        decision = strict.normalize(ToolCall(tool=Tool(name=name)))
        assert ReasonCode.INVALID_CERTIFICATE in {reason.code for reason in decision.reasons}
    assert lax.normalize(ToolCall(tool=Tool(name="fetch"))).reasons[0].code is ReasonCode.LOW_CONFIDENCE
    assert lax.normalize(ToolCall(tool=Tool(name="purge"))).reasons == (), "what is not certified is not forwarded as a read"


def test_a_model_that_errs_as_surely_as_it_is_right_forwards_no_read():
    wrong = [_row(k, "fetch", CHANGE) for k in range(400, 440)]
    bundle = _certified(_bundle(), [*_rows(200), *wrong])
    decision = Normalizer(bundle, now=lambda: NOW).normalize(ToolCall(tool=Tool(name="fetch_page")))
    assert ReasonCode.LOW_CONFIDENCE in {reason.code for reason in decision.reasons}
    assert decision.confidence < bundle.model.thresholds[VOCABULARY.ids.index(READ)]


@pytest.mark.parametrize("least", [0.3, 0.9, None])
def test_a_threshold_above_the_certified_one_stays(least):
    bundle = _bundle()
    given = np.array([0.85, 0.5, 0.5, 0.5])[: len(VOCABULARY.ids)]
    bundle = replace(bundle, model=replace(bundle.model, thresholds=given))
    bounds = tuple(Bound(word, 800, 0, 0.01, 0.025, least, 0.005) for word in VOCABULARY.top)
    after = with_thresholds(bundle, Certified(bounds)).model.thresholds
    for k, word in enumerate(VOCABULARY.ids):
        wanted = given[k] if word in VOCABULARY.top else max(given[k], 2.0 if least is None else least)
        assert after[k] == wanted
    assert bundle.model.thresholds is given, "the bundle that was given is left as it was"


def test_the_certificate_says_what_it_rests_on():
    rows = _rows(200)
    bundle = _certified(_bundle(), rows)
    made = bundle.certificate
    assert [(part.source, part.rows, part.groups, part.labelled_by) for part in made.data] == [("catalogue", 600, 40, "two people")]
    assert made.model_digest == bundle.content_digest
    assert made.calibration_digest != _certified(_bundle(), rows[:-1]).certificate.calibration_digest
    assert {bound.intent for bound in made.reported} == set(VOCABULARY.top)
    assert made.servers


def test_every_row_that_counts_is_of_a_top_intent():
    rows = [*_rows(10), _row(99, "fetch", VOCABULARY.rest.id)]
    calibration = read_calibration(_bundle(), rows)
    assert sum(int(dangerous_rows(calibration, VOCABULARY, word).sum()) for word in VOCABULARY.top) == 20
