"""The certificate of a new model: the whole decision path reads rows that nothing was fitted on, and Learn-then-Test sets the threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from pydantic import JsonValue

from intent.bundle import Bundle
from intent.certificate.certificate import Certificate, Use, composition, digest_of, issue
from intent.certificate.cluster import ServerFigures, server_figures
from intent.certificate.ltt import Calibration, Certified, choose
from intent.corpus import Row
from intent.normalizer import Normalizer
from intent.schema import Decision, ReasonCode
from intent.vocabulary import Vocabulary

# What a threshold cannot lift: a row that is denied for anything else is denied at every threshold.
_OF_THRESHOLD = frozenset({ReasonCode.LOW_CONFIDENCE, ReasonCode.INVALID_CERTIFICATE, ReasonCode.MISMATCH})


def read_calibration(bundle: Bundle, rows: Sequence[Row]) -> Calibration:
    """Read every row as the service would, without its request: no promise may rest on what a request says."""
    vocabulary = bundle.vocabulary
    normalizer = Normalizer(bundle, require_certificate=False)
    decisions = [normalizer.normalize(row.call.model_copy(update={"request": None})) for row in rows]
    columns = {label: k for k, label in enumerate(vocabulary.labels)}
    return Calibration(
        probabilities=np.array([[d.probabilities[label] for label in vocabulary.labels] for d in decisions]),
        primary=np.array([columns[row.label.intent or ""] for row in rows], np.int64),
        acceptable=np.array([[label in row.label.acceptable for label in vocabulary.labels] for row in rows], np.bool_),
        blocked=np.array([_is_blocked(d) for d in decisions], np.bool_),
    )


def _is_blocked(decision: Decision) -> bool:
    return any(reason.code not in _OF_THRESHOLD for reason in decision.reasons)


def with_thresholds(bundle: Bundle, certified: Certified) -> Bundle:
    """The bundle with the certified threshold for reads; a threshold that is stricter already stays."""
    vocabulary = bundle.vocabulary
    thresholds = bundle.model.thresholds.copy()
    # Above one: never. What is not certified is not forwarded as a read.
    least = 2.0 if certified.threshold is None else certified.threshold
    for k, word in enumerate(vocabulary.ids):
        if word not in vocabulary.top:
            thresholds[k] = max(thresholds[k], least)
    return replace(bundle, model=replace(bundle.model, thresholds=thresholds))


@dataclass(frozen=True, slots=True)
class Promise:
    """What a certificate is written from.

    Attributes
    ----------
    rows, calibration
        The rows, and what the model read in them, in the same order.
    labelled_by
        Who labelled them.
    """

    rows: Sequence[Row]
    calibration: Calibration
    certified: Certified
    labelled_by: str


def write_certificate(bundle: Bundle, promise: Promise, ledger: Sequence[Use], budget: float, now: datetime, days: int) -> Certificate:
    """Issue the certificate of a bundle whose thresholds are set, with the figures for unseen servers beside the promise.

    Parameters
    ----------
    ledger
        Every use of the rows, this one last.
    budget
        The delta of all uses together.
    """
    vocabulary, certified = bundle.vocabulary, promise.certified
    alpha = max(bound.alpha for bound in certified.bounds)
    groups, sources = [row.group for row in promise.rows], [row.source for row in promise.rows]
    return issue(
        certified,
        vocabulary,
        model_digest=bundle.content_digest,
        calibration_digest=digest_of([_identity(row) for row in promise.rows]),
        data=composition(sources, groups, dict.fromkeys(sources, promise.labelled_by)),
        ledger=ledger,
        budget=budget,
        now=now,
        days=days,
        reported=[choose(promise.calibration, vocabulary, word, alpha, certified.delta) for word in vocabulary.top],
        servers=_unseen_servers(promise.calibration, vocabulary, groups, certified),
    )


def _identity(row: Row) -> JsonValue:
    return [row.id, row.group, row.label.intent, [*sorted(row.label.acceptable)]]


def _unseen_servers(calibration: Calibration, vocabulary: Vocabulary, groups: Sequence[str], certified: Certified) -> list[ServerFigures]:
    if certified.threshold is None:
        return []
    return list(server_figures(calibration, groups, vocabulary, certified.threshold, certified.delta, np.random.default_rng(0)))
