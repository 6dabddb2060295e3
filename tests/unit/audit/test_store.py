import shutil
import sqlite3
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from intent.audit.checkpoint import Signer, read_note
from intent.audit.journal import Journal, SessionHistory
from intent.audit.keys import signer
from intent.audit.query import Query, events
from intent.audit.store import AuditStore
from intent.audit.verify import verify_store
from intent.audit.witness import Witness, note_of
from intent.database import open_database
from intent.errors import AuditError
from tests.doubles.audit_log import START, administration, decision, enforcement, store_in


@pytest.fixture
def journal():
    store = AuditStore(open_database("sqlite://"), Signer(Ed25519PrivateKey.generate()))
    yield store
    store.close()


def change(directory: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(directory / "audit.db") as connection:
        connection.execute(statement, values)
    connection.close()


def test_a_store_is_a_journal_that_numbers_events_from_zero(journal: Journal) -> None:
    receipts = [journal.append(event) for event in (decision(0), enforcement(1, 0), administration(2))]
    assert [receipt.number for receipt in receipts] == [0, 1, 2]
    assert len({receipt.digest for receipt in receipts}) == 3


def test_a_history_holds_what_was_allowed_and_nothing_else(journal: AuditStore) -> None:
    assert journal.history("s-1") == journal.history("") == SessionHistory()
    journal.append(decision(0, intent="write", reads="", sensitivity="secret"))
    journal.append(decision(1, allowed=False, intent="export", reads="mail/read", sensitivity="high"))
    journal.append(enforcement(2, 0))
    journal.append(decision(3, session="s-2", intent="export", reads="mail/read", sensitivity="high"))
    journal.append(decision(4, session="", intent="export"))
    # What is only touched brings nothing in: neither its name nor its sensitivity counts as read.
    assert journal.history("s-1") == SessionHistory(1, ("write",))
    journal.append(decision(5, reads="files/find", sensitivity="low"))
    journal.append(decision(6, reads="db/query", sensitivity="low"))
    expected = SessionHistory(3, ("search", "write"), ("db/query", "files/find"), ("low",))
    assert journal.history("s-1") == journal.history("s-1") == expected
    assert journal.history("s-2") == SessionHistory(1, ("export",), ("mail/read",), ("high",))


def test_a_history_sees_at_once_what_another_process_wrote(tmp_path: Path) -> None:
    one, two = store_in(tmp_path), store_in(tmp_path)
    for number in range(6):
        (one, two)[number % 2].append(decision(number, reads=f"server/tool{number}"))
        assert one.history("s-1").calls == two.history("s-1").calls == number + 1
    assert one.history("s-1") == two.history("s-1")
    one.close()
    two.close()


def test_an_event_without_bytes_does_not_keep_others_from_being_recorded(journal: AuditStore) -> None:
    with pytest.raises(AuditError):
        journal.append(decision(0).model_copy(update={"subject": "\ud800"}))
    assert journal.append(decision(1)).number == 0


def test_each_append_is_signed_and_witnessed(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    for number in range(3):
        receipt = store.append(decision(number))
        note = note_of((tmp_path / "audit.db.checkpoints").read_bytes().splitlines()[-1])
        assert note is not None
        head = read_note(note).checkpoint
        assert (head.size, head.link.hex(), head.origin) == (number + 1, receipt.digest, store.origin)
        assert note == store.head().note
    store.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_head SET note = replace(note, char(10) || '3' || char(10), char(10) || '2' || char(10))",
        "UPDATE audit_head SET peaks = zeroblob(length(peaks))",
        "UPDATE audit_head SET note = ''",
        "DELETE FROM audit_head",
    ],
)
def test_no_head_is_signed_over_one_that_was_tampered_with(tmp_path: Path, statement: str) -> None:
    store = store_in(tmp_path)
    for number in range(3):
        store.append(decision(number))
    change(tmp_path, statement)
    with pytest.raises(AuditError):
        store.append(decision(3))
    store.close()
    with pytest.raises(AuditError):
        store_in(tmp_path)


