"""Whatever is done to a log, by whoever has no key, is found; and a log that nobody touched is always sound."""

from __future__ import annotations

import io
import random
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from intent.audit import store, verify
from intent.audit.chain import link
from intent.audit.checkpoint import Checkpoint, Signer, read_note
from intent.audit.export import exported, trailer
from intent.audit.fault import Verification
from intent.audit.keys import public_key, signer
from intent.audit.merkle import Frontier, consistency_proof, inclusion_proof, is_consistent, is_included, leaf_hash, root_of
from intent.audit.store import AuditStore
from intent.audit.witness import note_of
from intent.database import open_database
from tests.doubles.audit_log import administration, decision, enforcement

EVENTS, EVERY = 26, 8
TABLES = ("audit_event", "audit_head", "audit_checkpoint")
INTEGERS = ("number", "allowed", "id", "size")


@dataclass(frozen=True)
class Log:
    """A log with everything that its life left behind."""

    directory: Path
    engine: Engine
    key: Ed25519PublicKey
    pristine: sqlite3.Connection
    work: sqlite3.Connection
    earlier: tuple[sqlite3.Connection, ...]
    exports: tuple[bytes, ...]

    @property
    def witness(self) -> Path:
        return self.directory / "audit.db.checkpoints"

    def notes(self) -> list[str]:
        return [note for line in self.witness.read_bytes().split(b"\n")[:-1] if (note := note_of(line))]

    def restore(self) -> None:
        self.pristine.backup(self.work)

    def dump(self) -> list[list[tuple[object, ...]]]:
        kinds = "typeof(body), typeof(digest), typeof(previous), typeof(subject), typeof(session)"
        more = {"audit_event": f", {kinds}"}
        return [self.work.execute(f"SELECT *{more.get(table, '')} FROM {table} ORDER BY 1").fetchall() for table in TABLES]

    def verified(self) -> Verification:
        return verify.verify_store(self.engine, [self.key], witnesses=[self.witness])

    def verified_export(self, content: bytes) -> Verification:
        return verify.verify_export(io.BytesIO(content), [self.key], witnesses=[self.witness])


def copied(file: Path) -> sqlite3.Connection:
    copy = sqlite3.connect(":memory:")
    with sqlite3.connect(file) as connection:
        connection.backup(copy)
    connection.close()
    return copy


def written(directory: Path, key: Path, offset: int) -> Log:
    directory.mkdir()
    file = directory / "audit.db"
    log = AuditStore.open(f"sqlite:///{file}", signer(key))
    earlier, exports = [], []
    for number in range(offset, offset + EVENTS):
        allowed = number % 3 > 0
        made = decision(number, session=f"s-{number % 4}", allowed=allowed, reads="files/find" if number % 2 else "")
        log.append((made, enforcement(number, number - 1), administration(number))[number % 6 // 4 + (number % 12 == 11)])
        if number % 4 == 3:
            earlier.append(copied(file))
            exports.append(b"".join(exported(log.engine)))
    exports.append(b"".join(exported(log.engine)))
    log.close()
    pristine = copied(file)
    work = sqlite3.connect(file, isolation_level=None)
    work.execute("PRAGMA synchronous=OFF")
    # What is not UTF-8 must be writable and readable for whoever tampers.
    work.text_factory = bytes
    engine = open_database(f"sqlite:///{file}", read_only=True)
    return Log(directory, engine, public_key(key.with_name("key.pem.pub")), pristine, work, tuple(earlier), tuple(exports))


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Log, Log]]:
    """A log, and another one that the same key signed."""
    directory = tmp_path_factory.mktemp("audit")
    with pytest.MonkeyPatch.context() as patch:
        # So that a short log has checkpoints too.
        patch.setattr(store, "CHECKPOINT_EVERY", EVERY)
        patch.setattr(verify, "CHECKPOINT_EVERY", EVERY)
        made = tuple(written(directory / name, directory / "key.pem", offset) for name, offset in (("mine", 0), ("other", 500)))
        yield made[0], made[1]
    for log in made:
        for connection in (log.pristine, log.work, *log.earlier):
            connection.close()
        log.engine.dispose()


