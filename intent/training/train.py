"""One training run: rows in, a verified bundle out, with everything that was used written into its manifest."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import JsonValue

from intent import bundle
from intent.certificate.certificate import Use, spend
from intent.certificate.ledger import write_ledger
from intent.certificate.ltt import certify
from intent.corpus import Row
from intent.embedding.cache import CachedEncoder
from intent.embedding.onnx import OnnxEncoder
from intent.embedding.sentence import BASE_MODEL, BASE_SHA256, load_base
from intent.training.augment import Augmentation, augmented
from intent.training.certify import Promise, read_calibration, with_thresholds, write_certificate
from intent.training.examples import Examples, Source, read_examples, read_sources, require_examples
from intent.training.export import export_encoder
from intent.training.finetune import FineTuned, Schedule, finetune
from intent.training.fit import fit
from intent.training.left_out import read_left_out, without
from intent.training.parent import Parent, budget_left, earlier_uses, take_encoder
from intent.training.partition import Partition, Shares, partition
from intent.training.recipe import Recipe
from intent.vocabulary import Vocabulary

LABELLED_BY = "language models, row by row; not checked by people"
_LIBRARIES = ("numpy", "scikit-learn", "onnxruntime", "tokenizers", "sqlglot")
_OF_ENCODERS = ("torch", "sentence-transformers", "onnx")


@dataclass(frozen=True, slots=True)
class Run:
    """What a training run is asked for.

    Attributes
    ----------
    corpora
        Files or directories of labelled rows; rows marked ``held`` are never read.
    left_out
        File of rows that are not used, see `intent.training.left_out`; None for none.
    fine_tune
        Schedule of the encoder's training, None to keep the base weights.
    encoder
        A bundle whose encoder is taken as it is, and only the heads are fitted: needs no torch. None: train or export one.
    certified
        Whether to certify. Without a certificate the model denies everything, and is good for a comparison only.
    alpha, delta
        The promise that the certificate is to make: at most alpha, but for a chance of delta.
    spend
        How much of delta this certificate may use; None for all that the ledger leaves.
    ledger
        File of what earlier certificates spent on the same rows; None: these rows were never used.
    certificate_days
        How long the certificate holds.
    cache
        File for embeddings between runs, None for none.
    checkpoint
        File from which a stopped fine-tuning goes on, None for none.
    """

    corpora: tuple[Path, ...]
    vocabulary: Path
    output: Path
    name: str = "default"
    version: str = "0.2.0"
    recipe: Recipe = field(default_factory=Recipe)
    shares: Shares = field(default_factory=Shares)
    augmentation: Augmentation = field(default_factory=Augmentation)
    left_out: Path | None = None
    fine_tune: Schedule | None = None
    encoder: Path | None = None
    certified: bool = True
    alpha: float = 0.02
    delta: float = 0.05
    spend: float | None = None
    ledger: Path | None = None
    certificate_days: int = 180
    cache: Path | None = None
    checkpoint: Path | None = None
    max_tokens: int = 160
    threads: int = 2


@dataclass(frozen=True, slots=True)
class Steps:
    """Where a run reports: a sentence for each stage, and (step, steps, loss) within fine-tuning."""

    say: Callable[[str], None]
    tick: Callable[[int, int, float], None]


def train(run: Run, steps: Steps) -> bundle.Bundle:
    """Train, certify and write a bundle; the directory is replaced only once the new one is complete and verifies.

    Raises
    ------
    TrainingError
        If the rows do not suffice, or the split is not the one that a given encoder was trained with.
    CertificateError
        If the rows to certify on have no delta left; asked before anything is fitted.
    BundleError
        If the bundle whose encoder is taken is missing or corrupt.
    """
    vocabulary = Vocabulary.load(run.vocabulary)
    parent = Parent.read(run.encoder, run.recipe.seed, run.shares) if run.encoder else None
    run = replace(run, max_tokens=parent.max_tokens) if parent else run
    uses = earlier_uses(run.ledger, parent)
    if run.certified:
        budget_left(uses, run.delta, run.spend)
    steps.say("reading the corpora")
    sources = read_sources(run.corpora, vocabulary)
    if run.left_out is not None:
        sources = without(sources, read_left_out(run.left_out))
    parts = partition(sources, run.shares, run.recipe.seed)
    learn, tune = read_examples(parts.train, vocabulary), read_examples(parts.tune, vocabulary)
    require_examples(learn, vocabulary)
    copies = augmented(learn.tools, vocabulary, run.augmentation, np.random.default_rng(run.recipe.seed))
    learn = replace(learn, tools=(*learn.tools, *copies))
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch) / "bundle"
        tuned = _encoder(run, parent, learn, tune, vocabulary, directory, steps)
        encoder = CachedEncoder(OnnxEncoder(directory, max_tokens=run.max_tokens, threads=run.threads), path=run.cache, capacity=1 << 20)
        model = fit(learn, tune, vocabulary, encoder, run.recipe, steps.say)
        described = _described(run, sources, parts, learn, tuned, parent)
        bundle.save(directory, model, vocabulary, described)
        if run.certified:
            steps.say(f"certifying on {len(parts.certify)} rows that nothing was fitted on")
            _certify(run, directory, parts.certify, described, uses)
        finished = bundle.load(directory)
        steps.say(f"writing {run.output}")
        _replace(directory, run.output)
    return finished


def _encoder(
    run: Run, parent: Parent | None, learn: Examples, tune: Examples, vocabulary: Vocabulary, directory: Path, steps: Steps
) -> FineTuned | None:
    """Write the encoder into the directory; None where nothing was fine-tuned."""
    if parent is not None:
        take_encoder(parent, directory)
        return None
    tuned = None
    if run.fine_tune is not None:
        steps.say(f"fine-tuning the encoder on {len(learn.tools)} tools and {len(learn.requests)} requests")
        validation = [e for e in tune.tools if e.natural]
        tuned = finetune(learn, validation, vocabulary, run.fine_tune, steps.tick, run.checkpoint)
    steps.say("exporting the encoder")
    export_encoder(tuned.encoder if tuned else load_base(), directory)
    return tuned


def _certify(run: Run, directory: Path, rows: Sequence[Row], described: dict[str, Any], spent: Sequence[Use]) -> None:
    """Certify the read threshold, write it into the arrays, and attach the certificate."""
    chosen = [row for row in rows if row.label.intent is not None and row.call.tool is not None]
    draft = bundle.load(directory, threads=run.threads, cache=run.cache)
    calibration = read_calibration(draft, chosen)
    delta = budget_left(spent, run.delta, run.spend)
    now = datetime.now(UTC).replace(microsecond=0)
    ledger = spend(spent, delta, budget=run.delta, purpose=f"the read threshold of {run.name} {run.version}", at=now)
    certified = certify(calibration, draft.vocabulary, run.alpha, delta)
    bundle.save(directory, with_thresholds(draft, certified).model, draft.vocabulary, described)
    promise = Promise(chosen, calibration, certified, LABELLED_BY)
    bundle.attach(directory, write_certificate(bundle.load(directory), promise, ledger, run.delta, now, run.certificate_days))
    if run.ledger:
        write_ledger(run.ledger, ledger)


def _described(
    run: Run, sources: Sequence[Source], parts: Partition, learn: Examples, tuned: FineTuned | None, parent: Parent | None
) -> dict[str, Any]:
    """The fields of the manifest that training knows."""
    return {
        "name": run.name,
        "version": run.version,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "max_tokens": run.max_tokens,
        "declared_at_least": run.recipe.declared_at_least,
        "encoder": parent.encoder if parent else _encoder_card(run),
        "data": data_card(sources),
        "libraries": {name: version(name) for name in (*_LIBRARIES, *(() if parent else _OF_ENCODERS))},
        "training": _settings(run, parts, learn, tuned) | ({"parent": parent.digest} if parent else {}),
    }


def _encoder_card(run: Run) -> dict[str, JsonValue]:
    return {
        "base": BASE_MODEL,
        "base_sha256": BASE_SHA256,
        "fine_tuned": run.fine_tune is not None,
        "quantization": "dynamic int8, weights per channel to seven bits, one text an inference",
    }


def _settings(run: Run, parts: Partition, learn: Examples, tuned: FineTuned | None) -> dict[str, JsonValue]:
    """What this run was asked for and what it had, with the curve of its fine-tuning."""
    return {
        "recipe": dict(asdict(run.recipe)),
        "shares": {**asdict(run.shares), "spent": [*run.shares.spent]},  # a tuple is no JSON
        "augmentation": dict(asdict(run.augmentation)),
        "fine_tuning": {**run.fine_tune.to_dict(), **tuned.to_dict()} if run.fine_tune and tuned else None,
        "examples": {"tools": len(learn.tools), "calls": len(learn.effects), "requests": len(learn.requests)},
        "rows": {"train": len(parts.train), "tune": len(parts.tune), "certify": len(parts.certify)},
    }


def data_card(sources: Sequence[Source]) -> dict[str, JsonValue]:
    """Which corpora trained: digest, rows used, and who labelled them."""
    return {
        f"{source.path.parent.name}/{source.path.name}": {
            "sha256": source.digest,
            "rows": len(source.rows),
            "sources": [*sorted({row.source for row in source.rows})],
            "labelled_by": LABELLED_BY,
        }
        for source in sources
    }


def _replace(new: Path, old: Path) -> None:
    """Put a directory in the place of another; the old one goes only when the new one stands beside it."""
    old.parent.mkdir(parents=True, exist_ok=True)
    beside = old.with_name(f".{old.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(new, beside)
    shutil.rmtree(old, ignore_errors=True)
    beside.rename(old)
