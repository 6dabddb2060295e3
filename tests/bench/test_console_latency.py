"""How long a page of the queue takes with 100,000 items in the store."""

from __future__ import annotations

import time
from statistics import median, quantiles

import pytest
from sqlalchemy import insert

from intent.schema import Tool, ToolCall
from intent.workbench.base import body_of
from intent.workbench.records import Origin
from intent.workbench.tables import ITEM_STATE, ITEMS
from tests.doubles.desk import Bench, Person

ITEMS_IN_STORE = 100_000
AT_MOST_MS = 200.0
CLUSTERS = 4_000


def filled(bench: Bench) -> None:
    """Rows as the store writes them, without its checks of each, which take far longer than a page does."""
    first = bench.add(ToolCall(request="get it", tool=Tool(name="get_page", description="Reads a page.")))
    decision = first.decision
    streams = bench.store.streams()
    with bench.store.writes() as connection:
        for start in range(0, ITEMS_IN_STORE, 2000):
            items, states = [], []
            for number in range(start, start + 2000):
                name = f"{number:064x}"
                call = {"request": f"get page {number}", "tool": {"name": f"get_page_{number % 997}", "description": "Reads a page. " * 12}}
                item = first.model_copy(
                    update={"id": name, "call": call, "decision": decision, "stream": streams.of(name), "origin": list(Origin)[number % 4]}
                )
                texts = {"stream": item.stream.value, "decision_id": "", "added_by": "ada", "body": body_of(item)}
                items.append({"id": name, "number": number + 10, **texts})
                figures = {"priority": float(number % 1013), "margin": 0.1, "consequence": 1.0, "model": "m", "embedding": bytes(768)}
                place = {"domain": f"server-{number % 50}", "standing": "open", "cluster": f"c{number % CLUSTERS}", "vocabulary": ""}
                states.append({"item": name, "stream": item.stream.value, **place, **figures})
            connection.execute(insert(ITEMS), items)
            connection.execute(insert(ITEM_STATE), states)


@pytest.fixture(scope="module")
def ann(tmp_path_factory: pytest.TempPathFactory) -> Person:
    bench = Bench(tmp_path_factory.mktemp("bench"), audit_rate=0.02)
    filled(bench)
    return Person(bench, "ann")


@pytest.mark.parametrize(
    "path",
    [
        "/queue",
        "/queue?item=" + f"{7:064x}",
        "/queue?pile=second",
        "/queue?pile=audit",
        "/queue?server=server-7",
        "/queue?origin=harvest",
        "/queue?intent=search",
        "/queue?server=none",
        "/queue?intent=write",
    ],
)
def test_a_page_of_the_queue_is_quick(ann: Person, path: str) -> None:
    taken: list[float] = []
    for _ in range(9):
        began = time.process_time()
        ann.read(path)
        taken.append(1000 * (time.process_time() - began))
    print(f"{path[:40]:40} median {median(taken):6.1f} ms, p90 {quantiles(taken, n=10)[-1]:6.1f} ms")
    assert median(taken) < AT_MOST_MS
