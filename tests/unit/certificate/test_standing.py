"""Whether a certificate holds is asked on every call; in doubt it does not hold."""

from datetime import UTC, datetime, timedelta

import pytest

from intent.certificate.certificate import Part, digest_of, issue, spend
from intent.certificate.ltt import Bound, Certified
from intent.certificate.standing import NONE, Standing

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MODEL = digest_of({"arrays.npz": "1"})


class Clock:
    """A clock that is set by hand, and counts how often it was read."""

    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def standing(vocabulary, clock):
    def make(*, threshold=0.7, certificate=True, **changes):
        bounds = tuple(Bound(word, 800, 0, 0.01, 0.025, threshold, 0.005) for word in vocabulary.top)
        made = issue(
            Certified(bounds),
            vocabulary,
            model_digest=MODEL,
            calibration_digest=digest_of(["row"]),
            data=(Part(source="catalogue", labelled_by="two people", rows=1600, groups=80),),
            ledger=spend((), 0.05, budget=0.05, purpose="thresholds", at=NOW),
            budget=0.05,
            now=NOW,
        )
        whole = {
            "model_digest": MODEL,
            "vocabulary_digest": vocabulary.digest,
            "thresholds": dict.fromkeys(vocabulary.ids, 0.7),
            "now": clock,
        }
        return Standing(made if certificate else None, **{**whole, **changes})

    return make


def test_a_certificate_of_this_model_holds(standing):
    assert standing().status().valid


def test_without_a_certificate_nothing_holds(standing):
    assert standing(certificate=False).status() == (False, NONE)


def test_it_expires_while_the_service_runs(standing, clock):
    found = standing()
    assert found.status().valid
    clock.now = NOW + timedelta(days=90)
    assert not found.status().valid
    assert "expired at" in found.status().why


@pytest.mark.parametrize(
    "back", [timedelta(seconds=1), timedelta(milliseconds=1), timedelta(days=400)], ids=["a second", "a millisecond", "a year"]
)
def test_a_clock_that_goes_back_is_asked_anew(standing, clock, back):
    found = standing()
    assert found.status().valid
    clock.now = NOW - back
    assert not found.status().valid
    assert "not valid before" in found.status().why


def test_a_clock_that_was_ahead_does_not_freeze_the_answer(standing, clock):
    found = standing()
    clock.now = NOW + timedelta(days=400)
    assert not found.status().valid
    clock.now = NOW + timedelta(days=1)
    assert found.status().valid


def test_another_model_or_vocabulary_is_not_certified(standing):
    assert "issued for the model" in standing(model_digest="0" * 64).status().why
    assert "issued for the vocabulary" in standing(vocabulary_digest="0" * 64).status().why


def test_thresholds_laxer_than_certified_are_not_certified(standing, vocabulary):
    reads = [word for word in vocabulary.ids if word not in vocabulary.top]
    for word in reads:
        found = standing(thresholds={**dict.fromkeys(vocabulary.ids, 0.7), word: 0.699}).status()
        assert found == (False, f"the thresholds of {word} are laxer than certified")


def test_stricter_thresholds_are_certified_and_those_of_the_top_are_free(standing, vocabulary):
    assert standing(thresholds=dict.fromkeys(vocabulary.ids, 0.9)).status().valid
    free = {word: 0.1 if word in vocabulary.top else 0.7 for word in vocabulary.ids}
    assert standing(thresholds=free).status().valid


def test_a_threshold_that_is_no_number_is_laxer(standing, vocabulary):
    assert not standing(thresholds=dict.fromkeys(vocabulary.ids, float("nan"))).status().valid


def test_where_nothing_is_certified_every_threshold_is_laxer(standing, vocabulary):
    assert not standing(threshold=None).status().valid
    assert not standing(threshold=None, thresholds=dict.fromkeys(vocabulary.ids, 1.0)).status().valid


def test_a_revocation_file_withdraws_within_a_second_and_says_why(standing, clock, tmp_path):
    file = tmp_path / "revoked"
    found = standing(revocation=file)
    assert found.status().valid
    file.write_text("drift\nseen on Tuesday\n", "utf-8")
    clock.now += timedelta(seconds=0.5)
    assert found.status().valid, "an answer is kept for less than a second"
    clock.now += timedelta(seconds=0.5)
    assert found.status() == (False, "revoked: drift seen on Tuesday")
    file.unlink()
    clock.now += timedelta(seconds=1)
    assert found.status().valid


def test_an_empty_revocation_file_withdraws_too(standing, tmp_path):
    (tmp_path / "revoked").touch()
    assert standing(revocation=tmp_path / "revoked").status() == (False, "revoked: no reason given")


def test_a_revocation_file_that_cannot_be_read_withdraws(standing, tmp_path):
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\xff")
    for path, why in (
        (tmp_path, "IsADirectoryError"),
        (tmp_path / "bytes", "UnicodeDecodeError"),
        (tmp_path / "bytes" / "x", "NotADirectoryError"),
    ):
        found = standing(revocation=path).status()
        assert not found.valid
        assert found.why.startswith("revoked: ")
        assert why in found.why


def test_a_long_reason_is_cut(standing, tmp_path):
    (tmp_path / "revoked").write_text("x" * 5000, "utf-8")
    assert len(standing(revocation=tmp_path / "revoked").status().why) < 250
