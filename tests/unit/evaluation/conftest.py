import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from intent.evaluation.about import About
from intent.evaluation.bootstrap import Resampling
from intent.evaluation.run import CorpusReport, evaluate_corpus
from tests.doubles.judged_rows import VOCABULARY, judge, write_corpus

WRONG = frozenset({"row/01", "row/02"})
NOW = datetime(2031, 5, 6, 7, 8, tzinfo=UTC)


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="session")
def reported(labelled: Path) -> Callable[..., CorpusReport]:
    """A report on the made-up rows; made once for each set of arguments, since it is frozen. ``turn`` asks for a fresh one."""

    @cache
    def report(wrong: frozenset[str] = WRONG, denied: frozenset[str] = frozenset(), turn: int = 0) -> CorpusReport:
        assert turn >= 0
        ticks = itertools.count()
        return evaluate_corpus(judge(wrong, denied), labelled, VOCABULARY, resampling=Resampling(200, 1), clock=lambda: next(ticks) / 1000)

    return report


@pytest.fixture(scope="session")
def about() -> About:
    certificate: dict[str, Any] = {
        "alpha": 0.01,
        "delta": 0.05,
        "valid": True,
        "why": "valid until 2031-07-30",
        "issued": "2031-05-01T00:00:00Z",
        "expires": "2031-07-30T00:00:00Z",
        "bounds": [{"intent": "write", "n": 900, "k": 2, "upper": 0.0069, "threshold": 0.93}, {"intent": "export", "n": 700, "k": 1}],
        "assumptions": ["labels are <right>", "no attacker"],
        "revoked": None,
    }
    attacks = {"look_alikes": {"n": 40, "hits": 2, "value": 0.05, "low": 0.006, "high": 0.17}, "none_tried": {"n": 0, "value": None}}
    card = {"certificate": certificate, "data": {"own": {"rows": 9, "labelled_by": "nobody"}}}
    return About.of_card(card, NOW, labelled_by="two clerks", attacks=attacks)
