"""One MCP server behind the gateway: connected once, connected anew when it has gone, and left alone for a while when it does not start.

The client that talks to it declares neither sampling nor elicitation nor roots, so a server has nobody to ask behind the gateway's back,
and no header of the gateway's own client, such as its token, is passed on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from types import TracebackType

import anyio
from fastmcp.client import Client
from fastmcp.client.messages import MessageHandler
from fastmcp.client.transports import ClientTransport, StdioTransport, StreamableHttpTransport
from fastmcp.server.providers.proxy import ProxyProvider
from mcp.client.stdio import get_default_environment
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED, INTERNAL_ERROR, INVALID_REQUEST, Implementation, ToolListChangedNotification

from intent import __version__
from intent.harvest.spec import ServerSpec
from intent.visible import marked

log = logging.getLogger(__name__)

START_TIMEOUT_S = 30.0
AGAIN_AFTER_S = 30.0
CLOSE_TIMEOUT_S = 5.0
# The second is what the HTTP transport says of a session that the server does not know any more.
_GONE = frozenset((CONNECTION_CLOSED, INVALID_REQUEST))


class Upstream:
    """The connection to one server; for one event loop.

    Parameters
    ----------
    spec
        Where the server is.
    call_timeout_s
        Longest wait for one answer, in seconds.
    listing_s
        How long a listing is good for, in seconds; a server that says that its tools have changed is asked at once.
    clock
        Monotonic seconds; injected.
    """

    def __init__(
        self,
        spec: ServerSpec,
        *,
        call_timeout_s: float = 120.0,
        listing_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = spec.name
        self._spec = spec
        self._call_timeout_s = call_timeout_s
        self._clock = clock
        self._client: _Client | None = None
        self._failed_at: float | None = None
        self._lock = anyio.Lock()
        self.provider = _Provider(self, listing_s)

    async def client(self) -> Client[ClientTransport]:
        """The connected client.

        Raises
        ------
        MCPError
            If the server cannot be reached, or could not be a short while ago.
        """
        async with self._lock:
            if self._client is not None and self._client.is_connected() and not self._client.gone:
                return self._client
            if self._failed_at is not None and self._clock() < self._failed_at + AGAIN_AFTER_S:
                raise MCPError(INTERNAL_ERROR, f"the server {self.name} did not start")
            return await self._connected()

    async def close(self) -> None:
        """End the connection, and a child process with it."""
        client, self._client = self._client, None
        if client is not None:
            await _shut(client)

    async def _connected(self) -> Client[ClientTransport]:
        await self.close()
        client = self._new_client()
        try:
            with anyio.fail_after(START_TIMEOUT_S):
                await client.__aenter__()
        except Exception as error:
            self._failed_at = self._clock()
            log.warning("the server %s did not start: %s: %s", marked(self.name), type(error).__name__, marked(str(error)[:300]))
            await _shut(client)
            raise MCPError(INTERNAL_ERROR, f"the server {self.name} did not start") from error
        self._client, self._failed_at = client, None
        return client

    def _new_client(self) -> _Client:
        return _Client(
            self._transport(),
            name=f"intent-gateway-{self.name}",
            # Its era can ask nothing of a client that declares nothing, and every server speaks it.
            mode="legacy",
            timeout=self._call_timeout_s,
            init_timeout=START_TIMEOUT_S,
            message_handler=_Ear(self.provider.forget),
            client_info=Implementation(name="intent-gateway", version=__version__),
        )

    def _transport(self) -> ClientTransport:
        spec = self._spec
        if spec.url is not None:
            return StreamableHttpTransport(spec.url, headers=dict(spec.headers))
        env = {**get_default_environment(), **spec.env}
        return StdioTransport(spec.command or "", list(spec.args), env=env, keep_alive=False)


class _Provider(ProxyProvider):
    """What the server offers, with a listing that can be forgotten."""

    def __init__(self, connection: Upstream, listing_s: float) -> None:
        super().__init__(connection.client, cache_ttl=listing_s)  # pyright: ignore[reportUnknownMemberType] - untyped there
        self._connection = connection

    def forget(self) -> None:
        """Ask the server again for its tools before the next call."""
        self._tools_cache = None

    @asynccontextmanager
    async def lifespan(self) -> AsyncGenerator[None]:
        """Start beside the gateway, which does not wait for slow servers; end with it."""
        starting = asyncio.create_task(self._start())
        try:
            yield
        finally:
            starting.cancel()
            with suppress(asyncio.CancelledError):
                await starting
            await self._connection.close()

    async def _start(self) -> None:
        with suppress(MCPError):
            await self._connection.client()


async def _shut(client: Client[ClientTransport]) -> None:
    """End a client's connection; one that is broken already has nothing more to say."""
    with anyio.CancelScope(shield=True), anyio.move_on_after(CLOSE_TIMEOUT_S):
        try:
            await client.close()
        except Exception:  # whatever a broken transport raises
            log.debug("a connection did not end well", exc_info=True)


class _Client(Client[ClientTransport]):
    """Notices when the connection has gone, which the library's own does not tell."""

    gone = False

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.gone = self.gone or (isinstance(error, MCPError) and error.error.code in _GONE)
        await super().__aexit__(kind, error, trace)  # pyright: ignore[reportUnknownMemberType] - untyped there


class _Ear(MessageHandler):
    """Listens for changes of the listing."""

    def __init__(self, forget: Callable[[], None]) -> None:
        self._forget = forget

    async def on_tool_list_changed(self, message: ToolListChangedNotification) -> None:  # noqa: ARG002 - the name is the hook's
        self._forget()
