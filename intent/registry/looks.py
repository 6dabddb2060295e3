"""A model as a person looks at it: what its files say, what it was measured to do, and whether its certificate holds."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from intent.bundle import Manifest, load
from intent.bundle import verify as verify_bundle
from intent.certificate.certificate import Certificate, Status
from intent.certificate.standing import Standing
from intent.errors import IntentError
from intent.registry.registry import Registry
from intent.registry.reports import Reports
from intent.strict_json import loads
from intent.vocabulary import Vocabulary
from intent.workbench.records import ModelEntry

_MAX_BYTES = 1 << 30
_MOST_KNOWN = 64


@dataclass(frozen=True, slots=True)
class Measured:
    """One figure of a report, with its interval; over groups where there are any."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Look:
    """One model.

    Attributes
    ----------
    entry
        None for the shipped one, as long as it was never added.
    fault
        Why its files cannot be used, as far as was looked; empty where they can.
    thresholds
        Intent to the least probability at which it is forwarded; None for never.
    """

    digest: str
    entry: ModelEntry | None
    serves: bool
    kept: bool
    fault: str = ""
    manifest: Manifest | None = None
    vocabulary: Vocabulary | None = None
    certificate: Certificate | None = None
    status: Status = field(default_factory=lambda: Status(valid=False, why="not known"))
    thresholds: Mapping[str, float | None] = field(default_factory=dict[str, "float | None"])

    @property
    def title(self) -> str:
        """Name and version."""
        if self.entry is not None:
            return f"{self.entry.name} {self.entry.version}"
        return f"{self.manifest.name} {self.manifest.version}" if self.manifest else self.digest[:12]


@dataclass(frozen=True, slots=True)
class _Known:
    manifest: Manifest
    vocabulary: Vocabulary
    standing: Standing
    thresholds: Mapping[str, float | None]


class Looks:
    """What was read of the models of a registry; a model is read whole once, then remembered by its digest."""

    def __init__(self, registry: Registry, *, revocation: Path | None = None) -> None:
        self._registry, self._revocation = registry, revocation
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()

    def all(self) -> tuple[Look, ...]:
        """Every model, the newest one first; the shipped one is among them while it serves."""
        entries, serving = self._registry.models(), self._registry.shelf.current()
        found = [self._look(entry.digest, entry, serving) for entry in reversed(entries)]
        return tuple(found) if any(look.serves for look in found) else (*found, self._look(serving, None, serving))

    def one(self, digest: str, *, anew: bool = False) -> Look | None:
        """One model; None where there is none of this digest. ``anew`` checks every file of it again."""
        serving, entry = self._registry.shelf.current(), self._registry.entry(digest)
        if entry is None and digest != serving:
            return None
        if anew:
            with self._lock:
                self._known.pop(digest, None)
        return self._look(digest, entry, serving)

    def starting(self, prefix: str) -> str | None:
        """The only digest that begins so; None where there is none, or more than one."""
        serving = self._registry.shelf.current()
        found = {
            digest for digest in (serving, *(entry.digest for entry in self._registry.models())) if prefix and digest.startswith(prefix)
        }
        return found.pop() if len(found) == 1 else None

    def _look(self, digest: str, entry: ModelEntry | None, serving: str) -> Look:
        serves, kept = digest == serving, entry is None or self._registry.shelf.holds(digest)
        if not kept:
            return Look(digest, entry, serves, kept, "its files were cleared away")
        try:
            known = self._read(digest)
        except IntentError as error:
            return Look(digest, entry, serves, kept, str(error))
        standing = known.standing
        return Look(
            digest, entry, serves, kept, "", known.manifest, known.vocabulary, standing.certificate, standing.status(), known.thresholds
        )

    def _read(self, digest: str) -> _Known:
        with self._lock:
            if digest not in self._known:
                if len(self._known) >= _MOST_KNOWN:
                    self._known.clear()
                self._known[digest] = self._loaded(digest)
            return self._known[digest]

    def _loaded(self, digest: str) -> _Known:
        directory = self._registry.verify(digest)
        found = load(directory)
        least = dict(zip(found.vocabulary.ids, map(float, found.model.thresholds), strict=True))
        standing = Standing(
            found.certificate,
            model_digest=found.content_digest,
            vocabulary_digest=found.vocabulary.digest,
            thresholds=least,
            revocation=self._revocation,
        )
        thresholds = {word: value if value <= 1 else None for word, value in least.items()}
        return _Known(verify_bundle(directory)[0], found.vocabulary, standing, thresholds)


def figures_of(reports: Reports, model: str) -> dict[str, tuple[Measured, ...]]:
    """Corpus file to the figures of a model's newest evaluation; empty where it has none.

    Raises
    ------
    WorkbenchError
        If the figures cannot be read.
    """
    about = reports.latest(model)
    if about is None:
        return {}
    data: dict[str, Any] = loads(reports.figures(about.name).read_bytes(), max_bytes=_MAX_BYTES)
    return {name: _measured(file["systems"]["model"]["all"]["figures"]) for name, file in data["files"].items()}


def _measured(figures: Mapping[str, Mapping[str, Any]]) -> tuple[Measured, ...]:
    return tuple(_figure(name, figure) for name, figure in figures.items() if figure["value"] is not None)


def _figure(name: str, figure: Mapping[str, Any]) -> Measured:
    resampled = cast("Mapping[str, Any]", figure.get("bootstrap") or {})
    has = resampled.get("low") is not None
    low, high = (resampled["low"], resampled["high"]) if has else (figure.get("low"), figure.get("high"))
    return Measured(name, figure["value"], low, high, figure["n"])
