"""What the gateway adds to a call of a published server over standard streams: real parts on both sides, warm, the calls in turn."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.e2e.real_servers import npm

LAUNCHER = str(Path(__file__).parents[1] / "e2e" / "guarded_servers.py")
CALLS, WARM_UP = 200, 20
MOST_ADDED_MS = 15.0


@asynccontextmanager
async def session(log: Path, command: str, *arguments: str) -> AsyncGenerator[ClientSession]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("INTENT_")}
    server = StdioServerParameters(command=command, args=list(arguments), env=env)
    with log.open("a") as stream:
        async with stdio_client(server, errlog=stream) as (reading, writing), ClientSession(reading, writing) as client:
            await client.initialize()
            await client.list_tools()
            yield client


async def elapsed_ms(client: ClientSession, tool: str, path: str) -> float:
    begun = time.perf_counter()
    result = await client.call_tool(tool, {"path": path})
    assert not result.is_error
    return (time.perf_counter() - begun) * 1e3


async def measured(folder: Path) -> tuple[list[float], list[float]]:
    """Times of the same read, directly and through the gateway, in milliseconds."""
    path = folder / "notes.txt"
    path.write_text("The meeting is on Friday.\n")
    (folder / "mcp.json").write_text(json.dumps({"mcpServers": {"files": {"command": npm("filesystem"), "args": [str(folder)]}}}))
    log = folder / "servers.log"
    async with session(log, npm("filesystem"), str(folder)) as plain, session(log, sys.executable, LAUNCHER, str(folder)) as guarded:
        direct: list[float] = []
        through: list[float] = []
        for _ in range(WARM_UP + CALLS):
            direct.append(await elapsed_ms(plain, "read_text_file", str(path)))
            through.append(await elapsed_ms(guarded, "files_read_text_file", str(path)))
    return direct[WARM_UP:], through[WARM_UP:]


def test_the_gateway_adds_little(tmp_path: Path):
    direct, through = asyncio.run(measured(tmp_path))
    added = statistics.median(through) - statistics.median(direct)
    for name, times in (("direct", direct), ("through the gateway", through)):
        print(f"{name:20} median {statistics.median(times):6.2f} ms  p95 {statistics.quantiles(times, n=20)[-1]:6.2f} ms")
    print(f"{'added':20} median {added:6.2f} ms")
    assert added < MOST_ADDED_MS
