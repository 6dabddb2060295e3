"""Calibration of averaged probabilities, by one or two numbers that rows outside the training set choose.

One temperature for a softmax (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017), one line on the logits for a sigmoid
(Platt, "Probabilistic outputs for support vector machines", 1999).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from intent.classify.head import logit, sigmoid, softmax
from intent.classify.lexical import Doubles

_FLOOR = 1e-12


def tempered(probabilities: Doubles, temperature: float) -> Doubles:
    """Probabilities of the last axis sharpened (< 1) or softened (> 1); the order of labels stays."""
    return softmax(np.log(np.maximum(probabilities, _FLOOR)) / temperature)


def fit_temperature(probabilities: Doubles, acceptable: NDArray[np.bool_], weights: Doubles | None = None) -> float:
    """The temperature of least log loss on rows that did not train.

    Parameters
    ----------
    probabilities
        float64 of shape (n, n_labels).
    acceptable
        bool of shape (n, n_labels); the probability of being right is the mass on acceptable labels.
    weights
        float64 of shape (n,), or None for equal weights.

    Returns
    -------
    float
        Within 0.2 to 5; 1.0 on no rows.
    """
    if not len(probabilities):
        return 1.0
    grid = np.geomspace(0.2, 5.0, 161)
    losses = [_log_loss(tempered(probabilities, float(t)), acceptable, weights) for t in grid]
    return float(grid[int(np.argmin(losses))])


def fit_line(probability: Doubles, truth: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and offset on the logits of least log loss, on rows that did not train.

    Parameters
    ----------
    probability
        float64 of shape (n,).
    truth
        bool of shape (n,).

    Returns
    -------
    tuple
        Slope within 0.3 to 4, offset within -2 to 2; (1, 0) on no rows. A grid is enough, and its answer is the same everywhere.
    """
    if not len(probability):
        return 1.0, 0.0
    given = logit(probability)
    best = (np.inf, 1.0, 0.0)
    for slope in np.geomspace(0.3, 4.0, 41):
        for offset in np.linspace(-2.0, 2.0, 41):
            said = np.clip(sigmoid(given * slope + offset), _FLOOR, 1 - _FLOOR)
            best = min(best, (float(-np.log(np.where(truth, said, 1 - said)).mean()), float(slope), float(offset)))
    return best[1], best[2]


def _log_loss(probabilities: Doubles, acceptable: NDArray[np.bool_], weights: Doubles | None) -> float:
    mass = np.maximum((probabilities * acceptable).sum(axis=1), _FLOOR)
    return float(np.average(-np.log(mass), weights=weights))
