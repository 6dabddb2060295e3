"""The session that README.md tells happens as it is told, and its audit verifies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.recorded_session import audited, run, verified

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.slow
def test_the_session_of_the_readme_happens_as_it_is_told(tmp_path: Path) -> None:
    told = run(tmp_path)
    text = README.read_text("utf-8")
    assert "\n".join(told.lines) in text
    assert "\n".join(audited(told)) in text
    assert verified(told).startswith("no fault")
