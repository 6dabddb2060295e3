"""The command as a process of its own, from the environment that runs the tests."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

INTENT = str(Path(sys.executable).parent / "intent")


def environment(**more: str) -> dict[str, str]:
    """What a process is started with: no setting of the developer's own, a fixed width, no colour."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INTENT_")}
    return {**kept, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", **more}


class Service:
    """A running ``intent serve`` on a port that the system chose.

    Attributes
    ----------
    url
        Without a slash at the end.
    log
        File that both output streams go to.
    """

    def __init__(self, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
        self.process = process
        self.url = url
        self.log = log

    def request(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (names in lower case) and body of one exchange; POST where there is a body."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, data=body, headers=named), timeout=30) as answer:
                return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, {name.lower(): value for name, value in error.headers.items()}, error.read()

    def json(self, path: str, document: object = None, **headers: str) -> Any:
        """The JSON answer to a GET, or to a POST of ``document``; the status must be 200."""
        body = None if document is None else json.dumps(document).encode()
        status, _, answer = self.request(path, body, Content_Type="application/json", **headers)
        assert status == 200, answer
        return json.loads(answer)

    def resident_mib(self) -> float:
        """Memory that the process holds now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@contextmanager
def serving(directory: Path, *arguments: str, ready: int = 200, **variables: str) -> Iterator[Service]:
    """Start the service, wait until ``/readyz`` answers ``ready``, and end it afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = directory / "serve.log"
    with log.open("wb") as stream:
        command = [INTENT, "serve", "--port", str(port), *arguments]
        process = subprocess.Popen(command, env=environment(**variables), stdout=stream, stderr=subprocess.STDOUT)
    service = Service(process, f"http://127.0.0.1:{port}", log)
    try:
        _await_ready(service, ready)
        yield service
    finally:
        process.kill()
        process.wait(30)


def _await_ready(service: Service, ready: int) -> None:
    until_s = time.monotonic() + 90
    while time.monotonic() < until_s and service.process.poll() is None:
        with suppress(OSError):  # nobody listens yet
            # Whether there is a model is known before the first answer, and does not change.
            assert service.request("/readyz")[0] == ready, service.log.read_text("utf-8")
            return
        time.sleep(0.05)
    raise AssertionError(f"the service did not come up: {service.log.read_text('utf-8')}")