def other_byte(raw: bytes, generator: random.Random) -> bytes:
    if not raw:
        return bytes([generator.randrange(1, 256)])
    place = generator.randrange(len(raw))
    return raw[:place] + bytes([(raw[place] + generator.randrange(1, 256)) % 256]) + raw[place + 1 :]


def edit_a_column(log: Log, other: Log, generator: random.Random) -> None:
    table = generator.choices(TABLES, (8, 1, 1))[0]
    names = [row[1].decode() for row in log.work.execute(f"PRAGMA table_info({table})")]
    name = generator.choice(names)
    row, value = generator.choice(log.work.execute(f"SELECT rowid, {name} FROM {table}").fetchall())
    if isinstance(value, int):
        taken = {found[0] for found in log.work.execute(f"SELECT {name} FROM {table}")} if name in {"number", "size"} else {value}
        if table == "audit_head":
            # Only one value is allowed there: take the row away.
            log.work.execute("DELETE FROM audit_head")
            return
        changed = generator.choice([number for number in (value ^ 1, value + 1000, -value - 1, value + 2**40, 7) if number not in taken])
        log.work.execute(f"UPDATE {table} SET {name} = ? WHERE rowid = ?", (changed, row))
        return
    kind = log.work.execute(f"SELECT typeof({name}) FROM {table} WHERE rowid = ?", (row,)).fetchone()[0].decode()
    log.work.execute(f"UPDATE {table} SET {name} = CAST(? AS {kind}) WHERE rowid = ?", (other_byte(value, generator), row))


def change_a_type(log: Log, other: Log, generator: random.Random) -> None:
    name, kind = generator.choice((("body", "TEXT"), ("digest", "TEXT"), ("previous", "TEXT"), ("subject", "BLOB"), ("session", "BLOB")))
    log.work.execute(f"UPDATE audit_event SET {name} = CAST({name} AS {kind}) WHERE number = ?", (generator.randrange(EVENTS),))


def delete_events(log: Log, other: Log, generator: random.Random) -> None:
    for number in generator.sample(range(EVENTS), generator.randint(1, 4)):
        log.work.execute("DELETE FROM audit_event WHERE number = ?", (number,))


def delete_and_renumber(log: Log, other: Log, generator: random.Random) -> None:
    number = generator.randrange(EVENTS)
    log.work.execute("DELETE FROM audit_event WHERE number = ?", (number,))
    for later in range(number + 1, EVENTS):
        log.work.execute("UPDATE audit_event SET number = number - 1 WHERE number = ?", (later,))


def reorder(log: Log, other: Log, generator: random.Random) -> None:
    first, second = generator.sample(range(EVENTS), 2)
    for before, after in ((first, -99), (second, first), (-99, second)):
        log.work.execute("UPDATE audit_event SET number = ? WHERE number = ?", (after, before))


def truncate(log: Log, other: Log, generator: random.Random) -> None:
    log.work.execute("DELETE FROM audit_event WHERE number >= ?", (generator.randrange(EVENTS),))


def truncate_with_an_earlier_head(log: Log, other: Log, generator: random.Random) -> None:
    note = generator.choice(log.notes()[:-1])
    size = read_note(note).checkpoint.size
    digests = [row[0] for row in log.work.execute("SELECT digest FROM audit_event WHERE number < ? ORDER BY number", (size,))]
    log.work.execute("DELETE FROM audit_event WHERE number >= ?", (size,))
    log.work.execute("DELETE FROM audit_checkpoint WHERE size > ?", (size,))
    log.work.execute("UPDATE audit_head SET note = ?, peaks = ?", (note, grown(digests).packed))


def replay_an_earlier_state(log: Log, other: Log, generator: random.Random) -> None:
    generator.choice(log.earlier[:-1]).backup(log.work)


