"""A small but whole fit: every head learns its task, is calibrated by groups that did not train, and is the same every time."""

import numpy as np
import pytest

from intent.classify.features import capability_counts, capability_pieces, effect_counts, request_counts, request_pieces
from intent.classify.model import of_pieces
from intent.errors import TrainingError
from intent.training.examples import Examples, acceptable, soft_labels
from intent.training.fit import Recipe, ToolFeatures, fit, fit_declared, fit_effect, folds
from tests.doubles.small_model import ENCODER, SEED, VOCABULARY, small


@pytest.fixture(scope="module")
def model():
    return small().model


@pytest.fixture(scope="module")
def readings(model):
    features = ToolFeatures.of(small().tune.tools, ENCODER)
    return np.stack([model.capability.probabilities(d, c) for d, c in zip(features.dense, features.counts, strict=True)])


def test_tools_of_groups_that_did_not_train_are_read_better_than_by_frequency(readings):
    right = acceptable(small().tune.tools, VOCABULARY.labels)
    frequency = soft_labels(small().learn.tools, VOCABULARY.labels).mean(axis=0)
    told, guessed = (-np.log((p * right).sum(axis=1)).mean() for p in (readings, np.broadcast_to(frequency, readings.shape)))
    assert told < guessed - 0.1


def test_the_words_of_tools_that_trained_are_known_by_heart(model):
    tools = small().learn.tools
    told = [model.capability.told(capability_counts(e.name, e.description, e.parameters)).argmax() for e in tools]
    assert acceptable(tools, VOCABULARY.labels)[np.arange(len(tools)), told].mean() > 0.9


def test_probabilities_are_distributions(readings):
    assert readings.sum(axis=1) == pytest.approx(1)
    assert (readings >= 0).all()


def test_features_are_what_serving_computes():
    tool = small().tune.tools[0]
    features = ToolFeatures.of([tool], ENCODER)
    pieces = capability_pieces(tool.name, tool.description, tool.parameters, ENCODER)
    named, first = ENCODER.encode([tool.name, pieces[0]])
    assert (features.dense[0] == np.concatenate([first, named])).all()
    assert features.counts[0] == capability_counts(tool.name, tool.description, tool.parameters)


def test_arguments_of_polymorphic_calls_are_learnt(model):
    effects = small().learn.effects
    hits = [
        VOCABULARY.labels[int(model.effect.probabilities(effect_counts(e.name, e.view, e.findings)).argmax())] in {e.intent, *e.also}
        for e in effects
    ]
    assert np.mean(hits) > 0.9


def test_requests_are_learnt_and_calibrated_by_requests_that_did_not_train(model):
    tune = small().tune.requests
    uncalibrated = fit_declared(small().learn.requests, (), VOCABULARY, ENCODER, Recipe(seed=SEED))
    assert (uncalibrated.slopes == 1).all()
    assert (uncalibrated.offsets == 0).all()
    truth = np.array([[word in e.declared for word in VOCABULARY.ids] for e in tune])
    known = np.array([[word not in e.optional for word in VOCABULARY.ids] for e in tune])
    losses = []
    for head in (uncalibrated, model.declared):
        said = np.stack([_declared(head, e.text) for e in tune]).clip(1e-9, 1 - 1e-9)
        losses.append(float(-np.log(np.where(truth, said, 1 - said))[known].mean()))
    assert losses[1] <= losses[0]


def _declared(head, text):
    pieces = request_pieces(text, ENCODER)
    means = [head.mean(e, request_counts(p)) for e, p in zip(ENCODER.encode(pieces), pieces, strict=True)]
    return head.calibrated(of_pieces(np.stack(means)))


def test_the_same_rows_give_the_same_arrays():
    effects = small().learn.effects
    first, second = (fit_effect(effects, VOCABULARY, Recipe(seed=SEED)) for _ in range(2))
    assert first.temperature == second.temperature
    assert (first.lexical.weights == second.lexical.weights).all()
    assert (first.lexical.lexicon.columns == second.lexical.lexicon.columns).all()


def test_thresholds_start_at_the_least_probability_of_the_recipe(model):
    least = {word: Recipe().least_probability if word in VOCABULARY.top else Recipe().least_read_probability for word in VOCABULARY.ids}
    assert dict(zip(VOCABULARY.ids, model.thresholds.tolist(), strict=True)) == least


def test_stored_arrays_hold_no_text_and_the_declared_precision(model):
    for head in (model.capability.lexical, model.effect.lexical, model.declared.lexical, model.polymorphic.lexical):
        assert head.lexicon.columns.dtype == np.uint32
        assert (np.diff(head.lexicon.columns.astype(np.int64)) > 0).all()
        assert head.weights.dtype == head.lexicon.idf.dtype == np.float32
        assert head.weights.shape == (len(head.lexicon.columns), len(head.bias))
    assert model.novelty.anchors.dtype == np.float16


def test_folds_leave_whole_groups_out_and_test_every_row_once():
    groups = [f"g{k % 13}" for k in range(120)]
    found = folds(groups, 0)
    assert len(found) == 5
    assert sorted(k for _, test in found for k in test) == list(range(120))
    for train, test in found:
        assert not {groups[k] for k in train} & {groups[k] for k in test}
    assert found == folds(groups, 0)


def test_one_group_cannot_be_folded():
    with pytest.raises(TrainingError, match="at least two groups"):
        folds(["only"] * 9, 0)


def test_a_label_without_an_example_is_refused():
    some = [e for e in small().learn.tools if VOCABULARY.rest.id not in {e.intent, *e.also}]
    with pytest.raises(TrainingError, match="every label must have an example"):
        fit(Examples(tuple(some), small().learn.effects, small().learn.requests), small().tune, VOCABULARY, ENCODER, Recipe())
