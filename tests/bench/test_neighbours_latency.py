"""What neighbours cost the page of a decision: the search over 10,000 labels of a store, and taking in what was labelled since."""

from __future__ import annotations

import time
from statistics import median, quantiles

import numpy as np
import pytest

from intent.database import open_database
from intent.schema import Tool, ToolCall
from intent.workbench.items import Figures
from intent.workbench.labelling import Judgement
from intent.workbench.labels import Act
from intent.workbench.neighbours import Snapshots
from intent.workbench.reading import stored
from intent.workbench.records import Item, Origin
from intent.workbench.store import WorkbenchStore
from tests.doubles.workbench import ADMIN, ANALYST, WORDS, decided

MANY, MORE, DIMENSIONS, MODEL = 10_000, 50, 384, "m" * 64
MOST_MS = 10.0
SEARCH = Judgement("search")


def items_of(store: WorkbenchStore, number: int) -> list[Item]:
    calls = (ToolCall(tool=Tool(name=f"tool {n}", description="Reads rows. " * 10, server=f"s{n % 300}")) for n in range(number))
    return [
        store.new_item(one, origin=Origin.HARVEST, group=one.tool.server or "", decision=decided("search")) for one in calls if one.tool
    ]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory):
    store = WorkbenchStore(open_database(f"sqlite:///{tmp_path_factory.mktemp('near') / 'workbench.db'}"), audit_rate=0.0)
    items, generator = items_of(store, MANY + 2 * MORE), np.random.default_rng(0)
    store.add_items(ADMIN, items)
    rows = generator.normal(size=(len(items), DIMENSIONS)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    store.score(ADMIN, [Figures(one.id, 1.0, 0.5, 0.5, embedding=stored(row), model=MODEL) for one, row in zip(items, rows, strict=True)])
    for start in range(0, MANY, 200):
        store.act(ANALYST, WORDS, [Act(one.id, SEARCH) for one in items[start : start + 200]])
    yield store, items, rows
    store.engine.dispose()


def tell(name: str, times: list[float]) -> float:
    print(f"{name:46} median {median(times):8.3f} ms  p95 {quantiles(times, n=20)[-1]:8.3f} ms")
    return median(times)


def test_neighbours_of_ten_thousand_labels(filled) -> None:
    store, items, rows = filled
    kept = Snapshots(store)
    begin = time.perf_counter()
    assert len(kept.of(WORDS, MODEL, DIMENSIONS)) == MANY
    print(f"{'first reading of 10,000 labels':46} {1000 * (time.perf_counter() - begin):8.1f} ms, once for each model")
    asked, renewed = [], []
    for n in range(MORE):
        begin = time.perf_counter()
        assert kept.of(WORDS, MODEL, DIMENSIONS).nearest(rows[n], 5)[0].item == items[n].id
        asked.append(1000 * (time.perf_counter() - begin))
    for one, row in zip(items[MANY : MANY + MORE], rows[MANY:], strict=False):
        store.act(ANALYST, WORDS, [Act(one.id, SEARCH)])
        begin = time.perf_counter()
        assert kept.of(WORDS, MODEL, DIMENSIONS).nearest(row, 5)[0].item == one.id
        renewed.append(1000 * (time.perf_counter() - begin))
    assert tell("nearest of 10,000 labels", asked) < MOST_MS
    assert tell("nearest of 10,000 labels, after a label", renewed) < MOST_MS
