"""Calibration finds a distortion that was put in on purpose, and leaves what is calibrated alone."""

import numpy as np
import pytest

from intent.classify.calibration import fit_line, fit_temperature, tempered
from intent.classify.head import logit, sigmoid, softmax

N, LABELS = 6000, 5


@pytest.fixture(scope="module")
def truthful():
    """Probabilities, and answers drawn from them."""
    rng = np.random.default_rng(0)
    probabilities = softmax(rng.normal(scale=2, size=(N, LABELS)))
    drawn = (probabilities.cumsum(axis=1) > rng.random((N, 1))).argmax(axis=1)
    return probabilities, np.eye(LABELS, dtype=bool)[drawn]


@pytest.mark.parametrize("distortion", [0.5, 1.0, 2.0, 3.0])
def test_a_temperature_undoes_the_distortion(truthful, distortion):
    probabilities, right = truthful
    assert fit_temperature(tempered(probabilities, distortion), right) == pytest.approx(1 / distortion, rel=0.06)


def test_a_temperature_stays_in_its_range(truthful):
    probabilities, right = truthful
    assert fit_temperature(tempered(probabilities, 50.0), right) == pytest.approx(0.2)
    assert fit_temperature(tempered(probabilities, 0.02), right) == pytest.approx(5.0)


def test_rows_that_weigh_nothing_say_nothing(truthful):
    probabilities, right = truthful
    half = np.arange(N) < N // 2
    mixed = np.where(half[:, None], tempered(probabilities, 2.0), tempered(probabilities, 0.4))
    assert fit_temperature(mixed, right, half.astype(float)) == fit_temperature(mixed[half], right[half])


def test_every_acceptable_label_counts_as_right(truthful):
    probabilities, _ = truthful
    either = np.eye(LABELS, dtype=bool)[probabilities.argsort(axis=1)[:, -2:]].any(axis=1)
    only_second = np.eye(LABELS, dtype=bool)[probabilities.argsort(axis=1)[:, -2]]
    assert fit_temperature(probabilities, either) < fit_temperature(probabilities, only_second)


def test_without_rows_nothing_changes():
    assert fit_temperature(np.empty((0, LABELS)), np.empty((0, LABELS), bool)) == 1.0
    assert fit_line(np.empty(0), np.empty(0, bool)) == (1.0, 0.0)


def test_tempering_keeps_the_order_and_the_sum(truthful):
    probabilities, _ = truthful
    for temperature in (0.2, 0.9, 5.0):
        changed = tempered(probabilities, temperature)
        assert changed.sum(axis=1) == pytest.approx(1)
        assert (changed.argsort(axis=1) == probabilities.argsort(axis=1)).all()
    assert np.isfinite(tempered(np.array([1.0, 0, 0, 0, 0]), 0.2)).all()


@pytest.mark.parametrize(("slope", "offset"), [(1.0, 0.0), (2.0, 0.5), (0.5, -1.0), (0.8, 1.2)])
def test_a_line_undoes_the_distortion(slope, offset):
    rng = np.random.default_rng(1)
    true = sigmoid(rng.normal(scale=2, size=N))
    answers = rng.random(N) < true
    # Told too surely and too high by a line on the logits; what is fitted is the line back.
    told = sigmoid((logit(true) - offset) / slope)
    found_slope, found_offset = fit_line(told, answers)
    assert found_slope == pytest.approx(slope, rel=0.12)
    assert found_offset == pytest.approx(offset, abs=0.16)
