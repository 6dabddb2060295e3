import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from pydantic import ValidationError

from intent.certificate import certificate as certificates
from intent.certificate.certificate import ASSUMPTIONS, Certificate, CertificateError, Part, Use, composition, digest_of, issue, spend
from intent.certificate.cluster import server_figures
from intent.certificate.ltt import Bound, Calibration, Certified, certify, choose
from intent.vocabulary import Vocabulary

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MODEL, DATA = digest_of({"arrays.npz": "1"}), digest_of(["row-1", "row-2"])
PARTS = (Part(source="catalogue", labelled_by="two people, independently", rows=1200, groups=80),)
Issue = Callable[..., Certificate]


def bound(intent: str, n: int = 800, k: int = 0, **changes: object) -> Bound:
    whole = {"alpha": 0.01, "delta": 0.025, "threshold": 0.7, "upper": 0.005, **changes}
    return Bound(intent=intent, n=n, k=k, **whole)


@pytest.fixture
def issued(vocabulary: Vocabulary) -> Issue:
    def make(bounds: tuple[Bound, ...] | None = None, **changes: object) -> Certificate:
        whole = {"model_digest": MODEL, "calibration_digest": DATA, "data": PARTS, "budget": 0.05, "now": NOW}
        whole["ledger"] = spend((), 0.05, budget=0.05, purpose="thresholds of 0.1.0", at=NOW)
        certified = Certified(bounds if bounds is not None else tuple(bound(word) for word in vocabulary.top))
        return issue(certified, vocabulary, **{**whole, **changes})

    return make


def status(certificate: Certificate, vocabulary: Vocabulary, **changes: object) -> certificates.Status:
    return certificates.status(certificate, **{"model_digest": MODEL, "vocabulary_digest": vocabulary.digest, "now": NOW, **changes})


def test_a_certificate_made_from_rows_holds_and_says_what_it_promises(vocabulary: Vocabulary, readings: Callable[..., Calibration]) -> None:
    rows = readings([({word}, word, 0.9) for word in vocabulary.top] * 400)
    names = [f"server-{k % 60}" for k in range(800)]
    ledger = spend((), 0.05, budget=0.05, purpose="thresholds", at=NOW)
    made = issue(
        certify(rows, vocabulary, 0.01, ledger[-1].delta),
        vocabulary,
        model_digest=MODEL,
        calibration_digest=DATA,
        data=composition(["catalogue"] * 800, names, {"catalogue": "one person"}),
        ledger=ledger,
        budget=0.05,
        now=NOW,
        reported=[choose(rows, vocabulary, word, 0.01, 0.05) for word in vocabulary.top],
        servers=server_figures(rows, names, vocabulary, 0.5, 0.05, np.random.default_rng(0)),
        further_assumptions=["Requests are in English."],
    )
    found = status(made, vocabulary)
    assert found.valid
    assert found.why == "; ".join(f"{word}: at most 1.00% at 2.50%, from 0 errors in 400 rows" for word in vocabulary.top)
    assert (made.alpha, made.delta, made.threshold) == (0.01, 0.05, 0.3)
    assert made.expires - made.issued == timedelta(days=90)
    assert made.assumptions == (*ASSUMPTIONS, "Requests are in English.")
    assert made.data == (Part(source="catalogue", labelled_by="one person", rows=800, groups=60),)
    assert certificates.read(made.to_json()) == made


def test_it_is_read_back_as_it_was_written(issued: Issue) -> None:
    made = issued(now=datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=timezone(timedelta(hours=2))))
    again = certificates.read(made.to_json().encode())
    assert again == made
    assert again.digest == made.digest


@pytest.mark.parametrize(
    ("place", "value"),
    [(("alpha",), 0.001), (("bounds", 0, "n"), 80_000), (("expires",), "2036-01-01T00:00:00Z"), (("ledger", 0, "delta"), 0.01)],
)
def test_an_altered_text_is_refused(issued: Issue, place: tuple[str | int, ...], value: object) -> None:
    data = json.loads(issued().to_json())
    inner = data
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    with pytest.raises(CertificateError, match="must have digest"):
        certificates.read(json.dumps(data))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"digest": 1}', "null", '{"alpha": NaN}', b"\xff"])
def test_what_is_no_certificate_is_refused(text: str | bytes) -> None:
    with pytest.raises(CertificateError, match="must fit its form"):
        certificates.read(text)


def test_an_unknown_key_anywhere_is_refused(issued: Issue) -> None:
    data = json.loads(issued().to_json())
    for inner in (data, data["bounds"][0], data["ledger"][0], data["data"][0]):
        inner["more"] = 1
        with pytest.raises(CertificateError, match="must fit its form"):
            certificates.read(json.dumps(data))
        del inner["more"]


def test_another_model_or_vocabulary_has_no_certificate(issued: Issue, vocabulary: Vocabulary) -> None:
    assert status(issued(), vocabulary, model_digest="0" * 64).why.startswith("issued for the model")
    assert status(issued(), vocabulary, vocabulary_digest="0" * 64).why.startswith("issued for the vocabulary")


@pytest.mark.parametrize(
    ("later", "valid"),
    [(timedelta(0), True), (timedelta(seconds=-1), False), (timedelta(days=90) - timedelta(seconds=1), True), (timedelta(days=90), False)],
)
def test_it_holds_from_its_issue_until_it_expires(issued: Issue, vocabulary: Vocabulary, later: timedelta, valid: bool) -> None:
    assert status(issued(), vocabulary, now=NOW + later).valid is valid


