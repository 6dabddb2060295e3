from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from intent.errors import GatewayError
from intent.gateway.pins import Listed, Pins
from intent.schema import Tool


def listed(name: str = "read", description: str = "Read.", **around: str) -> Listed:
    annotations = {"readOnlyHint": around.pop("read_only")} if "read_only" in around else None
    return Listed(Tool(name=name, description=description, input_schema={"type": "object"}, annotations=annotations), {**around})  # type: ignore[arg-type]


@pytest.fixture(params=["file", "memory"])
def pins(request: pytest.FixtureRequest, tmp_path: Path) -> Pins:
    return Pins(tmp_path / "sub" / "pins.json" if request.param == "file" else None)


def test_what_is_seen_first_is_pinned(pins: Pins):
    assert pins.unchanged("s", [listed(), listed("write")]) == {"read", "write"}
    assert pins.unchanged("s", [listed()]) == {"read"}
    assert pins.changes() == ()


@pytest.mark.parametrize("changed", [{"description": "Read, and send it on."}, {"title": "Other"}, {"read_only": "true"}])
def test_a_change_is_not_usable_until_it_is_accepted(pins: Pins, changed: dict[str, str]):
    pins.unchanged("s", [listed()])
    assert pins.unchanged("s", [listed(**changed)]) == frozenset()
    [change] = pins.changes()
    assert (change.server, change.tool) == ("s", "read")
    pins.accept("s", "read")
    assert pins.unchanged("s", [listed(**changed)]) == {"read"}
    assert pins.unchanged("s", [listed()]) == frozenset()


def test_a_definition_that_comes_back_is_usable_again(pins: Pins):
    pins.unchanged("s", [listed()])
    pins.unchanged("s", [listed(description="x")])
    assert pins.unchanged("s", [listed()]) == {"read"}
    assert pins.changes() == ()


def test_the_last_change_is_what_is_accepted(pins: Pins):
    pins.unchanged("s", [listed()])
    pins.unchanged("s", [listed(description="x")])
    pins.unchanged("s", [listed(description="y")])
    assert pins.accept("s", "read").waiting.definition["description"] == "y"


def test_servers_do_not_share_pins(pins: Pins):
    pins.unchanged("s", [listed()])
    assert pins.unchanged("t", [listed(description="x")]) == {"read"}


def test_only_what_waits_can_be_accepted(pins: Pins):
    pins.unchanged("s", [listed()])
    for server, tool in (("s", "read"), ("s", "none"), ("t", "read")):
        with pytest.raises(GatewayError):
            pins.accept(server, tool)


def test_a_schema_that_cannot_be_written_is_not_usable(pins: Pins):
    deep: dict[str, object] = {}
    for _ in range(3000):
        deep = {"a": deep}
    tool = Tool.model_construct(name="deep", description=None, input_schema=deep, annotations=None, server=None)
    assert pins.unchanged("s", [Listed(tool, {}), listed()]) == {"read"}


def test_another_process_sees_what_was_accepted(tmp_path: Path):
    one, other = Pins(tmp_path / "p.json"), Pins(tmp_path / "p.json")
    one.unchanged("s", [listed()])
    assert other.unchanged("s", [listed(description="x")]) == frozenset()
    one.accept("s", "read")
    assert other.unchanged("s", [listed(description="x")]) == {"read"}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}', '{"servers": {"s": {"read": {}}}}', '{"format": 1, "format": 1}'])
def test_a_file_that_cannot_be_read_stops_everything(tmp_path: Path, text: str):
    path = tmp_path / "p.json"
    path.write_text(text)
    with pytest.raises(GatewayError):
        Pins(path)
    path.unlink()
    held = Pins(path)
    held.unchanged("s", [listed()])
    path.write_text(text)
    with pytest.raises(GatewayError):
        held.unchanged("s", [listed()])


def test_a_file_that_is_taken_away_is_no_fresh_start(tmp_path: Path):
    held = Pins(tmp_path / "p.json")
    held.unchanged("s", [listed()])
    (tmp_path / "p.json").unlink()
    with pytest.raises(GatewayError, match="must not be removed"):
        held.unchanged("s", [listed(description="poisoned")])


def test_many_writers_lose_nothing_and_leave_nothing_behind(tmp_path: Path):
    path = tmp_path / "p.json"
    names = [f"tool{number}" for number in range(24)]
    writers = [threading.Thread(target=lambda name=name: Pins(path).unchanged("s", [listed(name)])) for name in names]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(json.loads(path.read_text())["servers"]["s"]) == sorted(names)
    assert {entry.name for entry in tmp_path.iterdir()} == {"p.json", "p.json.lock"}
