"""What a policy set makes of words: one that no case is about is denied or stops the set, and a call is judged in the words it was read in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from intent.cli.policy import app
from intent.errors import EngineError, PolicyError
from intent.policy.input import PolicyInput, example
from intent.policy.policy_set import HotPolicySet, PolicySet, default_path
from intent.policy.words import unspoken
from intent.schema import Version
from intent.vocabulary import Vocabulary
from intent.vocabulary import default_path as words_path
from tests.doubles.policy_sets import Clock, written

OLD = Vocabulary.load(words_path())
NEW = Vocabulary.load(Path(__file__).parents[2] / "fixtures" / "compute" / "vocabulary.toml")
ROUGH = '@id("rough") permit (principal, action == Action::"tools/call", resource) unless { context.action.intent == "write" };'
FINE = '@id("fine") permit (principal, action == Action::"tools/call", resource) when { context.action.intent == "search" };'
SEARCHES = '[[case]]\nname = "a search"\nallow = true\n'
EACH = SEARCHES + "".join(
    f'[[case]]\nname = "{word}"\nallow = {str(word != "write").lower()}\ninput.action.properties.intent = "{word}"\n' for word in OLD.ids
)


def given(word: str, vocabulary: Vocabulary) -> PolicyInput:
    found = example(word)
    return replace(found, vocabulary=Version(name=vocabulary.name, version=vocabulary.version, digest=vocabulary.digest))


def test_the_shipped_set_denies_a_word_that_it_does_not_name():
    hot = HotPolicySet(None, 5, Clock(), OLD)
    assert unspoken(PolicySet.load().cases, OLD) == ()
    assert unspoken(PolicySet.load().cases, NEW) == ("compute",)
    hot.admit(NEW)
    verdict = hot.evaluate(given("compute", NEW))
    assert (verdict.allowed, verdict.determining) == (False, ())
    assert hot.evaluate(given("search", NEW)).allowed


def test_words_that_were_not_admitted_are_not_judged():
    hot = HotPolicySet(None, 5, Clock(), OLD)
    with pytest.raises(EngineError, match="must have been checked with the vocabulary"):
        hot.evaluate(given("search", NEW))
    hot.admit(NEW)
    assert hot.evaluate(given("search", OLD)).allowed, "a call that began in the older words ends in them"


def test_a_set_that_would_let_an_unknown_word_through_does_not_admit_it(tmp_path: Path):
    hot = HotPolicySet(written(tmp_path / "p", ROUGH, EACH), 5, Clock(), OLD)
    with pytest.raises(PolicyError, match=r"compute: must be denied until a case is about it.*rough permits it.*name 'compute' in the pol"):
        hot.admit(NEW)
    with pytest.raises(EngineError):
        hot.evaluate(given("compute", NEW))
    assert hot.evaluate(given("search", OLD)).allowed


def test_a_set_is_not_put_in_force_at_the_start_either(tmp_path: Path):
    with pytest.raises(PolicyError, match="summarize: must be denied"):
        HotPolicySet(written(tmp_path / "p", ROUGH, SEARCHES), 5, Clock(), OLD)
    assert HotPolicySet(written(tmp_path / "q", FINE, SEARCHES), 5, Clock(), OLD).fault == ""


def test_a_word_that_a_case_is_about_is_admitted(tmp_path: Path):
    named = EACH + '[[case]]\nname = "sums"\nallow = true\ninput.action.properties.intent = "compute"\n'
    hot = HotPolicySet(written(tmp_path / "p", ROUGH, named), 5, Clock(), OLD)
    hot.admit(NEW)
    assert hot.evaluate(given("compute", NEW)).allowed


def test_cases_are_asked_in_the_name_of_the_words(tmp_path: Path):
    pinned = FINE.replace("};", '&& context.vocabulary.version == "1.0.0" };')
    hot = HotPolicySet(written(tmp_path / "p", pinned, SEARCHES), 5, Clock(), OLD)
    with pytest.raises(PolicyError, match="a search: must be allowed"):
        hot.admit(NEW)


def test_a_new_version_judges_calls_in_the_new_words_and_the_old_one_those_under_way(tmp_path: Path):
    clock = Clock()
    directory = written(tmp_path / "p", FINE, SEARCHES)
    hot = HotPolicySet(directory, 5, clock, OLD)
    before = hot.digest
    hot.admit(NEW)
    written(directory, FINE.replace("fine", "finer"), SEARCHES)
    clock.now += 5
    assert hot.evaluate(given("search", NEW)).determining == ("finer",)
    late = hot.evaluate(given("search", OLD))
    assert (late.determining, late.policy) == (("fine",), before)
    hot.admit(OLD)
    assert hot.evaluate(given("search", OLD)).determining == ("finer",)


def test_what_was_refused_for_its_words_is_looked_at_again_in_others(tmp_path: Path):
    clock = Clock()
    directory = written(tmp_path / "p", FINE, SEARCHES)
    hot = HotPolicySet(directory, 5, clock, OLD)
    hot.admit(NEW)
    written(directory, ROUGH, EACH)
    clock.now += 5
    hot.look()
    assert "compute" in hot.fault
    hot.admit(OLD)
    clock.now += 5
    hot.look()
    assert (hot.fault, hot.evaluate(given("search", OLD)).determining) == ("", ("rough",))


def test_the_command_asks_of_words_that_are_not_spoken_yet(tmp_path: Path):
    new, rough = str(Path(__file__).parents[2] / "fixtures" / "compute" / "vocabulary.toml"), written(tmp_path / "p", ROUGH, EACH)
    found = CliRunner().invoke(app, ["test", str(rough), "--vocabulary", new])
    assert (found.exit_code, "5 of 5 cases pass; let through unknown: compute" in found.stderr) == (3, True)
    assert CliRunner().invoke(app, ["test", str(rough)]).exit_code == 0
    assert CliRunner().invoke(app, ["test", "--vocabulary", new]).exit_code == 0


def test_a_rego_set_is_asked_the_same(tmp_path: Path):
    rego = default_path().with_name("default_rego")
    hot = HotPolicySet(rego, 5, Clock(), OLD)
    hot.admit(NEW)
    assert not hot.evaluate(given("compute", NEW)).allowed
