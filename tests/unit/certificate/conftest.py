"""Readings of made-up calls, for a vocabulary that is read like any other."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from intent.certificate.ltt import Calibration
from intent.vocabulary import Vocabulary, default_path

Make = Callable[[Sequence[tuple[set[str], str, float]]], Calibration]


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    return Vocabulary.load(default_path())


@pytest.fixture(scope="session")
def readings(vocabulary: Vocabulary) -> Make:
    """Rows of (acceptable labels, likeliest label, its probability); the primary label is the first acceptable one by name."""

    def make(rows: Sequence[tuple[set[str], str, float]]) -> Calibration:
        labels = vocabulary.labels
        probabilities = np.zeros((len(rows), len(labels)))
        for k, (_, said, probability) in enumerate(rows):
            probabilities[k] = (1 - probability) / (len(labels) - 1)
            probabilities[k, labels.index(said)] = probability
        return Calibration(
            probabilities=probabilities,
            primary=np.array([labels.index(min(right)) for right, _, _ in rows], dtype=np.int64),
            acceptable=np.array([[label in right for label in labels] for right, _, _ in rows], dtype=np.bool_).reshape(-1, len(labels)),
            blocked=np.zeros(len(rows), dtype=np.bool_),
        )

    return make
