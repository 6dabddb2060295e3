"""A conversation of one purpose: ask a server who it is and which tools it has, follow every page, and leave."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

import anyio

from intent import __version__
from intent.errors import DependencyMissing, HarvestError, InvalidCall
from intent.harvest.spec import ServerSpec
from intent.schema import Tool
from intent.strict_json import loads

if TYPE_CHECKING:
    import mcp_types
    from mcp.client.client import Client

DEFAULT_TIMEOUT_S = 60.0
_SAID_LETTERS = 200


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server may send before it is refused.

    Attributes
    ----------
    max_tools
        Most tools in all of its pages.
    max_bytes
        Most bytes that it may write in all, whatever they say.
    max_pages
        Most pages that are followed.
    """

    max_tools: int = 2_000
    max_bytes: int = 16_000_000
    max_pages: int = 100


@dataclass(frozen=True, slots=True)
class Harvested:
    """What a server answered.

    Attributes
    ----------
    server
        Its name as it declares itself; the spec's name where it declares none.
    version
        As it declares itself; None where it does not.
    tools
        In the server's order, each with ``server`` set.
    pages
        How many pages of tools were read.
    """

    server: str
    version: str | None
    tools: tuple[Tool, ...]
    pages: int


@dataclass(frozen=True, slots=True)
class Answer:
    """One of many servers: either what it answered, or why there is no answer."""

    spec: ServerSpec
    found: Harvested | None = None
    fault: str | None = None


NO_LIMITS_GIVEN = Limits()


def harvest(spec: ServerSpec, timeout_s: float = DEFAULT_TIMEOUT_S, limits: Limits = NO_LIMITS_GIVEN) -> Harvested:
    """Ask one server for its tools. Not to be called inside a running event loop.

    A server that is a command runs with the rights of the caller: only name one that you would run yourself. Its process group is killed
    before this returns, at most five seconds after ``timeout_s``.

    Raises
    ------
    HarvestError
        If it cannot be started or reached, does not speak the protocol, sends too much or nothing within ``timeout_s``.
    DependencyMissing
        If the ``mcp`` package is not installed.
    """
    _require_mcp()
    return anyio.run(_harvest, spec, timeout_s, limits)


def harvest_many(
    specs: Sequence[ServerSpec],
    timeout_s: float = DEFAULT_TIMEOUT_S,
    limits: Limits = NO_LIMITS_GIVEN,
    *,
    at_once: int = 1,
    told: Callable[[Answer], None] | None = None,
) -> tuple[Answer, ...]:
    """Ask several servers, ``at_once`` of them side by side; one that fails is reported and keeps nobody from answering.

    Returns
    -------
    One answer for each spec, in their order; ``told`` hears each as soon as it is there.

    Raises
    ------
    DependencyMissing
        If the ``mcp`` package is not installed.
    """
    _require_mcp()
    answers: dict[int, Answer] = {}

    async def ask(place: int, spec: ServerSpec, free: anyio.CapacityLimiter) -> None:
        async with free:
            answers[place] = await _answer(spec, timeout_s, limits)
        if told:
            told(answers[place])

    async def ask_all() -> None:
        free = anyio.CapacityLimiter(at_once)
        async with anyio.create_task_group() as tasks:
            for place, spec in enumerate(specs):
                tasks.start_soon(ask, place, spec, free)

    anyio.run(ask_all)
    return tuple(answers[place] for place in range(len(specs)))


async def _answer(spec: ServerSpec, timeout_s: float, limits: Limits) -> Answer:
    try:
        return Answer(spec, found=await _harvest(spec, timeout_s, limits))
    except HarvestError as error:
        return Answer(spec, fault=str(error))


