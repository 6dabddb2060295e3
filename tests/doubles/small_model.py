"""A small model that is really trained, in seconds: rows of ``data/``, a weight-free encoder, every head as in a full run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np

from intent.bundle import Bundle, Manifest
from intent.classify.model import Model
from intent.corpus import read_rows
from intent.embedding.hashing import HashingEncoder
from intent.schema import Version
from intent.training.augment import Augmentation
from intent.training.examples import Examples, Source, read_examples
from intent.training.fit import Recipe, fit
from intent.training.partition import Partition, Shares, partition
from intent.vocabulary import Vocabulary, default_path

DATA = Path(__file__).parents[2] / "data"
VOCABULARY = Vocabulary.load(default_path())
ENCODER = HashingEncoder(dimensions=64, max_tokens=60)
SEED = 3
EVERY_COPY = Augmentation(renamed=1.0, diluted=1.0, diluted_reads=1.0, disguised=1.0)


@dataclass(frozen=True)
class Small:
    """What was split, what was learnt from it, and the model."""

    parts: Partition
    learn: Examples
    tune: Examples
    model: Model


def sources(every: int = 4) -> list[Source]:
    """Each n-th row of the corpus files; few enough to train on within a test."""
    names = ("tools", "polymorphic", "requests", "outbound")
    files = [DATA / f"{name}.jsonl" for name in names]
    return [Source(file, "0" * 64, tuple(islice(read_rows(file), 0, None, every))) for file in files]


@cache
def small() -> Small:
    """Trained once a process; the same every time."""
    parts = partition(sources(), Shares(own_tune=0.15, own_certify=0.2), SEED)
    learn, tune = read_examples(parts.train, VOCABULARY), read_examples(parts.tune, VOCABULARY)
    return Small(parts, learn, tune, fit(learn, tune, VOCABULARY, ENCODER, Recipe(seed=SEED)))


def manifest(**changes: object) -> Manifest:
    """A manifest for a model that was never on a disk."""
    whole: dict[str, object] = {
        "format": 1,
        "files": {"arrays.npz": "ab" * 32},
        "vocabulary": Version(name=VOCABULARY.name, version=VOCABULARY.version, digest=VOCABULARY.digest),
        **described(),
    }
    return Manifest.model_validate({**whole, **changes})


def described() -> dict[str, object]:
    """The fields of a manifest that whoever trains knows."""
    return {
        "name": "small",
        "version": "0.0.1",
        "created": "2026-01-01T00:00:00+00:00",
        "max_tokens": 60,
        "declared_at_least": 0.1,
        "encoder": {"base": "hashing"},
        "data": {"data/tools.jsonl": {"rows": 1}},
        "libraries": {"numpy": np.__version__},
        "training": {"seed": SEED},
    }


def small_bundle(model: Model | None = None, encoder: HashingEncoder = ENCODER) -> Bundle:
    """The small model, or another one, as a bundle in memory."""
    return Bundle(manifest(), "cd" * 32, VOCABULARY, encoder, model or small().model)
