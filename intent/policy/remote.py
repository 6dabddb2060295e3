"""A policy engine behind HTTP: one POST of JSON, one strict JSON object back, within a deadline that no server can stretch."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import threading
from collections.abc import Mapping
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import httpx
from pydantic import JsonValue

from intent import strict_json
from intent.errors import EngineError, InvalidCall, PolicyError

MAX_REPLY_BYTES = 1 << 20
TIMEOUT_S = 1.0
# What the deadline inside the loop is given to report before the caller stops waiting for the loop itself.
_GRACE_S = 0.5
_ADDRESS = "the address of a policy engine must be http(s)://host[:port][/path], without credentials, query or fragment"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered with status 200.

    Attributes
    ----------
    document
        The body: a JSON object.
    headers
        By name in lower case.
    """

    document: dict[str, JsonValue]
    headers: Mapping[str, str]


class Remote:
    """A pool of connections to one server; safe between threads.

    Parameters
    ----------
    url
        ``http`` or ``https`` with a host, and with a path where the engine stands behind one; without credentials, query or fragment.
    token
        Sent as a bearer token where given.
    timeout_s
        Deadline of one exchange from the first byte to the last, in seconds; greater than 0.
    ca_file
        Certificates that a server must be signed by; those of the system where it is None. They are always checked.
    max_bytes
        Longest body that is read.

    Raises
    ------
    PolicyError
        If the address, the token, the deadline or the file does not fit.

    Notes
    -----
    Redirects are not followed, and neither proxies nor credentials are taken from the environment. The exchange runs in an event loop of its
    own, because only there a deadline holds against a server that sends a byte now and then.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        timeout_s: float = TIMEOUT_S,
        ca_file: Path | None = None,
        max_bytes: int = MAX_REPLY_BYTES,
    ) -> None:
        if not timeout_s > 0:
            raise PolicyError(f"the time-out of a policy engine must be greater than 0 seconds, got {timeout_s}")
        self.url = self._checked(url)
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._client = self._open(token, ca_file)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._closed = False

    @property
    def digest(self) -> str:
        """SHA-256 of the address, in hex."""
        return hashlib.sha256(self.url.encode()).hexdigest()

    def post(self, path: str, document: Mapping[str, JsonValue], headers: Mapping[str, str] | None = None) -> Reply:
        """Ask once; nothing is tried again.

        Raises
        ------
        EngineError
            If there is no connection, no answer in time, another status than 200, or a body that is cut, too long, compressed, or not one
            strict JSON object.
        """
        loop = self._running()
        waiting = asyncio.run_coroutine_threadsafe(self._exchange(self.url + path, document, headers or {}), loop)
        try:
            body, told = waiting.result(self._timeout_s + _GRACE_S)
        except (TimeoutError, FutureTimeout) as error:
            waiting.cancel()
            raise EngineError(f"the policy engine did not answer within {self._timeout_s} seconds") from error
        except (httpx.HTTPError, httpx.StreamError, OSError, ValueError) as error:
            raise EngineError(f"the policy engine cannot be asked: {type(error).__name__}") from error
        return Reply(self._object(body), told)

    def close(self) -> None:
        """End the connections and the loop; asking again is an `EngineError`."""
        with self._lock:
            loop, self._loop, self._closed = self._loop, None, True
        if loop is not None:
            asyncio.run_coroutine_threadsafe(self._client.aclose(), loop).result(self._timeout_s + _GRACE_S)
            loop.call_soon_threadsafe(loop.stop)

    async def _exchange(self, url: str, document: Mapping[str, JsonValue], headers: Mapping[str, str]) -> tuple[bytes, dict[str, str]]:
        async with asyncio.timeout(self._timeout_s), self._client.stream("POST", url, json=document, headers=headers) as response:
            if response.status_code != 200:
                raise EngineError(f"the policy engine answered with status {response.status_code}")
            if response.headers.get("content-encoding", "identity") != "identity":
                raise EngineError("the policy engine compressed its answer, which was not asked for")
            return await self._body(response), {name.lower(): value for name, value in response.headers.items()}

    async def _body(self, response: httpx.Response) -> bytes:
        body = bytearray()
        async for part in response.aiter_raw():
            body += part
            if len(body) > self._max_bytes:
                raise EngineError(f"the policy engine answered with more than {self._max_bytes} bytes")
        return bytes(body)

    def _object(self, body: bytes) -> dict[str, JsonValue]:
        try:
            value = strict_json.loads(body, max_bytes=self._max_bytes, where="answer")
        except InvalidCall as error:
            raise EngineError("the policy engine did not answer with one strict JSON value") from error
        if not isinstance(value, dict):
            raise EngineError("the policy engine did not answer with a JSON object")
        return cast("dict[str, JsonValue]", value)

    def _checked(self, url: str) -> str:
        try:
            read = httpx.URL(url)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise PolicyError(f"{_ADDRESS}, got what is no address") from error
        if read.scheme not in {"http", "https"} or not read.host or (read.port or 1) > 0xFFFF or read.userinfo or "?" in url or "#" in url:
            raise PolicyError(_ADDRESS)
        return str(read).rstrip("/")

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._closed:
                raise EngineError("the connection to the policy engine was closed")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_run, args=(self._loop,), name="policy-engine", daemon=True).start()
            return self._loop

    def _open(self, token: str | None, ca_file: Path | None) -> httpx.AsyncClient:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if token is not None:
            if not token or not token.isascii() or not token.isprintable() or " " in token:
                raise PolicyError("the token of a policy engine must be printable ASCII without spaces")
            headers["Authorization"] = f"Bearer {token}"
        return httpx.AsyncClient(headers=headers, timeout=self._timeout_s, verify=_trust(ca_file), follow_redirects=False, trust_env=False)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """Run until the loop is stopped, and leave nothing open behind it."""
    loop.run_forever()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise PolicyError(f"the certificates in {ca_file} cannot be read: {error}") from error


class RemoteEngine:
    """What every engine behind an address has: its connections, and the address as its digest.

    Parameters
    ----------
    url, token, timeout_s, ca_file
        As `Remote` takes them.
    """

    def __init__(self, url: str, *, token: str | None = None, timeout_s: float = TIMEOUT_S, ca_file: Path | None = None) -> None:
        self._remote = Remote(url, token=token, timeout_s=timeout_s, ca_file=ca_file)

    @property
    def digest(self) -> str:
        """SHA-256 of the address: which policies are behind it is not told."""
        return self._remote.digest

    def close(self) -> None:
        """End the connections."""
        self._remote.close()
