"""Who trains, who tunes, who certifies: every group has one part, so that nothing of a server stands on two sides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from intent.corpus import Row
from intent.errors import TrainingError
from intent.training.examples import OWN, Source

# A single server must not make up most of a part: its tools are alike.
_LARGEST_GROUP = 0.35


class Part(StrEnum):
    """What rows are used for."""

    TRAIN = "train"
    TUNE = "tune"
    CERTIFY = "certify"


@dataclass(frozen=True, slots=True)
class Shares:
    """Which shares of the rows are kept from training.

    Attributes
    ----------
    tune, certify
        Of the rows of real catalogues: what chooses temperatures and novelty, and what the certificate rests on.
    own_tune, own_certify
        The same of rows that were written for training.
    """

    tune: float = 0.10
    certify: float = 0.17
    own_tune: float = 0.06
    own_certify: float = 0.25


@dataclass(frozen=True, slots=True)
class Partition:
    """The part of each group, and the rows of each part.

    Attributes
    ----------
    sources
        Rows that train, in their files.
    tune, certify
        Rows that do not; none of them picked by a model.
    """

    train: tuple[Row, ...]
    tune: tuple[Row, ...]
    certify: tuple[Row, ...]


def partition(sources: Sequence[Source], shares: Shares, seed: int) -> Partition:
    """Give every group a part, by a seeded draw; real catalogues and written rows are drawn apart.

    Raises
    ------
    TrainingError
        If a part would be without rows.
    """
    rows = [row for source in sources for row in source.rows]
    own = Counter(row.group for row in rows if row.source == OWN)
    real = Counter(row.group for row in rows if row.source != OWN and not row.picked and row.call.tool is not None)
    rng = np.random.default_rng(seed)
    part = _draw(real, {Part.CERTIFY: shares.certify, Part.TUNE: shares.tune}, rng)
    part |= _draw(own, {Part.CERTIFY: shares.own_certify, Part.TUNE: shares.own_tune}, rng)
    found = Partition(*(tuple(_rows_of(wanted, rows, part)) for wanted in Part))
    for name, chosen in zip(Part, (found.train, found.tune, found.certify), strict=True):
        if not any(row.label.intent for row in chosen):
            raise TrainingError(f"training needs labelled tools of at least three groups, got none to {name}")
    return found


def _draw(sizes: Mapping[str, int], shares: Mapping[Part, float], rng: np.random.Generator) -> dict[str, Part]:
    """Groups in random order fill each part up to its share; a group that would be too much of a part trains."""
    total = sum(sizes.values())
    left = rng.permutation(sorted(sizes)).tolist()
    drawn: dict[str, Part] = {}
    for part, share in shares.items():
        room = share * total
        for group in list(left):
            if room <= 0:
                break
            if sizes[group] <= max(_LARGEST_GROUP * share * total, 1):
                drawn[group] = part
                left.remove(group)
                room -= sizes[group]
    return drawn


def _rows_of(wanted: Part, rows: Sequence[Row], part: Mapping[str, Part]) -> list[Row]:
    chosen = [row for row in rows if part.get(row.group, Part.TRAIN) is wanted]
    return chosen if wanted is Part.TRAIN else [row for row in chosen if not row.picked]
