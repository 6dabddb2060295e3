"""Models of two vocabularies take turns under a service that evaluates: every answer is of one model, its words and the policies checked with them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from intent.api import create_app
from intent.delegation.keys import KeyRing
from intent.delegation.revocation import MemoryRevocations
from intent.delegation.token import Delegations, Session
from intent.normalizer import Normalizer
from intent.registry.following import Following
from intent.settings import Settings
from intent.vocabulary import Vocabulary
from tests.doubles.listening import Listening, listening
from tests.doubles.policy_sets import written
from tests.doubles.registered import SAYS, write_bundle
from tests.doubles.worded_model import VOCABULARY
from tests.e2e.load import Load

WORD = "compute"
NEW = Vocabulary.load(Path(__file__).parents[1] / "fixtures" / WORD / "vocabulary.toml")
NAMES = {"old": VOCABULARY, "new": NEW}
TURNS = 6
REQUEST = {
    "subject": {"type": "identity", "id": "alice"},
    "action": {"name": "tools/call", "properties": {"arguments": {"a": 2}}},
    "resource": {"type": "tool", "id": "tally_one", "properties": {"description": "Adds."}},
}
OPEN = '@id("open") permit (principal, action == Action::"tools/call", resource);'
EACH = "".join(f'[[case]]\nname = "{word}"\nallow = true\ninput.action.properties.intent = "{word}"\n' for word in VOCABULARY.ids)
SUMS = f'[[case]]\nname = "sums"\nallow = true\ninput.action.properties.intent = "{WORD}"\n'


class Pointer:
    """Names the model that serves; the test moves it."""

    name = "old"

    def current(self) -> str:
        return self.name


@pytest.fixture
def models(tmp_path: Path) -> Callable[[str], Normalizer]:
    """Two small bundles: the older reads a sum as a search, the newer as the fifth word."""
    write_bundle(tmp_path / "old", says={**SAYS, "n1 tally": ("search", 60.0)})
    write_bundle(tmp_path / "new", "0.2.0", says={**SAYS, "n1 tally": (WORD, 60.0)}, words=NEW)
    return lambda name: Normalizer.load(tmp_path / name, require_certificate=False, deadline_s=60)


def settings(state: Path, **more: object) -> Settings:
    return Settings(state=state, deadline_s=60, queue_timeout_s=60, **more)  # type: ignore[arg-type]  # by name


def moved(following: Following, pointer: Pointer, name: str) -> None:
    pointer.name = name
    following.look()


def test_words_and_policies_change_together_under_load(tmp_path: Path, models: Callable[[str], Normalizer]) -> None:
    pointer = Pointer()
    following = Following(models, pointer, 3600)
    with listening(create_app(settings(tmp_path / "state"), following)) as service:
        asked, evaluated = Load(f"{service.url}/v1/normalize", {"tool": {"name": "tally_one"}}), evaluating(service)
        try:
            for turn in range(TURNS):
                name = ("new", "old")[turn % 2]
                moved(following, pointer, name)
                assert following.fault == ""
                for load in (asked, evaluated):
                    load.until(lambda one, name=name: one.vocabulary == NAMES[name].version)
        finally:
            for load in (asked, evaluated):
                load.end()
            following.close()
    for load in (asked, evaluated):
        assert load.failed == []
        assert {(one.vocabulary, one.intent) for one in load.seen} == {("1.0.0", "search"), ("2.0.0", WORD)}
        assert len({(one.vocabulary, one.model) for one in load.seen}) == 2
        assert len(load.models) > TURNS


def evaluating(service: Listening) -> Load:
    return Load(f"{service.url}/access/v1/evaluation", REQUEST, callers=2)


def test_a_word_that_the_policies_would_let_through_unknown_is_not_spoken_until_they_name_it(
    tmp_path: Path, models: Callable[[str], Normalizer]
) -> None:
    directory = written(tmp_path / "policies", OPEN, EACH)
    pointer = Pointer()
    following = Following(models, pointer, 3600)
    with listening(create_app(settings(tmp_path / "state", policies=directory, policy_reload_s=0.05), following)) as service:
        moved(following, pointer, "new")
        assert "name 'compute' in the policies and in a case" in following.fault
        before = service.post("/access/v1/evaluation", REQUEST).json
        assert (before["decision"], before["context"]["intent"]) == (True, "search")
        written(directory, OPEN, EACH + SUMS)
        until_s = time.monotonic() + 30
        while service.post("/access/v1/evaluation", REQUEST).json["context"]["policy"]["digest"] == before["context"]["policy"]["digest"]:
            assert time.monotonic() < until_s
        # A model that failed is tried again after a while; another pointer, at once.
        moved(following, pointer, "old")
        moved(following, pointer, "new")
        after = service.post("/access/v1/evaluation", REQUEST).json
        assert (after["decision"], after["context"]["intent"], following.fault) == (True, WORD, "")
    following.close()


def test_tokens_follow_the_words(tmp_path: Path, models: Callable[[str], Normalizer]) -> None:
    pointer, keys = Pointer(), tmp_path / "keys.json"
    ring = KeyRing.create(keys)
    told = {"issuer": "intent", "audience": "intent", "revocations": MemoryRevocations()}
    now = datetime.now(UTC)
    session = Session("s-1", now, now + timedelta(minutes=10))
    token = Delegations(ring, **told, vocabulary_ids=NEW.ids).issue("alice", "agent", session, intents=[WORD], tools=["*"])  # type: ignore[arg-type]  # by name
    request = {**REQUEST, "context": {"delegation": token}}
    following = Following(models, pointer, 3600)
    with listening(create_app(settings(tmp_path / "state", delegation_keys=keys), following)) as service:
        found: list[set[str]] = []
        for name in ("old", "new", "old"):
            moved(following, pointer, name)
            answer = service.post("/access/v1/evaluation", request).json
            found.append({reason["code"] for reason in answer["context"]["reasons"]})
    following.close()
    assert found[0] == found[2]
    assert "broken_delegation" in found[0], "a word that there is not yet, or no more, is none that can be delegated"
    assert found[1] == {"policy"}, "granted; the shipped policies do not name the word"
