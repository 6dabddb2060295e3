"""The console's pages over a real SQLite store, with people of every role, and calls to label."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from fastapi import FastAPI
from starlette.testclient import TestClient

from intent.api import problems
from intent.api.console import catalogue, decision, queue
from intent.api.console.options import ConsoleOptions
from intent.api.console.pages import Desk, Neighbours, no_neighbours
from intent.api.console.workbench import workbench
from intent.api.envelope import Envelope
from intent.database import open_database
from intent.schema import Tool, ToolCall
from intent.views import tool_digest
from intent.vocabulary import Vocabulary, default_path
from intent.workbench.items import Figures
from intent.workbench.local_accounts import LocalAccounts
from intent.workbench.passwords import Passwords
from intent.workbench.records import Actor, Definition, Item, Origin, Role
from intent.workbench.server_import import Ask, Imports, ask
from intent.workbench.store import WorkbenchStore
from tests.doubles.console import CHEAP, PASSWORD, PEOPLE, Hand, token_in
from tests.doubles.normalizer import EchoNormalizer

VOCABULARY = Vocabulary.load(default_path())
ADA = Actor(name="ada", role=Role.ADMIN)
ORIGIN = "http://console.test"


@dataclass
class Bench:
    """A console at ``/console`` over a store in a directory."""

    directory: Path
    audit_rate: float = 0.0
    ask: Ask = ask
    neighbours: Neighbours = no_neighbours
    clock: Hand = field(default_factory=Hand)
    normalizer: EchoNormalizer = field(default_factory=EchoNormalizer)

    def __post_init__(self) -> None:
        (self.directory / "state.db").write_bytes(_with_people())
        self.engine = open_database(f"sqlite:///{self.directory / 'state.db'}")
        self.store = WorkbenchStore(self.engine, self.clock, audit_rate=self.audit_rate)
        accounts = LocalAccounts(self.store, Passwords(CHEAP), self.clock)
        self.imports = Imports(self.store, ask=self.ask, now=self.clock)
        options = ConsoleOptions(secret=b"s" * 32, now=self.clock)
        self.console = workbench(options, accounts, queue.routes, decision.routes, catalogue.routes)
        self.console.state.desk = Desk(
            store=self.store,
            vocabulary=lambda: VOCABULARY,
            explain=self.normalizer.explain,
            card=lambda: self.normalizer.card,
            imports=self.imports,
            now=self.clock,
            audit=self.engine,
            neighbours=self.neighbours,
        )
        self.app = FastAPI(redirect_slashes=False)
        self.app.mount("/console", self.console)
        problems.install(self.app)
        self.app.add_middleware(Envelope)

    def add(self, call: ToolCall, *, priority: float = 0.0, cluster: str = "", group: str = "files", **more: Any) -> Item:
        """One item, judged by the normalizer unless it is said otherwise."""
        more.setdefault("decision", self.normalizer.normalize(call).model_dump(mode="json"))
        item = self.store.new_item(call, origin=more.pop("origin", Origin.DECISION), group=group, **more)
        self.store.add_items(ADA, [item])
        self.store.score(ADA, [Figures(item.id, priority, 0.5, 1.0, cluster)])
        return item

    def list_tools(self, tools: Iterable[Tool], server: str = "files") -> None:
        """Definitions as a server lists them."""
        at = datetime.now(UTC)
        made = [
            Definition(server=server, name=tool.name, digest=tool_digest(tool), definition=tool.model_dump(mode="json"), at=at, by="ada")
            for tool in tools
        ]
        self.store.add_definitions(ADA, made)


@cache
def _with_people() -> bytes:
    """A database with the schema and the accounts: made once, because a migration takes longer than most tests."""
    with TemporaryDirectory() as directory:
        engine = open_database(f"sqlite:///{directory}/state.db")
        accounts = LocalAccounts(WorkbenchStore(engine), Passwords(CHEAP), Hand())
        for name, role in PEOPLE.items():
            accounts.create(name, role, PASSWORD, "test")
        engine.dispose()
        with closing(sqlite3.connect(f"{directory}/state.db")) as connection:
            return connection.serialize()


class Person:
    """Somebody who is signed in, and uses the pages as a browser without scripts does, or as htmx does."""

    def __init__(self, bench: Bench, name: str) -> None:
        self.client = TestClient(bench.app, base_url=ORIGIN, follow_redirects=False)
        page = self.client.get("/console/sign-in")
        self._post("/sign-in", {"csrf": token_in(page.text), "name": name, "password": PASSWORD}, 303)
        self.token = token_in(self.client.get("/console/queue").text)

    def read(self, path: str, status: int = 200, *, part: bool = False, **query: str) -> str:
        """The page of a path of the console."""
        answer = self.client.get(f"/console{path}", params=query or None, headers={"hx-request": "true"} if part else {})
        assert answer.status_code == status, answer.text
        return answer.text

    def send(self, path: str, *, part: bool = False, status: int | None = None, **fields: Any) -> httpx.Response:
        """Send a form with the token of the session."""
        return self._post(path, {"csrf": self.token, **fields}, status or (200 if part else 303), part=part)

    def _post(self, path: str, fields: dict[str, Any], status: int, *, part: bool = False) -> httpx.Response:
        headers = {"sec-fetch-site": "same-origin"} | ({"hx-request": "true"} if part else {})
        answer = self.client.post(f"/console{path}", data=fields, headers=headers)
        assert answer.status_code == status, answer.text
        return answer
