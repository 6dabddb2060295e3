"""Small whole bundles with certificates, golden rows that they answer, and a registry over a real database."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from intent.bundle import attach, load, save
from intent.certificate.certificate import Part, digest_of, issue, spend
from intent.certificate.ltt import Bound, Certified
from intent.database import open_database
from intent.registry.registry import Registry
from intent.registry.signature import ModelSigner
from intent.vocabulary import Effect, Vocabulary
from intent.workbench.records import Actor, Role
from intent.workbench.store import WorkbenchStore
from tests.doubles.small_model import described
from tests.doubles.tiny_encoder import write_encoder
from tests.doubles.worded_model import DIMENSIONS, VOCABULARY, Says, worded_model

NOW = datetime.now(UTC).replace(microsecond=0)
ANALYST, APPROVER = Actor(name="ann", role=Role.ANALYST), Actor(name="olga", role=Role.APPROVER)
READ, CHANGE, DISCLOSE = (VOCABULARY.effects[e] for e in (Effect.READ, Effect.CHANGE, Effect.DISCLOSE))
SAYS: dict[str, tuple[str, float]] = {"n1 fetch": (READ, 60.0), "n1 purge": (CHANGE, 60.0), "n1 mail": (DISCLOSE, 60.0)}
KEY = Ed25519PrivateKey.generate()


def write_bundle(
    directory: Path,
    version: str = "0.0.1",
    *,
    says: Says | None = None,
    certificate: Mapping[str, object] | None = None,
    words: Vocabulary = VOCABULARY,
    **changes: object,
) -> Path:
    """A bundle with a real encoder of a few kilobytes; ``certificate`` changes what it promises, and ``{"none": True}`` leaves it out."""
    directory.mkdir(parents=True)
    write_encoder(directory, DIMENSIONS)
    model = worded_model(says or SAYS, thresholds=0.7, vocabulary=words)
    save(directory, model, words, {**described(), "version": version, **changes})
    promised: dict[str, object] = dict(certificate or {})
    if not promised.pop("none", False):
        attach(directory, _certificate(directory, words, **promised))  # type: ignore[arg-type]  # by name
    return directory


def _certificate(
    directory: Path,
    words: Vocabulary,
    *,
    alpha: float = 0.01,
    issued: datetime = NOW - timedelta(hours=1),
    days: int = 90,
    rows: str = "row",
):
    bounds = tuple(Bound(word, 800, 0, alpha, 0.025, 0.7, alpha / 2) for word in words.top)
    return issue(
        Certified(bounds),
        words,
        model_digest=load(directory).content_digest,
        calibration_digest=digest_of([rows]),
        data=(Part(source="catalogue", labelled_by="two people", rows=1600, groups=80),),
        ledger=spend((), 0.05, budget=0.05, purpose="thresholds", at=issued),
        budget=0.05,
        now=issued,
        days=days,
    )


def golden_rows(
    file: Path, kinds: Sequence[tuple[str, str]] = (("fetch", READ), ("purge", CHANGE), ("mail", DISCLOSE)), n: int = 40
) -> Path:
    """Rows of ``n`` calls a kind, on eight servers and from two sources, that trained nothing."""
    rows = [
        {
            "id": f"golden/{name}/{k}",
            "source": f"catalogue-{k % 2}",
            "group": f"server-{k % 8}",
            "tool": {"name": f"{name}_{k}", "description": f"Handles item {k}."},
            "label": {"intent": word},
        }
        for k in range(n)
        for name, word in kinds
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return file


def new_registry(directory: Path, shipped: Path) -> Registry:
    """A registry in a directory, over a SQLite database beside it; a second one over the same directory is another process's view."""
    store = WorkbenchStore(open_database(f"sqlite:///{directory.with_suffix('.db')}"))
    return Registry(directory, store, ModelSigner(KEY), shipped=shipped)


def vocabulary(**changes: object) -> Vocabulary:
    """The words of the small bundles, changed."""
    return Vocabulary.parse({**VOCABULARY.to_dict(), **changes})
