"""What the review queue costs: a page over 100,000 items, an offer of a decision, the nearest labels of 20,000, a health page."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np
import pytest
from sqlalchemy import insert, text

from intent.database import open_database
from intent.workbench.arrivals import Arrivals
from intent.workbench.browsing import Filters, Pile, browse, entry, group, waiting
from intent.workbench.health import queue_figures
from intent.workbench.intake import Intake, Review
from intent.workbench.neighbours import Neighbours
from intent.workbench.reading import stored
from intent.workbench.records import Item, Origin, Standing, Stream
from intent.workbench.store import WorkbenchStore
from intent.workbench.tables import ITEM_STATE, ITEMS
from intent.workbench.turns import age_priority, head_priority, member_priority
from tests.doubles.normalizer import EchoNormalizer
from tests.doubles.review import ENCODER, arrive, call, item, said
from tests.doubles.workbench import ADMIN, ANALYST, NOW, WORDS
from tests.e2e.postgres import postgres_server, why_not

MANY = 100_000
SERVERS = 400
DIMENSIONS = 384
MOST_PAGE_MS = 50.0
MOST_FIGURES_MS = 200.0
MOST_NEAREST_MS = 10.0
MOST_OFFER_US = 200.0


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkbenchStore]:
    if request.param == "sqlite":
        store = WorkbenchStore(open_database(f"sqlite:///{tmp_path_factory.mktemp('queue') / 'workbench.db'}"), audit_rate=0.0)
        fill(store)
        yield store
        store.engine.dispose()
        return
    if why_not():
        pytest.skip(why_not())
    with postgres_server("fsync=off") as url:
        store = WorkbenchStore(open_database(url), audit_rate=0.0)
        fill(store)
        yield store
        store.engine.dispose()


def fill(store: WorkbenchStore) -> None:
    """Items as a busy store has them: few servers have most, a few clusters are very large, a tenth is labelled, a fiftieth is audited."""
    generator = np.random.default_rng(0)
    servers = np.minimum(generator.zipf(1.3, MANY) - 1, SERVERS - 1)
    turns: dict[int, int] = {}
    clusters: list[tuple[str, int, int]] = []
    blob = stored(generator.normal(size=DIMENSIONS).astype(np.float32))
    with store.engine.begin() as connection:
        for start in range(0, MANY, 2000):
            states = []
            for n in range(start, start + 2000):
                name = f"{n:064x}"
                audited, server = n % 50 == 0, int(servers[n])
                row = {"item": name, "stream": "audit" if audited else "picked", "domain": f"server {server}", "standing": "open"}
                row |= {"number": n + 1}
                row |= {"margin": float(generator.random()), "consequence": 1.0, "vocabulary": "", "model": "m", "embedding": blob}
                if n % 10 == 1:
                    row["standing"] = "settled"
                if audited:
                    row |= {"cluster": "", "priority": age_priority(NOW + timedelta(seconds=n))}
                elif clusters and generator.random() < 0.6:
                    # The older a cluster, the more have joined it.
                    place = int(len(clusters) * generator.random() ** 3)
                    cluster, count, home = clusters[place]
                    clusters[place] = (cluster, count + 1, home)
                    row |= {"cluster": cluster, "priority": member_priority(count, row["margin"]), "domain": f"server {home}"}
                else:
                    turns[server] = turns.get(server, -1) + 1
                    row |= {"cluster": f"{server:016x}{name}", "priority": head_priority(turns[server], row["margin"])}
                    clusters.append((row["cluster"], 0, server))
                states.append(row)
            connection.execute(insert(ITEMS), [item_row(row, start + place + 1) for place, row in enumerate(states)])
            connection.execute(insert(ITEM_STATE), states)
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


def item_row(state: dict[str, object], number: int) -> dict[str, object]:
    call = {"tool": {"name": f"tool {number}", "description": "Does something with rows. " * 10}, "arguments": {"n": number}}
    kept = Item(
        id=str(state["item"]),
        at=NOW,
        origin=Origin.DECISION,
        stream=Stream(str(state["stream"])),
        group=str(state["domain"]),
        call=call,  # type: ignore[arg-type]
        decision=said("search", 0.6, forwarded=True),
        decision_id=f"d-{number}",
    )
    return {
        "id": kept.id,
        "number": number,
        "stream": kept.stream.value,
        "decision_id": kept.decision_id,
        "added_by": "x",
        "body": kept.model_dump_json(),
    }


def timed_ms(what: Callable[[], object], times: int = 30) -> list[float]:
    what()
    found: list[float] = []
    for _ in range(times):
        begin = time.perf_counter()
        what()
        found.append(1000 * (time.perf_counter() - begin))
    return found


def tell(name: str, times: list[float], unit: str = "ms") -> None:
    print(f"{name:46} median {median(times):8.3f} {unit}  p95 {quantiles(times, n=20)[-1]:8.3f} {unit}")


def test_a_page_of_a_hundred_thousand(filled: WorkbenchStore) -> None:
    kind = filled.engine.dialect.name

    def page(pile: Pile = Pile.PICKED, filters: Filters | None = None, **more: Any):
        return browse(filled, ANALYST, pile, filters or Filters(), **more)

    deep = page(limit=200)
    for _ in range(20):
        assert deep.after is not None
        deep = page(limit=200, after=deep.after)
    first = page(limit=1).entries[0].item.id
    asked: dict[str, Callable[[], object]] = {
        "first page": page,
        "page after 4,200": lambda: page(after=deep.after),
        "page of the busiest server": lambda: page(filters=Filters(server="server 0")),
        "page of settled ones": lambda: page(filters=Filters(standing=Standing.SETTLED)),
        "page of the audit stream": lambda: page(Pile.AUDIT),
        "page of what waits for a second person": lambda: page(Pile.SECOND),
        "one item": lambda: entry(filled, first),
        "its group": lambda: group(filled, first),
    }
    for name, what in asked.items():
        times = timed_ms(what)
        tell(f"{kind}: {name}", times)
        assert median(times) < MOST_PAGE_MS, name
    assert len(page().entries) == 25
    # These count every item.
    for name, what in {"what waits": lambda: waiting(filled), "figures of the queue": lambda: queue_figures(filled)}.items():
        times = timed_ms(what)
        tell(f"{kind}: {name}", times)
        assert median(times) < MOST_FIGURES_MS, name


def test_an_arrival_among_a_hundred_thousand(filled: WorkbenchStore) -> None:
    items = [item(filled, call("server 0", f"new tool {n}", n=n), said("search", 0.6, forwarded=True)) for n in range(60)]
    filled.add_items(ADMIN, items)
    placing = Arrivals(filled, ENCODER, WORDS)
    times = []
    for one in items:
        begin = time.perf_counter()
        assert placing.place(ADMIN, [one]) == 1
        times.append(1000 * (time.perf_counter() - begin))
    tell(f"{filled.engine.dialect.name}: place of a new item", times)
    assert median(times) < MOST_PAGE_MS


def test_the_nearest_of_twenty_thousand_labels() -> None:
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(20_000, DIMENSIONS)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = Neighbours(rows, [(str(n), "search", ()) for n in range(len(rows))])
    times = timed_ms(lambda: found.nearest(rows[7], 5), 100)
    tell("nearest of 20,000 labels", times)
    assert median(times) < MOST_NEAREST_MS


def test_an_offer_costs_a_decision_microseconds(tmp_path: Path) -> None:
    store = WorkbenchStore(open_database(f"sqlite:///{tmp_path / 'workbench.db'}"), audit_rate=0.0)
    arrive(store, item(store, call("mail", "get_mail"), said("search", 0.6, forwarded=True)))
    intake = Intake(store, Arrivals(store, ENCODER, WORDS), Review.ALL)
    normalizer = EchoNormalizer()
    times: list[float] = []
    for n in range(2000):
        given = call("mail", "get_mail", n=n)
        decision = normalizer.normalize(given)
        begin = time.perf_counter()
        intake.offer(given, decision)
        times.append(1e6 * (time.perf_counter() - begin))
    tell("offer of a decision", times, "us")
    intake.close(60)
    print(intake.figures)
    assert median(times) < MOST_OFFER_US
    store.engine.dispose()
