"""One training run: rows in, a verified bundle out, with everything that was used written into its manifest."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from intent import bundle
from intent.embedding.cache import CachedEncoder
from intent.embedding.onnx import OnnxEncoder
from intent.embedding.sentence import BASE_MODEL, BASE_SHA256, load_base
from intent.schema import CertificateStatus
from intent.training.examples import Source, acceptable, read_examples, read_sources
from intent.training.export import export_encoder
from intent.training.finetune import Schedule, describe, finetune
from intent.training.fit import Recipe, ToolFeatures, fit, split
from intent.vocabulary import Vocabulary

ALPHA, DELTA = 0.02, 0.05
_LIBRARIES = ("numpy", "scikit-learn", "torch", "sentence-transformers", "onnx", "onnxruntime", "tokenizers", "sqlglot")


@dataclass(frozen=True, slots=True)
class Run:
    """What a training run is asked for.

    Attributes
    ----------
    corpora
        Files or directories of labelled rows; rows marked ``held`` are never read.
    fine_tune
        Schedule of the encoder's training, None to keep the base weights.
    cache
        File for embeddings between runs, None for none.
    """

    corpora: tuple[Path, ...]
    vocabulary: Path
    output: Path
    name: str = "default"
    version: str = "0.1.0"
    recipe: Recipe = Recipe()
    fine_tune: Schedule | None = None
    cache: Path | None = None
    max_tokens: int = 160
    threads: int = 2


@dataclass(frozen=True, slots=True)
class Steps:
    """Where a run reports: a sentence for each stage, and (step, steps, loss) within fine-tuning."""

    say: Callable[[str], None]
    tick: Callable[[int, int, float], None]


def train(run: Run, steps: Steps) -> bundle.Manifest:
    """Train and write a bundle; the directory is replaced only once the new one is complete and verifies."""
    vocabulary = Vocabulary.load(run.vocabulary)
    steps.say("reading the corpora")
    sources = read_sources(run.corpora, vocabulary)
    parts = split(read_examples(sources, vocabulary), run.recipe)
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch) / "bundle"
        curve: list[float] = []
        if run.fine_tune:
            steps.say(f"fine-tuning the encoder on {len(parts.train.tools)} tools and {len(parts.train.requests)} requests")
            model, curve = finetune(parts.train, vocabulary, run.fine_tune, steps.tick)
        else:
            model = load_base()
        steps.say("exporting the encoder")
        export_encoder(model, directory)
        encoder = CachedEncoder(OnnxEncoder(directory, max_tokens=run.max_tokens, threads=run.threads), path=run.cache, capacity=1 << 20)
        fitted = fit(parts, vocabulary, encoder, run.recipe, steps.say)
        features = ToolFeatures.of(parts.calibration, encoder)
        likeliest = [fitted.capability.probabilities(d, c).argmax() for d, c in zip(features.dense, features.counts, strict=True)]
        right = acceptable(parts.calibration, vocabulary.labels)[np.arange(len(likeliest)), likeliest]
        training: dict[str, JsonValue] = {
            "recipe": asdict(run.recipe),
            "fine_tuning": {"loss": list(curve), **describe(run.fine_tune)} if run.fine_tune else None,
            "examples": {"tools": len(parts.train.tools), "calls": len(parts.train.effects), "requests": len(parts.train.requests)},
            "calibration": {
                "tools": len(parts.calibration),
                "groups": len({e.group for e in parts.calibration}),
                "accuracy": float(np.mean(right)),
                "thresholds": dict(zip(vocabulary.ids, map(float, fitted.thresholds), strict=True)),
            },
        }
        manifest = bundle.save(
            directory,
            fitted,
            vocabulary,
            {
                "name": run.name,
                "version": run.version,
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "max_tokens": run.max_tokens,
                "declared_at_least": run.recipe.declared_at_least,
                "certificate": CertificateStatus(alpha=ALPHA, delta=DELTA, valid=False),
                "encoder": {
                    "base": BASE_MODEL,
                    "base_sha256": BASE_SHA256,
                    "fine_tuned": run.fine_tune is not None,
                    "quantization": "dynamic int8, weights per channel to seven bits, one text an inference",
                },
                "data": data_card(sources),
                "libraries": {name: version(name) for name in _LIBRARIES},
                "training": training,
            },
        )
        bundle.load(directory)
        steps.say(f"writing {run.output}")
        _replace(directory, run.output)
    return manifest


def data_card(sources: Sequence[Source]) -> dict[str, JsonValue]:
    """Which corpora trained: digest, rows used, and who labelled them."""
    return {
        f"{source.path.parent.name}/{source.path.name}": {
            "sha256": source.digest,
            "rows": len(source.rows),
            "sources": sorted({row.source for row in source.rows}),
            "labelled_by": "language models, row by row; not checked by people",
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
