"""What every test may rely on: registered markers, reproducible hypothesis runs, and the shared corpus where there is one."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).parents[1]
SHARED_CORPUS = ROOT.parent / "shared" / "corpus"

MARKERS = (
    "slow: takes more than ten seconds; leave out with -m 'not slow'",
    "browser: drives a real browser",
)

# No deadline: a busy machine is not a defect. Derandomized: a red run can be run again; look for new cases with
# --hypothesis-profile=explore.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=2000)
hypothesis.settings.load_profile("repeatable")


def pytest_configure(config: pytest.Config) -> None:
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    # A service under test keeps its keys and records here, and not among those of whoever runs the tests; processes inherit it.
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="intent-tests-")


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ.get("XDG_STATE_HOME", ""), ignore_errors=True)


@pytest.fixture(scope="session")
def root() -> Path:
    """Directory of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared_corpus() -> Path:
    """Directory of the labelled corpus that is kept beside the repository, never in it."""
    if not (SHARED_CORPUS / "tools.jsonl").is_file():
        pytest.skip("the shared corpus is not there (../shared/corpus beside the repository)")
    return SHARED_CORPUS
