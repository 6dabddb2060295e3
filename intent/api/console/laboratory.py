"""What the pages of vocabularies, training, models, reports and health share: one record, put on the console when it is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from starlette.responses import RedirectResponse, Response

from intent.api.console.options import utc_now
from intent.api.console.refusal import Refused
from intent.api.console.state import base_of, session_of
from intent.api.console.view import page
from intent.registry.background import Background
from intent.registry.candidates import Candidates
from intent.registry.looks import Looks
from intent.registry.orders import Supplies
from intent.registry.replays import Recorded, Replays
from intent.registry.reports import Reports
from intent.registry.vitals import Policies, Vitals
from intent.vocabulary import Vocabulary
from intent.workbench.records import Role

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from starlette.requests import Request

    from intent.audit.store import Head
    from intent.registry.jobs import Jobs
    from intent.registry.promotion import Admits, Bounds
    from intent.registry.registry import Registry
    from intent.workbench.store import WorkbenchStore


@dataclass(frozen=True, slots=True)
class Places:
    """Where the pages find what they work on.

    Attributes
    ----------
    state
        Directory for reports and for the inputs of runs.
    corpora
        Name to labelled rows that a run may train on.
    golden
        Rows that judge a promotion.
    evaluation
        Rows that models are measured on; None: no evaluation can be made.
    split, labelled_by
        Which of these rows, and who labelled them.
    """

    state: Path
    corpora: Mapping[str, Path]
    golden: Sequence[Path] = ()
    evaluation: Path | None = None
    split: str = "all"
    labelled_by: str = ""
    revocation: Path | None = None
    cache: Path | None = None


@dataclass(frozen=True, slots=True)
class AuditParts:
    """What health is read from, see `Vitals`, and what is replayed; whatever is None is told as not there."""

    engine: Engine | None = None
    head: Callable[[], Head] | None = None
    verify: Callable[[], object] | None = None
    policies: Policies | None = None
    recorded: Recorded | None = None


@dataclass(frozen=True, slots=True)
class Laboratory:
    """The parts; ``answering`` is the normalizer of the service, None where there is none beside the console."""

    store: WorkbenchStore
    registry: Registry
    jobs: Jobs
    background: Background
    supplies: Supplies
    reports: Reports
    replays: Replays
    candidates: Candidates
    looks: Looks
    shipped: Vocabulary
    vitals: Vitals
    now: Callable[[], datetime]
    answering: object = None

    @classmethod
    def open(
        cls,
        store: WorkbenchStore,
        registry: Registry,
        jobs: Jobs,
        places: Places,
        shipped: Vocabulary,
        *,
        audit: AuditParts | None = None,
        admits: Admits | None = None,
        answering: object = None,
        bounds: Bounds | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> Laboratory:
        """Build them over a state directory; raises `OSError` where it cannot be written."""
        background = Background(now=now)
        supplies = Supplies(places.state / "inputs", places.corpora, shipped, places.state / "certificate-ledger.json", places.cache)
        reports = Reports(
            places.state / "reports",
            registry,
            background,
            corpus=places.evaluation,
            split=places.split,
            labelled_by=places.labelled_by,
            cache=places.cache,
            now=now,
        )
        candidates = Candidates(
            registry, background, places.golden, bounds=bounds, revocation=places.revocation, admits=admits, cache=places.cache, now=now
        )
        looks, parts = Looks(registry, revocation=places.revocation), audit or AuditParts()
        return cls(
            store=store,
            registry=registry,
            jobs=jobs,
            background=background,
            supplies=supplies,
            reports=reports,
            replays=Replays(reports, registry, background, parts.recorded),
            candidates=candidates,
            looks=looks,
            shipped=shipped,
            vitals=Vitals(store, looks, registry.shelf.current, background, parts.engine, parts.head, parts.verify, parts.policies, now),
            now=now,
            answering=answering,
        )


def laboratory_of(request: Request) -> Laboratory:
    """The laboratory of the console that a request came to."""
    return cast("Laboratory", request.app.state.laboratory)


def show(request: Request, template: str, status: int = 200, **values: object) -> Response:
    """A page or fragment with ``may("approver")``, which says whether the person's role allows that, beside its own values."""
    session = session_of(request)
    role = session.person.role if session else None

    def may(needed: str) -> bool:
        return role is not None and role.includes(Role(needed))

    return page(request, template, status, may=may, **values)


def go(request: Request, path: str) -> Response:
    """On to a page of the console, after a change."""
    return RedirectResponse(f"{base_of(request)}/{path}", 303)


def absent(what: str) -> Refused:
    """For an address of something that is not there."""
    return Refused(404, "There is no such thing", f"There is no {what} of this name.", "not_found")
