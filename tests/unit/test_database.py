import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from intent.audit.tables import METADATA
from intent.database import cause, is_sqlite, open_database, snapshot, writing
from intent.errors import StoreError


def test_a_new_database_gets_the_schema_that_the_code_uses(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    assert is_sqlite(engine)

    def ours(name: str | None, kind: str, _: object) -> bool:
        return kind != "table" or name in METADATA.tables

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": ours})
        assert compare_metadata(context, METADATA) == []
    engine.dispose()


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    first = open_database(url)
    with writing(first) as connection:
        connection.execute(text("INSERT INTO audit_checkpoint VALUES (1, 'note')"))
    second = open_database(url)
    with second.connect() as connection:
        assert connection.execute(text("SELECT note FROM audit_checkpoint")).scalar_one() == "note"
    first.dispose()
    second.dispose()


def test_a_schema_newer_than_the_code_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    open_database(url).dispose()
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    for read_only in (False, True):
        with pytest.raises(StoreError, match="9999, which is newer"):
            open_database(url, read_only=read_only)


def test_what_is_no_database_or_cannot_be_reached_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("this is no database, whatever its name says; it is a text\n" * 50, "utf-8")
    wrong = (
        f"sqlite:///{tmp_path / 'text'}",
        f"sqlite:///{tmp_path / 'no' / 'directory.db'}",
        f"sqlite:///{tmp_path}",
        f"sqlite:///file:{tmp_path}/a.db?uri=true",
        "mysql://host/name",
        "no url",
        "postgresql+pg8000://nobody@127.0.0.1:1/none",
    )
    for url in wrong:
        with pytest.raises(StoreError):
            open_database(url, timeout_s=0.2)


def test_read_only_makes_nothing_and_writes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    with pytest.raises(StoreError, match="there is no database"):
        open_database(url, read_only=True)
    assert list(tmp_path.iterdir()) == []
    open_database(url).dispose()
    engine = open_database(url, read_only=True)
    with pytest.raises(Exception, match="readonly") as caught, engine.begin() as connection:
        connection.execute(text("DELETE FROM audit_head"))
    assert cause(caught.value) == "attempt to write a readonly database"
    engine.dispose()


@pytest.mark.parametrize("name", ["with space.db", "percent%20.db", "question?.db", "hash#.db", "ünïcode.db"])
def test_a_file_of_any_name_is_the_same_file_read_only(tmp_path: Path, name: str) -> None:
    from sqlalchemy import URL

    url = URL.create("sqlite", database=str(tmp_path / name)).render_as_string()
    open_database(url).dispose()
    engine = open_database(url, read_only=True)
    assert "audit_event" in inspect(engine).get_table_names()
    engine.dispose()


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    open_database(f"sqlite:///{tmp_path / 'a.db'}").dispose()
    assert (tmp_path / "a.db").stat().st_mode & 0o777 == 0o600


def test_a_snapshot_sees_one_state_and_writing_waits_for_nobody_who_reads(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    count = text("SELECT count(*) FROM audit_checkpoint")
    with snapshot(engine) as reading:
        assert reading.execute(count).scalar_one() == 0
        with writing(engine) as connection:
            connection.execute(text("INSERT INTO audit_checkpoint VALUES (1, 'note')"))
        assert reading.execute(count).scalar_one() == 0
    with snapshot(engine) as reading:
        assert reading.execute(count).scalar_one() == 1
    engine.dispose()


def test_what_fails_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    engine = open_database("sqlite://")

    def half() -> None:
        with writing(engine) as connection:
            connection.execute(text("INSERT INTO audit_checkpoint VALUES (1, 'note')"))
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        half()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM audit_checkpoint")).scalar_one() == 0
    engine.dispose()
