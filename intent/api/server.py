"""Runs the app under uvicorn: one process, h11, no log of bodies, no banner."""

from __future__ import annotations

import ipaddress
import logging

import uvicorn
from fastapi import FastAPI

from intent.api.app import create_app
from intent.api.protocol import Protocol
from intent.settings import Settings

_log = logging.getLogger("intent.api")
_MAX_HEADER_BYTES = 16_384


def serve(settings: Settings | None = None) -> None:
    """Serve until told to stop.

    Parameters
    ----------
    settings
        None reads the environment.

    Raises
    ------
    pydantic.ValidationError
        If the environment holds a setting out of range, or an unknown one.
    """
    found = settings or Settings()
    logging.basicConfig(level=found.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    if found.api_token is None and not _is_loopback(found.host):
        _log.warning("listening on %s without a token: anybody who reaches this port may classify", found.host)
    app = create_app(found)
    console = app.state.service.console
    # Beside the first decisions, so that they need not wait for it, and training runs are taken up although nobody opens the console.
    console.begin()
    uvicorn.Server(configuration(found, app)).run()


def configuration(settings: Settings, app: FastAPI) -> uvicorn.Config:
    """How uvicorn is run; proxy headers are not trusted, since nothing here depends on the client's address."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level=settings.log_level,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=settings.max_connections,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=10,
        h11_max_incomplete_event_size=_MAX_HEADER_BYTES,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
