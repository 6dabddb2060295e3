"""The application: settings in, an ASGI app out. It starts without a model too, and then denies every call."""

from __future__ import annotations

import logging
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from intent import __version__
from intent.api import access, console, delegation, hook, problems, routes, specification
from intent.api.dispatch import Dispatch, NormalizerLike, Unavailable
from intent.api.envelope import Envelope, site
from intent.api.evaluations import Closed, Decides, Evaluations
from intent.api.metrics import Metrics
from intent.api.service import Service
from intent.api.slots import Slots
from intent.errors import IntentError
from intent.vocabulary import Vocabulary, default_path

if TYPE_CHECKING:
    from intent.settings import Settings

_log = logging.getLogger("intent.api")


def create_app(settings: Settings, normalizer: NormalizerLike | None = None, decision_point: Decides | None = None) -> FastAPI:
    """Build the service.

    Parameters
    ----------
    settings
        Read once, here.
    normalizer
        The classifier; None loads the bundle that the settings name. Where that fails the app still starts: ``/readyz`` answers 503,
        and every call is denied with ``model_unavailable``.
    decision_point
        Answers evaluations; None builds the one that the settings describe. Where that fails ``/readyz`` answers 503, every evaluation is
        denied, and calls are classified all the same.

    Raises
    ------
    VocabularyError
        If not even the vocabulary that ships with the package can be read.
    """
    found = normalizer or _load(settings)
    ready, classifier = found is not None, found or Unavailable(Vocabulary.load(default_path()))
    metrics = Metrics()
    metrics.ready.set(ready)
    point = decision_point or _decision_point(settings, classifier, metrics)
    metrics.decides.set(point is not None)
    app = FastAPI(
        title="intent",
        version=__version__,
        summary="What would this tool call do?",
        description=specification.DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    slots = Slots(settings.max_concurrency, settings.queue_timeout_s, settings.deadline_s)
    app.state.service = Service(
        settings=settings,
        normalizer=classifier,
        dispatch=Dispatch(classifier, settings, metrics, slots),
        evaluations=Evaluations(point or Closed(classifier), classifier, settings, metrics, slots),
        metrics=metrics,
        ready=ready,
        decides=point is not None,
        delegation=delegation.TokenEndpoint.of(settings, point),
    )
    app.add_middleware(Envelope)
    problems.install(app)
    for router in (
        routes.v1,
        access.access,
        hook.hooks,
        delegation.tokens,
        delegation.public,
        access.discovery,
        routes.operations,
        console.router,
    ):
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=console.STATIC), name="static")
    app.mount("/docs-assets", StaticFiles(directory=Path(str(files("fastapi_offline") / "static"))), name="docs-assets")
    specification.install(app)
    return app


def _load(settings: Settings) -> NormalizerLike | None:
    try:
        # Here, because a missing runtime library must not keep the app from starting.
        from intent.normalizer import Normalizer

        return Normalizer.load(
            settings.bundle,
            catalogue=settings.catalogue,
            require_certificate=not settings.dangerously_forward_uncertified,
            revocation=settings.revocation,
            threads=settings.threads,
            deadline_s=settings.deadline_s,
        )
    except IntentError as error:
        _log.error("no model: %s", error)
    except Exception as error:  # noqa: BLE001 - whatever keeps the model from loading, the app starts and denies
        _log.error("no model: %s", site(error))
    return None


def _decision_point(settings: Settings, normalizer: NormalizerLike, metrics: Metrics) -> Decides | None:
    try:
        # Here, because a missing library of one part must not keep the app from starting.
        from intent.assembly import assemble

        return assemble(settings, normalizer, metrics)
    except IntentError as error:
        _log.error("no decision point: %s", error)
    except Exception as error:  # noqa: BLE001 - whatever is missing, the app starts, classifies, and denies every evaluation
        _log.error("no decision point: %s", site(error))
    return None
