"""A fifth intent from 40 examples: heads are fitted anew on the shipped encoder, the four old words lose next to nothing, the fifth is learnt."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from intent import bundle
from intent.certificate.certificate import Certificate
from intent.corpus import Row, corpus_files, read_rows
from intent.embedding.cache import CachedEncoder
from intent.normalizer import Normalizer
from intent.training.parent import draw_of
from intent.training.recipe import Recipe
from intent.training.train import Run, Steps, train
from intent.vocabulary import Vocabulary, default_path
from intent.workbench.drafting import Difference, difference
from intent.workbench.relabelling import built, embedded, example_rows, relabelled

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "compute"
OLD = Vocabulary.load(default_path())
NEW = Vocabulary.load(FIXTURES / "vocabulary.toml")
WORD = "compute"
COMPUTED = frozenset(json.loads((FIXTURES / "labels.json").read_text("utf-8"))[WORD])
EXAMPLES = [json.loads(line) for line in (FIXTURES / "examples.jsonl").read_text("utf-8").splitlines()]
CHANGED = difference(OLD, NEW, {WORD: OLD.rest.id})


@dataclass(frozen=True)
class Read:
    """What both models make of the held tools: the likeliest label of each row; and the certificate of the new one."""

    certificate: Certificate | None
    rows: tuple[Row, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]


def copied(source: Path, target: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Path:
    """The open rows of a corpus, changed; rows marked held are not copied."""
    target.mkdir(parents=True)
    for file in corpus_files(source):
        rows = (json.loads(line) for line in file.read_text("utf-8").splitlines())
        kept = [json.dumps(change(row), ensure_ascii=False) for row in rows if row.get("split") != "held"]
        (target / file.name).write_text("".join(f"{line}\n" for line in kept), "utf-8")
    return target


def run_of(corpora: tuple[Path, ...], vocabulary: Path, output: Path, cache: Path) -> Run:
    """Heads alone, on the encoder that ships, with the draw that it was trained by; no certificate."""
    drawn = draw_of(bundle.shipped_path())
    assert drawn is not None
    seed, shares = drawn
    encoder = bundle.shipped_path()
    return Run(corpora, vocabulary, output, recipe=Recipe(seed=seed), shares=shares, encoder=encoder, certified=False, cache=cache)


def changed_corpora(shared: Path, scratch: Path, encoder: CachedEncoder, found: Difference) -> tuple[Path, ...]:
    """The corpora with the labels of the newer vocabulary, and the examples as rows."""
    decided: Mapping[str, str] = dict.fromkeys(COMPUTED, WORD)
    places = [copied(place, scratch / place.name, lambda row: relabelled(row, found, decided)) for place in (ROOT / "data", shared)]
    rows = built(WORD, EXAMPLES, embedded(example_rows(WORD, EXAMPLES), encoder))
    (scratch / "draft.jsonl").write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), "utf-8")
    return (*places, scratch / "draft.jsonl")


@pytest.fixture(scope="module")
def read(shared_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Read:
    scratch = tmp_path_factory.mktemp("fifth")
    # A machine that keeps the embeddings between runs, in a file of its own, is spared most of the time that this takes.
    cache = Path(os.environ.get("TEST_EMBEDDINGS") or scratch / "embeddings.sqlite")
    steps = Steps(lambda _: None, lambda *_: None)
    shipped = bundle.load(bundle.shipped_path(), threads=2, cache=cache)
    corpora = changed_corpora(shared_corpus, scratch, shipped.encoder, CHANGED)
    before = train(run_of((ROOT / "data", shared_corpus), default_path(), scratch / "before", cache), steps)
    after = train(replace(run_of(corpora, FIXTURES / "vocabulary.toml", scratch / "after", cache), certified=True), steps)
    rows = tuple(row for row in read_rows(shared_corpus / "tools.jsonl") if row.split == "held")
    told = [
        tuple(
            Normalizer(replace(model, encoder=shipped.encoder), require_certificate=False, deadline_s=60.0).normalize(row.call).likeliest
            for row in rows
        )
        for model in (before, after)
    ]
    return Read(after.certificate, rows, *told)


def test_the_old_words_cost_less_than_a_point_of_accuracy(read: Read) -> None:
    old = [k for k, row in enumerate(read.rows) if row.label.intent in OLD.ids]
    hits = np.array([[told[k] in read.rows[k].label.acceptable for k in old] for told in (read.before, read.after)])
    before, after = hits.mean(axis=1)
    lost, won = int((hits[0] & ~hits[1]).sum()), int((~hits[0] & hits[1]).sum())
    assert len(old) > 1000
    assert before - after < 0.01, f"{len(old)} rows, {before:.4f} before, {after:.4f} after, {lost} lost, {won} won"


def test_the_new_word_is_told_from_the_rest(read: Read) -> None:
    rest = [k for k, row in enumerate(read.rows) if row.label.intent == OLD.rest.id]
    told = {"rows of the rest": figures(read, rest), "all rows": figures(read, range(len(read.rows)))}
    assert told["rows of the rest"]["f1"] >= 0.85, told


def figures(read: Read, chosen: Iterable[int]) -> dict[str, float]:
    """F1 of the new word; as in every F1 here, a hit on a label that is right as well counts as one on the primary label."""
    places = list(chosen)
    gold = np.array([read.rows[k].id in COMPUTED for k in places])
    told = np.array([read.after[k] == WORD for k in places])
    also = np.array([read.after[k] in read.rows[k].label.also for k in places])
    hits, wrong, missed = int((gold & (told | also)).sum()), int((~gold & told).sum()), int((gold & ~told & ~also).sum())
    strict = int((gold & told).sum())
    return {
        "rows": int(gold.sum()),
        "f1": 2 * hits / (2 * hits + wrong + missed),
        "hits": hits,
        "hits on the word itself": strict,
        "wrong": wrong,
        "missed": missed,
    }


def test_five_words_are_certified_with_what_the_shipped_model_left_of_delta(read: Read) -> None:
    found = read.certificate
    assert found is not None
    assert found.threshold is not None, "no threshold bears the promise"
    assert {bound.intent for bound in found.bounds} == {"export", "write"}
    assert all(bound.upper <= found.alpha for bound in found.bounds)
    assert found.vocabulary_digest == NEW.digest
    assert len(found.ledger) > 1, "what the shipped model spent is counted"
    assert sum(use.delta for use in found.ledger) <= found.delta + 1e-9
