"""The workbench in SQLite and in a real PostgreSQL server: the same story on both."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from intent.database import MIGRATIONS, open_database
from intent.errors import Forbidden, WorkbenchError
from intent.schema import Tool
from intent.views import tool_digest
from intent.workbench.browsing import Filters, Pile, browse
from intent.workbench.health import queue_figures
from intent.workbench.items import Figures
from intent.workbench.labelling import Judgement
from intent.workbench.labels import Act
from intent.workbench.queue import members
from intent.workbench.records import (
    Account,
    Actor,
    Change,
    Definition,
    ModelEntry,
    Promotion,
    PromotionKind,
    Review,
    Role,
    RunEvent,
    RunState,
    Standing,
    Stream,
    VocabularyVersion,
)
from intent.workbench.store import WorkbenchStore
from intent.workbench.tables import FACTS
from tests.doubles.workbench import ADMIN, ANALYST, APPROVER, NOW, OTHER, VIEWER, WORDS, added, new_items, open_store, say
from tests.e2e.postgres import postgres_server, why_not

MANY = 100_000


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    if why_not():
        pytest.skip(why_not())
    with postgres_server("fsync=off") as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'workbench.db'}"
    server: str = request.getfixturevalue("postgres")
    engine = open_database(server)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return server


@pytest.fixture
def store(url: str) -> Iterator[WorkbenchStore]:
    found = open_store(url)
    yield found
    found.engine.dispose()


def test_labels_add_up_and_are_taken_back(store: WorkbenchStore) -> None:
    first, second, third = added(store, 3, "write")
    assert say(store, ANALYST, first, "write")[0].id == 1
    say(store, ANALYST, second, "search")
    assert store.verdict(first, WORDS).standing is Standing.SETTLED
    assert store.verdict(second, WORDS).standing is Standing.PENDING
    say(store, OTHER, second, "search")
    assert store.verdict(second, WORDS).standing is Standing.PENDING
    say(store, APPROVER, second, "search")
    assert (store.verdict(second, WORDS).standing, store.verdict(second, WORDS).intent) == (Standing.SETTLED, "search")
    store.act(ANALYST, WORDS, [Act(first, None), Act(third, Judgement("export", note="a note\0"))])
    assert store.verdict(third, WORDS).standing is Standing.PENDING
    assert {one.item for one in store.undo(ANALYST, WORDS)} == {first, third}
    assert store.verdict(third, WORDS).standing is Standing.OPEN
    assert [one.item for one in store.undo(ANALYST, WORDS)] == [second]
    assert [one.item for one in store.undo(ANALYST, WORDS)] == [first]
    assert store.undo(ANALYST, WORDS) == ()
    standings = {found.item: found.standing for found in store.verdicts(WORDS)}
    assert standings == {first: Standing.OPEN, second: Standing.SETTLED, third: Standing.OPEN}
    for name, standing in standings.items():
        state = store.state(name)
        assert state is not None
        assert (state.standing, state.vocabulary) == (standing, WORDS.digest)
    numbers = sorted(one.id for name in standings for one in store.labels_of(name))
    assert numbers == list(range(1, 11))


def test_an_item_is_added_once_and_named_by_its_content(store: WorkbenchStore) -> None:
    items = new_items(store, 3)
    assert store.add_items(ANALYST, items) == tuple(item.id for item in items)
    assert store.add_items(OTHER, [*items, *new_items(store, 1, start=9)]) == (new_items(store, 1, start=9)[0].id,)
    assert [item.id for item in store.all_items()][:3] == [item.id for item in items]
    assert store.item(items[0].id) == items[0]
    assert store.added_by(items[0].id) == ANALYST.name
    assert store.item("nothing") is None
    assert store.item_of_decision("d-1") == items[1]
    with pytest.raises(WorkbenchError, match="named by its content"):
        store.add_items(ANALYST, [items[0].model_copy(update={"id": "0" * 64})])
    with pytest.raises(WorkbenchError, match="stream"):
        store.add_items(ANALYST, [new_items(store, 1, start=20)[0].model_copy(update={"stream": Stream.AUDIT})])


def test_the_secret_of_the_streams_is_of_the_store_and_stays(store: WorkbenchStore) -> None:
    store.audit_rate = 0.5
    names = [f"{n:064x}" for n in range(200)]
    drawn = [store.streams().of(name) for name in names]
    again = WorkbenchStore(store.engine, audit_rate=0.5)
    assert [again.streams().of(name) for name in names] == drawn
    assert 60 < drawn.count(Stream.AUDIT) < 140


def test_nothing_kept_can_be_changed_or_deleted(store: WorkbenchStore) -> None:
    name = added(store, 1)[0]
    say(store, ANALYST, name, "search")
    for table in FACTS:
        column = next(iter(table.c)).name
        for statement in (f"UPDATE {table.name} SET {column} = {column}", f"DELETE FROM {table.name}"):
            if store.engine.dialect.name == "sqlite" and table.name not in {"workbench_item", "workbench_label", "workbench_stream_key"}:
                continue  # its triggers run for each row, and there is none in the others
            with pytest.raises(DBAPIError, match="only ever added to"), store.engine.begin() as connection:
                connection.execute(text(statement))
    assert len(store.labels_of(name)) == 1


def test_every_write_asks_the_role(store: WorkbenchStore) -> None:
    name = added(store, 1)[0]
    digest = "ab" * 32
    entry = ModelEntry(digest=digest, name="m", version="1.0.0", directory="d", vocabulary=WORDS.digest, at=NOW, by=VIEWER.name)
    promotion = Promotion(id=0, kind=PromotionKind.PROMOTE, digest=digest, previous="", at=NOW, by=ANALYST.name)
    release = VocabularyVersion(
        id=0, version="1.0.0", digest=digest, document="", base="", change=Change.MAJOR, released=True, at=NOW, by=ANALYST.name
    )
    review = Review(id=0, server="s", name="t", digest=digest, intent="search", at=NOW, by=ANALYST.name)
    refused = [
        lambda: say(store, VIEWER, name, "write"),
        lambda: store.undo(VIEWER, WORDS),
        lambda: store.restate(VIEWER, WORDS),
        lambda: store.add_items(VIEWER, new_items(store, 1)),
        lambda: store.score(VIEWER, []),
        lambda: store.add_definitions(VIEWER, []),
        lambda: store.review(ANALYST, WORDS, review),
        lambda: store.add_vocabulary(ANALYST, release),
        lambda: store.add_run_event(VIEWER, RunEvent(id=0, run="r", at=NOW, state=RunState.QUEUED)),
        lambda: store.add_model(VIEWER, entry),
        lambda: store.add_promotion(ANALYST, promotion),
    ]
    for act in refused:
        with pytest.raises(Forbidden):
            act()
    assert store.labels_of(name) == ()


def test_definitions_and_reviews(store: WorkbenchStore) -> None:
    def listed(description: str) -> Definition:
        tool = {"name": "get", "description": description}
        digest = tool_digest(Tool.model_validate(tool))
        return Definition(server="s", name="get", digest=digest, definition=tool, at=NOW, by=ANALYST.name)

    old, new = listed("Reads."), listed("Deletes.")
    assert store.add_definitions(ANALYST, [old, old]) == (old,)
    assert store.add_definitions(ANALYST, [new]) == (new,)
    assert store.add_definitions(ANALYST, [old]) == (old,)
    assert store.definitions("s", "get") == (old, new, old)
    assert store.listed() == (old,)
    review = Review(id=0, server="s", name="get", digest=old.digest, intent="search", at=NOW, by=APPROVER.name)
    [kept] = store.review(APPROVER, WORDS, review)
    assert store.pins() == (kept,) == store.reviews("s")
    store.review(APPROVER, WORDS, review.model_copy(update={"withdrawn": True}))
    assert store.pins() == ()
    with pytest.raises(WorkbenchError, match="listed"):
        store.review(APPROVER, WORDS, review.model_copy(update={"digest": "no"}))
    with pytest.raises(WorkbenchError, match="digest"):
        store.add_definitions(ANALYST, [old.model_copy(update={"digest": new.digest})])


def test_vocabularies_runs_and_models(store: WorkbenchStore, root: Path) -> None:
    document = (root / "data" / "vocabulary.toml").read_text("utf-8")
    draft = VocabularyVersion(
        id=0,
        version=WORDS.version,
        digest=WORDS.digest,
        document=document,
        base="",
        change=Change.MAJOR,
        released=False,
        at=NOW,
        by=ANALYST.name,
    )
    assert store.add_vocabulary(ANALYST, draft).id == 1
    assert store.released_vocabulary() is None
    released = store.add_vocabulary(APPROVER, draft.model_copy(update={"released": True, "by": APPROVER.name}))
    assert store.released_vocabulary() == released == store.vocabulary_version(WORDS.digest)
    assert store.vocabulary_versions(released=True) == (released,)
    with pytest.raises(WorkbenchError, match="digest"):
        store.add_vocabulary(ANALYST, draft.model_copy(update={"digest": "00"}))

    event = RunEvent(id=0, run="r", at=NOW, state=RunState.QUEUED)
    store.add_run_event(ANALYST, event)
    store.add_run_event(APPROVER, event.model_copy(update={"state": RunState.CANCELLED}))
    with pytest.raises(WorkbenchError, match="ended"):
        store.add_run_event(ANALYST, event.model_copy(update={"state": RunState.RUNNING}))
    assert [one.state for one in store.run_events("r")] == [RunState.QUEUED, RunState.CANCELLED]
    assert [(one.run, one.detail["by"]) for one in store.runs()] == [("r", APPROVER.name)]

    entry = ModelEntry(digest="a", name="m", version="1.0.0", directory="d", vocabulary=WORDS.digest, at=NOW, by=ANALYST.name)
    store.add_model(ANALYST, entry)
    store.add_model(ANALYST, entry.model_copy(update={"digest": "b", "parent": "a"}))
    assert [one.digest for one in store.models()] == ["a", "b"]
    promotion = Promotion(id=0, kind=PromotionKind.PROMOTE, digest="a", previous="", at=NOW, by=APPROVER.name)
    store.add_promotion(APPROVER, promotion)
    with pytest.raises(WorkbenchError, match="another model"):
        store.add_promotion(APPROVER, promotion)
    with pytest.raises(WorkbenchError, match="served"):
        store.add_promotion(APPROVER, promotion.model_copy(update={"kind": PromotionKind.ROLL_BACK, "digest": "b", "previous": "a"}))
    store.add_promotion(APPROVER, promotion.model_copy(update={"digest": "b", "previous": "a"}))
    back = store.add_promotion(APPROVER, promotion.model_copy(update={"kind": PromotionKind.ROLL_BACK, "previous": "b"}))
    assert store.serving() == back
    assert len(store.promotions()) == 3


def test_accounts_have_versions_and_the_last_one_says_what_a_person_may_do(store: WorkbenchStore) -> None:
    first = store.add_account(Account(name="ann", hash="h", role=Role.ANALYST, at=NOW, by=ADMIN.name), 0)
    assert store.actor("ann") == Actor(name="ann", role=Role.ANALYST)
    promoted = store.add_account(first.model_copy(update={"role": Role.APPROVER}), first.id)
    assert store.actor("ann").role is Role.APPROVER
    with pytest.raises(WorkbenchError, match="meanwhile"):
        store.add_account(first, first.id)
    store.add_account(promoted.model_copy(update={"disabled": True}), promoted.id)
    for nobody in ("ann", "ben"):
        with pytest.raises(Forbidden):
            store.actor(nobody)
    assert len(store.account_versions("ann")) == 3
    assert store.account_names() == ("ann",)


def test_writers_at_once_lose_nothing_and_number_their_acts_without_a_gap(store: WorkbenchStore) -> None:
    names = added(store, 40)
    actors = [Actor(name=f"a{n}", role=Role.ANALYST) for n in range(4)]
    threads = [threading.Thread(target=lambda one=one: [say(store, one, name, "search") for name in names]) for one in actors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    acts = [act for name in names for act in store.labels_of(name)]
    assert sorted(act.id for act in acts) == list(range(1, 161))
    assert all(len(store.verdict(name, WORDS).by) == 4 for name in names)


def test_a_new_vocabulary_restates_what_is_derived(store: WorkbenchStore) -> None:
    from intent.vocabulary import Vocabulary

    name = added(store, 1, None)[0]
    say(store, ANALYST, name, "summarize")
    document = WORDS.to_dict()
    kept = [
        {**word, "above": [low for low in word["above"] if low != "summarize"]} for word in document["intents"] if word["id"] != "summarize"
    ]
    effects = {effect: "search" if word == "summarize" else word for effect, word in document["effects"].items()}
    smaller = Vocabulary.parse({**document, "intents": kept, "effects": effects})
    assert store.restate(ANALYST, smaller) == 1
    state = store.state(name)
    assert state is not None
    assert (state.standing, state.vocabulary) == (Standing.SKIPPED, smaller.digest)
    assert store.verdict(name, WORDS).intent == "summarize"


def test_an_older_database_learns_how_old_its_items_are(url: str) -> None:
    before = open_store(url)
    names = added(before, 5)
    say(before, ANALYST, names[0], "search")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with before.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0004")
    before.engine.dispose()
    after = open_store(url)
    with after.reads() as connection:
        rows = connection.execute(text("SELECT item FROM item_state WHERE standing = 'open' ORDER BY number")).scalars().all()
        assert connection.execute(text("SELECT MIN(number), MAX(number) FROM item_state")).one() == (1, 5)
    assert list(rows) == names[1:]
    second = after.item(names[1])
    assert second is not None
    assert queue_figures(after).oldest == {Stream.PICKED: second.at, Stream.AUDIT: None}
    after.engine.dispose()


@pytest.mark.slow
def test_a_queue_of_a_hundred_thousand_is_paged_within_fifty_milliseconds(
    store: WorkbenchStore, record_property: pytest.RecordProperty
) -> None:
    body = new_items(store, 1)[0].model_copy(update={"id": "i0"}).model_dump_json()
    items = text(
        "INSERT INTO workbench_item (id, number, stream, decision_id, added_by, body) "
        "WITH RECURSIVE counted(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counted WHERE n < :last) "
        "SELECT 'i' || CAST(1000000 + n AS TEXT), 1000000 + n, 'picked', '', 'x', "
        "REPLACE(CAST(:body AS TEXT), '\"i0\"', '\"i' || CAST(1000000 + n AS TEXT) || '\"') FROM counted"
    )
    fill = text(
        "INSERT INTO item_state (item, stream, domain, standing, cluster, priority, margin, consequence, vocabulary, model, embedding, "
        "number) "
        "WITH RECURSIVE counted(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counted WHERE n < :last) "
        "SELECT 'i' || CAST(1000000 + n AS TEXT), 'picked', 'g', 'open', 'c' || CAST(n - n / 5000 * 5000 AS TEXT), "
        "(n * 7919 - n * 7919 / 100000 * 100000) / 100000.0, 0.1, 1.0, '', 'm', CAST(:vector AS BYTES), 1000000 + n FROM counted".replace(
            "BYTES", "BLOB" if store.engine.dialect.name == "sqlite" else "BYTEA"
        )
    )
    with store.engine.begin() as connection:
        connection.execute(items, {"last": MANY - 1, "body": body})
        connection.execute(fill, {"last": MANY - 1, "vector": b"\0" * 768})
    if store.engine.dialect.name == "postgresql":
        with store.engine.begin() as connection:
            connection.execute(text("ANALYZE item_state"))
    times: list[float] = []
    seen: list[float] = []
    for after in (None, (0.5, "j"), (0.001, "j")):
        for _ in range(5):
            begin = time.perf_counter()
            found = browse(store, ANALYST, Pile.PICKED, Filters(), after=after, limit=50)
            times.append(time.perf_counter() - begin)
        assert len(found.entries) == 50
        assert found.after is not None
        seen.append(found.after[0])
    assert seen == sorted(seen, reverse=True)
    states = [store.state(name) for name in members(store, "c7", limit=10)]
    assert {state.cluster for state in states if state is not None} == {"c7"}
    assert len(states) == 10
    record_property("slowest_page_ms", 1000 * max(times))
    record_property("median_page_ms", 1000 * sorted(times)[len(times) // 2])
    # The median, because a busy machine stops any one of them.
    assert sorted(times)[len(times) // 2] < 0.05


def test_figures_of_a_model_are_kept_beside_the_item(store: WorkbenchStore) -> None:
    name = added(store, 1)[0]
    assert store.score(ANALYST, [Figures(name, 0.75, 0.1, 2.0, "c", b"\x00\x3c", "m"), Figures("gone", 1, 1, 1)]) == 1
    assert store.score(ANALYST, [Figures(name, 0.5, 0.2, 2.0, "d", None, "m")]) == 1
    state = store.state(name)
    assert state is not None
    assert (state.priority, state.margin, state.cluster, state.embedding, state.group) == (0.5, 0.2, "d", b"\x00\x3c", "group 0")
    assert store.counts() == {(Stream.PICKED, Standing.OPEN): 1}
