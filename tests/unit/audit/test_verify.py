import io
import sqlite3
from pathlib import Path

import pytest

from intent.audit.chain import link
from intent.audit.export import exported, line
from intent.audit.keys import public_key
from intent.audit.verify import verify_export, verify_store
from intent.database import open_database
from tests.doubles.audit_log import decision, store_in

N = 12


@pytest.fixture
def log(tmp_path: Path) -> Path:
    store = store_in(tmp_path)
    for number in range(N):
        store.append(decision(number))
    store.close()
    return tmp_path


def faults(log: Path, *statements: str, witnessed: bool = True) -> list[tuple[str, int | None]]:
    with sqlite3.connect(log / "audit.db") as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    engine = open_database(f"sqlite:///{log / 'audit.db'}", read_only=True)
    witnesses = [log / "audit.db.checkpoints"] if witnessed else []
    found = verify_store(engine, [public_key(log / "key.pem.pub")], witnesses=witnesses)
    engine.dispose()
    assert found.is_sound is (not found.faults)
    return [(fault.kind.value, fault.number) for fault in found.faults]


def test_a_log_that_nobody_touched_has_no_fault_with_and_without_a_witness(log: Path) -> None:
    assert faults(log) == faults(log, witnessed=False) == []


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (
            ["UPDATE audit_event SET body = CAST(replace(body, 'alice', 'mallory') AS BLOB) WHERE number = 5"],
            [("edited", 5), ("edited", 5)],
        ),
        (["UPDATE audit_event SET subject = 'mallory' WHERE number = 5"], [("edited", 5)]),
        (["UPDATE audit_event SET allowed = 2 WHERE number = 5"], [("edited", 5)]),
        (["DELETE FROM audit_event WHERE number IN (5, 6)"], [("deleted", 5)]),
        (["DELETE FROM audit_event WHERE number = 0"], [("deleted", 0)]),
        (
            [f"UPDATE audit_event SET number = {after} WHERE number = {before}" for before, after in ((3, 99), (7, 3), (99, 7))],
            [("reordered", 3), ("reordered", 7)],
        ),
        (["DELETE FROM audit_event WHERE number >= 9"], [("truncated", 9)]),
        (["DELETE FROM audit_event"], [("truncated", 0)]),
        (["DELETE FROM audit_head"], [("head_mismatch", None), ("head_mismatch", None)]),
        (["UPDATE audit_head SET note = replace(note, 'time 2', 'time 3')"], [("bad_signature", N - 1), ("head_mismatch", None)]),
        (["DROP TABLE audit_event"], [("unreadable", None), ("truncated", 0)]),
    ],
)
def test_each_fault_is_named_with_its_number(log: Path, statements: list[str], expected: list[tuple[str, int | None]]) -> None:
    assert faults(log, *statements) == expected


def test_a_chain_that_was_joined_over_a_gap_is_a_gap(log: Path) -> None:
    with sqlite3.connect(log / "audit.db") as connection:
        (previous,), (body,) = (
            connection.execute(query).fetchone()
            for query in ("SELECT digest FROM audit_event WHERE number = 4", "SELECT body FROM audit_event WHERE number = 6")
        )
        connection.execute("DELETE FROM audit_event WHERE number = 5")
        connection.execute("UPDATE audit_event SET previous = ?, digest = ? WHERE number = 6", (previous, link(6, previous, body)))
    connection.close()
    assert faults(log) == [("gap", 5), ("inserted", 7)]


