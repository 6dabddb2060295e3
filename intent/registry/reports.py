"""Reports that are kept: each a directory with the page for people, the figures for machines, and a line on what it is of.

::

    <reports>/<name>/about.json     what it is, of which model, by whom; written last, so that what has none is not there
    <reports>/<name>/report.html    the page of an evaluation, or one that was made elsewhere
    <reports>/<name>/report.json    figures and answers, by which two models are compared; of a replay, what it found

An evaluation runs in a process of its own, below the service in priority: it takes minutes, and calls must not wait for it.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from intent.certificate.standing import utc_now
from intent.corpus import data_digest
from intent.errors import EvaluationError, IntentError, WorkbenchError
from intent.registry.background import Background, Task
from intent.registry.files import write_atomically
from intent.registry.process import run
from intent.registry.registry import Registry
from intent.schema import Version
from intent.strict_json import loads
from intent.workbench.base import require
from intent.workbench.records import Actor, Role

ABOUT, HTML, JSON = "about.json", "report.html", "report.json"
COMMAND = (sys.executable, "-m", "intent", "evaluate")
_NAME = re.compile(r"[0-9a-f]{32}")
_MAX_ABOUT_BYTES = 1 << 16


class Kind(StrEnum):
    """What a report is of."""

    EVALUATION = "evaluation"
    REPLAY = "replay"


class About(BaseModel):
    """What a report is of; ``rows`` is the digest of what the model was measured on, or empty."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Kind
    model: str
    model_name: str = ""
    model_version: str = ""
    rows: str = ""
    at: AwareDatetime
    by: str


class Reports:
    """Reports of one directory.

    Parameters
    ----------
    corpus
        What models are measured on; None: no evaluation can be made here.
    labelled_by
        Who labelled it, for the report.
    command
        What evaluates, before its arguments.
    """

    def __init__(
        self,
        directory: Path,
        registry: Registry,
        background: Background,
        *,
        corpus: Path | None = None,
        split: str = "all",
        labelled_by: str = "",
        cache: Path | None = None,
        command: Sequence[str] = COMMAND,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory, self._registry, self._background = directory, registry, background
        self._corpus, self._split, self._labelled_by, self._cache = corpus, split, labelled_by, cache
        self._command, self._now = tuple(command), now

    @property
    def can_evaluate(self) -> bool:
        """Whether there are rows to measure a model on."""
        return self._corpus is not None

    def all(self) -> tuple[About, ...]:
        """Every report, the newest one first; a directory that is none is passed over."""
        found = [about for place in self._directory.iterdir() if _NAME.fullmatch(place.name) and (about := _about(place)) is not None]
        return tuple(sorted(found, key=lambda about: about.at, reverse=True))

    def latest(self, model: str) -> About | None:
        """The newest evaluation of a model, or None."""
        return next((about for about in self.all() if about.model == model and about.kind is Kind.EVALUATION), None)

    def html(self, name: str) -> bytes:
        """The page of a report, which is not to be trusted: it goes out with a policy that lets it do nothing.

        Raises
        ------
        WorkbenchError
            If there is none of this name.
        """
        try:
            return self._file(name, HTML).read_bytes()
        except OSError as error:
            raise WorkbenchError(f"there is no report {name[:64]!r}") from error

    def find(self, name: str) -> About | None:
        """What a report is of; None where there is none of this name."""
        return _about(self._directory / name) if _NAME.fullmatch(name) else None

    def has_figures(self, name: str) -> bool:
        """Whether a report has figures."""
        return self._file(name, JSON).is_file()

    def figures(self, name: str) -> Path:
        """The figures of a report; raises `WorkbenchError` where it has none."""
        path = self._file(name, JSON)
        if not path.is_file():
            raise WorkbenchError(f"report {name[:64]!r} has no figures")
        return path

    def evaluate(self, actor: Actor, model: str) -> Task:
        """Begin an evaluation of a model in the registry; one that is under way goes on.

        Raises
        ------
        Forbidden
            Below an analyst.
        WorkbenchError
            If there are no rows to measure on, or too much waits already.
        """
        require(actor, Role.ANALYST)
        corpus = self._corpus
        if corpus is None:
            raise WorkbenchError("the service must be given rows to measure a model on, and has none")
        return self._background.start(f"evaluation {model}", actor.name, lambda _: self._evaluated(actor, model, corpus).name)

    def task(self, model: str) -> Task | None:
        """The last evaluation of a model that was begun in this process."""
        return self._background.find(f"evaluation {model}")

    def add(self, actor: Actor, kind: Kind, html: str, model: str = "", *, model_name: str = "", model_version: str = "") -> About:
        """Keep a page that was made elsewhere, such as a replay's; raises `Forbidden` below an analyst."""
        with self.scratch() as scratch:
            (scratch / HTML).write_text(html, "utf-8")
            return self.keep(scratch, actor, kind, Version(name=model_name, version=model_version, digest=model))

    def _evaluated(self, actor: Actor, model: str, corpus: Path) -> About:
        directory, rows = self._registry.verify(model), data_digest(corpus)
        with self.scratch() as scratch:
            command = [*self._command, "--bundle", str(directory), "--corpus", str(corpus), "--split", self._split]
            command += ["--json", str(scratch / JSON), "--html", str(scratch / HTML)]
            command += ["--labelled-by", self._labelled_by] if self._labelled_by else []
            command += ["--cache", str(self._cache)] if self._cache else []
            run(command, "evaluation")
            version = loads((scratch / JSON).read_bytes(), max_bytes=1 << 30)["model"]
            if version is None or version["digest"] != model:
                raise EvaluationError(f"an evaluation must answer rows as model {model[:12]}, got {version and version['digest'][:12]}")
            return self.keep(scratch, actor, Kind.EVALUATION, Version.model_validate(version), rows=rows)

    def keep(self, scratch: Path, actor: Actor, kind: Kind, model: Version, *, rows: str = "") -> About:
        """Keep what was made of a model in a directory, which is on the same disk as the reports; raises `Forbidden` below an analyst."""
        require(actor, Role.ANALYST)
        named = {"model": model.digest, "model_name": model.name, "model_version": model.version, "rows": rows}
        about = About(name=uuid.uuid4().hex, kind=kind, at=self._now(), by=actor.name, **named)
        target = self._directory / about.name
        target.mkdir()
        for file in (HTML, JSON):
            if (scratch / file).exists():
                shutil.move(scratch / file, target / file)
        write_atomically(target / ABOUT, about.model_dump_json(indent=1).encode())
        return about

    @contextmanager
    def scratch(self) -> Generator[Path]:
        """A directory to make a report in, gone at the end."""
        with tempfile.TemporaryDirectory(dir=self._directory) as made:
            yield Path(made)

    def _file(self, name: str, file: str) -> Path:
        if not _NAME.fullmatch(name):
            raise WorkbenchError(f"there is no report {name[:64]!r}")
        return self._directory / name / file


def _about(place: Path) -> About | None:
    try:
        about = About.model_validate(loads((place / ABOUT).read_bytes(), max_bytes=_MAX_ABOUT_BYTES))
    except (OSError, IntentError, ValidationError):
        return None
    return about if about.name == place.name else None
