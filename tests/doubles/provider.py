"""OpenID providers on real sockets: the whole of one in its own process, and one whose keys and faults a test chooses."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from intent.delegation.signature import Key, sign

REDIRECT = "http://localhost/back"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def provider(port: int) -> Generator[str]:
    """A process of oidc-provider-mock, which makes a new key at each start; yields its issuer."""
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)]
    environment = {**os.environ, "AUTHLIB_INSECURE_TRANSPORT": "1"}  # it speaks http, on this machine only
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    issuer = f"http://localhost:{port}"
    try:
        _await(f"{issuer}/.well-known/openid-configuration", process)
        yield issuer
    finally:
        process.terminate()
        process.wait(20)


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            httpx.get(url).raise_for_status()
        except httpx.HTTPError:
            if process.poll() is not None:
                raise RuntimeError("the provider ended") from None
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("the provider did not start")


def id_token(issuer: str, subject: str, *, client_id: str, **claims: object) -> str:
    """What a login of a person gives, by the authorization code flow."""
    httpx.put(f"{issuer}/users/{subject}", json=claims).raise_for_status()
    asked = {"client_id": client_id, "redirect_uri": REDIRECT, "response_type": "code", "scope": "openid"}
    sent = httpx.post(f"{issuer}/oauth2/authorize", params=asked, data={"sub": subject})
    code = re.search(r"code=([^&]+)", sent.headers["location"])
    assert code is not None
    given = {"grant_type": "authorization_code", "code": code.group(1), "redirect_uri": REDIRECT}
    return httpx.post(f"{issuer}/oauth2/token", data=given, auth=(client_id, "secret")).raise_for_status().json()["id_token"]


@dataclass
class Publisher:
    """A provider's two documents, served as a test has set them, and a count of how often each was asked for."""

    issuer: str
    keys: list[Any] = field(default_factory=list)
    document: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    pause_s: float = 0.0
    asked: list[str] = field(default_factory=list)

    def publish(self, *keys: Key) -> None:
        self.keys = [key.as_dict(private=False) for key in keys]


@contextmanager
def publisher() -> Generator[Publisher]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    issuer = f"http://127.0.0.1:{server.server_port}"
    server.told = Publisher(issuer, document={"issuer": issuer, "jwks_uri": f"{issuer}/keys"})  # type: ignore[attr-defined] # for the handler
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.told  # type: ignore[attr-defined] # as above
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        told: Publisher = self.server.told  # type: ignore[attr-defined] # set above
        told.asked.append(self.path)
        value = told.document if self.path.startswith("/.well-known/") else {"keys": told.keys}
        body = json.dumps(value).encode() if told.body is None else told.body
        self.send_response(told.status)
        for name, text in {"content-length": str(len(body)), **told.headers}.items():
            self.send_header(name, text)
        self.end_headers()
        try:
            for start in range(0, len(body), 4096):
                self.wfile.write(body[start : start + 4096])
                time.sleep(told.pause_s)
        except OSError:
            return  # the client had enough

    def log_message(self, *_: object) -> None:
        return


def signed(key: Key, algorithm: str, claims: bytes, **header: str | None) -> str:
    """A token of any provider."""
    return sign({"alg": algorithm, **header}, claims, key)
