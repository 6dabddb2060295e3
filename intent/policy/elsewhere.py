"""Which engines run elsewhere, and how to reach one by its name."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from intent.policy.authzen import AuthZenEngine
from intent.policy.cerbos import CerbosEngine
from intent.policy.opa import OpaEngine
from intent.policy.remote import TIMEOUT_S


class Elsewhere(StrEnum):
    """The engines that are asked over HTTP."""

    OPA = "opa"
    AUTHZEN = "authzen"
    CERBOS = "cerbos"


_ENGINES = {Elsewhere.OPA: OpaEngine, Elsewhere.AUTHZEN: AuthZenEngine, Elsewhere.CERBOS: CerbosEngine}


def connect(
    engine: Elsewhere, url: str, *, token: str | None = None, timeout_s: float = TIMEOUT_S, ca_file: Path | None = None
) -> OpaEngine | AuthZenEngine | CerbosEngine:
    """An engine at an address, with parameters as `Remote` takes them; nothing is asked yet, and ``close`` ends its connections.

    Raises
    ------
    PolicyError
        If the address, the token, the deadline or the file does not fit.

    Examples
    --------
    >>> connect(Elsewhere.OPA, "http://127.0.0.1:8181").name
    'opa'
    """
    return _ENGINES[engine](url, token=token, timeout_s=timeout_s, ca_file=ca_file)