def replace_by_another_log(log: Log, other: Log, generator: random.Random) -> None:
    other.pristine.backup(log.work)
    if generator.random() < 0.5:
        log.work.execute("UPDATE audit_event SET subject = subject")


def splice(log: Log, other: Log, generator: random.Random) -> None:
    names = "id, kind, at, decision_id, subject, agent, session, intent, reads, sensitivity, allowed, body, previous, digest"
    first = generator.randrange(EVENTS)
    for number in range(first, min(EVENTS, first + generator.randint(1, 3))):
        row = other.pristine.execute(f"SELECT {names} FROM audit_event WHERE number = ?", (number,)).fetchone()
        log.work.execute(f"INSERT OR REPLACE INTO audit_event (number, {names}) VALUES ({','.join('?' * 15)})", (number, *row))


def append_without_the_key(log: Log, other: Log, generator: random.Random) -> None:
    names = "id, kind, at, decision_id, subject, agent, session, intent, reads, sensitivity, allowed, body"
    row = other.pristine.execute(f"SELECT {names} FROM audit_event WHERE number = ?", (generator.randrange(EVENTS),)).fetchone()
    previous = log.work.execute("SELECT digest FROM audit_event ORDER BY number DESC").fetchone()[0]
    number = generator.choice((EVENTS, EVENTS, -1, EVENTS + 5))
    digest = link(number, previous, row[-1])
    log.work.execute(
        f"INSERT INTO audit_event (number, {names}, previous, digest) VALUES ({','.join('?' * 15)})", (number, *row, previous, digest)
    )


def exchange_heads(log: Log, other: Log, generator: random.Random) -> None:
    notes = log.notes()
    taken = generator.choice([*notes[:-1], *other.notes()])
    peaks = log.work.execute("SELECT peaks FROM audit_head").fetchone()[0]
    if generator.random() < 0.5:
        size = read_note(taken).checkpoint.size
        peaks = grown([row[0] for row in log.work.execute("SELECT digest FROM audit_event ORDER BY number LIMIT ?", (size,))]).packed
    log.work.execute("UPDATE audit_head SET note = ?, peaks = ?", (taken, peaks))


