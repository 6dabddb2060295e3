"""Agreement against scikit-learn, against Krippendorff's own worked example, and against the matrix of coincidences written out."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from intent.workbench.agreement import agreement, cohen_kappa, krippendorff_alpha, percent_agreement

words = st.sampled_from("abcd")


def alpha_by_matrix(units: list[list[str]]) -> float | None:
    """The definition, step by step, with the matrix kept."""
    names = sorted({word for unit in units for word in unit})
    matrix = np.zeros((len(names), len(names)))
    for unit in units:
        for one, two in permutations(unit, 2):
            matrix[names.index(one), names.index(two)] += 1 / (len(unit) - 1)
    marginal, n = matrix.sum(axis=0), matrix.sum()
    expected = sum(marginal[c] * marginal[k] for c in range(len(names)) for k in range(len(names)) if c != k)
    observed = matrix.sum() - np.trace(matrix)
    return 1 - (n - 1) * observed / expected if expected else None


def test_krippendorffs_example_of_two_observers_and_nominal_data() -> None:
    """Section B of "Computing Krippendorff's Alpha-Reliability": twelve articles, alpha 0.692."""
    meg, owen = "a a b b d c c c e d d a".split(), "b a b b b c c c e d d d".split()
    assert krippendorff_alpha([[a, b] for a, b in zip(meg, owen, strict=True)]) == pytest.approx(0.692, abs=5e-4)


@given(st.lists(st.lists(words, max_size=5), max_size=12))
def test_alpha_is_what_the_matrix_of_coincidences_says(units: list[list[str]]) -> None:
    found, expected = krippendorff_alpha(units), alpha_by_matrix(units)
    assert found == (None if expected is None else pytest.approx(expected))


@given(st.lists(st.tuples(words, words), min_size=1, max_size=20).filter(lambda pairs: len({w for p in pairs for w in p}) > 1))
def test_kappa_is_that_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    assert cohen_kappa(first, second) == pytest.approx(cohen_kappa_score(first, second))


def test_what_is_not_defined_is_none() -> None:
    assert cohen_kappa([], []) is None
    assert cohen_kappa(["a"], ["a"]) is None
    assert krippendorff_alpha([["a"], ["b"]]) is None
    assert percent_agreement([["a"]]) is None
    nothing = agreement([], np.random.default_rng(0))
    assert (nothing.items, nothing.alpha.value, nothing.pairs) == (0, None, ())


def test_each_pair_has_its_items_and_an_interval_around_its_figure() -> None:
    generator = np.random.default_rng(7)
    said = []
    for n in range(200):
        truth = "ab"[n % 2]
        said.append({"ann": truth, "ben": truth if generator.random() < 0.8 else "c"} | ({"cem": truth} if n < 50 else {}))
    found = agreement([*said, {"ann": "a"}], np.random.default_rng(0), 300)
    assert found.items == 200
    assert [(pair.first, pair.second, pair.items) for pair in found.pairs] == [("ann", "ben", 200), ("ann", "cem", 50), ("ben", "cem", 50)]
    for interval in (found.alpha, found.percent, found.pairs[0].kappa):
        assert interval.low < interval.value < interval.high
        assert interval.high - interval.low < 0.2
    assert found.pairs[1].kappa.value == 1.0
