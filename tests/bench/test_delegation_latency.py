"""What the verification of a delegation costs, with sessions looked up in memory and in a database."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import pytest

from intent.database import open_database
from intent.delegation.keys import KeyRing
from intent.delegation.revocation import MemoryRevocations, SqlRevocations
from intent.delegation.token import Delegations, Session

MOST_US = 400.0
ROUNDS = 2000


@pytest.mark.parametrize("store", ["memory", "sqlite"])
@pytest.mark.parametrize("actors", [1, 4])
def test_a_verification_is_quick(tmp_path: Path, store: str, actors: int) -> None:
    revocations = MemoryRevocations() if store == "memory" else SqlRevocations(open_database(f"sqlite:///{tmp_path / 'state.db'}"))
    ring = KeyRing.create(tmp_path / "keys.json")
    here = Delegations(ring, issuer="i", audience="a", revocations=revocations, vocabulary_ids=["look", "make"])
    now = datetime.now(UTC)
    token = here.issue("ann", "agent-1", Session("s", now, now + timedelta(hours=1)), intents=["look"], tools=["git/*", "mail/send"])
    for number in range(2, actors + 1):
        token = here.exchange(token, f"agent-{number}")
    spent = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        here.verify(token)
        spent.append((time.perf_counter() - start) * 1e6)
    print(f"verify, {actors} actors, {len(token)} bytes, {store}: median {median(spent):.0f} µs")
    assert median(spent) < MOST_US
