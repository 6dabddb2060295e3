"""Every resampled figure against the slow way: draw groups, copy their rows, measure the copies."""

from collections.abc import Callable

import numpy as np
import pytest

from intent.evaluation import bootstrap, metrics
from intent.evaluation.bootstrap import Resampling
from intent.evaluation.figures import by_group, measure
from intent.evaluation.judged import Columns, Judged
from intent.evaluation.metrics import Bools, Floats, Ints
from tests.doubles.judged_rows import VOCABULARY

GROUPS, ROWS, RESAMPLES = 7, 60, 25
COLUMNS = Columns.of(VOCABULARY)


def made() -> tuple[Judged, Ints]:
    rng = np.random.default_rng(5)
    k = len(COLUMNS.labels)
    primary = rng.integers(0, k, ROWS)
    acceptable = rng.random((ROWS, k)) < 0.15
    acceptable[np.arange(ROWS), primary] = True
    # Few different values, so that ties are met.
    probabilities = rng.integers(1, 6, (ROWS, k)) / 1.0
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    likeliest = probabilities.argmax(axis=1)
    forwarded = np.where(rng.random(ROWS) < 0.7, likeliest, -1)
    return Judged(likeliest, forwarded, primary, acceptable, probabilities.max(axis=1), probabilities), rng.integers(0, GROUPS, ROWS)


JUDGED, GROUP = made()
WEIGHTS = bootstrap.group_weights(GROUPS, np.random.default_rng(3), RESAMPLES)


def slow(figure: Callable[[Judged], float | None]) -> list[float | None]:
    """The figure of every resample, from copied rows; copies of a row lie together, as a stable order of ties has it."""
    return [figure(JUDGED.take(np.repeat(np.arange(ROWS), counts[GROUP]))) for counts in WEIGHTS]


def agree(fast: Floats, expected: list[float | None]) -> None:
    assert fast.tolist() == pytest.approx([np.nan if value is None else value for value in expected], nan_ok=True, abs=1e-12)


def test_every_resample_draws_as_many_groups_as_there_are_and_a_seed_repeats_it() -> None:
    assert (WEIGHTS.sum(axis=1) == GROUPS).all()
    assert np.array_equal(Resampling(9, 4).weights(5), Resampling(9, 4).weights(5))
    assert not np.array_equal(Resampling(9, 4).weights(5), Resampling(9, 5).weights(5))


@pytest.mark.parametrize(
    "name", ["accuracy", "coverage", "under_privilege_rate", *(f"false_permit_rate_{word}" for word in VOCABULARY.top)]
)
def test_shares_are_those_of_copied_rows(name: str) -> None:
    from intent.evaluation.figures import shares

    parts = [shares(JUDGED.take(places), COLUMNS)[name] for places in by_group(GROUP, GROUPS)]
    hits, totals = np.array([part.hits for part in parts]), np.array([part.n for part in parts])
    agree(bootstrap.ratios(WEIGHTS, hits, totals), slow(lambda part: shares(part, COLUMNS)[name].value))


def test_macro_f1_is_that_of_copied_rows() -> None:
    counts = np.array([metrics.f1_counts(p.likeliest, p.primary, p.acceptable) for p in map(JUDGED.take, by_group(GROUP, GROUPS))])
    agree(bootstrap.mean_ratios(WEIGHTS, counts), slow(lambda part: metrics.macro_f1(part.likeliest, part.primary, part.acceptable).value))


def test_calibration_error_is_that_of_copied_rows() -> None:
    agree(
        bootstrap.eces(WEIGHTS, JUDGED.confidence, JUDGED.correct, GROUP),
        slow(lambda part: metrics.ece(part.confidence, part.correct).value),
    )


def test_area_under_the_risk_curve_is_that_of_copied_rows() -> None:
    agree(
        bootstrap.aurcs(WEIGHTS, JUDGED.confidence, JUDGED.correct, GROUP),
        slow(lambda part: metrics.aurc(part.confidence, part.correct).value),
    )


def test_the_band_holds_the_curves_of_copied_rows() -> None:
    band = bootstrap.risk_band(WEIGHTS, JUDGED.confidence, JUDGED.correct, GROUP, np.array([1.0]))
    assert band is not None
    wrong = [1 - (value or 0.0) for value in slow(lambda part: float(part.correct.mean()))]
    assert (band.low[0], band.high[0]) == pytest.approx(tuple(np.quantile(wrong, [0.025, 0.975])))


def test_no_data_and_one_group_give_no_interval() -> None:
    nothing: Floats = np.full(10, np.nan)
    assert bootstrap.percentiles(nothing, 5) is None
    assert bootstrap.percentiles(np.ones(10), 1) is None
    mostly = np.array([np.nan] * 4 + [0.5] * 6)
    assert bootstrap.percentiles(mostly, 5) == (0.5, 0.5)
    no_hits: Bools = np.zeros(0, dtype=np.bool_)
    assert bootstrap.risk_band(np.zeros((3, 1), dtype=np.int64), np.zeros(0), no_hits, np.zeros(0, dtype=np.int64), np.array([1.0])) is None
    assert np.isnan(bootstrap.eces(WEIGHTS, np.zeros(0), no_hits, np.zeros(0, dtype=np.int64))).all()


def test_rows_of_one_group_that_agree_widen_the_interval() -> None:
    """Ten servers that are right on all or none of their tools say less than their hundred rows."""
    right = np.repeat(np.arange(10) % 2 == 0, 10)
    grouped = np.repeat(np.arange(10), 10)
    weights = Resampling(2000).weights(10)
    hits = np.bincount(grouped, right.astype(np.int64), 10)
    low, high = bootstrap.percentiles(bootstrap.ratios(weights, hits, np.full(10, 10)), 10) or (0.5, 0.5)
    exact = metrics.Figure.share(right).interval
    assert exact is not None
    assert high - low > 1.5 * (exact[1] - exact[0])


@pytest.mark.parametrize(("hits", "n", "low", "high"), [(0, 10, 0.0, 0.27753), (5, 10, 0.23659, 0.76341), (10, 10, 0.72247, 1.0)])
def test_wilson_matches_published_values(hits: int, n: int, low: float, high: float) -> None:
    assert bootstrap.wilson(hits, n) == pytest.approx((low, high), abs=1e-5)


def test_wilson_refuses_what_is_no_share() -> None:
    with pytest.raises(ValueError, match="hits must be"):
        bootstrap.wilson(2, 1)


def test_figures_carry_both_intervals(reported: Callable[..., object]) -> None:
    figures = reported().files["tools"].systems["model"].all.figures  # type: ignore[attr-defined]
    for name in ("accuracy", "coverage", "under_privilege_rate", "false_permit_rate_write"):
        told = figures[name].to_dict()
        assert told["low"] <= told["value"] <= told["high"]
        assert told["bootstrap"]["low"] <= told["value"] <= told["bootstrap"]["high"]
        assert told["bootstrap"]["groups"] == 10
    for name in ("macro_f1", "ece", "brier", "aurc"):
        told = figures[name].to_dict()
        assert "low" not in told
        assert told["bootstrap"]["low"] < told["bootstrap"]["high"]
    assert measure([], VOCABULARY) == {}
