"""Revoked sessions: kept in memory or in a database, ended at once and for good."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, event, insert, select

from intent.database import open_database
from intent.delegation.revocation import MemoryRevocations, Revocations, SqlRevocations, metadata, revoked_sessions
from intent.errors import StoreError

AT = datetime(2026, 3, 1, 10, tzinfo=timezone(timedelta(hours=1)))


@pytest.fixture
def engine(tmp_path: Path):
    engine = create_engine(f"sqlite:///{tmp_path / 'state.db'}")
    metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture(params=["memory", "database"])
def store(request: pytest.FixtureRequest, engine: Engine) -> Revocations:
    return MemoryRevocations() if request.param == "memory" else SqlRevocations(engine)


def test_a_session_is_ended_once_and_for_good(store: Revocations) -> None:
    assert store.revoked("s-1") is False
    store.revoke("s-1", at=AT, why="lost", by="ops")
    store.revoke("s-1", at=AT + timedelta(hours=1), why="again", by="else")
    assert store.revoked("s-1") is True
    assert store.revoked("s-2") is False
    assert store.revoked("S-1") is False
    assert store.revoked("s-1' OR '1'='1") is False


def test_the_first_record_stays_and_is_in_utc(engine: Engine) -> None:
    store = SqlRevocations(engine)
    store.revoke("s-1", at=AT, why="lost", by="ops")
    store.revoke("s-1", at=AT, why="again", by="else")
    with engine.connect() as connection:
        rows = connection.execute(select(revoked_sessions)).all()
    assert [tuple(row) for row in rows] == [("s-1", datetime(2026, 3, 1, 9), "lost", "ops")]  # noqa: DTZ001 - SQLite drops the zone


def test_what_another_process_ends_is_ended_here_too(engine: Engine) -> None:
    store = SqlRevocations(engine)
    assert store.revoked("s-1") is False
    other = create_engine(engine.url)
    SqlRevocations(other).revoke("s-1", at=AT, why="lost", by="ops")
    other.dispose()
    assert store.revoked("s-1") is True


def test_each_question_is_one_read_by_primary_key(engine: Engine) -> None:
    seen: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *given: seen.append(given[2]))
    store = SqlRevocations(engine)
    for _ in range(3):
        store.revoked("s-1")
    assert len(seen) == 3
    assert all(statement.startswith("SELECT") for statement in seen)
    with engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {seen[0]}", ("s",)).all()
    assert "SEARCH" in str(plan)
    assert "SCAN" not in str(plan)


def test_a_database_that_does_not_answer_is_an_error(tmp_path: Path) -> None:
    store = SqlRevocations(create_engine(f"sqlite:///{tmp_path / 'empty.db'}"))
    with pytest.raises(StoreError, match="cannot be read: OperationalError"):
        store.revoked("s-1")
    with pytest.raises(StoreError, match="cannot be recorded: OperationalError"):
        store.revoke("s-1", at=AT, why="lost", by="ops")


def test_a_row_that_does_not_fit_is_an_error_and_not_taken_for_a_second_time(engine: Engine) -> None:
    store = SqlRevocations(engine)
    with pytest.raises(StoreError, match="does not fit"):
        store.revoke("s-1", at=AT, why=None, by="ops")  # type: ignore[arg-type] # what the database refuses
    assert store.revoked("s-1") is False


def test_the_migration_makes_the_table_that_the_code_uses(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, kind, _: kind != "table" or name == "revoked_sessions"}
        )
        assert compare_metadata(context, metadata) == []
    with engine.begin() as connection:
        connection.execute(insert(revoked_sessions), {"sid": "s", "at": datetime.now(UTC), "why": "w", "by": "b"})
    assert SqlRevocations(engine).revoked("s")
    engine.dispose()
