"""The console's pages of vocabularies, training, models, reports and health: a real SQLite store, a real registry of small bundles."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from starlette.testclient import TestClient

from intent.api import problems
from intent.api.console import health, models, reports, suspicious, train, vocabulary
from intent.api.console.laboratory import AuditParts, Laboratory, Places
from intent.api.console.options import ConsoleOptions
from intent.api.console.workbench import workbench
from intent.api.envelope import Envelope
from intent.audit.keys import signer
from intent.audit.store import AuditStore
from intent.audit.verify import verify_store
from intent.database import open_database
from intent.registry.jobs import Jobs
from intent.registry.registry import Registry
from intent.registry.replays import Recorded
from intent.registry.reports import Kind
from intent.registry.signature import ModelSigner
from intent.schema import Tool, ToolCall
from intent.workbench.labelling import Judgement
from intent.workbench.labels import Act
from intent.workbench.local_accounts import LocalAccounts
from intent.workbench.passwords import Passwords
from intent.workbench.records import Actor, Origin, Role
from intent.workbench.store import WorkbenchStore
from tests.doubles.console import CHEAP, PASSWORD, Hand, token_in
from tests.doubles.desk import _with_people
from tests.doubles.registered import KEY, golden_rows, write_bundle
from tests.doubles.worded_model import VOCABULARY

ANN, OTTO = Actor(name="ann", role=Role.ANALYST), Actor(name="otto", role=Role.APPROVER)
ORIGIN = "http://console.test"
# Says what a run says, then waits until it is told to end, or ends.
TRAINS = """
import json, pathlib, sys, time
say = lambda **line: print(json.dumps(line), flush=True)
say(message="reading the corpora")
for step in range(1, 6):
    say(message=f"fine-tuning, loss {1 / step:.3f}", step=step, steps=5, detail={"loss": 1 / step})
print("a warning <script>alert(1)</script> \\u202e of the library", file=sys.stderr, flush=True)
wait = pathlib.Path(sys.argv[0] if sys.argv[0] != "-c" else sys.argv[1])
while wait.exists():
    time.sleep(0.02)
say(message="done", finished=True, detail={"digest": "d" * 64})
"""


@dataclass
class Policies:
    """A policy set whose last reload was refused."""

    name: str = "cedar"
    digest: str = "cd" * 32
    fault: str = "<b>policy</b> 3 does not parse"
    swaps: int = 2
    refusals: int = 1


@dataclass
class Lab:
    """A console at ``/console`` over a state directory; ``hold`` is the file while which a run of training waits."""

    directory: Path
    clock: Hand = field(default_factory=Hand)
    golden_n: int = 16
    evaluates: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        self.shipped = write_bundle(self.directory / "shipped")
        (self.directory / "state.db").write_bytes(_with_people())
        self.engine = open_database(f"sqlite:///{self.directory / 'state.db'}")
        self.store = WorkbenchStore(self.engine, self.clock)
        self.registry = Registry(self.directory / "models", self.store, ModelSigner(KEY), shipped=self.shipped)
        self.hold = self.directory / "hold"
        command = (sys.executable, "-c", TRAINS, str(self.hold))
        self.jobs = Jobs(self.directory / "runs", self.store, command=command, poll_s=0.02, grace_s=0.5)
        self.golden = golden_rows(self.directory / "golden.jsonl", n=self.golden_n)
        self.audit = AuditStore.open(f"sqlite:///{self.directory / 'audit.db'}", signer(self.directory / "audit.pem"))
        places = Places(self.directory, {"golden rows": self.golden}, (self.golden,), self.golden, labelled_by="two people")
        recorded = Recorded(f"sqlite:///{self.directory / 'audit.db'}", self.directory / "audit.pem.pub")
        parts = AuditParts(self.audit.engine, self.audit.head, self._verified, Policies(), recorded)
        self.lab = Laboratory.open(self.store, self.registry, self.jobs, places, VOCABULARY, audit=parts, now=self.clock)
        if self.evaluates:
            self.lab.reports._command = self.evaluates
        accounts = LocalAccounts(self.store, Passwords(CHEAP), self.clock)
        routers = (suspicious.routes, vocabulary.routes, train.routes, models.routes, reports.routes, health.routes)
        self.http = httpx.Client()
        self.console = workbench(ConsoleOptions(secret=b"s" * 32, now=self.clock), accounts, *routers, client=self.http)
        self.console.state.laboratory = self.lab
        self.app = FastAPI(redirect_slashes=False)
        self.app.mount("/console", self.console)
        problems.install(self.app)
        self.app.add_middleware(Envelope)

    def _verified(self) -> object:
        return verify_store(self.audit.engine, [signer(self.directory / "audit.pem").public])

    def add(self, version: str, **changes: object) -> str:
        """A model in the registry; its digest."""
        return self.registry.add(write_bundle(self.directory / f"bundle-{version}", version, **changes), ANN).digest

    def kept_report(self, digest: str, html: str = "<h1>kept</h1>") -> str:
        """A report that somebody kept."""
        return self.lab.reports.add(ANN, Kind.REPLAY, html, digest, model_name="small <i>", model_version="1").name

    def label(self, n: int) -> None:
        """Settled labels of the queue."""
        calls = [ToolCall(tool=Tool(name=f"fetch_{k}", description="Handles one."), arguments={"k": k}) for k in range(n)]
        items = [self.store.new_item(call, origin=Origin.IMPORT, group="g") for call in calls]
        self.store.add_items(ANN, items)
        self.store.act(ANN, VOCABULARY, [Act(item.id, Judgement(VOCABULARY.top[0])) for item in items])

    def close(self) -> None:
        """Let go of the files."""
        self.audit.close()
        self.engine.dispose()
        self.http.close()


class Visitor:
    """Somebody who is signed in, and uses the pages as a browser without scripts does, or as htmx does."""

    def __init__(self, lab: Lab, name: str) -> None:
        self.client = TestClient(lab.app, base_url=ORIGIN, follow_redirects=False)
        fields = {"csrf": token_in(self.client.get("/console/sign-in").text), "name": name, "password": PASSWORD}
        assert self.client.post("/console/sign-in", data=fields).status_code == 303
        self.token = token_in(self.client.get("/console/vocabulary").text)

    def read(self, path: str, status: int = 200, *, part: bool = False, **query: str) -> str:
        """The page of a path of the console."""
        answer = self.client.get(f"/console{path}", params=query or None, headers={"hx-request": "true"} if part else {})
        assert answer.status_code == status, answer.text
        return answer.text

    def send(self, path: str, status: int = 303, *, part: bool = False, **fields: Any) -> httpx.Response:
        """Send a form with the token of the session."""
        headers = {"sec-fetch-site": "same-origin"} | ({"hx-request": "true"} if part else {})
        answer = self.client.post(f"/console{path}", data={"csrf": self.token, **fields}, headers=headers)
        assert answer.status_code == status, answer.text
        return answer
