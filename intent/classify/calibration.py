"""Temperature scaling of averaged probabilities, by one number that rows outside the training set choose.

Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
"""

from __future__ import annotations

import numpy as np

from intent.classify.head import softmax
from intent.classify.lexical import Doubles

_FLOOR = 1e-12


def tempered(probabilities: Doubles, temperature: float) -> Doubles:
    """Probabilities of the last axis sharpened (< 1) or softened (> 1); the order of labels stays."""
    return softmax(np.log(np.maximum(probabilities, _FLOOR)) / temperature)


def fit_temperature(probabilities: Doubles, acceptable: np.ndarray, weights: Doubles | None = None) -> float:
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


def _log_loss(probabilities: Doubles, acceptable: np.ndarray, weights: Doubles | None) -> float:
    mass = np.maximum((probabilities * acceptable).sum(axis=1), _FLOOR)
    return float(np.average(-np.log(mass), weights=weights))
