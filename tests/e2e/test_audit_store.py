"""The audit under real conditions: many writing processes, a killed writer, a full disk, a locked and a lost database, real PostgreSQL."""

from __future__ import annotations

import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from intent.audit.encoding import call_record
from intent.audit.export import exported
from intent.audit.keys import public_key, signer
from intent.audit.store import AuditStore
from intent.audit.verify import verify_export, verify_store
from intent.audit.witness import Witness
from intent.database import Durability, open_database
from intent.errors import AuditError, StoreError
from intent.schema import ToolCall
from tests.doubles.audit_log import SECRET, decision, store_in
from tests.e2e.postgres import postgres_server, why_not

WRITERS, EACH = 8, 2500
# Each commit there waits for the disk and for six answers of the server: as many would take minutes on a busy machine.
EACH_ON_POSTGRESQL = 250
needs_postgres = pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is a server")


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture
def fresh(postgres: str) -> str:
    """The server without any table."""
    engine = open_database(postgres)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return postgres


def start_writer(url: str, directory: Path, count: int, name: str) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "tests.e2e.audit_writer",
        url,
        str(directory / "key.pem"),
        str(directory / "witness"),
        str(count),
        name,
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])


def acknowledged(output: bytes) -> dict[int, tuple[str, str]]:
    """Digest and id of each event by its number; a line that was cut was not acknowledged."""
    lines = [line.split() for line in output.decode().split("\n")[:-1]]
    found = {int(number): (digest, name) for number, digest, name in lines}
    assert len(found) == len(lines)
    return found


def recorded(url: str) -> dict[int, tuple[str, str]]:
    engine = open_database(url, read_only=True)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT number, digest, id FROM audit_event")).all()
    engine.dispose()
    return {row[0]: (bytes(row[1]).hex(), row[2]) for row in rows}


def verified(url: str, directory: Path, *, witness: str = "witness"):
    engine = open_database(url, read_only=True)
    found = verify_store(engine, [public_key(directory / "key.pem.pub")], witnesses=[directory / witness])
    engine.dispose()
    return found


def many_writers(url: str, directory: Path, each: int) -> float:
    """Start writers at once on a database that nobody set up, and hold every event to account; seconds of the writing."""
    begin = time.monotonic()
    writers = [start_writer(url, directory, each, f"w{number}") for number in range(WRITERS)]
    outputs = [writer.communicate(timeout=300)[0] for writer in writers]
    took = time.monotonic() - begin
    assert [writer.returncode for writer in writers] == [0] * WRITERS
    told: dict[int, tuple[str, str]] = {}
    for output in outputs:
        mine = acknowledged(output)
        assert len(mine) == each
        assert not told.keys() & mine.keys()
        told |= mine
    assert sorted(told) == list(range(WRITERS * each))
    assert recorded(url) == told
    found = verified(url, directory)
    assert found.faults == ()
    assert (found.events, found.witnessed) == (WRITERS * each, WRITERS * each)
    return took


@pytest.mark.slow
def test_eight_processes_lose_nothing_on_sqlite(tmp_path: Path, record_property: pytest.RecordProperty) -> None:
    record_property("seconds", many_writers(f"sqlite:///{tmp_path / 'audit.db'}", tmp_path, EACH))


@pytest.mark.slow
@needs_postgres
def test_eight_processes_lose_nothing_on_postgresql(fresh: str, tmp_path: Path, record_property: pytest.RecordProperty) -> None:
    record_property("seconds", many_writers(fresh, tmp_path, EACH_ON_POSTGRESQL))


def killed_in_the_middle(url: str, directory: Path) -> None:
    AuditStore.open(url, signer(directory / "key.pem"), witness=directory / "witness").close()
    seen: dict[int, tuple[str, str]] = {}
    for life in range(3):
        writer = start_writer(url, directory, 100_000, f"life{life}")
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(60 + 40 * life)]
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read()
        assert writer.wait(timeout=30) == -signal.SIGKILL
        writer.stdout.close()
        seen |= acknowledged(b"".join(lines) + rest)
    assert len(seen) >= 300
    found = recorded(url)
    assert {number: found[number] for number in seen} == seen
    # Each death may leave one event behind that was committed and not yet acknowledged.
    assert len(found) - len(seen) <= 3
    assert verified(url, directory).faults == ()


def test_every_acknowledged_event_outlives_a_killed_writer_on_sqlite(tmp_path: Path) -> None:
    killed_in_the_middle(f"sqlite:///{tmp_path / 'audit.db'}", tmp_path)


@needs_postgres
def test_every_acknowledged_event_outlives_a_killed_writer_on_postgresql(fresh: str, tmp_path: Path) -> None:
    killed_in_the_middle(fresh, tmp_path)


