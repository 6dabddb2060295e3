"""A small real MCP server behind the middleware, with a count of the calls that reached it."""

from __future__ import annotations

from typing import Any

from fastmcp import FastMCP
from fastmcp.utilities.types import Image

from intent.audit.event import Event, EventKind
from intent.gateway.middleware import IntentMiddleware
from intent.policy.outcome import Obligation, ObligationType, Verdict
from tests.doubles.decision_parts import MemoryJournal, SaysEngine, decision_point

SECRET = "hunter22x"


class Guarded:
    """The server, what reached it, and what was recorded.

    Attributes
    ----------
    calls
        One entry for each call that reached a tool, a resource or a prompt.
    """

    def __init__(self, *duties: Obligation, allowed: bool = True, parts: dict[str, Any] | None = None, **middleware: Any) -> None:
        self.calls: list[str] = []
        verdict = Verdict(allowed=allowed, obligations=duties, determining=("said-so",))
        point, journal, engine = decision_point(**{"engine": SaysEngine(verdict), **(parts or {})})
        self.point, self.journal, self.engine = point, journal, engine
        self.guard = IntentMiddleware(point, **{"server": "own", **middleware})
        self.server: FastMCP[None] = FastMCP("own", middleware=[self.guard])
        for tool in (self.get_record, self.get_text, self.get_picture, self.get_failure, self.send_mail):
            self.server.tool(tool)
        self.server.resource("notes://one")(self.one)
        self.server.prompt(self.greeting)

    @property
    def events(self) -> list[Event]:
        assert isinstance(self.journal, MemoryJournal)
        return self.journal.events

    @property
    def enforced(self) -> list[tuple[str, bool, str]]:
        found = [event.enforcement for event in self.events if event.kind is EventKind.ENFORCEMENT]
        return [(record.type, record.fulfilled, record.detail) for record in found if record]

    def get_record(self, name: str) -> dict[str, Any]:
        self.calls.append(f"get_record {name}")
        return {"name": name, "password": SECRET, "nested": [{"Password": 7, "note": f"password: {SECRET}"}]}

    def get_text(self, text: str) -> str:
        self.calls.append("get_text")
        return text

    def get_picture(self) -> Image:
        self.calls.append("get_picture")
        return Image(data=b"\x89PNG", format="png")

    def get_failure(self) -> str:
        self.calls.append("get_failure")
        raise ValueError(f"password {SECRET} was wrong")

    def send_mail(self, to: str) -> str:
        self.calls.append(f"send_mail {to}")
        return f"sent to {to}"

    def one(self) -> str:
        self.calls.append("one")
        return f"password: {SECRET}"

    def greeting(self, name: str) -> str:
        self.calls.append("greeting")
        return f"Hello {name}"


def duty(kind: ObligationType, **properties: Any) -> Obligation:
    return Obligation(f"said-so:{kind}", kind, properties)