def test_a_log_that_was_put_back_is_neither_continued_nor_opened(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.append(decision(0))
    with sqlite3.connect(tmp_path / "audit.db") as connection:
        old = connection.execute("SELECT peaks, note FROM audit_head").fetchone()
    connection.close()
    store.append(decision(1))
    change(tmp_path, "DELETE FROM audit_event WHERE number = 1")
    change(tmp_path, "UPDATE audit_head SET peaks = ?, note = ?", *old)
    with pytest.raises(AuditError, match="must reach event 2"):
        store.append(decision(2))
    store.close()
    with pytest.raises(AuditError, match="must reach event 2"):
        store_in(tmp_path)


def test_a_fresh_database_beside_a_witness_is_not_a_new_log(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.append(decision(0))
    store.close()
    for path in tmp_path.glob("audit.db*"):
        if path.suffix != ".checkpoints":
            path.unlink()
    with pytest.raises(AuditError, match="signed head"):
        store_in(tmp_path)


def test_a_fork_of_the_same_length_is_not_opened(tmp_path: Path) -> None:
    first = store_in(tmp_path)
    first.append(decision(0))
    first.close()
    shutil.copytree(tmp_path, tmp_path / "fork")
    for directory, number in ((tmp_path, 1), (tmp_path / "fork", 2)):
        store = store_in(directory)
        store.append(decision(number))
        store.close()
    shutil.copy(tmp_path / "fork" / "audit.db", tmp_path / "audit.db")
    with pytest.raises(AuditError, match="was witnessed"):
        store_in(tmp_path)


def test_a_log_of_another_key_is_only_continued_by_who_knows_that_key(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.append(decision(0))
    store.close()
    old, new = signer(tmp_path / "key.pem"), signer(tmp_path / "new.pem")
    url = f"sqlite:///{tmp_path / 'audit.db'}"
    with pytest.raises(AuditError, match="wrong_key"):
        AuditStore.open(url, new)
    store = AuditStore.open(url, new, former=[old.public])
    store.append(decision(1))
    witness = tmp_path / "audit.db.checkpoints"
    assert verify_store(store.engine, [old.public, new.public], witnesses=[witness]).is_sound
    assert {fault.kind.value for fault in verify_store(store.engine, [new.public], witnesses=[witness]).faults} == {"wrong_key"}
    store.close()


def test_a_turn_that_does_not_come_is_an_error_and_the_event_is_withdrawn(tmp_path: Path) -> None:
    key = signer(tmp_path / "key.pem")
    store = AuditStore(open_database(f"sqlite:///{tmp_path / 'audit.db'}"), key, witness=Witness(tmp_path / "w"), timeout_s=0.05)
    with store._turn, pytest.raises(AuditError, match="within"):
        store.append(decision(0))
    assert store.append(decision(1)).number == 0
    assert [event.id for _, event in events(store.engine, Query())] == ["e-1"]
    store.close()


def test_events_are_found_by_what_they_are_about(journal: AuditStore) -> None:
    journal.append(decision(0, session="long" * 200, intent="write"))
    journal.append(decision(1))
    journal.append(enforcement(2, 1))
    journal.append(decision(3, intent="write"))

    def found(**query: object) -> list[str]:
        return [event.id for _, event in events(journal.engine, Query(**query))]

    assert found() == ["e-3", "e-2", "e-1", "e-0"]
    assert found(limit=1) == ["e-3"]
    assert found(session="long" * 200) == ["e-0"]
    assert found(subject="alice") == ["e-3", "e-2", "e-1"]
    assert found(intent="write") == ["e-3", "e-0"]
    assert found(decision_id="d-1") == ["e-2", "e-1"]
    assert found(since=START.replace(second=2)) == ["e-3", "e-2"]
    assert found(subject="alice", intent="write", session="s-1") == ["e-3"]