@needs_postgres
def test_a_log_on_postgresql_exports_and_recalls_sessions_and_finds_what_was_done_to_it(fresh: str, tmp_path: Path) -> None:
    store = AuditStore.open(fresh, signer(tmp_path / "key.pem"), witness=tmp_path / "witness")
    # What PostgreSQL takes neither in a text nor in an index must not keep an event from being recorded.
    for number, session in enumerate(("s-1", "s\0-2", "s" * 5000, "s-1")):
        store.append(decision(number, session=session, reads="mail/read\0", sensitivity="high"))
    assert [store.history(session).calls for session in ("s-1", "s\0-2", "s" * 5000, "s-3")] == [2, 1, 1, 0]
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"".join(exported(store.engine)))
    keys = [public_key(tmp_path / "key.pem.pub")]
    with path.open("rb") as file:
        assert verify_export(file, keys, witnesses=[tmp_path / "witness"]).is_sound
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE audit_event SET allowed = 0 WHERE number = 2"))
    assert [(fault.kind.value, fault.number) for fault in verified(fresh, tmp_path).faults] == [("edited", 2)]
    store.close()


@needs_postgres
def test_a_postgresql_server_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with postgres_server() as url:
        store = AuditStore.open(url, signer(tmp_path / "key.pem"), witness=tmp_path / "witness", timeout_s=1)
        store.append(decision(0))
    with pytest.raises(AuditError):
        store.append(decision(1))
    with pytest.raises(AuditError):
        store.history("s-1")
    with pytest.raises(StoreError):
        open_database(url, timeout_s=1)
    store.close()


@needs_postgres
def test_a_locked_head_on_postgresql_is_an_error_in_time(fresh: str, tmp_path: Path) -> None:
    store = AuditStore.open(fresh, signer(tmp_path / "key.pem"), witness=tmp_path / "witness", timeout_s=0.3)
    holder = open_database(fresh)
    with holder.begin() as connection:
        connection.execute(text("SELECT * FROM audit_head FOR UPDATE"))
        begin = time.monotonic()
        with pytest.raises(AuditError):
            store.append(decision(0))
        assert time.monotonic() - begin < 5
    assert store.append(decision(1)).number == 0
    holder.dispose()
    store.close()


