import json
from datetime import datetime, timedelta, timezone

import pytest

from intent.audit.chain import genesis, link
from intent.audit.encoding import (
    MAX_EVENT_BYTES,
    arguments_hmac,
    call_record,
    canonical,
    columns,
    event_bytes,
    event_of,
    request_hmac,
    searchable,
    shape,
    timestamp,
)
from intent.errors import AuditError
from intent.schema import ToolCall
from tests.doubles.audit_log import SECRET, START, administration, decision, enforcement


@pytest.mark.parametrize("event", [decision(1), decision(2, allowed=False), enforcement(3, 1), administration(4)])
def test_an_event_comes_back_from_its_bytes_whole(event) -> None:
    body = event_bytes(event)
    assert event_of(body) == event
    assert event_bytes(event_of(body)) == body
    assert body == canonical(json.loads(body))


def test_digests_of_arguments_know_no_order_of_names_and_no_other_key() -> None:
    one = arguments_hmac(SECRET, {"a": 1, "b": [1.5, "ü", 2**70]})
    assert one == arguments_hmac(SECRET, {"b": [1.5, "ü", 2**70], "a": 1})
    assert one != arguments_hmac(SECRET, {"a": 1, "b": [1.5, "ü", 2**70 + 1]})
    assert one != arguments_hmac(bytes(32), {"a": 1, "b": [1.5, "ü", 2**70]})
    # A request that reads like arguments is not mistaken for them.
    assert request_hmac(SECRET, "{}") != arguments_hmac(SECRET, {})


def test_a_call_is_recorded_without_its_content() -> None:
    call = ToolCall.parse(
        {"request": "secret request", "tool": {"name": "t", "server": "s"}, "arguments": {"path": "secret path", "deep": [{"n": 1}]}}
    )
    record = call_record(call, SECRET, definition="ab")
    assert "secret" not in record.model_dump_json()
    assert (record.tool, record.server, record.definition, record.raw) == ("t", "s", "ab", None)
    assert json.loads(call_record(call, SECRET, raw=True).raw or "")["arguments"]["path"] == "secret path"
    nothing = call_record(ToolCall(request="only a request"), SECRET)
    assert (nothing.tool, nothing.arguments_hmac, nothing.shape) == ("", None, None)


def test_a_shape_says_names_types_and_lengths() -> None:
    found = shape({"text": "four", "yes": True, "n": 1, "x": 0.5, "nothing": None, "list": ["a", 2]})
    assert found == {
        "type": "object",
        "length": 6,
        "members": {
            "text": {"type": "string", "length": 4},
            "yes": {"type": "boolean"},
            "n": {"type": "integer"},
            "x": {"type": "number"},
            "nothing": {"type": "null"},
            "list": {"type": "array", "length": 2, "items": [{"type": "string", "length": 1}, {"type": "integer"}]},
        },
    }


def test_a_shape_is_capped_however_large_the_value() -> None:
    wide = {f"name{k}" * 30: [list(range(1000))] * 1000 for k in range(1000)}
    found = shape(wide)
    assert isinstance(found, dict)
    assert found["length"] == 1000
    members = found["members"]
    assert isinstance(members, dict)
    assert len(members) <= 32
    assert max(map(len, members)) == 64
    deep: list = []
    for _ in range(500):
        deep = [deep]
    assert len(json.dumps(shape({"deep": deep, "odd\ud800name": 1}))) < 1000


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {"\udc00": 1}])
def test_what_json_does_not_have_is_an_error(value) -> None:
    with pytest.raises(AuditError):
        canonical({"value": value})


def test_an_event_without_a_zone_or_too_long_or_not_of_json_is_an_error() -> None:
    event = decision(1)
    for update in (
        {"at": datetime(2026, 1, 1)},  # noqa: DTZ001 # what must be refused
        {"detail": {"text": "x" * MAX_EVENT_BYTES}},
        {"detail": {"value": float("nan")}},
        {"subject": "\ud800"},
    ):
        with pytest.raises(AuditError):
            event_bytes(event.model_copy(update=update))
    nested: dict = {}
    for _ in range(5000):
        nested = {"n": nested}
    with pytest.raises(AuditError):
        event_bytes(event.model_copy(update={"detail": nested}))
    with pytest.raises(AuditError):
        event_of(b"{}")


def test_integers_beyond_the_canonical_form_are_kept_as_their_digits() -> None:
    assert (
        canonical({"a": [2**53, -(2**70), True, 2**53 - 1]})
        == b'{"a":["9007199254740992","-1180591620717411303424",true,9007199254740991]}'
    )


def test_columns_hold_what_every_database_takes_and_distinct_texts_stay_distinct() -> None:
    odd = decision(1).model_copy(update={"session": "s\0", "subject": "x" * 5000, "reads": "a\0b"})
    found = columns(event_bytes(odd))
    assert all("\0" not in str(value) and len(str(value)) <= 256 for value in found.values())
    assert found["reads"] == "a\ufffdb"
    # Nobody can choose a name that is another one's digest.
    assert searchable(searchable("s\0")) != searchable("s\0")


def test_columns_are_read_from_an_event_of_a_later_version_too() -> None:
    body = event_bytes(decision(1))
    later = canonical({**json.loads(body), "new": {"member": 1}})
    assert columns(later) == columns(body)
    for broken in (b"[]", b"{}", body.replace(b'"alice"', b"1"), body.replace(b"2026-", b"x026-"), b"\xff"):
        with pytest.raises(AuditError):
            columns(broken)


def test_times_are_written_in_utc_and_sort_as_they_follow() -> None:
    east = START.astimezone(timezone(timedelta(hours=9)))
    assert timestamp(east) == timestamp(START) == "2026-03-01T12:00:00.000000Z"
    assert timestamp(START) < timestamp(START + timedelta(microseconds=1))


def test_every_part_of_a_link_is_bound() -> None:
    base = link(1, genesis("a"), b"x")
    assert len({base, link(2, genesis("a"), b"x"), link(1, genesis("b"), b"x"), link(1, genesis("a"), b"y")}) == 4
