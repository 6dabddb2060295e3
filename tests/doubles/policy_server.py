"""A server on a real socket that answers each request with the bytes it is told to: also cut, slow, or not HTTP at all."""

from __future__ import annotations

import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from intent.policy.rego import RegoEngine


@dataclass(frozen=True, slots=True)
class Received:
    """One request, as it came in."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


Respond = Callable[[Received], bytes | Iterable[bytes]]


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.server.connections += 1
        while received := self._received():
            self.server.received.append(received)
            try:
                parts = self.server.respond(received)
                for part in [parts] if isinstance(parts, bytes) else parts:
                    self.wfile.write(part)
                if not isinstance(parts, bytes):
                    return  # and so hang up
            except OSError:  # the client has hung up
                return

    def _received(self) -> Received | None:
        try:
            line = self.rfile.readline().decode("latin-1").split()
        except OSError:  # the client has hung up
            return None
        if len(line) < 2:
            return None
        headers: dict[str, str] = {}
        while text := self.rfile.readline().decode("latin-1").strip():
            name, _, value = text.partition(":")
            headers[name.lower()] = value.strip()
        return Received(line[0], line[1], headers, self.rfile.read(int(headers.get("content-length", "0"))))


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False

    def __init__(self, respond: Respond, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._tls = tls
        self.respond = respond
        self.received: list[Received] = []
        self.connections = 0

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        return (self._tls.wrap_socket(connection, server_side=True) if self._tls else connection), address

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def answering(respond: Respond, tls: ssl.SSLContext | None = None) -> Iterator[_Server]:
    """A server in a thread; a list of parts in place of bytes closes the connection after the last one."""
    with _Server(respond, tls) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(10)


def reply(document: object, status: str = "200 OK", **headers: str) -> bytes:
    """A whole response with a JSON body."""
    return raw_reply(json.dumps(document).encode(), status, **headers)


def raw_reply(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """A whole response."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def opa(engine: RegoEngine, revision: str = "") -> Respond:
    """What an OPA server with these modules would answer to a query for a verdict: REST in front of real evaluation."""

    def respond(received: Received) -> bytes:
        path, _, query = received.target.partition("?")
        if (received.method, path) != ("POST", "/v1/data/intent/verdict"):
            return reply({"code": "resource_not_found"}, "404 Not Found")
        document: dict[str, object] = {"result": engine.query(received.json()["input"])}
        if "provenance=true" in query:
            document["provenance"] = {"version": "1.0.0", **({"bundles": {"intent": {"revision": revision}}} if revision else {})}
        return reply(document)

    return respond
