"""Malformed and hostile inputs over the real command line and the real service: each is denied, in its place, quickly; and both live on."""

from __future__ import annotations

import http.client
import json
import os
import select
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from intent.schema import Outcome
from intent.vocabulary import Vocabulary, default_path
from tests.e2e.process import INTENT, Service, environment, serving
from tests.hostile.documents import fields
from tests.hostile.inputs import GOOD, Answer, Input, inputs
from tests.hostile.wire import Exchange, exchanges

INPUTS = inputs()
EXCHANGES = tuple(exchanges())
TOP = Vocabulary.load(default_path()).top
# Of the processor, because a busy machine is not a defect.
MOST_SECONDS = 1.0
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back for one input, and what it cost.

    Attributes
    ----------
    kept_on
        Whether the good call behind it was answered as always.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    processor_s: float
    kept_on: bool

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def processor_s(process: subprocess.Popen[bytes]) -> float:
    """Time that all threads of a process have computed."""
    fields = Path(f"/proc/{process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def undated(decision: dict[str, Any]) -> dict[str, Any]:
    return {**decision, "id": None, "decision_id": None}


class Stream:
    """A running ``intent normalize`` that is fed line by line."""

    def __init__(self, errors: Path) -> None:
        with errors.open("wb") as stream:
            self.process = subprocess.Popen(
                [INTENT, "normalize"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stream, env=environment()
            )

    def ask(self, line: bytes) -> bytes:
        """The one line that answers a line."""
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()
        assert select.select([self.process.stdout], [], [], PATIENCE_S)[0], "no answer"
        return self.process.stdout.readline()

    def decide_good(self, name: str) -> dict[str, Any]:
        decision = json.loads(self.ask(json.dumps({**GOOD, "id": name}).encode()))
        assert decision["id"] == name, "an answer is missing, or there is one too many"
        return decision


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answered]:
    """All inputs in one stream, a good call behind each."""
    errors = tmp_path_factory.mktemp("hostile") / "errors"
    stream = Stream(errors)
    found: dict[str, Answered] = {}
    try:
        usual = undated(stream.decide_good("first"))
        for item in INPUTS:
            before = processor_s(stream.process)
            line = stream.ask(item.line)
            spent = processor_s(stream.process) - before
            found[item.name] = Answered(200, {}, line, spent, undated(stream.decide_good(item.name)) == usual)
        rest = stream.process.communicate(timeout=PATIENCE_S)[0]
        assert (rest, stream.process.returncode) == (b"", 0)
    finally:
        stream.process.kill()
        stream.process.wait(30)
    assert "Traceback" not in errors.read_text("utf-8")
    return found


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("hostile"), INTENT_LOG_LEVEL="warning") as found:
        yield found
        log = found.log.read_text("utf-8")
        assert "Traceback" not in log
        assert " ERROR " not in log


@pytest.fixture(scope="module")
def posted(service: Service) -> dict[str, Answered]:
    """All inputs as bodies, a good call behind each."""
    usual = undated(service.json("/v1/normalize", GOOD))
    found: dict[str, Answered] = {}
    for item in INPUTS:
        before = processor_s(service.process)
        status, headers, body = post(service, item.line)
        spent = processor_s(service.process) - before
        found[item.name] = Answered(status, headers, body, spent, undated(service.json("/v1/normalize", GOOD)) == usual)
    return found


def post(service: Service, body: bytes) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=PATIENCE_S)
    try:
        # A body beyond the cap is answered, and the connection closed, before all of it was sent.
        with suppress(ConnectionError):
            connection.request("POST", "/v1/normalize", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def each(items: tuple[Input, ...] | tuple[Exchange, ...]) -> Any:
    return pytest.mark.parametrize("item", items, ids=lambda item: item.name)


def assert_denied(item: Input, decision: dict[str, Any]) -> None:
    if decision["outcome"] == Outcome.DENY:
        assert decision["intent"] == "unknown"
        assert decision["reasons"]
        assert all(reason["code"] and reason["message"] for reason in decision["reasons"])
    else:
        assert item.answer != Answer.DENIED
        assert item.answer == Answer.VALID or decision["intent"] in TOP


def assert_problem(status: int, headers: dict[str, str], body: bytes) -> None:
    problem = json.loads(body)
    assert headers["content-type"] == "application/problem+json"
    assert set(problem) == {"type", "title", "status", "detail", "code", "request_id"}
    assert problem["status"] == status
    assert problem["type"].endswith(problem["code"])
    assert problem["title"]


@each(INPUTS)
def test_a_line_gets_one_denial_in_its_place_quickly(spoken: dict[str, Answered], item: Input) -> None:
    answered = spoken[item.name]
    assert_denied(item, answered.json)
    assert answered.kept_on
    assert answered.processor_s < MOST_SECONDS


@each(INPUTS)
def test_a_body_gets_a_denial_or_a_problem_quickly(posted: dict[str, Answered], item: Input) -> None:
    answered = posted[item.name]
    if answered.status == 200:
        assert_denied(item, answered.json)
    else:
        assert 400 <= answered.status < 500
        assert_problem(answered.status, answered.headers, answered.body)
    assert answered.kept_on
    assert answered.processor_s < MOST_SECONDS


@each(EXCHANGES)
def test_a_broken_exchange_gets_a_problem(service: Service, item: Exchange) -> None:
    before = processor_s(service.process)
    answer = exchanged(service, item)
    assert answer or not item.whole
    if answer:
        status, headers, body = answer
        assert status in item.statuses, body[:200]
        if status == 200:
            assert all(decision["reasons"] for decision in json.loads(body).get("decisions", ()))
        elif body:
            assert_problem(status, headers, body)
    assert processor_s(service.process) - before < MOST_SECONDS
    assert service.json("/healthz") == {"status": "alive"}


def exchanged(service: Service, item: Exchange) -> tuple[int, dict[str, str], bytes] | None:
    """Status, headers and body of the first answer; None where the service only hung up."""
    where = urlsplit(service.url)
    with socket.create_connection((where.hostname, where.port), timeout=PATIENCE_S) as connection:
        # The service may answer, and hang up, before it has read everything.
        with suppress(ConnectionError):
            connection.sendall(item.sent)
            if not item.whole:
                connection.shutdown(socket.SHUT_WR)
        try:
            answer = http.client.HTTPResponse(connection, method=item.sent.partition(b" ")[0].decode("latin-1"))
            answer.begin()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        except (ConnectionError, http.client.BadStatusLine):
            return None


def test_after_all_of_it_the_service_is_ready_and_decides(service: Service, posted: dict[str, Answered]) -> None:
    assert service.json("/healthz") == {"status": "alive"}
    assert service.json("/readyz") == {"status": "ready"}
    assert service.json("/v1/normalize", {**GOOD, "id": "last"})["id"] == "last"
    assert all(answered.kept_on for answered in posted.values())


def test_denied_items_leave_a_batch_in_order(service: Service) -> None:
    broken = [json.loads(item.line) for item in fields()]
    calls = [call for place, item in enumerate(broken) for call in (item, {**GOOD, "id": str(place)})]
    found = service.json("/v1/normalize/batch", {"calls": calls})["decisions"]
    assert len(found) == len(calls)
    assert [decision["id"] for decision in found[1::2]] == [str(place) for place in range(len(broken))]