def tamper_with_checkpoints(log: Log, other: Log, generator: random.Random) -> None:
    size = EVERY * generator.randint(1, EVENTS // EVERY)
    statement, values = generator.choice(
        (
            ("DELETE FROM audit_checkpoint WHERE size = ?", (size,)),
            ("UPDATE audit_checkpoint SET note = (SELECT note FROM audit_head) WHERE size = ?", (size,)),
            ("UPDATE audit_checkpoint SET size = size + 1 WHERE size = ?", (size,)),
            ("INSERT INTO audit_checkpoint SELECT size + 1, note FROM audit_checkpoint WHERE size = ?", (size,)),
            ("UPDATE audit_checkpoint SET note = ? WHERE size = ?", (other.notes()[size], size)),
        )
    )
    log.work.execute(statement, values)


def rewrite_the_rest_of_the_chain(log: Log, other: Log, generator: random.Random) -> None:
    """All that can be done without the key: change an event, and everything after it that is computed from it."""
    changed = generator.randrange(EVENTS)
    kind = generator.choice(("changed", "left out"))
    rows = log.work.execute("SELECT * FROM audit_event ORDER BY number").fetchall()
    names = [row[1].decode() for row in log.work.execute("PRAGMA table_info(audit_event)")]
    place = {name: names.index(name) for name in names}
    if kind == "left out":
        del rows[changed]
    previous = (
        rows[0][place["previous"]] if changed or kind == "changed" else log.work.execute("SELECT previous FROM audit_event").fetchone()[0]
    )
    log.work.execute("DELETE FROM audit_event")
    digests: list[bytes] = []
    for number, row in enumerate(rows):
        values = list(row)
        if kind == "changed" and number == changed:
            values[place["body"]] = values[place["body"]].replace(b'"latency_us":', b'"latency_us":1')
        values[place["number"]], values[place["previous"]] = number, previous
        previous = values[place["digest"]] = link(number, previous, values[place["body"]])
        digests.append(previous)
        typed = [
            value.decode() if isinstance(value, bytes) and names[k] not in {"body", "previous", "digest"} else value
            for k, value in enumerate(values)
        ]
        log.work.execute(f"INSERT INTO audit_event VALUES ({','.join('?' * len(names))})", typed)
    forged = grown(digests)
    log.work.execute("UPDATE audit_head SET peaks = ?", (forged.packed,))
    if generator.random() < 0.7:
        # Signed with a key of the forger's own, or with an earlier signature under it.
        origin = read_note(log.notes()[0]).checkpoint.origin
        own = Signer(Ed25519PrivateKey.generate())
        note = own.sign(Checkpoint(origin, forged.size, forged.root, previous, "2026-03-01T12:00:00.000000Z"))
        log.work.execute("UPDATE audit_head SET note = ?", (note,))
        log.work.execute("DELETE FROM audit_checkpoint")


def grown(digests: list[bytes]) -> Frontier:
    tree = Frontier()
    for digest in digests:
        tree = tree.extended(digest)
    return tree


TAMPERINGS: tuple[tuple[Callable[[Log, Log, random.Random], None], int], ...] = (
    (edit_a_column, 400),
    (change_a_type, 20),
    (delete_events, 60),
    (delete_and_renumber, 40),
    (reorder, 60),
    (truncate, 30),
    (truncate_with_an_earlier_head, 30),
    (replay_an_earlier_state, 20),
    (replace_by_another_log, 4),
    (splice, 60),
    (append_without_the_key, 40),
    (exchange_heads, 60),
    (tamper_with_checkpoints, 40),
    (rewrite_the_rest_of_the_chain, 60),
)


@pytest.mark.parametrize(("tamper", "times"), TAMPERINGS, ids=[tamper.__name__ for tamper, _ in TAMPERINGS])
def test_whatever_is_done_to_a_store_is_found(logs: tuple[Log, Log], tamper: Callable[[Log, Log, random.Random], None], times: int) -> None:
    mine, other = logs
    mine.restore()
    whole = mine.dump()
    for seed in range(times):
        tamper(mine, other, random.Random(f"{tamper.__name__} {seed}"))
        assert mine.dump() != whole, seed
        assert not mine.verified().is_sound, seed
        mine.restore()
    assert mine.verified().faults == ()


def test_whatever_is_done_to_a_witness_is_found(logs: tuple[Log, Log]) -> None:
    mine, other = logs
    mine.restore()
    whole, foreign = mine.witness.read_bytes(), other.witness.read_bytes().splitlines(keepends=True)
    try:
        for seed in range(150):
            generator = random.Random(f"witness {seed}")
            mine.witness.write_bytes(other_byte(whole, generator) if seed % 10 else whole + generator.choice(foreign))
            assert not mine.verified().is_sound, seed
    finally:
        mine.witness.write_bytes(whole)
    assert mine.verified().faults == ()


def edit_a_byte(lines: list[bytes], mine: Log, other: Log, generator: random.Random) -> bytes:
    return other_byte(b"".join(lines), generator)


def put_in_bytes(lines: list[bytes], mine: Log, other: Log, generator: random.Random) -> bytes:
    content = b"".join(lines)
    place = generator.randrange(len(content) + 1)
    return content[:place] + generator.choice((b" ", b"\n", b"0", b'"', b"{}\n", b"\0")) + content[place:]


def take_out_lines(lines: list[bytes], mine: Log, other: Log, generator: random.Random) -> bytes:
    gone = set(generator.sample(range(len(lines)), generator.randint(1, 3)))
    return b"".join(line for place, line in enumerate(lines) if place not in gone)


def exchange_lines(lines: list[bytes], mine: Log, other: Log, generator: random.Random) -> bytes:
    first, second = generator.sample(range(len(lines)), 2)
    lines[first], lines[second] = lines[second], lines[first]
    return b"".join(lines)


def repeat_a_line(lines: list[bytes], mine: Log, other: Log, generator: random.Random) -> bytes:
    lines.insert(generator.randrange(len(lines) + 1), generator.choice(lines))
    return b"".join(lines)


def cut(lines: list[bytes], mine: Log, other: Log, generator: random.Random) -> bytes:
    content = b"".join(lines)
    return content[: generator.randrange(len(content))]


def splice_lines(lines: list[bytes], mine: Log, other: Log, generator: random.Random) -> bytes:
    foreign = other.exports[-1].splitlines(keepends=True)
    place = generator.randrange(len(lines))
    lines[place : place + generator.randint(0, 1)] = [foreign[place]]
    return b"".join(lines)


def end_with_an_earlier_head(lines: list[bytes], mine: Log, other: Log, generator: random.Random) -> bytes:
    note = generator.choice(mine.notes()[:-1])
    kept = lines[: read_note(note).checkpoint.size + 1] if generator.random() < 0.7 else lines[:-1]
    return b"".join([*kept, trailer(note)])


def replay_an_earlier_export(lines: list[bytes], mine: Log, other: Log, generator: random.Random) -> bytes:
    return generator.choice((*mine.exports[:-1], *other.exports))


EXPORT_TAMPERINGS: tuple[tuple[Callable[[list[bytes], Log, Log, random.Random], bytes], int], ...] = (
    (edit_a_byte, 400),
    (put_in_bytes, 100),
    (take_out_lines, 60),
    (exchange_lines, 60),
    (repeat_a_line, 40),
    (cut, 100),
    (splice_lines, 60),
    (end_with_an_earlier_head, 40),
    (replay_an_earlier_export, 20),
)


@pytest.mark.parametrize(("tamper", "times"), EXPORT_TAMPERINGS, ids=[tamper.__name__ for tamper, _ in EXPORT_TAMPERINGS])
def test_whatever_is_done_to_an_export_is_found(
    logs: tuple[Log, Log], tamper: Callable[[list[bytes], Log, Log, random.Random], bytes], times: int
) -> None:
    mine, other = logs
    whole = mine.exports[-1]
    assert mine.verified_export(whole).faults == ()
    for seed in range(times):
        content = tamper(whole.splitlines(keepends=True), mine, other, random.Random(f"{tamper.__name__} {seed}"))
        assert content != whole, seed
        assert not mine.verified_export(content).is_sound, seed


def test_an_export_of_every_moment_is_sound(logs: tuple[Log, Log]) -> None:
    for log in logs:
        for content in log.exports:
            # An earlier export is whole in itself; only a later head that was held elsewhere shows that it is not the last.
            assert verify.verify_export(io.BytesIO(content), [log.key]).faults == ()


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=70), st.data())
@settings(max_examples=150)
def test_proofs_of_a_tree_hold_for_what_they_prove_and_for_nothing_else(entries: list[bytes], data: st.DataObject) -> None:
    leaves = [leaf_hash(bytes([place]) + entry) for place, entry in enumerate(entries)]
    n, root = len(leaves), root_of(leaves)
    assert grown([bytes([place]) + entry for place, entry in enumerate(entries)]).root == root
    index, size = data.draw(st.integers(0, n - 1)), data.draw(st.integers(1, n))
    proof, growth, first = inclusion_proof(leaves, index), consistency_proof(leaves, size), root_of(leaves[:size])
    assert is_included(root, n, index, leaves[index], proof)
    assert is_consistent(first, size, root, n, growth)
    assert not is_included(root, n, index, leaf_hash(b"another"), proof)
    assert not is_included(root, n, index, leaves[index], (*proof, root))
    assert not is_consistent(leaf_hash(b"another"), size, root, n, growth)
    assert not is_consistent(first, size, root, n, (*growth, root))
    if n > 1:
        other = data.draw(st.integers(0, n - 1).filter(lambda place: place != index))
        assert not is_included(root, n, other, leaves[index], proof)
