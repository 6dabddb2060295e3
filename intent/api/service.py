"""What the routes share: one frozen record, put on the app when it is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from starlette.requests import Request

    from intent.api.console.late import Late
    from intent.api.dispatch import Dispatch, NormalizerLike
    from intent.api.evaluations import Evaluations
    from intent.api.metrics import Metrics
    from intent.api.token_endpoint import TokenEndpoint
    from intent.settings import Settings


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of one running app.

    Attributes
    ----------
    ready
        False where ``normalizer`` only stands in for a model.
    decides
        False where there is no decision point, and every evaluation is denied.
    delegation
        Gives delegation tokens; None where no keys are set for them, or where there is no decision point.
    console
        The analysts' console, built or not.
    """

    settings: Settings
    normalizer: NormalizerLike
    dispatch: Dispatch
    evaluations: Evaluations
    metrics: Metrics
    ready: bool
    decides: bool
    delegation: TokenEndpoint | None = None
    console: Late | None = None


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    return cast("Service", request.app.state.service)
