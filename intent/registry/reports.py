"""Reports that are kept: each a directory with the page for people, the figures for machines, and a line on what it is of.

::

    <reports>/<name>/about.json     what it is, of which model, by whom; written last, so that what has none is not there
    <reports>/<name>/report.html
    <reports>/<name>/report.json    figures and answers, by which two models are compared; not of a replay

An evaluation runs in a process of its own, below the service in priority: it takes minutes, and calls must not wait for it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from intent.certificate.standing import utc_now
from intent.corpus import data_digest
from intent.errors import EvaluationError, IntentError, WorkbenchError
from intent.registry.background import Background, Task
from intent.registry.files import write_atomically
from intent.registry.registry import Registry
from intent.strict_json import loads
from intent.workbench.base import require
from intent.workbench.records import Actor, Role

ABOUT, HTML, JSON = "about.json", "report.html", "report.json"
COMMAND = (sys.executable, "-m", "intent", "evaluate")
_NAME = re.compile(r"[0-9a-f]{32}")
_MAX_ABOUT_BYTES = 1 << 16
_NICENESS = 10
_TIMEOUT_S = 3600.0


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
        require(actor, Role.ANALYST)
        about = About(
            name=uuid.uuid4().hex, kind=kind, model=model, model_name=model_name, model_version=model_version, at=self._now(), by=actor.name
        )
        with tempfile.TemporaryDirectory(dir=self._directory) as scratch:
            (Path(scratch) / HTML).write_text(html, "utf-8")
            return self._keep(Path(scratch), about)

    def _evaluated(self, actor: Actor, model: str, corpus: Path) -> About:
        directory, rows = self._registry.verify(model), data_digest(corpus)
        with tempfile.TemporaryDirectory(dir=self._directory) as made:
            scratch = Path(made)
            command = [*self._command, "--bundle", str(directory), "--corpus", str(corpus), "--split", self._split]
            command += ["--json", str(scratch / JSON), "--html", str(scratch / HTML)]
            command += ["--labelled-by", self._labelled_by] if self._labelled_by else []
            command += ["--cache", str(self._cache)] if self._cache else []
            _run(command)
            version = loads((scratch / JSON).read_bytes(), max_bytes=1 << 30)["model"]
            if version is None or version["digest"] != model:
                raise EvaluationError(f"an evaluation must answer rows as model {model[:12]}, got {version and version['digest'][:12]}")
            words = {"model_name": version["name"], "model_version": version["version"], "rows": rows}
            return self._keep(
                scratch, About(name=uuid.uuid4().hex, kind=Kind.EVALUATION, model=model, at=self._now(), by=actor.name, **words)
            )

    def _keep(self, scratch: Path, about: About) -> About:
        target = self._directory / about.name
        target.mkdir()
        for file in (HTML, JSON):
            if (scratch / file).exists():
                shutil.move(scratch / file, target / file)
        write_atomically(target / ABOUT, about.model_dump_json(indent=1).encode())
        return about

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


def _run(command: Sequence[str]) -> None:
    """Run to the end; raises `EvaluationError` with the last line of what it complained about."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:  # noqa: S603 - ours, without a shell
        with suppress(OSError):  # it may have ended already
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
        try:
            _, complaint = process.communicate(timeout=_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise EvaluationError(f"an evaluation must end within {_TIMEOUT_S:g} s") from error
    if process.returncode:
        lines = [line for line in complaint.decode("utf-8", "replace").splitlines() if line.strip()]
        raise EvaluationError(f"the evaluation ended with code {process.returncode}: {lines[-1][:500] if lines else 'no word'}")