async def _harvest(spec: ServerSpec, timeout_s: float, limits: Limits) -> Harvested:
    said: deque[bytes] = deque(maxlen=8)
    try:
        with anyio.fail_after(timeout_s):
            async with _connected(spec, timeout_s, limits, said) as client:
                return await _listed(spec, client, limits)
    except TimeoutError as error:
        raise HarvestError(f"server {spec.name!r} must answer within {timeout_s:g} s" + _last_words(said)) from error
    except Exception as error:
        # Whatever a foreign server brings about is that server's fault, and has a reason.
        raise HarvestError(f"server {spec.name!r}: {_reason(error)}" + _last_words(said)) from error


@asynccontextmanager
async def _connected(spec: ServerSpec, timeout_s: float, limits: Limits, said: deque[bytes]) -> AsyncGenerator[Client]:
    import mcp_types
    from mcp.client.client import Client

    ourselves = mcp_types.Implementation(name="intent-normalizer", version=__version__)
    if spec.command:
        from intent.harvest.process import child

        async with Client(child(spec, limits.max_bytes, said.append), client_info=ourselves, cache=None) as client:
            yield client
        return
    from intent.harvest.web import counting_client, streamable

    async with (
        counting_client(spec, timeout_s, limits.max_bytes) as http,
        Client(streamable(spec, http), client_info=ourselves, cache=None) as client,
    ):
        yield client


async def _listed(spec: ServerSpec, client: Client, limits: Limits) -> Harvested:
    """Every page of tools; a cursor that comes twice would never end."""
    who = client.server_info
    server = (who.name if who else "") or spec.name
    found: list[mcp_types.Tool] = []
    pages, cursor, seen = 0, None, set[str]()
    # A server that declares no tools need not know the question.
    while client.server_capabilities.tools is not None:
        page = await client.list_tools(cursor=cursor)
        pages += 1
        found += page.tools
        cursor = page.next_cursor
        if len(found) > limits.max_tools:
            raise HarvestError(f"it must list at most {limits.max_tools} tools, lists more")
        if cursor is None:
            break
        if cursor in seen or pages >= limits.max_pages:
            raise HarvestError(f"its pages must end within {limits.max_pages}" + (", and one comes twice" if cursor in seen else ""))
        seen.add(cursor)
    tools = tuple(_tool(server, given, limits) for given in found)
    return Harvested(server=server, version=(who.version if who else "") or None, tools=tools, pages=pages)


def _tool(server: str, given: mcp_types.Tool, limits: Limits) -> Tool:
    """The tool as this package reads it: strict JSON, so that every row written from it can be read again."""
    listed = given.model_dump(
        mode="json", by_alias=True, exclude_unset=True, include={"name", "description", "input_schema", "annotations"}
    )
    try:
        return Tool.model_validate({**loads(json.dumps(listed), max_bytes=limits.max_bytes, where="a tool"), "server": server})
    except (InvalidCall, ValueError) as error:
        raise HarvestError(f"its tool {given.name[:80]!r} does not fit: {error}") from error


def _reason(error: BaseException) -> str:
    """The fault that matters in a tree of them: ours if there is one, else the first."""
    leaves = list(_leaves(error))
    chosen = next((leaf for leaf in leaves if isinstance(leaf, HarvestError)), leaves[0])
    text = str(chosen).strip().partition("\n")[0][:_SAID_LETTERS]
    return text if isinstance(chosen, HarvestError) and text else f"{type(chosen).__name__}: {text}".rstrip(": ")


def _leaves(error: BaseException) -> Sequence[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return [leaf for part in group.exceptions for leaf in _leaves(part)]
    return [error]


def _last_words(said: deque[bytes]) -> str:
    """The last line of a server's standard error, where it most often says which key it misses."""
    lines = [line.strip() for line in b"".join(said).decode("utf-8", "replace").splitlines() if line.strip()]
    return f"; it said: {lines[-1][:_SAID_LETTERS]}" if lines else ""


def _require_mcp() -> None:
    if find_spec("mcp") is None:
        raise DependencyMissing("mcp", "gateway")
