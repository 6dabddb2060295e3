from __future__ import annotations

import pytest

from intent.api.console.options import ConsoleOptions
from intent.api.console.session import Flash, Person, Seals, Sessions
from intent.workbench.records import Role
from tests.doubles.console import Hand

ANN = Person("ann", "Ann", Role.ANALYST, 1)


@pytest.fixture
def clock() -> Hand:
    return Hand()


def test_ids_are_long_new_and_not_kept_as_they_are(clock: Hand) -> None:
    sessions = Sessions(clock)
    ids = [sessions.start(Person(f"p{place}", "", Role.VIEWER)).id for place in range(50)]
    assert len(set(ids)) == 50
    assert all(len(found) >= 43 for found in ids)
    assert not [found for found in ids if found in repr(list(sessions._held))]


def test_a_session_ends_when_nobody_uses_it(clock: Hand) -> None:
    sessions = Sessions(clock, idle_s=60, absolute_s=1000)
    started = sessions.start(ANN).id
    for _ in range(5):
        clock.pass_s(59)
        assert sessions.find(started) is not None
    clock.pass_s(60)
    assert sessions.find(started) is None
    clock.pass_s(-60)
    assert sessions.find(started) is None


def test_a_session_ends_by_age_however_much_it_is_used(clock: Hand) -> None:
    sessions = Sessions(clock, idle_s=60, absolute_s=300)
    started = sessions.start(ANN).id
    found = 0
    while sessions.find(started):
        found += 1
        clock.pass_s(50)
    assert found == 6


def test_a_further_session_ends_the_oldest_of_the_same_person_only(clock: Hand) -> None:
    sessions = Sessions(clock, max_sessions=2)
    other = sessions.start(Person("bob", "Bob", Role.VIEWER, 1)).id
    first, second, third = (sessions.start(ANN).id for _ in range(3))
    assert [sessions.find(each) is not None for each in (other, first, second, third)] == [True, False, True, True]
    assert sessions.end_all("ann") == 2
    assert sessions.find(third) is None
    assert len(sessions) == 1


def test_ended_sessions_do_not_pile_up(clock: Hand) -> None:
    sessions = Sessions(clock, idle_s=60)
    for place in range(100):
        sessions.start(Person(f"p{place}", "", Role.VIEWER))
    clock.pass_s(61)
    sessions.start(ANN)
    assert len(sessions) == 1


def test_messages_are_told_once_and_end_with_the_session(clock: Hand) -> None:
    sessions = Sessions(clock)
    started = sessions.start(ANN).id
    for place in range(20):
        sessions.flash(started, Flash("good", str(place)))
    assert [flash.text for flash in sessions.flashes(started)] == [str(place) for place in range(12, 20)]
    assert sessions.flashes(started) == ()
    sessions.end(started)
    sessions.flash(started, Flash("good", "late"))
    assert sessions.flashes(started) == ()


def test_only_what_was_sealed_here_is_opened(clock: Hand) -> None:
    seals = Seals(b"a" * 32, clock)
    sealed = seals.cookie("the-id")
    assert seals.opened(sealed) == "the-id"
    for forged in (None, "", "the-id", sealed[:-1], sealed.replace("the", "thy"), Seals(b"b" * 32, clock).cookie("the-id"), "é", "." * 99):
        assert seals.opened(forged) is None
    assert seals.opened(seals.form("the-id")) is None
    assert seals.opened_flow(seals.form("the-id")) is None
    assert not seals.is_form(sealed, "the-id", 60)


def test_the_token_of_a_form_is_of_one_session_and_grows_stale(clock: Hand) -> None:
    seals = Seals(b"a" * 32, clock)
    token = seals.form("one")
    assert seals.is_form(token, "one", 60)
    assert not seals.is_form(token, "two", 60)
    for forged in ("", ".", "..", token[:-1], token + "x", "\x00", "é"):
        assert not seals.is_form(forged, "one", 60)
    clock.pass_s(60)
    assert seals.is_form(token, "one", 60)
    clock.pass_s(1)
    assert not seals.is_form(token, "one", 60)


def test_a_flow_is_known_for_ten_minutes(clock: Hand) -> None:
    seals = Seals(b"a" * 32, clock)
    sealed = seals.flow({"state": "s"})
    clock.pass_s(600)
    assert seals.opened_flow(sealed) == {"state": "s"}
    clock.pass_s(1)
    assert seals.opened_flow(sealed) is None
    assert seals.opened_flow(None) is None


def test_a_short_secret_is_refused_and_none_is_shown() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        ConsoleOptions(secret=b"short")
    assert "qqqq" not in repr(ConsoleOptions(secret=b"q" * 32))