def test_a_clock_without_time_zone_makes_it_invalid(issued: Issue, vocabulary: Vocabulary) -> None:
    naive = NOW.replace(tzinfo=None)
    assert status(issued(), vocabulary, now=naive) == (False, "the clock has no time zone")


def test_a_revoked_one_stays_revoked_and_keeps_its_digest(issued: Issue, vocabulary: Vocabulary) -> None:
    made = issued()
    gone = certificates.revoke(made, "the audit saw a risk of 2%", NOW)
    assert status(gone, vocabulary) == (False, "revoked at 2026-03-01T12:00:00+00:00: the audit saw a risk of 2%")
    assert certificates.revoke(gone, "again", NOW + timedelta(1)) is gone
    assert gone.digest == made.digest
    assert certificates.read(gone.to_json()) == gone


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"n": 367}, "too few, even without an error"),
        ({"k": 9}, "9 errors, of which they bear 2"),
        ({"k": 801}, "801 errors, of which"),
        ({"threshold": None}, "at any threshold"),
        ({"delta": 0.04}, "claim a delta of 0.065"),
    ],
)
def test_a_bound_is_computed_anew_and_not_believed(issued: Issue, vocabulary: Vocabulary, changes: dict[str, object], why: str) -> None:
    first, second = vocabulary.top
    found = status(issued((bound(first), bound(second, **changes))), vocabulary)
    assert not found.valid
    assert why in found.why


def test_a_laxer_threshold_or_a_greater_alpha_than_certified_is_not_valid(issued: Issue, vocabulary: Vocabulary) -> None:
    made = issued()
    assert "laxer" in status(made.model_copy(update={"threshold": 0.6}), vocabulary).why
    assert "laxer" in status(made.model_copy(update={"threshold": None}), vocabulary).why
    assert "more than the 0.50% that is promised" in status(made.model_copy(update={"alpha": 0.005}), vocabulary).why


def test_reuse_of_the_rows_splits_delta(issued: Issue, vocabulary: Vocabulary) -> None:
    first = spend((), 0.025, budget=0.05, purpose="0.1.0", at=NOW)
    second = spend(first, 0.025, budget=0.05, purpose="0.2.0", at=NOW + timedelta(1))
    assert [use.purpose for use in second] == ["0.1.0", "0.2.0"]
    with pytest.raises(CertificateError, match=r"at most the 0 of delta that is left, got 0\.001"):
        spend(second, 0.001, budget=0.05, purpose="0.3.0", at=NOW)
    halves = tuple(bound(word, delta=0.0125) for word in vocabulary.top)
    assert status(issued(halves, ledger=second), vocabulary).valid
    assert "claim a delta of 0.05, the ledger gives them 0.025" in status(issued(ledger=second), vocabulary).why
    overspent = (*second, Use(at=NOW, purpose="by hand", delta=0.05))
    assert "have spent 0.1 of a delta of 0.05" in status(issued(ledger=overspent), vocabulary).why


@pytest.mark.parametrize("delta", [0.0, -0.01, 0.051, float("nan")])
def test_only_what_is_left_can_be_spent(delta: float) -> None:
    with pytest.raises(CertificateError, match="must spend at most"):
        spend((), delta, budget=0.05, purpose="x", at=NOW)


def test_tenths_add_up_to_their_sum() -> None:
    ledger: tuple[Use, ...] = ()
    for _ in range(3):
        ledger = spend(ledger, 0.1, budget=0.3, purpose="x", at=NOW)
    assert len(ledger) == 3


def test_every_most_consequential_intent_must_be_bounded(issued: Issue, vocabulary: Vocabulary) -> None:
    with pytest.raises(CertificateError, match="a certificate must bound export, write, got write"):
        issued((bound("write"),))
    with pytest.raises(ValidationError, match="distinct intents"):
        Certificate.model_validate({**issued().model_dump(), "bounds": (bound("write"), bound("write"))})


def test_what_does_not_fit_the_form_is_not_issued(issued: Issue) -> None:
    for changes in ({"days": 0}, {"model_digest": "short"}, {"data": ()}, {"ledger": ()}, {"now": NOW.replace(tzinfo=None)}):
        with pytest.raises(CertificateError, match="must fit its form"):
            issued(**changes)


def test_reads_below_the_certified_threshold_are_named(issued: Issue) -> None:
    made = issued()
    assert certificates.unmet(made, {"summarize": 0.7, "search": 0.69, "export": 0.1, "write": 0.1}) == ("search",)
    assert certificates.unmet(made, {"summarize": 0.9, "search": float("nan")}) == ("search",)
    nothing = made.model_copy(update={"threshold": None})
    assert certificates.unmet(nothing, {"summarize": 1.0, "search": 1.0}) == ("summarize", "search")


def test_the_composition_counts_rows_and_groups_of_each_source() -> None:
    labellers = {"npm": "one person", "own": "two people"}
    found = composition(["own", "npm", "npm", "npm"], ["a", "a", "a", "b"], labellers)
    assert [(part.source, part.rows, part.groups, part.labelled_by) for part in found] == [
        ("npm", 3, 2, "one person"),
        ("own", 1, 1, "two people"),
    ]
    with pytest.raises(CertificateError, match="who labelled it, missing npm"):
        composition(["npm"], ["a"], {})


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest_of({"a": 1, "b": [2]}) == digest_of({"b": [2], "a": 1}) != digest_of({"a": 1, "b": [3]})
    with pytest.raises(ValueError, match="Out of range"):
        digest_of(float("nan"))


def test_a_bound_of_more_errors_than_rows_does_not_hold() -> None:
    assert not replace(bound("write"), k=900).holds
