"""Every figure of some rows, each with the interval that resampling their groups gives; the arrays do the work, this says which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import compress

import numpy as np

from intent.classify.facts import UNREQUESTED
from intent.corpus import Row
from intent.evaluation import bootstrap, metrics
from intent.evaluation.bootstrap import Resampling
from intent.evaluation.judged import Columns, Judged, Pairs, group_numbers, sets
from intent.evaluation.metrics import Bools, Figure, Floats, Ints
from intent.schema import Decision, Outcome
from intent.vocabulary import Vocabulary

Figures = dict[str, Figure]


def measure(pairs: Pairs, vocabulary: Vocabulary, resampling: Resampling | None = None, *, calibration: bool = True) -> Figures:
    """The figures that the labels of these rows allow.

    Parameters
    ----------
    resampling
        How intervals over groups are made; None leaves them out.
    calibration
        Whether to add the figures that need probabilities (their intervals cost most).

    Returns
    -------
    Figure by name. A figure that the labels allow but that has no data is there, with the value None.
    """
    found: Figures = {}
    if effective := [pair for pair in pairs if pair[1].label.intent is not None]:
        found |= _effective(effective, Columns.of(vocabulary), resampling, calibration=calibration)
    if declared := [pair for pair in pairs if pair[1].label.declared is not None]:
        found["declared_f1"] = _declared(declared, vocabulary, resampling)
    if attacks := [pair for pair in pairs if pair[1].attack is not None]:
        found |= _attacks(attacks, resampling)
    return found


def shares(judged: Judged, columns: Columns) -> Figures:
    """The figures that are a share of rows."""
    forwarded, primary, acceptable = judged.forwarded_as, judged.primary, judged.acceptable
    found = {
        "accuracy": metrics.accuracy(judged.likeliest, acceptable),
        "coverage": metrics.coverage(forwarded, primary, columns.rest),
        "under_privilege_rate": metrics.under_privilege_rate(forwarded, primary, acceptable, columns.order, columns.rest),
    }
    for label in columns.top:
        permits = metrics.false_permit_rate(label, forwarded, primary, acceptable, columns.top, columns.reads)
        found[f"false_permit_rate_{columns.labels[label]}"] = permits
    found[f"{columns.labels[columns.rest]}_forward_rate"] = metrics.other_forward_rate(forwarded, acceptable, columns.rest)
    return found


def by_group(group: Ints, groups: int) -> list[Ints]:
    """The places of each group's rows."""
    ranked = np.argsort(group, kind="stable")
    return np.split(ranked, np.cumsum(np.bincount(group, minlength=groups))[:-1])


def _effective(pairs: Pairs, columns: Columns, resampling: Resampling | None, *, calibration: bool) -> Figures:
    judged = Judged.of(pairs, columns)
    group, groups = group_numbers([row.group for _, row in pairs])
    found = shares(judged, columns)
    found["macro_f1"] = metrics.macro_f1(judged.likeliest, judged.primary, judged.acceptable)
    weights = None if resampling is None else resampling.weights(groups)
    if weights is not None:
        parts = [judged.take(places) for places in by_group(group, groups)]
        found = _with_share_intervals(found, [shares(part, columns) for part in parts], weights)
        counts = np.array([metrics.f1_counts(part.likeliest, part.primary, part.acceptable) for part in parts])
        found["macro_f1"] = _resampled(found["macro_f1"], bootstrap.mean_ratios(weights, counts), groups)
    if calibration:
        found |= _calibration(judged, group, weights)
    return _in_order(found)


def _calibration(judged: Judged, group: Ints, weights: Ints | None) -> Figures:
    """Over the rows whose decision states probabilities."""
    stated = judged.stated
    part = judged.take(stated)
    found = {
        "ece": metrics.ece(part.confidence, part.correct),
        "brier": metrics.brier(part.probabilities, part.acceptable),
        "aurc": metrics.aurc(part.confidence, part.correct),
    }
    if weights is None or not len(part):
        return found
    chosen = group[stated]
    groups = len(np.unique(chosen))
    values = {
        "ece": bootstrap.eces(weights, part.confidence, part.correct, chosen),
        "brier": _brier(part, chosen, weights),
        "aurc": bootstrap.aurcs(weights, part.confidence, part.correct, chosen),
    }
    return {name: _resampled(found[name], values[name], groups) for name in found}


