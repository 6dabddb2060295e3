"""A server as a child process that speaks MCP on its standard streams; it and all of its process group are gone afterwards."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

import anyio
from anyio.abc import AsyncResource, ByteReceiveStream, ByteSendStream, Process
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter
from pydantic import ValidationError

from intent.errors import HarvestError
from intent.harvest.spec import ServerSpec

Streams = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]
Complain = Callable[[bytes], object]

GRACE_S = 0.5
REAPED_S = 2.0
_GONE = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, OSError)


@asynccontextmanager
async def child(spec: ServerSpec, max_bytes: int, complain: Complain) -> AsyncGenerator[Streams]:
    """Start ``spec.command``, without a shell and with few inherited variables; yield the streams that a session talks over.

    The transport of the ``mcp`` package reads lines of any length and leaves what a server left running behind when it exits by itself;
    this one counts every byte, and kills the process group in any case.

    Parameters
    ----------
    max_bytes
        Most bytes that the server may write to its standard output in all.
    complain
        Called with each piece of its standard error.

    Raises
    ------
    HarvestError
        If the process cannot be started; inside the block, as part of a group, if it writes too much.
    """
    process = await _started(spec)
    heard, reading = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    writing, to_send = anyio.create_memory_object_stream[SessionMessage](0)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_read, process.stdout, heard, max_bytes)
            tasks.start_soon(_write, process.stdin, to_send)
            tasks.start_soon(_drain, process.stderr, complain)
            yield reading, writing
            tasks.cancel_scope.cancel()
    finally:
        for stream in (reading, writing, heard, to_send):
            stream.close()
        with anyio.CancelScope(shield=True):
            await _end(process)


async def _started(spec: ServerSpec) -> Process:
    try:
        # A session of its own, so that the group can be killed with everything the server starts.
        return await anyio.open_process(
            [spec.command or "", *spec.args], env={**get_default_environment(), **spec.env}, start_new_session=True
        )
    except OSError as error:
        raise HarvestError(f"it cannot be started: {error.strerror or error}") from error


async def _read(stdout: ByteReceiveStream | None, heard: MemoryObjectSendStream[SessionMessage | Exception], max_bytes: int) -> None:
    """Pass on each line that is a message; a banner, as many servers print, is not."""
    if stdout is None:
        return
    stream, left = BufferedByteReceiveStream(stdout), max_bytes
    with heard:
        while left > 0:
            try:
                line = await stream.receive_until(b"\n", left)
            except anyio.DelimiterNotFound:
                break
            except (anyio.IncompleteRead, *_GONE):
                return
            left -= len(line) + 1
            with suppress(ValidationError):
                message = jsonrpc_message_adapter.validate_json(line, by_name=False)
                with suppress(*_GONE):
                    await heard.send(SessionMessage(message))
        raise HarvestError(f"it must write at most {max_bytes} bytes, wrote more")


async def _write(stdin: ByteSendStream | None, to_send: MemoryObjectReceiveStream[SessionMessage]) -> None:
    if stdin is None:
        return
    with suppress(*_GONE):
        async for item in to_send:
            await stdin.send(item.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")


async def _drain(stderr: ByteReceiveStream | None, complain: Complain) -> None:
    if stderr is None:
        return
    with suppress(*_GONE):
        async for piece in stderr:
            complain(piece)


async def _end(process: Process) -> None:
    """Close its input and let it leave for a moment, as the protocol asks; then kill the group, whether or not the leader has left."""
    await _close(process.stdin)
    await _left_within(process, GRACE_S)
    with suppress(ProcessLookupError, PermissionError):
        # The leader's id is the group's; it stays so while any member lives.
        os.killpg(process.pid, signal.SIGKILL)
    await _left_within(process, REAPED_S)
    with anyio.move_on_after(REAPED_S):
        # A pipe is let go of only once what is left in it has been read.
        await _drain(process.stdout, len)
    await _close(process.stdout)
    await _close(process.stderr)


async def _close(stream: AsyncResource | None) -> None:
    if stream is not None:
        with suppress(*_GONE):
            await stream.aclose()


async def _left_within(process: Process, seconds: float) -> None:
    # Not wait(): that also waits for the end of pipes which a process outside of the group may hold.
    with anyio.move_on_after(seconds):
        while process.returncode is None:
            await anyio.sleep(0.01)
