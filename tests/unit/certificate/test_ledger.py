"""What was spent on calibration rows is kept between runs, and never forgotten."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from intent.certificate.certificate import spend
from intent.certificate.ledger import read_ledger, write_ledger
from intent.errors import CertificateError

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_ledger_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "ledger.json"
    assert read_ledger(path) == ()
    uses = spend(spend((), 0.02, budget=0.05, purpose="first", at=NOW), 0.03, budget=0.05, purpose="second", at=NOW)
    write_ledger(path, uses)
    assert read_ledger(path) == uses
    with pytest.raises(CertificateError, match="left"):
        spend(read_ledger(path), 0.001, budget=0.05, purpose="third", at=NOW)


@pytest.mark.parametrize("text", ["", "{}", "[{}]", '[{"at": "2026-03-01T00:00:00Z", "purpose": "x", "delta": 2}]'])
def test_a_damaged_ledger_is_an_error_and_not_an_empty_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ledger.json"
    path.write_text(text, "utf-8")
    with pytest.raises(CertificateError, match="uses of calibration rows"):
        read_ledger(path)
