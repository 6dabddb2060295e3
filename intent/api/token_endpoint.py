"""What gives delegation tokens in a service, put together from its settings and its decision point; its routes are `intent.api.delegation`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from intent.api.exchange import TokenExchange
from intent.api.slots import Slots
from intent.decision_point.point import DecisionPoint
from intent.delegation.discovery import ProviderKeys
from intent.delegation.identity import Identities
from intent.delegation.token import Delegations

if TYPE_CHECKING:
    from intent.api.evaluations import Decides
    from intent.settings import Settings

_AT_ONCE = 4
_DEADLINE_S = 10.0  # longer than the provider's two documents may take
_PROVIDER_STEP_S, _PROVIDER_DOCUMENT_S = 2.0, 3.0


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """The exchange, and the threads that it may block."""

    exchange: TokenExchange
    slots: Slots

    @classmethod
    def of(cls, settings: Settings, point: Decides | None) -> TokenEndpoint | None:
        """What gives the tokens that a decision point verifies; None where it verifies none."""
        if not isinstance(point, DecisionPoint) or not isinstance(point.parts.verifier, Delegations):
            return None
        exchange = TokenExchange(
            point.parts.verifier, identities_of(settings), point.parts.journal, session_s=settings.delegation_session_s
        )
        return cls(exchange, Slots(_AT_ONCE, settings.queue_timeout_s, _DEADLINE_S))


def identities_of(settings: Settings) -> Identities | None:
    """What verifies the tokens of the provider that is set; it is first asked when the first token comes."""
    if settings.oidc_issuer is None or settings.oidc_audience is None:
        return None
    # Keys are fetched seldom, so no connection is kept for them.
    client = httpx.Client(timeout=_PROVIDER_STEP_S, limits=httpx.Limits(max_keepalive_connections=0))
    keys = ProviderKeys(settings.oidc_issuer, client, deadline_s=_PROVIDER_DOCUMENT_S)
    return Identities(keys, issuer=settings.oidc_issuer, audience=settings.oidc_audience)
