"""A laboratory with a real store and registry, and the analyst who visits it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.lab import Lab, Visitor


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    found = Lab(tmp_path)
    yield found
    found.close()


@pytest.fixture
def ann(lab: Lab) -> Visitor:
    return Visitor(lab, "ann")
