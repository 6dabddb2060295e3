"""The application: settings in, an ASGI app out. It starts without a model too, and then denies every call."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread
from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from intent import __version__
from intent.api import access, console, delegation, hook, problems, routes, specification
from intent.api.console.late import PATH, Built, Late, entrance
from intent.api.dispatch import Dispatch, NormalizerLike, Unavailable
from intent.api.envelope import Envelope, site
from intent.api.evaluations import Closed, Decides, Evaluations
from intent.api.metrics import Metrics
from intent.api.service import Service
from intent.api.slots import Slots
from intent.errors import IntentError
from intent.registry.following import Following
from intent.vocabulary import Vocabulary, default_path

if TYPE_CHECKING:
    from intent.assembly import Assembly
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
    over = ExitStack()
    found = normalizer or _load(settings, over)
    ready, classifier = found is not None, _reviewed(settings, found, over) if found else Unavailable(Vocabulary.load(default_path()))
    metrics = Metrics()
    metrics.ready.set(ready)
    assembly = None if decision_point else _assembly(settings, classifier, metrics, found)
    point = decision_point or (assembly.point if assembly else None)
    metrics.decides.set(point is not None)
    late = Late(lambda: _console(settings, app, assembly))
    over.callback(late.close)
    app = FastAPI(
        title="intent",
        version=__version__,
        summary="What would this tool call do?",
        description=specification.DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=partial(_until_over, over),
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
        console=late,
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
        entrance,
    ):
        app.include_router(router)
    app.mount(PATH, late)
    app.mount("/static", StaticFiles(directory=console.STATIC), name="static")
    app.mount("/docs-assets", StaticFiles(directory=Path(str(files("fastapi_offline") / "static"))), name="docs-assets")
    specification.install(app)
    return app


@asynccontextmanager
async def _until_over(over: ExitStack, _: FastAPI) -> AsyncGenerator[None]:
    """What runs beside the app ends with it, after the last answer."""
    yield
    await to_thread.run_sync(over.close)


def _load(settings: Settings, over: ExitStack) -> NormalizerLike | None:
    try:
        return _model(settings, over)
    except IntentError as error:
        _log.error("no model: %s", error)
    except Exception as error:  # noqa: BLE001 - whatever keeps the model from loading, the app starts and denies
        _log.error("no model: %s", site(error))
    return None


def _model(settings: Settings, over: ExitStack) -> NormalizerLike:
    # Here, because a missing runtime library must not keep the app from starting.
    from intent.normalizer import Normalizer

    load = partial(
        Normalizer.load,
        catalogue=settings.catalogue,
        require_certificate=not settings.dangerously_forward_uncertified,
        revocation=settings.revocation,
        threads=settings.threads,
        deadline_s=settings.deadline_s,
        cache=settings.cache,
    )
    if settings.registry is None:
        return load(settings.bundle)
    from intent.assembly import state_directory
    from intent.registry.opening import follow, open_shelf

    following = follow(open_shelf(settings.registry, state_directory(settings)), load, settings.registry_poll_s)
    over.callback(following.close)
    return following


def _reviewed(settings: Settings, found: NormalizerLike, over: ExitStack) -> NormalizerLike:
    """The same normalizer, its decisions offered for review where they are to be."""
    if settings.review == "none":
        return found
    try:
        from intent.assembly import database_url
        from intent.registry.reviewing import Reviewed
        from intent.workbench.intake import Review

        reviewed = Reviewed.open(found, database_url(settings), Review(settings.review))
    except IntentError as error:
        _log.error("no review: %s", error)
    except Exception as error:  # noqa: BLE001 - whatever is missing, calls are decided all the same
        _log.error("no review: %s", site(error))
    else:
        over.callback(reviewed.close)
        return reviewed
    return found


def _console(settings: Settings, app: FastAPI, assembly: Assembly | None) -> Built:
    # Here, because it takes longer to import than all else together, and may lack a library.
    from intent.api.console.mounting import mounted

    return mounted(settings, app.state.service, assembly)


def _assembly(settings: Settings, normalizer: NormalizerLike, metrics: Metrics, model: NormalizerLike | None) -> Assembly | None:
    """The decision point; where ``model`` follows a registry, it goes over to other words only once the policies have admitted them."""
    try:
        # Here, because a missing library of one part must not keep the app from starting.
        from intent.assembly import assemble

        assembly = assemble(settings, normalizer, metrics)
        if isinstance(model, Following) and assembly.policies is not None:
            model.guard(assembly.policies.admit)
    except IntentError as error:
        _log.error("no decision point: %s", error)
    except Exception as error:  # noqa: BLE001 - whatever is missing, the app starts, classifies, and denies every evaluation
        _log.error("no decision point: %s", site(error))
    else:
        return assembly
    return None
