"""How heads are fitted, as a plain record: who only names a recipe needs no scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass, field

from intent.classify.model import Doubts


@dataclass(frozen=True, slots=True)
class Recipe:
    """How heads are fitted.

    Attributes
    ----------
    dense_c, lexical_c, declared_c
        Inverse strength of the L2 penalty: of the dense half, of the lexical half, of the dense half that reads requests.
    lexical_share
        Weight of the lexical half in a mean.
    own_weight
        Weight of a row that was written for training, against a row of a real catalogue.
    least_probability, least_read_probability
        Least calibrated probability at which anything is forwarded, and at which something is forwarded as a read; the certificate may
        raise the latter. Chosen on rows that tune: 0.8 halves what attacks get through, and costs half a point of coverage.
    novel_quantile
        Share of the tools that tune which novelty may deny.
    declared_at_least
        Least probability that a request covers a call of the highest privilege.
    doubts
        When a part of a definition counts against the whole. Chosen on rows that tune.
    """

    dense_c: float = 0.2
    lexical_c: float = 5.0
    declared_c: float = 1.0
    lexical_share: float = 0.33
    own_weight: float = 0.5
    least_probability: float = 0.6
    least_read_probability: float = 0.8
    novel_quantile: float = 0.01
    declared_at_least: float = 0.05
    doubts: Doubts = field(default_factory=lambda: Doubts(text=0.8, sentence=0.85))
    seed: int = 14
