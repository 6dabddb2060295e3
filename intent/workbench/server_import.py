"""Tools of live servers brought in from the console: a server is asked in a thread of its own, and what it lists is added to the store."""

from __future__ import annotations

import logging
import secrets
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from intent.errors import HarvestError, IntentError, TooLarge, WorkbenchError
from intent.harvest import Answer, Harvested, ServerSpec, harvest_many, parse_command, parse_url, read_config
from intent.schema import Tool, ToolCall
from intent.views import tool_digest
from intent.workbench.base import require
from intent.workbench.records import Actor, Definition, Origin, Role
from intent.workbench.store import WorkbenchStore

_log = logging.getLogger(__name__)
_MOST_KEPT = 64


class Source(StrEnum):
    """How a server is named."""

    COMMAND = "command"
    URL = "url"
    CONFIG = "config"


class ImportState(StrEnum):
    """Where an import stands."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Import:
    """One import, as far as it has come.

    Attributes
    ----------
    servers
        Their names; never their commands and addresses, which may hold secrets.
    told
        A line for each server that answered, or did not.
    """

    id: str
    by: str
    at: datetime
    servers: tuple[str, ...]
    state: ImportState = ImportState.RUNNING
    done: int = 0
    tools: int = 0
    new: int = 0
    told: tuple[str, ...] = ()


Ask = Callable[[Sequence[ServerSpec], Callable[[Answer], None]], object]


def ask(specs: Sequence[ServerSpec], told: Callable[[Answer], None]) -> object:
    """Ask servers one after the other, each for at most a minute."""
    return harvest_many(specs, told=told)


class Imports:
    """The imports of this process.

    Parameters
    ----------
    at_once
        Imports that run at the same time; a further one is refused.
    ask
        Asks servers, and tells each answer.
    now
        Clock of the facts.
    """

    def __init__(
        self, store: WorkbenchStore, *, at_once: int = 2, ask: Ask = ask, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store, self._at_once, self._ask, self._now = store, at_once, ask, now
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Import] = OrderedDict()

    def start(self, actor: Actor, source: Source, text: str, *, name: str = "", queued: bool = True) -> Import:
        """Begin an import: a process is started, or an address asked.

        Parameters
        ----------
        text
            The command line, the address, or the JSON of an ``mcpServers`` file.
        name
            What a single server is called in the catalogue; empty for what it calls itself, which another server could do too.
        queued
            Whether the tools become items to label as well.

        Raises
        ------
        Forbidden
            Below an administrator.
        WorkbenchError
            If the text names no server, or as many imports run as may.
        """
        require(actor, Role.ADMIN)
        specs = _specs(source, text)
        if name and len(specs) > 1:
            raise WorkbenchError("a name may be given to a single server")
        made = Import(secrets.token_hex(8), actor.name, self._now(), tuple(spec.name for spec in specs))
        with self._lock:
            if sum(one.state is ImportState.RUNNING for one in self._kept.values()) >= self._at_once:
                raise WorkbenchError(f"{self._at_once} imports run already; wait until one has ended")
            while len(self._kept) >= _MOST_KEPT:
                self._kept.popitem(last=False)
            self._kept[made.id] = made
        threading.Thread(target=self._run, args=(made.id, actor, specs, name, queued), name="import of tools", daemon=True).start()
        return made

    def find(self, name: str) -> Import | None:
        """An import, or None where this process has none of this name."""
        with self._lock:
            return self._kept.get(name)

    def recent(self) -> tuple[Import, ...]:
        """The imports that are kept, the last one first."""
        with self._lock:
            return tuple(reversed(self._kept.values()))

    def _run(self, key: str, actor: Actor, specs: Sequence[ServerSpec], name: str, queued: bool) -> None:
        try:
            self._ask(specs, lambda answer: self._take(key, actor, answer, name, queued))
        except IntentError as error:
            self._end(key, str(error))
        except Exception:  # noqa: BLE001 - a thread that dies without a word would leave an import that runs for ever
            _log.exception("an import of tools failed")
            self._end(key, "the import failed; the log says why")
        else:
            self._end(key)

    def _take(self, key: str, actor: Actor, answer: Answer, name: str, queued: bool) -> None:
        if answer.found is None:
            self._change(key, lambda one: replace(one, done=one.done + 1, told=(*one.told, answer.fault or "no answer")))
            return
        found = replace(answer.found, server=name or answer.found.server)
        added, large = self._kept_tools(actor, found, queued)
        told = f"{found.server}: {len(found.tools)} tools, {added} of them new or changed" + (f", {large} too large" if large else "")
        count = len(found.tools)
        self._change(key, lambda one: replace(one, done=one.done + 1, tools=one.tools + count, new=one.new + added, told=(*one.told, told)))

    def _kept_tools(self, actor: Actor, found: Harvested, queued: bool) -> tuple[int, int]:
        """How many definitions were added, and how many tools are too large to be one."""
        at, definitions = self._now(), list[Definition]()
        for tool in (tool.model_copy(update={"server": found.server}) for tool in found.tools):
            try:
                definitions.append(_definition(found.server, tool, at, actor))
            except TooLarge:
                continue
        added = self._store.add_definitions(actor, definitions)
        if queued:
            calls = (ToolCall(tool=Tool.model_validate(one.definition)) for one in added)
            self._store.add_items(actor, [self._store.new_item(call, origin=Origin.HARVEST, group=found.server, at=at) for call in calls])
        return len(added), len(found.tools) - len(definitions)

    def _end(self, key: str, fault: str = "") -> None:
        def ended(one: Import) -> Import:
            state = ImportState.FAILED if fault or not one.tools else ImportState.FINISHED
            return replace(one, state=state, told=(*one.told, fault) if fault else one.told)

        self._change(key, ended)

    def _change(self, key: str, change: Callable[[Import], Import]) -> None:
        with self._lock:
            if key in self._kept:
                self._kept[key] = change(self._kept[key])


def _definition(server: str, tool: Tool, at: datetime, actor: Actor) -> Definition:
    data = tool.model_dump(mode="json", exclude_none=True)
    return Definition(server=server, name=tool.name, digest=tool_digest(tool), definition=data, at=at, by=actor.name)


def _specs(source: Source, text: str) -> tuple[ServerSpec, ...]:
    try:
        if source is Source.COMMAND:
            return (parse_command(text),)
        return (parse_url(text.strip()),) if source is Source.URL else _configured(text)
    except HarvestError as error:
        raise WorkbenchError(str(error)) from error


def _configured(text: str) -> tuple[ServerSpec, ...]:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "mcp.json"
        file.write_text(text, "utf-8", errors="replace")
        try:
            return read_config(file)
        except HarvestError as error:
            raise WorkbenchError(str(error).replace(f"{directory}/", "")) from error
