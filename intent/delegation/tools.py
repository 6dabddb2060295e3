"""Patterns of tools, and when one provably matches nothing that another does not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

_HEAD = re.compile(r"[^*?\[]*")


def covered(pattern: str, by: str) -> bool:
    """Whether each ``server/tool`` that ``pattern`` matches is provably matched by ``by`` too.

    Proved are: the same pattern, a literal that is matched, and a pattern that begins with what stands before the one star at the end of
    the other. Everything else counts as wider, although some of it is not: a doubt is a refusal.

    >>> covered("github/search_*", by="github/*"), covered("github/search_code", by="git*/search_?ode"), covered("*", by="*/*")
    (True, True, False)
    """
    if pattern == by:
        return True
    head = _head(pattern)
    if head == pattern:
        return fnmatchcase(pattern, by)
    # What a pattern begins with has no special mark, so neither has what stands before the star where this holds.
    return by.endswith("*") and head.startswith(by[:-1])


def all_covered(patterns: Iterable[str], by: Iterable[str]) -> bool:
    """Whether each pattern is covered by one of the others."""
    outer = tuple(by)
    return all(any(covered(pattern, other) for other in outer) for pattern in patterns)


def _head(pattern: str) -> str:
    """What every text that the pattern matches begins with."""
    match = _HEAD.match(pattern)
    return "" if match is None else match.group()