def test_threads_that_wait_are_committed_together_and_each_gets_its_own_receipt(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    receipts: dict[int, int] = {}

    def write(first: int) -> None:
        for number in range(first, first + 50):
            receipts[number] = store.append(decision(number)).number

    threads = [threading.Thread(target=write, args=(50 * k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(receipts.values()) == list(range(400))
    with store.engine.connect() as connection:
        found = {row[0]: row[1] for row in connection.execute(text("SELECT id, number FROM audit_event"))}
    assert found == {f"e-{number}": place for number, place in receipts.items()}
    store.close()
    lines = (tmp_path / "audit.db.checkpoints").read_bytes().count(b"\n")
    # One line is of the beginning; fewer lines than events show that heads were shared.
    assert 1 < lines <= 401
    assert verified(f"sqlite:///{tmp_path / 'audit.db'}", tmp_path, witness="audit.db.checkpoints").faults == ()


def test_a_locked_database_is_an_error_in_time_and_the_next_event_is_recorded(tmp_path: Path) -> None:
    store = AuditStore.open(f"sqlite:///{tmp_path / 'audit.db'}", signer(tmp_path / "key.pem"), timeout_s=0.2)
    with sqlite3.connect(tmp_path / "audit.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        begin = time.monotonic()
        with pytest.raises(AuditError, match="locked"):
            store.append(decision(0))
        assert time.monotonic() - begin < 2
        other.execute("ROLLBACK")
    other.close()
    assert store.append(decision(1)).number == 0
    store.close()


def test_a_closed_store_records_and_recalls_nothing(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.close()
    store.close()
    for ask in (lambda: store.append(decision(0)), lambda: store.history("s-1"), store.head):
        with pytest.raises(AuditError, match="closed"):
            ask()


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from intent.audit.keys import signer
from intent.audit.store import AuditStore
from intent.errors import AuditError
from tests.doubles.audit_log import decision
directory = Path(sys.argv[1])
store = AuditStore.open(f"sqlite:///{directory / 'audit.db'}", signer(directory / "key.pem"))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
number = 0
try:
    while True:
        store.append(decision(number))
        number += 1
except AuditError as error:
    print(number, error, flush=True)
"""


def test_a_disk_that_takes_no_more_is_an_error_and_what_was_acknowledged_stays(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    number, _, told = process.stdout.partition(" ")
    assert int(number) > 10
    assert told.startswith("the audit cannot record an event: "), told
    url = f"sqlite:///{tmp_path / 'audit.db'}"
    assert len(recorded(url)) >= int(number)
    assert verified(url, tmp_path, witness="audit.db.checkpoints").faults == ()
    # With room again the log goes on.
    store = store_in(tmp_path)
    assert store.append(decision(int(number))).number >= int(number)
    store.close()


def test_a_witness_that_takes_no_more_is_an_error(tmp_path: Path) -> None:
    key = signer(tmp_path / "key.pem")
    AuditStore.open(f"sqlite:///{tmp_path / 'audit.db'}", key, witness=tmp_path / "witness").close()
    full = Witness(Path("/dev/full"))
    store = AuditStore(open_database(f"sqlite:///{tmp_path / 'audit.db'}"), key, witness=full)
    with pytest.raises(AuditError, match="/dev/full"):
        store.append(decision(0))
    store.close()


def test_a_half_written_line_of_a_witness_is_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "witness"
    witness = Witness(path)
    witness.record("one")
    size = path.stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 3, before[1]))
        with pytest.raises(AuditError):
            witness.record("two")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.stat().st_size == size
    # A line that the loss of power cut is taken back by the next writer.
    with path.open("ab") as file:
        file.write(b'"tw')
    witness.record("three")
    assert path.read_bytes() == b'"one"\n"three"\n'
    assert witness.tail() == ["one", "three"]
    witness.close()


def test_processes_that_start_together_set_up_one_log(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'audit.db'}"
    writers = [start_writer(url, tmp_path, 3, f"w{number}") for number in range(6)]
    told = [acknowledged(writer.communicate(timeout=120)[0]) for writer in writers]
    assert sorted(number for mine in told for number in mine) == list(range(18))
    assert verified(url, tmp_path).faults == ()
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600


def test_full_durability_waits_for_the_disk(tmp_path: Path) -> None:
    store = AuditStore.open(f"sqlite:///{tmp_path / 'audit.db'}", signer(tmp_path / "key.pem"), durable=Durability.FULL)
    store.append(decision(0))
    with store.engine.connect() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert connection.execute(text("PRAGMA foreign_keys")).scalar_one() == 1
    store.close()


def test_nothing_of_a_call_reaches_the_disk_unless_raw_recording_is_on(tmp_path: Path) -> None:
    call = ToolCall.parse(
        {"request": "Send hunter2 to Mallory", "tool": {"name": "send"}, "arguments": {"body": "hunter2", "n": [True, None, 1.5]}}
    )
    for raw in (False, True):
        directory = tmp_path / str(raw)
        directory.mkdir()
        store = store_in(directory)
        store.append(decision(0).model_copy(update={"call": call_record(call, SECRET, raw=raw)}))
        store.close()
        content = b"".join(path.read_bytes() for path in directory.iterdir())
        assert (b"hunter2" in content) is raw
        assert (directory / "audit.db").stat().st_mode & 0o077 == 0


@pytest.mark.skipif(shutil.which("openssl") is None or shutil.which("jq") is None, reason="openssl or jq is not installed")
def test_the_head_of_an_export_verifies_with_openssl_as_the_manual_says(root: Path, tmp_path: Path) -> None:
    store = store_in(tmp_path, key="audit.pem")
    store.append(decision(0))
    (tmp_path / "audit.jsonl").write_bytes(b"".join(exported(store.engine)))
    store.close()
    told = (root / "docs" / "audit.md").read_text("utf-8")
    commands = told[told.index("    sed -n '$p'") : told.index("## Keys")]
    good = subprocess.run(["bash", "-ec", commands], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert "Verified Successfully" in good.stdout, good.stderr
    content = (tmp_path / "audit.jsonl").read_bytes()
    (tmp_path / "audit.jsonl").write_bytes(content.replace(b"\\n1\\n", b"\\n2\\n"))
    bad = subprocess.run(["bash", "-ec", commands], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert bad.returncode != 0


def test_a_second_way_into_a_database_in_one_process_drops_no_lock_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    url = f"sqlite:///{path}"
    first = open_database(url)
    with first.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE kept (n INTEGER)")
    open_database(url)
    # A reader elsewhere that believes itself the last one would, as it goes, take the log away from under the first.
    reading = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); print(c.execute('SELECT count(*) FROM kept').fetchone()[0]); c.close()"
    )
    for number in range(3):
        with first.begin() as connection:
            connection.exec_driver_sql("INSERT INTO kept VALUES (1)")
        seen = subprocess.run([sys.executable, "-c", reading, str(path)], capture_output=True, text=True, check=True).stdout
        assert int(seen) == number + 1
