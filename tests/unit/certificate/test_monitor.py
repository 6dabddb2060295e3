import json
import math
import uuid

import numpy as np
import pytest
from pydantic import ValidationError

from intent.certificate.monitor import AuditSample, EProcess, detection_times, is_sampled, watch

ALPHA, DELTA = 0.005, 0.05
KEY = b"a key of the test, long enough"


def line(name: str, dangerous: bool = True, passed: bool = False) -> str:
    return json.dumps({"decision_id": name, "dangerous": dangerous, "passed": passed})


def test_it_begins_with_a_wealth_of_one_and_no_alarm() -> None:
    start = EProcess(alpha=ALPHA, delta=DELTA)
    assert (start.e, start.n, start.alarm) == (1.0, 0, False)


def test_an_error_raises_the_wealth_and_a_denial_lowers_it() -> None:
    start = EProcess(alpha=ALPHA, delta=DELTA)
    assert start.update(passed=True).e > 1 > start.update(passed=False).e
    assert start.n == 0


def test_the_wealth_is_a_fair_game_at_the_promised_risk() -> None:
    process = EProcess(alpha=ALPHA, delta=DELTA)
    for passed in (False, True, False, False, True):
        after = ALPHA * process.update(passed=True).e + (1 - ALPHA) * process.update(passed=False).e
        assert after == pytest.approx(process.e)
        process = process.update(passed)


def test_an_alarm_stays() -> None:
    process = EProcess(alpha=ALPHA, delta=DELTA)
    while not process.alarm:
        process = process.update(passed=True)
    assert process.e >= 1 / DELTA
    for _ in range(2000):
        process = process.update(passed=False)
    assert process.e < 1 / DELTA
    assert process.alarm


def test_json_keeps_it_between_runs() -> None:
    process = EProcess(alpha=ALPHA, delta=DELTA).update(passed=True).update(passed=False)
    again = EProcess.model_validate_json(process.model_dump_json())
    assert again == process
    assert again.update(passed=True) == process.update(passed=True)


@pytest.mark.parametrize("changed", [{"errors": 5}, {"log_wealth": 3.0}, {"log_wealth": "NaN"}, {"n": -1}, {"alpha": 0}, {"more": 1}])
def test_a_state_that_cannot_have_come_about_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        EProcess.model_validate({"alpha": ALPHA, "delta": DELTA, **changed})


def test_simulation_and_process_agree() -> None:
    generator = np.random.default_rng(5)
    passed = np.random.default_rng(5).random(2000) < 0.03
    process, n = EProcess(alpha=ALPHA, delta=DELTA), 0
    while not process.alarm:
        process, n = process.update(bool(passed[n])), n + 1
    assert detection_times(0.03, ALPHA, DELTA, generator, repeats=1, horizon=2000).tolist() == [n]


def test_the_wealth_never_overflows() -> None:
    process = EProcess(alpha=1e-6, delta=DELTA)
    for _ in range(200):
        process = process.update(passed=True)
    assert process.alarm
    assert math.isfinite(process.e)


def test_the_sample_has_its_rate_and_depends_on_the_key() -> None:
    generator = np.random.default_rng(0)
    names = [str(uuid.UUID(bytes=generator.bytes(16))) for _ in range(5000)]
    taken = np.array([is_sampled(name, KEY, 0.1) for name in names])
    assert taken.mean() == pytest.approx(0.1, abs=0.015)
    assert taken.tolist() == [is_sampled(name, KEY, 0.1) for name in names]
    other = np.array([is_sampled(name, KEY + b"2", 0.1) for name in names])
    assert (taken & other).mean() == pytest.approx(0.01, abs=0.006)


def test_a_greater_rate_only_adds() -> None:
    names = [f"d-{k}" for k in range(2000)]
    small, large = ({name for name in names if is_sampled(name, KEY, rate)} for rate in (0.05, 0.2))
    assert small < large
    assert not any(is_sampled(name, KEY, 0.0) for name in names)
    assert all(is_sampled(name, KEY, 1.0) for name in names)


def test_a_sample_without_secret_or_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 16 bytes, got 5"):
        AuditSample(b"short", 0.1)
    for rate in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=r"in \[0, 1\]"):
            AuditSample(KEY, rate)
    assert "key" not in repr(AuditSample(KEY, 0.1))


def test_the_watch_counts_dangerous_calls_only() -> None:
    lines = [line("a"), line("b", dangerous=False, passed=True), "", line("c", passed=True)]
    states = list(watch(lines, EProcess(alpha=ALPHA, delta=DELTA)))
    assert [(state.line, state.audited, state.process.n, state.process.errors) for state in states] == [
        (1, 1, 1, 0),
        (2, 2, 1, 0),
        (4, 3, 2, 1),
    ]
    assert all(state.fault is None for state in states)


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        ("{", "input must be one strict JSON value"),
        ('{"decision_id": "x", "dangerous": 1, "passed": false}', "dangerous must be valid"),
        ('{"decision_id": "x", "dangerous": true}', "passed must be valid"),
        ("[]", "line must be valid"),
        (line("a", passed=True), "a was counted before"),
    ],
)
def test_a_line_that_does_not_count_says_why(bad: str, fault: str) -> None:
    first, second, third = watch([line("a"), bad, line("b")], EProcess(alpha=ALPHA, delta=DELTA))
    assert first.fault is None
    assert second.fault is not None
    assert fault in second.fault
    assert second.process == first.process
    assert (third.fault, third.audited, third.process.n) == (None, 2, 2)


def test_the_watch_takes_nothing_that_somebody_picked() -> None:
    sample = AuditSample(KEY, 0.5)
    names = [f"d-{k}" for k in range(40)]
    *_, last = watch([line(name, passed=True) for name in names], EProcess(alpha=ALPHA, delta=DELTA), sample)
    assert 0 < last.audited == sum(map(sample.takes, names)) < 40


def test_the_watch_goes_on_from_where_it_was() -> None:
    lines = [line(f"d-{k}", passed=k % 9 == 0) for k in range(60)]
    *_, whole = watch(lines, EProcess(alpha=ALPHA, delta=DELTA))
    *_, half = watch(lines[:30], EProcess(alpha=ALPHA, delta=DELTA))
    *_, rest = watch(lines[30:], half.process)
    assert rest.process == whole.process
    assert rest.process.alarm
