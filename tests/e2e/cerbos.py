"""A real Cerbos: its binary from npm, kept in ``.cache``, run on ports that the system chose."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
POLICIES = ROOT / "intent" / "policy" / "default_cerbos"
PACKAGE, VERSION = "@cerbos/cerbos-linux-x64", "0.55.0"
BINARY_SHA256 = "1bb7264706e49f868551b355ef0a8e3b57947cccfe0551fb3dfae503f458ff7b"


@functools.cache
def binary() -> Path:
    """The binary, installed where it is not; the test is skipped only where npm cannot be reached."""
    path = ROOT / ".cache" / f"cerbos-{VERSION}" / "cerbos"
    if not path.is_file():
        _install(path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == BINARY_SHA256, f"{path} is not the binary of {PACKAGE}@{VERSION}"
    return path


def _install(path: Path) -> None:
    if (npm := shutil.which("npm")) is None:
        pytest.skip("npm is not installed, so Cerbos cannot be had")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as place:
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", place, f"{PACKAGE}@{VERSION}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode != 0:
            pytest.skip(f"npm cannot be reached, so Cerbos cannot be had: {done.stderr.strip()[-200:]}")
        # In one step, so that a run beside this one never sees half a file.
        (Path(place) / "node_modules" / PACKAGE / "cerbos-linux-x64").replace(path)


@contextmanager
def running(directory: Path, policies: Path = POLICIES, *settings: str) -> Iterator[str]:
    """Start Cerbos on a directory of policies and yield its address; end it afterwards."""
    http, grpc = _free_ports()
    log = directory / "cerbos.log"
    chosen = [
        "storage.driver=disk",
        f"storage.disk.directory={policies}",
        "storage.disk.watchForChanges=false",
        "schema.enforcement=reject",
        f"server.httpListenAddr=127.0.0.1:{http}",
        f"server.grpcListenAddr=127.0.0.1:{grpc}",
        *settings,
    ]
    command = [str(binary()), "server", *(f"--set={setting}" for setting in chosen)]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, env={**os.environ, "CERBOS_NO_TELEMETRY": "1"}, stdout=stream, stderr=subprocess.STDOUT, cwd=directory
        )
    try:
        _await_healthy(f"http://127.0.0.1:{http}", process, log)
        yield f"http://127.0.0.1:{http}"
    finally:
        process.kill()
        process.wait(30)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _await_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until_s = time.monotonic() + 60
    while time.monotonic() < until_s and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/_cerbos/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise AssertionError(f"Cerbos did not come up: {log.read_text('utf-8')}")
