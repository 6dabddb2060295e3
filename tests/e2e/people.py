"""People with accounts in the console of a service under test."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.doubles.console import PASSWORD
from tests.e2e.process import INTENT, environment


def with_accounts(state: Path, people: Mapping[str, Sequence[str]]) -> None:
    """Create accounts by name, with the options of the command; each has the one password of the tests."""
    # The first makes the database that the others find.
    for name, options in people.items():
        made = subprocess.run(
            [INTENT, "account", "create", name, *options],
            input=PASSWORD.encode(),
            env=environment(INTENT_STATE=str(state)),
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert made.returncode == 0, made.stderr
