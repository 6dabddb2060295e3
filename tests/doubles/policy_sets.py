"""Directories of policies that a test writes, and a clock that it moves."""

from __future__ import annotations

from pathlib import Path


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def written(directory: Path, policies: str, tests: str) -> Path:
    """A set of one file of policies with its cases."""
    directory.mkdir(exist_ok=True)
    (directory / "policies.cedar").write_text(policies)
    (directory / "cases.toml").write_text(tests)
    return directory
