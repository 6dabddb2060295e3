"""Token exchange over HTTP (RFC 8693): a login at the OpenID provider becomes a delegation, and a delegation a narrower one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from intent.api import body
from intent.api.authorization import authorize
from intent.api.envelope import site
from intent.api.exchange import ExchangeUnavailableError, Grant, Operation, TokenExchange
from intent.api.problems import ProblemCode, ProblemError
from intent.api.service import service_of
from intent.api.specification import REVOKE_BODY, TOKEN_BODY, problem_responses
from intent.api.token_endpoint import TokenEndpoint
from intent.api.token_request import Form, TokenError, TokenErrorCode, TokenRequest, TokenType, form_of, one

if TYPE_CHECKING:
    from intent.settings import Settings

TOKEN, REVOKE, JWKS = "/v1/delegation/token", "/v1/delegation/revoke", "/v1/delegation/jwks"
MOST_FORM_BYTES = 1 << 17
FORM = "application/x-www-form-urlencoded"
_NOT_KEPT = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_UNAVAILABLE, _OVER = "unavailable", "over"
_log = logging.getLogger("intent.api")
_T = TypeVar("_T")

tokens = APIRouter(tags=["delegation"], dependencies=[Depends(authorize)])
public = APIRouter(tags=["delegation"])


class TokenAnswer(BaseModel):
    """A token that was given (RFC 8693, section 2.2.1)."""

    model_config = ConfigDict(frozen=True)

    access_token: str = Field(description="The delegation token; not an access token, whatever its name here.")
    issued_token_type: TokenType
    token_type: Literal["N_A"] = "N_A"  # noqa: S105 - a word of the specification
    expires_in: int = Field(ge=0, description="Seconds until it expires.")
    scope: str = Field(description="The intents that it grants.")


class TokenErrorAnswer(BaseModel):
    """Why no token was given (RFC 6749, section 5.2)."""

    model_config = ConfigDict(frozen=True)

    error: TokenErrorCode
    error_description: str = Field(description="What must be otherwise; never a part of the input.")


_PROBLEMS = (
    ProblemCode.UNAUTHORIZED,
    ProblemCode.NOT_FOUND,
    ProblemCode.REQUEST_TIMEOUT,
    ProblemCode.TOO_LARGE,
    ProblemCode.UNSUPPORTED_MEDIA_TYPE,
    ProblemCode.DECISION_POINT_UNAVAILABLE,
    ProblemCode.DELEGATION_UNAVAILABLE,
)
_RESPONSES: dict[int | str, dict[str, Any]] = {
    **problem_responses(*_PROBLEMS),
    400: {"model": TokenErrorAnswer, "description": ", ".join(f"`{code}`" for code in TokenErrorCode)},
}


@tokens.post(TOKEN, summary="Exchange a token for a delegation", response_model=TokenAnswer, responses=_RESPONSES, openapi_extra=TOKEN_BODY)
async def token(request: Request) -> Response:
    """Delegate in the name of whoever the provider's token speaks of, or hand a delegation on, only narrower (RFC 8693).

    The subject is that of a verified token, never one that the client names. Each token that is given is recorded first.
    """
    audience = service_of(request).settings.delegation_audience

    def work(exchange: TokenExchange, form: Form) -> tuple[str, Response]:
        found = exchange.token(TokenRequest.parse(form, audience=audience))
        return found.operation, _json(_answer(found).model_dump_json())

    return await _served(request, work)


@tokens.post(REVOKE, summary="End the session of a delegation", responses=_RESPONSES, openapi_extra=REVOKE_BODY)
async def revoke(request: Request) -> Response:
    """End the session that a delegation token is bound to, and so every token of it, at once (compare RFC 7009).

    A session that is over already is answered with 200 as well; a token that could end none, with an error, since its session may live on.
    """

    def work(exchange: TokenExchange, form: Form) -> tuple[str, Response]:
        given = one(form, "token")
        if given is None:
            raise TokenError(TokenErrorCode.INVALID_REQUEST, "token must be given")
        return Operation.REVOKE if exchange.revoke(given) else _OVER, _json("{}")

    return await _served(request, work)


@public.get(
    JWKS,
    summary="Public keys of delegation tokens",
    responses=problem_responses(ProblemCode.NOT_FOUND, ProblemCode.DECISION_POINT_UNAVAILABLE, ProblemCode.DELEGATION_UNAVAILABLE),
)
async def jwks(request: Request) -> Response:
    """The JWK set (RFC 7517) that the tokens verify by, the current key first; it needs no token."""
    endpoint = _endpoint(request)
    try:
        found = await endpoint.slots.run(endpoint.exchange.jwks)
    except (ExchangeUnavailableError, TimeoutError) as error:
        raise _unavailable(error) from error
    return Response(to_json(found), media_type="application/jwk-set+json")


async def _served(request: Request, work: Callable[[TokenExchange, Form], tuple[str, Response]]) -> Response:
    """The answer to a form, counted by what became of it."""
    service, endpoint = service_of(request), _endpoint(request)
    raw = await _form_bytes(request, service.settings)
    try:
        result, answer = await endpoint.slots.run(lambda: work(endpoint.exchange, form_of(raw)))
    except TokenError as error:
        result, answer = str(error.code), _refusal(error)
    except (ExchangeUnavailableError, TimeoutError) as error:
        service.metrics.count_delegation(_UNAVAILABLE)
        raise _unavailable(error) from error
    service.metrics.count_delegation(result)
    return answer


def _endpoint(request: Request) -> TokenEndpoint:
    service = service_of(request)
    if service.delegation is not None:
        return service.delegation
    if service.settings.delegation_keys is None:
        raise ProblemError(ProblemCode.NOT_FOUND, "No delegation keys are set, so there are no delegation tokens.")
    raise ProblemError(ProblemCode.DECISION_POINT_UNAVAILABLE)


async def _form_bytes(request: Request, settings: Settings) -> bytes:
    kind, _ = body.media_type(request)
    if kind != FORM:
        raise ProblemError(ProblemCode.UNSUPPORTED_MEDIA_TYPE, f"Content-Type must be {FORM}.")
    return await body.read(request, max_bytes=min(settings.max_body_bytes, MOST_FORM_BYTES), timeout_s=settings.body_timeout_s)


def _answer(grant: Grant) -> TokenAnswer:
    return TokenAnswer(
        access_token=grant.token,
        issued_token_type=TokenType.DELEGATION,
        expires_in=grant.expires_in_s,
        scope=" ".join(grant.chain.intents),
    )


def _refusal(error: TokenError) -> Response:
    _log.info("no delegation token was given: %s", error)
    return _json(TokenErrorAnswer(error=error.code, error_description=error.description).model_dump_json(), 400)


def _unavailable(error: ExchangeUnavailableError | TimeoutError) -> ProblemError:
    _log.error("no delegation token was given: %s", error if isinstance(error, ExchangeUnavailableError) else site(error))
    return ProblemError(ProblemCode.DELEGATION_UNAVAILABLE)


def _json(text: str, status: int = 200) -> Response:
    return Response(text, status, _NOT_KEPT, "application/json")
