"""A command in a process of its own, below the service in priority: it takes minutes, and calls must not wait for it."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO

from intent.errors import EvaluationError

_NICENESS = 10
_TIMEOUT_S = 3600.0
_MAX_LINE, _MAX_COMPLAINT = 1 << 16, 1 << 16


def run(
    command: Sequence[str], what: str, *, environment: Mapping[str, str] | None = None, told: Callable[[bytes], None] = lambda _: None
) -> None:
    """Run to the end.

    Parameters
    ----------
    what
        Names it in errors, such as "evaluation".
    environment
        Added to that of this process: secrets go here, because anybody may read the arguments of a process.
    told
        Given each line that it prints.

    Raises
    ------
    EvaluationError
        If it fails, with the last line of what it complained about, or takes longer than an hour.
    """
    late = threading.Event()
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(  # noqa: S603 - ours, without a shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env={**os.environ, **(environment or {})},
        ) as process,
    ):
        timer = threading.Timer(_TIMEOUT_S, lambda: (late.set(), process.kill()))
        timer.daemon = True
        timer.start()
        try:
            with suppress(OSError):  # it may have ended already
                os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
            while process.stdout is not None and (line := process.stdout.readline(_MAX_LINE)):
                told(line)
            code = process.wait()
        finally:
            timer.cancel()
        if late.is_set():
            raise EvaluationError(f"the {what} must end within {_TIMEOUT_S:g} s")
        if code:
            raise EvaluationError(f"the {what} ended with code {code}: {_last(complaints)}")


def _last(complaints: IO[bytes]) -> str:
    complaints.seek(0)
    lines = [line for line in complaints.read(_MAX_COMPLAINT).decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1][:500] if lines else "no word"
