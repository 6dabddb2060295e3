"""Who trains, who tunes, who certifies: every group has one part, so that nothing of a server stands on two sides."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from intent.corpus import Row
from intent.errors import TrainingError
from intent.training.examples import OWN, Source


class Part(StrEnum):
    """What rows are used for."""

    TRAIN = "train"
    TUNE = "tune"
    CERTIFY = "certify"


@dataclass(frozen=True, slots=True)
class Shares:
    """Which shares of the groups are kept from training.

    Attributes
    ----------
    tune, certify
        Of the groups of real catalogues: what chooses temperatures and novelty, and what the certificate rests on.
    own_tune, own_certify
        The same of rows that were written for training.
    spent
        Seeds of earlier draws. What they gave to certification was looked at, so it trains now, and certifies nothing again.
    spent_certify, own_spent_certify
        The shares that those draws gave to certification.
    """

    tune: float = 0.10
    certify: float = 0.25
    own_tune: float = 0.06
    own_certify: float = 0.30
    spent: tuple[int, ...] = (2, 4)
    spent_certify: float = 0.22
    own_spent_certify: float = 0.25


@dataclass(frozen=True, slots=True)
class Partition:
    """The rows of each part.

    Attributes
    ----------
    train
        Rows that train, those that a model picked among them.
    tune, certify
        Rows that do not; none of them picked by a model.
    """

    train: tuple[Row, ...]
    tune: tuple[Row, ...]
    certify: tuple[Row, ...]


def partition(sources: Sequence[Source], shares: Shares, seed: int) -> Partition:
    """Give every group a part, by a seeded draw.

    Raises
    ------
    TrainingError
        If a part would be without rows.
    """
    rows = [row for source in sources for row in source.rows]
    own = {row.group for row in rows if row.source == OWN}
    real = {row.group for row in rows} - own
    again = {group for group in own if _was_looked_at(group, shares.spent, shares.own_spent_certify)}
    again |= {group for group in real if _was_looked_at(group, shares.spent, shares.spent_certify)}
    drawn = {group: _part(_draw(group, seed), shares.own_certify, shares.own_tune) for group in own}
    drawn |= {group: _part(_draw(group, seed), shares.certify, shares.tune) for group in real}
    drawn = {group: Part.TRAIN if part is Part.CERTIFY and group in again else part for group, part in drawn.items()}
    found = Partition(*(tuple(_rows_of(wanted, rows, drawn)) for wanted in Part))
    for name, chosen in zip(Part, (found.train, found.tune, found.certify), strict=True):
        if not any(row.label.intent for row in chosen):
            raise TrainingError(f"training needs labelled tools of at least three groups, got none to {name}")
    return found


def _was_looked_at(group: str, spent: Sequence[int], certify: float) -> bool:
    return any(_draw(group, earlier) < certify for earlier in spent)


def _part(drawn: float, certify: float, tune: float) -> Part:
    return Part.CERTIFY if drawn < certify else Part.TUNE if drawn < certify + tune else Part.TRAIN


def _draw(group: str, seed: int) -> float:
    """A number in [0, 1) that the name and the seed alone decide: rows that come later move no group to another side."""
    return int.from_bytes(hashlib.sha256(f"{seed}\n{group}".encode()).digest()[:8]) / 2**64


def _rows_of(wanted: Part, rows: Sequence[Row], part: Mapping[str, Part]) -> list[Row]:
    chosen = [row for row in rows if part.get(row.group, Part.TRAIN) is wanted]
    return chosen if wanted is Part.TRAIN else [row for row in chosen if not row.picked]
