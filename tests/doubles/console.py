"""The console with accounts in memory, cheap hashes, a clock that a test moves, and a few routes to guard."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from argon2 import PasswordHasher
from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import Response

from intent.api import problems
from intent.api.console.guard import Admin, Analyst, Approver, Viewer
from intent.api.console.options import ConsoleOptions
from intent.api.console.view import flash, page
from intent.api.console.workbench import workbench
from intent.api.envelope import Envelope
from intent.errors import StoreError, WorkbenchError
from intent.workbench.local_accounts import LocalAccounts
from intent.workbench.passwords import Passwords
from intent.workbench.records import Role
from tests.doubles.account_book import MemoryAccountBook

PASSWORD = "a long walk by the sea"
PEOPLE = {"vera": Role.VIEWER, "ann": Role.ANALYST, "otto": Role.APPROVER, "ada": Role.ADMIN}
CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


@dataclass
class Hand:
    """A clock that only a test moves."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.at

    def pass_s(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Broken(MemoryAccountBook):
    """A book that can be taken away."""

    gone = False

    def account_versions(self, name: str) -> Any:
        if self.gone:
            raise StoreError("the workbench cannot be read: gone")
        return super().account_versions(name)


routes = APIRouter()


@routes.get("/queue")
def queue(request: Request, _: Viewer) -> Response:
    return page(request, "problem.html", title="Queue", detail="what there is to label", code="none", request_id="")


@routes.post("/label")
def label(request: Request, actor: Analyst) -> str:
    flash(request, f"labelled by {actor.name} <b>")
    return f"{actor.name} {actor.role}"


@routes.post("/approve")
def approve(actor: Approver) -> str:
    return actor.name


@routes.post("/promote")
def promote(actor: Admin) -> str:
    return actor.name


@routes.get("/fails/{kind}")
def fails(kind: str, _: Viewer) -> None:
    raise {"workbench": WorkbenchError("it is <i>not</i> so"), "store": StoreError("sqlite:///secret")}.get(kind, RuntimeError("secret"))


@dataclass
class Setup:
    """One console at ``/console``, and what a test turns."""

    clock: Hand = field(default_factory=Hand)
    book: Broken = field(default_factory=Broken)
    changes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.accounts = LocalAccounts(self.book, Passwords(CHEAP), self.clock)
        for name, role in PEOPLE.items():
            self.accounts.create(name, role, PASSWORD, "test")
        options = replace(ConsoleOptions(secret=b"s" * 32, now=self.clock), **self.changes)
        self.http = httpx.Client(timeout=5.0)
        self.console = workbench(options, self.accounts, routes, client=self.http)
        self.app = FastAPI(redirect_slashes=False)
        self.app.mount("/console", self.console)
        problems.install(self.app)
        self.app.add_middleware(Envelope)


def token_in(page_text: str) -> str:
    """The token that the forms of a page bear."""
    found = re.search(r'name="csrf" value="([^"]+)"', page_text)
    assert found is not None, page_text
    return found.group(1)
