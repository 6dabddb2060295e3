"""From decisions over blind labels to a withdrawn certificate: the real intake, the real store, and ``intent monitor`` as a process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from intent.cli.monitor import BROKEN
from intent.workbench.browsing import Filters, Pile, browse
from intent.workbench.intake import Intake, Review
from intent.workbench.records import Stream
from intent.workbench.store import WorkbenchStore
from intent.workbench.watching import audit_lines
from tests.doubles.normalizer import EchoNormalizer
from tests.doubles.review import arrivals, call
from tests.doubles.workbench import ADMIN, ANALYST, WORDS, open_store, say

CALLS = 60


def monitor(directory: Path, store: WorkbenchStore) -> tuple[int, dict[str, object], Path]:
    """Exit code, the state that the process told, and where it withdraws the certificate."""
    revoked = directory / "revoked.txt"
    command = [sys.executable, "-m", "intent", "monitor", "--state", str(directory / "watch.json"), "--revocation", str(revoked)]
    given = "".join(json.dumps(line) + "\n" for line in audit_lines(store, WORDS).lines)
    (directory / "watch.json").unlink(missing_ok=True)
    done = subprocess.run(command, input=given.encode(), capture_output=True, check=False, timeout=120)
    return done.returncode, json.loads(done.stdout), revoked


@pytest.fixture
def store(tmp_path: Path) -> WorkbenchStore:
    """A store with forwarded reads in both streams, as a service would have offered them."""
    found = open_store(f"sqlite:///{tmp_path / 'workbench.db'}", audit_rate=0.3)
    intake = Intake(found, arrivals(found), Review.DENIED)
    decide = intake.watched(EchoNormalizer().normalize)
    for n in range(CALLS):
        # What is not known is denied and picked; what passes as a read gets in by chance alone.
        decide(call("mail", f"get_mail_{n}"))
        decide(call("mail", f"frobnicate_{n}"))
    intake.close(60)
    assert intake.figures.failed == intake.figures.dropped == 0
    return found


def test_labels_of_the_audit_stream_withdraw_a_broken_promise_and_picked_ones_never_do(store: WorkbenchStore, tmp_path: Path) -> None:
    items = list(store.all_items())
    passed = [item for item in items if item.decision is not None and item.decision["outcome"] == "forward"]
    picked = [item for item in items if item.stream is Stream.PICKED]
    assert picked
    assert len(passed) > 5
    assert all(item.stream is Stream.AUDIT for item in passed)
    for item in picked:
        say(store, ADMIN, item.id, "write")
    code, state, revoked = monitor(tmp_path, store)
    assert (code, state["n"], state["errors"]) == (0, 0, 0)
    assert not revoked.exists()
    blind = [entry.item for entry in browse(store, ANALYST, Pile.AUDIT, Filters(), limit=200).entries]
    assert {item.id for item in blind} == {item.id for item in items if item.stream is Stream.AUDIT}
    assert all(item.decision is None for item in blind)
    for item in blind:
        say(store, ANALYST, item.id, "write")
    code, state, revoked = monitor(tmp_path, store)
    assert code == BROKEN
    assert 0 < int(str(state["errors"])) <= len(passed)
    assert "is broken" in revoked.read_text("utf-8")
    store.engine.dispose()
