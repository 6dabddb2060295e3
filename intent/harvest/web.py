"""A server reached over streamable HTTP; every byte of every answer is counted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx2
from mcp.client.streamable_http import streamable_http_client

from intent.errors import HarvestError
from intent.harvest.spec import ServerSpec


def streamable(spec: ServerSpec, client: httpx2.AsyncClient) -> AbstractAsyncContextManager[Any]:
    """The transport to ``spec.url``; redirects are followed within the address's origin only."""
    return streamable_http_client(spec.url or "", http_client=client)


def counting_client(spec: ServerSpec, timeout_s: float, max_bytes: int) -> httpx2.AsyncClient:
    """An HTTP client that sends the headers of ``spec`` and reads at most ``max_bytes`` in all."""
    return httpx2.AsyncClient(headers=dict(spec.headers), timeout=timeout_s, transport=_CountingTransport(max_bytes))


class _CountingTransport(httpx2.AsyncHTTPTransport):
    def __init__(self, max_bytes: int) -> None:
        super().__init__()
        self.max_bytes = max_bytes
        self.read = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        if isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _CountedStream(response.stream, self)
        return response


class _CountedStream(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, counter: _CountingTransport) -> None:
        self.inner = inner
        self.counter = counter

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self.inner:
            self.counter.read += len(piece)
            if self.counter.read > self.counter.max_bytes:
                raise HarvestError(f"it must write at most {self.counter.max_bytes} bytes, wrote more")
            yield piece

    async def aclose(self) -> None:
        await self.inner.aclose()