def test_an_event_of_another_log_is_found_where_it_was_put_in(log: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    store = store_in(tmp_path / "other")
    for number in range(N):
        store.append(decision(number))
    store.close()
    assert faults(
        log,
        f"ATTACH '{tmp_path / 'other' / 'audit.db'}' AS other",
        "REPLACE INTO audit_event SELECT * FROM other.audit_event WHERE number = 5",
    ) == [("inserted", 5), ("inserted", 6)]


def test_only_a_witness_tells_an_earlier_state_from_a_log_that_never_went_on(log: Path) -> None:
    with sqlite3.connect(log / "audit.db") as connection:
        old = connection.execute("SELECT peaks, note FROM audit_head").fetchone()
    connection.close()
    store = store_in(log)
    store.append(decision(N))
    store.close()
    with sqlite3.connect(log / "audit.db") as connection:
        connection.execute("DELETE FROM audit_event WHERE number = ?", (N,))
        connection.execute("UPDATE audit_head SET peaks = ?, note = ?", old)
    connection.close()
    assert faults(log, witnessed=False) == []
    assert ("truncated", N) in faults(log)


def test_another_key_is_named_as_such(log: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    store_in(tmp_path / "other").close()
    engine = open_database(f"sqlite:///{log / 'audit.db'}", read_only=True)
    found = verify_store(engine, [public_key(tmp_path / "other" / "key.pem.pub")])
    engine.dispose()
    assert [fault.kind.value for fault in found.faults] == ["wrong_key", "head_mismatch"]


def test_a_log_of_another_name_is_not_the_one_that_was_asked_for(log: Path) -> None:
    engine = open_database(f"sqlite:///{log / 'audit.db'}", read_only=True)
    found = verify_store(engine, [public_key(log / "key.pem.pub")], origin="intent-audit/other")
    engine.dispose()
    assert {fault.kind.value for fault in found.faults} == {"inserted", "head_mismatch"}


def test_a_thousand_faults_are_listed_and_the_rest_counted(log: Path) -> None:
    store = store_in(log)
    for number in range(N, 1030):
        store.append(decision(number))
    store.close()
    with sqlite3.connect(log / "audit.db") as connection:
        connection.execute("UPDATE audit_event SET subject = 'mallory'")
    connection.close()
    engine = open_database(f"sqlite:///{log / 'audit.db'}", read_only=True)
    found = verify_store(engine, [public_key(log / "key.pem.pub")])
    engine.dispose()
    assert (len(found.faults), found.more, found.events) == (1000, 30, 1030)


def export(log: Path) -> list[bytes]:
    engine = open_database(f"sqlite:///{log / 'audit.db'}", read_only=True)
    lines = list(exported(engine))
    engine.dispose()
    return lines


def of_export(log: Path, lines: list[bytes]) -> list[tuple[str, int | None]]:
    found = verify_export(io.BytesIO(b"".join(lines)), [public_key(log / "key.pem.pub")], witnesses=[log / "audit.db.checkpoints"])
    return [(fault.kind.value, fault.number) for fault in found.faults]


def test_each_fault_of_an_export_is_named_with_its_number(log: Path) -> None:
    lines = export(log)
    assert len(lines) == N + 2
    assert of_export(log, lines) == []
    assert of_export(log, [*lines[:6], lines[6].replace(b"alice", b"molly"), *lines[7:]]) == [("edited", 5)]
    assert of_export(log, [*lines[:6], *lines[7:]]) == [("deleted", 5)]
    assert of_export(log, [*lines[:6], lines[7], lines[6], *lines[8:]]) == [("deleted", 5), ("inserted", 5)]
    assert of_export(log, [*lines[:7], lines[6], *lines[7:]]) == [("inserted", 5)]
    assert of_export(log, [*lines[:9], lines[-1]]) == [("truncated", 8)]
    assert of_export(log, lines[:-1]) == [("bad_signature", None), ("truncated", None), ("head_mismatch", None)]
    assert of_export(log, [*lines, b"\n"]) == [("inserted", None)]
    assert of_export(log, lines[1:])[0] == ("edited", None)
    assert of_export(log, [])[0] == ("bad_signature", None)


def test_a_line_of_an_export_is_canonical_json_around_the_bytes_of_the_event() -> None:
    assert line(3, b'{"a":1}', bytes(32), b"\x01" * 32) == (
        b'{"digest":"' + b"01" * 32 + b'","event":{"a":1},"number":3,"previous":"' + b"00" * 32 + b'"}\n'
    )
