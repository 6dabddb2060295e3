"""A witness that is put aside when it is full: nothing is lost, all of its files are verified, and whatever is done to one is found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from intent.audit.keys import public_key, signer
from intent.audit.rotation import before_of, rotated
from intent.audit.store import AuditStore
from intent.audit.verify import verify_store
from intent.audit.witness import Witness, note_of
from intent.database import open_database
from intent.errors import AuditError
from tests.doubles.audit_log import decision

BYTES = 2000
EVENTS = 40


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("log")
    store = AuditStore.open(f"sqlite:///{folder / 'audit.db'}", signer(folder / "key.pem"), witness=folder / "w", witness_bytes=BYTES)
    for number in range(EVENTS):
        store.append(decision(number))
    store.close()
    return folder


@pytest.fixture
def log(original: Path, tmp_path: Path) -> Path:
    for file in original.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
        (tmp_path / file.name).chmod(0o600)
    return tmp_path


def files(log: Path) -> list[Path]:
    return [*(path for _, path in rotated(log / "w")), log / "w"]


def faults(log: Path, *more: Path) -> list[str]:
    engine = open_database(f"sqlite:///{log / 'audit.db'}", read_only=True)
    found = verify_store(engine, [public_key(log / "key.pem.pub")], witnesses=[log / "w", *more])
    engine.dispose()
    return [f"{fault.kind}: {fault.detail}" for fault in found.faults]


def again(log: Path) -> AuditStore:
    return AuditStore.open(f"sqlite:///{log / 'audit.db'}", signer(log / "key.pem"), witness=log / "w", witness_bytes=BYTES)


def test_a_full_file_is_put_aside_and_named_by_the_next_one(log: Path) -> None:
    found = files(log)
    assert len(found) > 5
    assert all(path.stat().st_size >= BYTES for path in found[:-1])
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in found)
    lines = [path.read_bytes().splitlines(keepends=True) for path in found]
    heads = [note_of(line[:-1]) for each in lines for line in each if before_of(line) is None]
    assert len(heads) == len(set(heads)) == EVENTS + 1
    assert None not in heads
    assert [before_of(each[0]) is not None for each in lines] == [False] + [True] * (len(found) - 1)
    assert json.loads(lines[1][0])["number"] == 1
    assert faults(log) == []


def test_a_service_goes_on_where_the_last_one_stopped(log: Path) -> None:
    count = len(files(log))
    store = again(log)
    for number in range(EVENTS, EVENTS + 20):
        store.append(decision(number))
    store.close()
    assert len(files(log)) > count
    assert faults(log) == []


def remove(path: Path) -> None:
    path.unlink()


def cut_the_end(path: Path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def take_a_line_out(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], *lines[3:]]))


def swap_lines(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], lines[2], lines[1], *lines[3:]]))


def forget_the_one_before(path: Path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def say_a_line_twice(path: Path) -> None:
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines(keepends=True)[-1])


@pytest.mark.parametrize(
    "tamper",
    [remove, cut_the_end, take_a_line_out, swap_lines, forget_the_one_before, empty, say_a_line_twice],
    ids=lambda one: one.__name__,
)
def test_whatever_is_done_to_a_full_file_is_found(log: Path, tamper: Callable[[Path], None]) -> None:
    for path in files(log)[:-1]:
        before = path.read_bytes()
        tamper(path)
        assert faults(log), path.name
        path.write_bytes(before)
    assert faults(log) == []


def test_full_files_that_change_places_or_are_moved_up_are_found(log: Path) -> None:
    first, second, *_ = files(log)
    texts = first.read_bytes(), second.read_bytes()
    first.write_bytes(texts[1])
    second.write_bytes(texts[0])
    assert any("follows" in fault for fault in faults(log))
    first.write_bytes(texts[1])
    second.unlink()
    assert faults(log)


def test_a_witness_that_begins_anew_beside_full_files_is_found(log: Path) -> None:
    (log / "w").unlink()
    (log / "w").touch(0o600)
    store = again(log)
    store.append(decision(99))
    store.close()
    assert any("does not say that it follows" in fault for fault in faults(log))


def test_files_that_are_kept_elsewhere_are_verified_with_the_rest(log: Path) -> None:
    away = log / "away"
    away.mkdir()
    for path in files(log)[:-1]:
        path.rename(away / path.name)
    last = files(log)
    assert len(last) == 1
    assert any("is not there" in fault for fault in faults(log))
    # The last of the archived ones stands for all of them: it names those before it, which stand beside it.
    archived = sorted(away.iterdir(), key=lambda path: int(path.name.rpartition(".")[2]))
    store = again(log)
    store.append(decision(99))
    store.close()
    assert len(faults(log, *archived)) == 0


def test_a_rotation_that_was_stopped_half_way_is_ended_by_the_next_one(log: Path) -> None:
    count = len(files(log))
    witness = Witness(log / "w", file_bytes=10)
    os.link(log / "w", log / f"w.{count}")
    (log / "w.next").write_bytes(b"half of a li")
    assert faults(log) == []
    notes = witness.tail()
    witness.record(notes[-1])
    assert len(files(log)) == count + 1
    assert not (log / "w.next").exists()
    assert faults(log) == []
    # What stands in the file before is not forgotten, and is asked for where it is needed.
    assert witness.tail()[-2:] == [notes[-1], notes[-1]]
    (log / "w").write_bytes((log / "w").read_bytes().splitlines(keepends=True)[0])
    assert witness.tail()[-1] == notes[-1]
    (log / f"w.{count}").unlink()
    with pytest.raises(AuditError, match="cannot be read"):
        witness.tail()
    witness.close()


def test_a_log_put_back_is_refused_after_a_rotation_too(log: Path, original: Path) -> None:
    before = (log / "audit.db").read_bytes()
    store = again(log)
    store.append(decision(90))
    store.close()
    witness = Witness(log / "w", file_bytes=1)
    witness.record(witness.tail()[-1])
    (log / "audit.db").write_bytes(before)
    for beside in ("audit.db-wal", "audit.db-shm"):
        (log / beside).unlink(missing_ok=True)
    with pytest.raises(AuditError, match="as was witnessed"):
        again(log)
    witness.close()


def test_where_a_file_cannot_be_put_aside_it_grows_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    witness = Witness(tmp_path / "w", file_bytes=1)
    monkeypatch.setattr(os, "link", refused)
    for text in ("one", "two", "three"):
        witness.record(text)
    assert (tmp_path / "w").read_bytes() == b'"one"\n"two"\n"three"\n'
    assert files(tmp_path) == [tmp_path / "w"]
    witness.close()


WRITER = """
import sys
from pathlib import Path
from intent.audit.witness import Witness
path, name, count = sys.argv[1:]
witness = Witness(Path(path), file_bytes=400)
for n in range(int(count)):
    witness.record(f"{name} {n} {'x' * 40}")
