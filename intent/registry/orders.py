"""An order for a training run: what a person chose, turned into the arguments of a run, with every input written down by its digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import JsonValue

from intent.corpus import data_digest
from intent.errors import WorkbenchError
from intent.registry.files import write_atomically
from intent.registry.jobs import Jobs
from intent.registry.registry import Registry
from intent.vocabulary import Vocabulary
from intent.workbench.base import require
from intent.workbench.records import Actor, Role
from intent.workbench.release import written
from intent.workbench.store import WorkbenchStore
from intent.workbench.training_rows import training_rows
from intent.workbench.vocabularies import parsed

LABELS = "settled labels"


class Depth(StrEnum):
    """How much of a model is made anew."""

    HEADS = "heads"
    ENCODER = "encoder"


@dataclass(frozen=True, slots=True)
class Supplies:
    """What runs are made from.

    Attributes
    ----------
    directory
        Where vocabularies and labels are written for runs; made if it is missing.
    corpora
        Name to file or directory of labelled rows.
    shipped
        The vocabulary before there is any release.
    ledger
        What certificates spent on the rows; None: none is kept, and each run certifies as if it were the first.
    cache
        File for embeddings between runs.
    """

    directory: Path
    corpora: Mapping[str, Path]
    shipped: Vocabulary
    ledger: Path | None = None
    cache: Path | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody asks for.

    Attributes
    ----------
    vocabulary
        Digest of a release; empty for the shipped one.
    corpora
        Names of `Supplies.corpora`.
    labels
        Whether the settled labels of the workbench train too.
    spend
        Share of what certificates may be wrong with that this one uses, in (0, 1]; None for all that is left.
    certified
        Whether to certify; a model without a certificate spends nothing, and forwards nothing but in a service that asks for none.
    """

    vocabulary: str
    depth: Depth
    corpora: tuple[str, ...]
    labels: bool
    spend: float | None = None
    note: str = ""
    certified: bool = True


class NothingSettled(WorkbenchError):
    """There are no settled labels."""


def place(order: Order, actor: Actor, jobs: Jobs, store: WorkbenchStore, registry: Registry, supplies: Supplies) -> str:
    """Start the run of an order, and return its name.

    Raises
    ------
    Forbidden
        Below an analyst.
    WorkbenchError
        If nothing would train, a name is not known, the vocabulary was not released, or another run is under way.
    BundleError
        If the model that serves, whose encoder is kept, does not verify.
    """
    require(actor, Role.ANALYST)
    vocabulary = chosen_vocabulary(store, order.vocabulary, supplies.shipped)
    if strange := set(order.corpora) - set(supplies.corpora):
        raise WorkbenchError(f"a corpus must be one of those of the service, got {sorted(strange)[0][:80]!r}")
    inputs = {name: supplies.corpora[name] for name in order.corpora}
    if order.labels:
        inputs[LABELS] = labels_file(store, vocabulary, supplies.directory)
    if not inputs:
        raise WorkbenchError("a run must be given rows to train on")
    supplies.directory.mkdir(parents=True, exist_ok=True)
    words = supplies.directory / f"vocabulary-{vocabulary.digest[:16]}.toml"
    write_atomically(words, written(vocabulary).encode())
    parent = registry.shelf.current() if order.depth is Depth.HEADS else ""
    detail: dict[str, JsonValue] = {
        "vocabulary": {"name": vocabulary.name, "version": vocabulary.version, "digest": vocabulary.digest},
        "depth": order.depth.value,
        "parent": parent,
        "data": {name: data_digest(path) for name, path in inputs.items()},
        "certified": order.certified,
        "spend": order.spend,
        "note": order.note,
    }
    arguments = [*_options("--corpus", *inputs.values()), *_options("--vocabulary", words), *_settings(order, supplies)]
    if (unsure := left_out_file(supplies, vocabulary)).exists():
        arguments += _options("--left-out", unsure)
        detail["left out"] = len(unsure.read_bytes().splitlines())
    if parent:
        arguments += _options("--encoder", registry.verify(parent))
    return jobs.start(actor, arguments, detail=detail)


def chosen_vocabulary(store: WorkbenchStore, digest: str, shipped: Vocabulary) -> Vocabulary:
    """A released vocabulary by its digest; the shipped one for the empty digest or its own; raises `WorkbenchError`."""
    if digest in {"", shipped.digest}:
        return shipped
    found = next((version for version in store.vocabulary_versions(released=True) if version.digest == digest), None)
    if found is None:
        raise WorkbenchError(f"a run must be given a released vocabulary, got {digest[:12]!r}")
    return parsed(found)


def labels_file(store: WorkbenchStore, vocabulary: Vocabulary, directory: Path) -> Path:
    """The settled labels as a corpus file, named by what it holds; raises `NothingSettled` where there are none."""
    text = b"".join(json.dumps(row).encode() + b"\n" for row in training_rows(store.judged(vocabulary)))
    if not text:
        raise NothingSettled("no label is settled yet, so that there is none to train on")
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"labels-{hashlib.sha256(text).hexdigest()[:16]}.jsonl"
    if not path.exists():
        write_atomically(path, text)
    return path


def left_out_file(supplies: Supplies, vocabulary: Vocabulary) -> Path:
    """Where the rows are listed whose label was carved up or is gone by a vocabulary, if somebody looked for them."""
    return supplies.directory / f"touched-{vocabulary.digest[:16]}.jsonl"


def labelled(store: WorkbenchStore, vocabulary: Vocabulary, supplies: Supplies) -> tuple[Path, ...]:
    """Everything that is labelled: the corpora, and the settled labels where there are any."""
    try:
        return *supplies.corpora.values(), labels_file(store, vocabulary, supplies.directory)
    except NothingSettled:
        return (*supplies.corpora.values(),)


def _settings(order: Order, supplies: Supplies) -> list[str]:
    found = ["--finetune"] if order.depth is Depth.ENCODER else []
    if not order.certified:
        found.append("--no-certificate")
    if supplies.ledger is not None:
        found += _options("--ledger", supplies.ledger)
    if supplies.cache is not None:
        found += _options("--cache", supplies.cache)
    return [*found, "--spend", f"{order.spend:g}"] if order.certified and order.spend is not None else found


def _options(name: str, *paths: Path) -> list[str]:
    return [part for path in paths for part in (name, str(path.resolve()))]
