"""Processes that share a database and a key file: what one revokes, retires or rotates holds in all of them at once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from intent.database import open_database
from intent.delegation.keys import KeyRing
from intent.delegation.revocation import SqlRevocations
from intent.delegation.token import Delegations, Session
from intent.errors import DelegationError, StoreError
from intent.vocabulary import Vocabulary, default_path
from tests.e2e.postgres import postgres_server, why_not
from tests.e2e.process import environment

COMMAND = "from intent.cli.delegation import app; app()"
WORDS = Vocabulary.load(default_path()).ids


def delegation(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", COMMAND, *words]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=120, check=False, env=environment())


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'state.db'}"
        return
    if why := why_not():
        pytest.skip(why)
    with postgres_server() as url:
        yield url


def test_another_process_revokes_rotates_and_retires(database: str, tmp_path: Path) -> None:
    ring = KeyRing.create(tmp_path / "keys.json")
    engine = open_database(database)
    here = Delegations(ring, issuer="intent", audience="intent", revocations=SqlRevocations(engine), vocabulary_ids=WORDS)
    now = datetime.now(UTC)
    tokens = [
        here.issue("ann", "agent-1", Session(name, now, now + timedelta(hours=1)), intents=WORDS, tools=["*"]) for name in ("s-1", "s-2")
    ]
    keys, store = ("--keys", str(tmp_path / "keys.json")), ("--database", database)
    shown = delegation("verify", *keys, *store, given=tokens[0])
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["token_id"] == here.verify(tokens[0]).token_id
    for _ in range(2):
        ended = delegation("revoke", *store, "--session", "s-1", "--why", "lost", "--by", "ops")
        assert ended.returncode == 0, ended.stderr
    with pytest.raises(DelegationError) as caught:
        here.verify(tokens[0])
    assert caught.value.fault == "revoked"
    assert here.verify(tokens[1]).session == "s-2"
    old, _ = ring.current
    assert delegation("keys", "rotate", *keys).returncode == 0
    assert here.verify(tokens[1]).session == "s-2"
    assert delegation("keys", "retire", *keys, old).returncode == 0
    with pytest.raises(DelegationError) as caught:
        here.verify(tokens[1])
    assert caught.value.fault == "unknown_key"
    engine.dispose()


@pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is a server")
def test_a_database_that_dies_denies_everything(tmp_path: Path) -> None:
    ring = KeyRing.create(tmp_path / "keys.json")
    now = datetime.now(UTC)
    with postgres_server() as url:
        engine = open_database(url, timeout_s=1)
        store = SqlRevocations(engine)
        here = Delegations(ring, issuer="i", audience="a", revocations=store, vocabulary_ids=WORDS)
        token = here.issue("ann", "agent-1", Session("s", now, now + timedelta(hours=1)), intents=WORDS, tools=["*"])
        assert here.verify(token).subject == "ann"
    with pytest.raises(DelegationError) as caught:
        here.verify(token)
    assert caught.value.fault == "unavailable"
    with pytest.raises(StoreError):
        store.revoked("s")
    engine.dispose()
