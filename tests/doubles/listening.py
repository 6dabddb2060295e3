"""A service of doubles behind a real socket, in a thread of the test."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from fastapi import FastAPI

from intent.api.protocol import Protocol


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over the socket; names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Listening:
    """A service at an address."""

    url: str

    def post(self, path: str, document: object, **headers: str) -> Answer:
        """Send JSON."""
        return self.send(path, json.dumps(document).encode(), **{"Content-Type": "application/json", **headers})

    def send(self, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Send bytes, or GET where there are none."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, body, named), timeout=30) as answer:
                return _read(answer.status, answer)
        except urllib.error.HTTPError as error:
            with error:
                return _read(error.code, error)


def _read(status: int, answer: Any) -> Answer:
    return Answer(status, {name.lower(): value for name, value in answer.headers.items()}, answer.read())


@contextmanager
def listening(app: FastAPI) -> Iterator[Listening]:
    """Serve ``app`` as the product is served, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        server = uvicorn.Server(uvicorn.Config(app, http=Protocol, ws="none", lifespan="off", log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        try:
            yield Listening(f"http://127.0.0.1:{bound.getsockname()[1]}")
        finally:
            server.should_exit = True
            thread.join(30)
