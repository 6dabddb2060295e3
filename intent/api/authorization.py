"""Who may ask: the bearer of the service's token, where one is set."""

import hmac

from fastapi import Request

from intent.api.problems import ProblemCode, ProblemError
from intent.api.service import service_of


async def authorize(request: Request) -> None:
    """Let a request pass that carries the token; runs before its body is read.

    Raises
    ------
    ProblemError
        ``unauthorized``.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if not token_fits(request, token.strip() if scheme.lower() == "bearer" else ""):
        raise ProblemError(ProblemCode.UNAUTHORIZED, headers={"WWW-Authenticate": "Bearer"})


def token_fits(request: Request, given: str) -> bool:
    """Whether ``given`` is the service's token, compared in constant time; True where none is set."""
    secret = service_of(request).settings.api_token
    return secret is None or hmac.compare_digest(given.encode("utf-8", "surrogatepass"), secret.get_secret_value().encode())
