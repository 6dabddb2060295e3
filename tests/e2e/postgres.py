"""A real PostgreSQL server in a directory of its own, run by a user without privileges."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BINARIES = Path("/usr/lib/postgresql/15/bin")


def why_not() -> str:
    """Why no server can be started here; empty where one can."""
    try:
        import pg8000  # noqa: F401 # asked for only to see whether it is there
    except ModuleNotFoundError:
        return "pg8000 is not installed (the extra postgres)"
    if not (BINARIES / "postgres").exists():
        return f"there is no PostgreSQL server in {BINARIES}"
    if os.geteuid() == 0 and not _has("nobody"):
        return "PostgreSQL does not run as root, and there is no user nobody"
    return ""


@contextmanager
def postgres_server(*settings: str) -> Iterator[str]:
    """URL of a fresh server that listens on the loopback address with a password of its own."""
    directory = Path(tempfile.mkdtemp(prefix="pg-"))
    other = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    identity = {} if other is None else {"user": other.pw_uid, "group": other.pw_gid, "extra_groups": []}
    password = secrets.token_hex(16)
    try:
        (directory / "password").write_text(password, "ascii")
        if other is not None:
            for path in (directory, directory / "password"):
                os.chown(path, other.pw_uid, other.pw_gid)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        data = directory / "data"
        initialize = [BINARIES / "initdb", "-D", data, "-U", "audit", "-A", "scram-sha-256", "--no-sync", "-E", "UTF8", "--locale=C"]
        subprocess.run(
            [*initialize, f"--pwfile={directory / 'password'}"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=directory,
            timeout=120,
            **identity,
        )
        command = [BINARIES / "postgres", "-D", data, "-p", str(port), "-k", directory, "-c", "listen_addresses=127.0.0.1"]
        with (directory / "log").open("wb") as log:
            more = [part for setting in settings for part in ("-c", setting)]
            process = subprocess.Popen([*command, *more], stdout=log, stderr=log, cwd=directory, **identity)
        try:
            _await(port, process, directory / "log")
            yield f"postgresql+pg8000://audit:{password}@127.0.0.1:{port}/postgres"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
    finally:
        shutil.rmtree(directory)


def _await(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    ready = [BINARIES / "pg_isready", "-h", "127.0.0.1", "-p", str(port), "-q"]
    for _ in range(300):
        if subprocess.run(ready, check=False).returncode == 0:
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError(log.read_text("utf-8", "replace"))


def _has(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