witness.close()
"""


def all_lines(path: Path) -> Iterator[str]:
    for file in [*(full for _, full in rotated(path)), path]:
        for place, line in enumerate(file.read_bytes().splitlines(keepends=True), 1):
            if place == 1 and before_of(line) is not None:
                continue
            found = note_of(line[:-1])
            assert found is not None, (file.name, line)
            yield found


def test_writers_of_several_processes_and_threads_rotate_once_and_lose_nothing(tmp_path: Path) -> None:
    path, each = tmp_path / "w", 60
    command = [sys.executable, "-c", WRITER, str(path)]
    running = [subprocess.Popen([*command, f"process {n}", str(each)]) for n in range(3)]
    witness = Witness(path, file_bytes=400)
    threads = [threading.Thread(target=lambda n=n: [witness.record(f"thread {n} {k} {'x' * 40}") for k in range(each)]) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait(60) for process in running] == [0, 0, 0]
    witness.close()
    found = list(all_lines(path))
    assert len(found) == len(set(found)) == 5 * each
    numbers = [number for number, _ in rotated(path)]
    assert numbers == list(range(1, len(numbers) + 1))
    full = [file for _, file in rotated(path)]
    named = [before_of(file.read_bytes().partition(b"\n")[0] + b"\n") for file in (*full[1:], path)]
    assert [before.number for before in named if before] == numbers
