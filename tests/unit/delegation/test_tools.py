"""Patterns of tools: covered is only what is proved to be."""

from __future__ import annotations

import pytest

from intent.delegation.tools import all_covered, covered


@pytest.mark.parametrize(
    ("pattern", "by", "proved"),
    [
        ("git/log", "git/log", True),
        ("git/log", "git/*", True),
        ("git/log", "*", True),
        ("git/log", "g?t/[kl]og", True),
        ("git/*", "*", True),
        ("git/*", "git/*", True),
        ("git/lo*", "git/*", True),
        ("git/l?g", "git/*", True),
        ("git/[ab]*", "git/*", True),
        ("*/log", "*", True),
        ("git/*", "git/log", False),
        ("git/*", "git/l*", False),
        ("git/*", "gitlab/*", False),
        ("git*", "git/*", False),
        ("git/log", "git/lo", False),
        ("git/log", "GIT/*", False),
        ("*", "*/*", False),
        ("*/*", "g*", False),
        ("[g]it/log", "git/*", False),
        ("[!a]*", "[!a]*", True),
        ("git/log*", "g?t/*", False),
        ("git/a*b", "git/*b", False),
        ("a[*", "a[*", True),
        ("", "*", True),
        ("git/log", "", False),
        ("*", "", False),
    ],
)
def test_covered(pattern: str, by: str, proved: bool) -> None:
    assert covered(pattern, by) is proved


def test_each_pattern_needs_one_that_covers_it() -> None:
    assert all_covered(["git/log", "mail/send"], ["mail/*", "git/*"])
    assert not all_covered(["git/log", "files/read"], ["mail/*", "git/*"])
    assert not all_covered(["git/log"], [])