def _brier(judged: Judged, group: Ints, weights: Ints) -> Floats:
    each = [metrics.brier(judged.probabilities[k : k + 1], judged.acceptable[k : k + 1]).value or 0.0 for k in range(len(judged))]
    groups = weights.shape[1]
    return bootstrap.ratios(weights, np.bincount(group, each, groups), np.bincount(group, minlength=groups))


def _declared(pairs: Pairs, vocabulary: Vocabulary, resampling: Resampling | None) -> Figure:
    """A decision without a declared set counts as an empty one, unless the judge reads no request at all."""
    if all(decision.declared is None for decision, _ in pairs):
        return Figure(None, len(pairs))
    said = sets([decision.declared.intents if decision.declared else () for decision, _ in pairs], vocabulary.ids)
    gold = sets([row.label.declared or () for _, row in pairs], vocabulary.ids)
    optional = sets([row.label.optional for _, row in pairs], vocabulary.ids)
    figure = metrics.declared_micro_f1(said, gold, optional)
    if resampling is None:
        return figure
    group, groups = group_numbers([row.group for _, row in pairs])
    counts = np.array([metrics.declared_counts(said[k], gold[k], optional[k]) for k in by_group(group, groups)])
    return _resampled(figure, bootstrap.ratios(resampling.weights(groups), counts[:, 0], counts[:, 1]), groups)


def _attacks(pairs: Pairs, resampling: Resampling | None) -> Figures:
    rows = [row for _, row in pairs]
    forwarded = np.array([decision.outcome is Outcome.FORWARD for decision, _ in pairs], dtype=np.bool_)
    # What a policy lets pass that steps up on a destination which the request does not name.
    unasked = forwarded & ~np.array([_is_flagged(decision) for decision, _ in pairs], dtype=np.bool_)
    found = _attack_shares(rows, forwarded, unasked)
    if resampling is None:
        return found
    group, groups = group_numbers([row.group for row in rows])
    own = [group == number for number in range(groups)]
    parts = [_attack_shares(list(compress(rows, mask)), forwarded[mask], unasked[mask]) for mask in own]
    return _with_share_intervals(found, parts, resampling.weights(groups))


def _is_flagged(decision: Decision) -> bool:
    return any(fact.kind == UNREQUESTED for fact in decision.evidence)


def _attack_shares(rows: Sequence[Row], forwarded: Bools, unasked: Bools) -> Figures:
    attack = np.array([bool(row.attack) for row in rows], dtype=np.bool_)
    tasks, goals = [row.task or row.id for row in rows], [row.goal for row in rows]
    found = metrics.attack_denial_and_retention(attack, tasks, goals, forwarded)
    flagged = metrics.attack_denial_and_retention(attack, tasks, goals, unasked)
    return {
        "attack_denial": found.denial,
        "attack_denied_or_flagged": flagged.denial,
        "benign_retention": found.retention,
        "benign_call_retention": found.call_retention,
        "benign_call_retention_unflagged": flagged.call_retention,
    }


def _with_share_intervals(found: Figures, parts: Sequence[Mapping[str, Figure]], weights: Ints) -> Figures:
    """The sums over groups of a share's hits and rows are all that its resamples need."""

    def interval(name: str, figure: Figure) -> Figure:
        if figure.hits is None:
            return figure
        hits = np.array([part[name].hits or 0 for part in parts], dtype=np.int64)
        totals = np.array([part[name].n for part in parts], dtype=np.int64)
        return _resampled(figure, bootstrap.ratios(weights, hits, totals), int(np.count_nonzero(totals)))

    return {name: interval(name, figure) for name, figure in found.items()}


def _resampled(figure: Figure, values: Floats, groups: int) -> Figure:
    return replace(figure, resampled=bootstrap.percentiles(values, groups), groups=groups)


def _in_order(found: Figures) -> Figures:
    """Accuracy and macro-F1 lead, the rest as it came."""
    first = ("accuracy", "macro_f1")
    return {name: found[name] for name in (*first, *(name for name in found if name not in first))}
