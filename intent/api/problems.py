"""One error shape for every route: RFC 9457 ``application/problem+json`` with a stable ``code``; nothing of the input is echoed."""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI
    from starlette.requests import Request

MEDIA_TYPE = "application/problem+json"


class ProblemCode(StrEnum):
    """What went wrong with the exchange itself; stable for clients."""

    BAD_REQUEST = "bad_request"
    MALFORMED_JSON = "malformed_json"
    UNAUTHORIZED = "unauthorized"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    REQUEST_TIMEOUT = "request_timeout"
    TOO_LARGE = "too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    INVALID_CALL = "invalid_call"
    INTERNAL_ERROR = "internal_error"
    MODEL_UNAVAILABLE = "model_unavailable"
    DECISION_POINT_UNAVAILABLE = "decision_point_unavailable"
    DELEGATION_UNAVAILABLE = "delegation_unavailable"
    CONSOLE_UNAVAILABLE = "console_unavailable"


STATUS: dict[ProblemCode, int] = {
    ProblemCode.BAD_REQUEST: 400,
    ProblemCode.MALFORMED_JSON: 400,
    ProblemCode.UNAUTHORIZED: 401,
    ProblemCode.NOT_FOUND: 404,
    ProblemCode.METHOD_NOT_ALLOWED: 405,
    ProblemCode.REQUEST_TIMEOUT: 408,
    ProblemCode.TOO_LARGE: 413,
    ProblemCode.UNSUPPORTED_MEDIA_TYPE: 415,
    ProblemCode.INVALID_CALL: 422,
    ProblemCode.INTERNAL_ERROR: 500,
    ProblemCode.MODEL_UNAVAILABLE: 503,
    ProblemCode.DECISION_POINT_UNAVAILABLE: 503,
    ProblemCode.DELEGATION_UNAVAILABLE: 503,
    ProblemCode.CONSOLE_UNAVAILABLE: 503,
}

_TITLES: dict[ProblemCode, str] = {
    ProblemCode.BAD_REQUEST: "The request cannot be understood",
    ProblemCode.MALFORMED_JSON: "The body is not strict JSON",
    ProblemCode.UNAUTHORIZED: "A valid bearer token is needed",
    ProblemCode.NOT_FOUND: "There is nothing here",
    ProblemCode.METHOD_NOT_ALLOWED: "This method is not allowed here",
    ProblemCode.REQUEST_TIMEOUT: "The body took too long to arrive",
    ProblemCode.TOO_LARGE: "The body is too large",
    ProblemCode.UNSUPPORTED_MEDIA_TYPE: "The body is of the wrong type",
    ProblemCode.INVALID_CALL: "The body does not fit the contract",
    ProblemCode.INTERNAL_ERROR: "The service failed",
    ProblemCode.MODEL_UNAVAILABLE: "The model could not be loaded",
    ProblemCode.DECISION_POINT_UNAVAILABLE: "The decision point could not be built",
    ProblemCode.DELEGATION_UNAVAILABLE: "What delegations rest on did not answer",
    ProblemCode.CONSOLE_UNAVAILABLE: "The analysts' console could not be built",
}


class Problem(BaseModel):
    """A failed exchange, as RFC 9457 writes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str = Field(description="A URN that names the kind of problem.", examples=["urn:intent:problem:invalid_call"])
    title: str = Field(description="The kind of problem in words.")
    status: int = Field(ge=400, le=599, description="The HTTP status, repeated.")
    detail: str = Field(description="What must be otherwise; never a part of the input.")
    code: ProblemCode = Field(description="Stable; clients may match on it.")
    request_id: str = Field(description="The X-Request-ID of the exchange.")


class ProblemError(Exception):
    """Ends an exchange with a problem; known to the HTTP edge only.

    Parameters
    ----------
    code
        The kind; it fixes the status.
    detail
        A sentence without any part of the input; empty repeats the title.
    headers
        Headers that the status asks for.
    """

    def __init__(self, code: ProblemCode, detail: str = "", headers: Mapping[str, str] | None = None) -> None:
        self.code = code
        self.detail = detail or _TITLES[code] + "."
        self.headers = dict(headers or {})
        super().__init__(f"{code}: {self.detail}")

    def problem(self, request_id: str) -> Problem:
        """The record that is sent."""
        return Problem(
            type=f"urn:intent:problem:{self.code}",
            title=_TITLES[self.code],
            status=STATUS[self.code],
            detail=self.detail,
            code=self.code,
            request_id=request_id,
        )

    def response(self, request_id: str) -> Response:
        """The record as a response."""
        body = self.problem(request_id).model_dump_json()
        return Response(body, STATUS[self.code], self.headers, MEDIA_TYPE)


_BY_STATUS: dict[int, ProblemCode] = {
    401: ProblemCode.UNAUTHORIZED,
    404: ProblemCode.NOT_FOUND,
    405: ProblemCode.METHOD_NOT_ALLOWED,
    413: ProblemCode.TOO_LARGE,
    415: ProblemCode.UNSUPPORTED_MEDIA_TYPE,
}


def of_exception(error: Exception) -> ProblemError:
    """The problem that stands for an exception; an unforeseen one is an ``internal_error`` without its text."""
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, HTTPException):
        return _of_status(error)
    if isinstance(error, ClientDisconnect):
        return ProblemError(ProblemCode.BAD_REQUEST, "The client went away before its body had arrived.")
    return ProblemError(ProblemCode.INTERNAL_ERROR)


def _of_status(error: HTTPException) -> ProblemError:
    known = _BY_STATUS.get(error.status_code)
    if known is None:
        known = ProblemCode.BAD_REQUEST if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR else ProblemCode.INTERNAL_ERROR
    allow = {name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"}
    return ProblemError(known, headers=allow)


async def render(request: Request, error: Exception) -> Response:
    """Answer an exception with its problem."""
    return of_exception(error).response(request.state.request_id)


def install(app: FastAPI) -> None:
    """Let every expected exception of ``app`` end in the one shape; the unexpected ones are caught by `intent.api.envelope`."""
    for kind in (ProblemError, HTTPException, ClientDisconnect):
        app.add_exception_handler(kind, render)
