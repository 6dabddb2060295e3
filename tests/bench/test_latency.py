"""What one decision costs, beside the usual way: sentence-transformers and scikit-learn's own prediction, timed in the same run."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from intent import Normalizer, ToolCall
from intent.bundle import load, shipped_path

# One thread each, so that both sides get the same machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

MOST_WARM_MS = 1.0
MOST_COLD_MS = 12.0
COLD_TOKENS = 64
CALL = {
    "request": "Move my appointment with the dentist to Friday at ten.",
    "tool": {
        "name": "update_event",
        "description": "Change time, place or title of a calendar event. The event is named by its id; what is not given stays as it is.",
        "input_schema": {
            "type": "object",
            "properties": {
                "event_id": {"type": "string", "description": "Which event."},
                "start": {"type": "string", "format": "date-time", "description": "When it begins."},
                "title": {"type": "string"},
                "visibility": {"type": "string", "enum": ["private", "team", "public"]},
            },
            "required": ["event_id"],
        },
        "annotations": {"readOnlyHint": False},
        "server": "calendar",
    },
    "arguments": {"event_id": "evt_5512", "start": "2031-05-09T10:00:00+02:00"},
}
WORDS = (
    "move",
    "copy",
    "report",
    "table",
    "order",
    "customer",
    "invoice",
    "folder",
    "message",
    "event",
    "ticket",
    "account",
    "device",
    "channel",
)


@dataclass(frozen=True, slots=True)
class Times:
    """What each call took, in milliseconds: on the wall, and of the processor.

    Bounds are set on the latter: a busy neighbour is no defect, and everything here runs on one thread.
    """

    wall_ms: list[float]
    cpu_ms: list[float]

    @classmethod
    def of(cls, work: Callable[[Any], object], inputs: Iterator[Any], *, rounds: int, warm_up: int = 5) -> Times:
        for given in itertools.islice(inputs, warm_up):
            work(given)
        found = cls([], [])
        for given in itertools.islice(inputs, rounds):
            wall_s, cpu_s = time.perf_counter(), time.process_time()
            work(given)
            found.cpu_ms.append(1000 * (time.process_time() - cpu_s))
            found.wall_ms.append(1000 * (time.perf_counter() - wall_s))
        return found

    @property
    def typical_ms(self) -> float:
        return median(self.cpu_ms)


class Timings(dict[str, Times]):
    """Times by name, printed as one table when the module is done."""

    def show(self, usual: str) -> None:
        table = Table(
            "one call", "wall median", "wall 95%", "cpu median", "times the usual way", title="Latency in ms", title_justify="left"
        )
        for column in table.columns[1:]:
            column.justify = "right"
        for name, times in self.items():
            ratio = f"1 / {self[usual].typical_ms / times.typical_ms:.1f}" if usual in self else "-"
            high = quantiles(times.wall_ms, n=20)[-1]
            table.add_row(name, f"{median(times.wall_ms):.3f}", f"{high:.3f}", f"{times.typical_ms:.3f}", ratio)
        Console(width=120).print("", table, sep="\n")


USUAL = "usual: sentence-transformers, scikit-learn"
WARM = "warm: known tool, new arguments"
COLD = "cold: text of 64 tokens, embedded"


@pytest.fixture(scope="module")
def timings() -> Iterator[Timings]:
    found = Timings()
    yield found
    found.show(USUAL)


@pytest.fixture(scope="module")
def normalizer() -> Normalizer:
    return Normalizer.load()


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Texts of `COLD_TOKENS` tokens, none like another, so that no cache knows them."""
    random = np.random.default_rng(0)
    tokens = COLD_TOKENS - 2  # the encoder adds a mark at each end
    return [" ".join(random.choice(WORDS, tokens)) for _ in range(400)]


def usual_way(texts: list[str]) -> Callable[[str], object]:
    """The pinned base model behind sentence-transformers, and a logistic regression fitted on its embeddings."""
    import torch
    from sklearn.linear_model import LogisticRegression

    from intent.embedding.sentence import load_base

    torch.set_num_threads(1)
    model = load_base()
    fitted = LogisticRegression().fit(model.encode(texts[:40]), np.arange(40) % 5)
    return lambda text: fitted.predict_proba(model.encode([text]))


def test_the_usual_way(timings: Timings, texts: list[str]) -> None:
    timings[USUAL] = Times.of(usual_way(texts), iter(texts[40:]), rounds=60)
    assert timings[USUAL].typical_ms > 0


def test_a_known_tool_is_decided_within_a_millisecond(timings: Timings, normalizer: Normalizer) -> None:
    found = timings["warm: known tool, known request"] = Times.of(normalizer.normalize, itertools.repeat(ToolCall.parse(CALL)), rounds=500)
    assert found.typical_ms < MOST_WARM_MS


def test_new_arguments_of_a_known_tool_cost_no_inference(timings: Timings, normalizer: Normalizer) -> None:
    calls = (ToolCall.parse({**CALL, "arguments": {"event_id": f"evt_{place}", "title": f"Round {place}"}}) for place in itertools.count())
    found = timings[WARM] = Times.of(normalizer.normalize, calls, rounds=500)
    assert found.typical_ms < MOST_WARM_MS


def test_a_new_text_of_64_tokens_is_embedded_and_read(timings: Timings, texts: list[str]) -> None:
    bundle = load(shipped_path())
    encoder = bundle.encoder
    assert len(encoder.split(texts[0])) == 1
    found = timings[COLD] = Times.of(lambda text: encoder.encode([text]), iter(texts), rounds=200)
    assert found.typical_ms < MOST_COLD_MS


def test_a_polymorphic_call_costs_no_inference(timings: Timings, normalizer: Normalizer) -> None:
    tool = {"name": "run_sql", "description": "Runs one SQL statement.", "input_schema": {"properties": {"sql": {"type": "string"}}}}
    statement = "SELECT name, sum(total) FROM orders WHERE customer = {} GROUP BY name"
    calls = (ToolCall.parse({"tool": tool, "arguments": {"sql": statement.format(place)}}) for place in itertools.count())
    found = timings["warm: known tool, new SQL"] = Times.of(normalizer.normalize, calls, rounds=300)
    assert found.typical_ms < timings[COLD].typical_ms


def test_a_new_tool_is_decided(timings: Timings, normalizer: Normalizer, texts: list[str]) -> None:
    # Name, description and the encoder's own marks make 64 tokens.
    definitions = [(f"tool_{place}", " ".join(text.split()[: COLD_TOKENS - 7])) for place, text in enumerate(texts)]
    calls = (ToolCall.parse({"tool": {"name": name, "description": text}}) for name, text in definitions)
    found = timings["cold: new tool of 64 tokens"] = Times.of(normalizer.normalize, calls, rounds=200)
    assert found.typical_ms < timings[USUAL].typical_ms


def test_a_decision_is_faster_than_the_usual_way(timings: Timings) -> None:
    assert timings[WARM].typical_ms * 20 < timings[USUAL].typical_ms
    assert timings[COLD].typical_ms < timings[USUAL].typical_ms
