"""Policy sets: what a directory may hold, how its cases judge it, and how a running engine follows it."""

from __future__ import annotations

import logging
import shutil
import threading
from pathlib import Path

import pytest
import typer.testing

from intent.cli import policy as command
from intent.errors import PolicyError
from intent.policy import cases
from intent.policy.input import example
from intent.policy.policy_set import NO_CASES, HotPolicySet, PolicySet, default_path
from intent.vocabulary import Vocabulary
from tests.doubles.policy_sets import Clock, written

OPEN = '@id("open") permit (principal, action == Action::"tools/call", resource);'
CLOSED = '@id("closed") forbid (principal, action == Action::"tools/call", resource);'
ALLOWED = '[[case]]\nname = "all"\nallow = true\n'
DENIED = '[[case]]\nname = "none"\nallow = false\ndetermining = ["closed"]\n'


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return written(tmp_path / "policies", OPEN, ALLOWED)


def test_the_shipped_set_passes_its_cases_and_every_policy_decides_one():
    found = PolicySet.load()
    assert found.check() == []
    assert len(found.cases) >= 30
    decided = {name for case in found.cases for name in case.determining or ()}
    assert decided == set(found.engine().policies)
    assert found.engine().digest == found.digest


def test_each_shipped_policy_is_needed_by_a_case():
    files = dict(PolicySet.load().files)
    text = files["policies.cedar"].decode()
    starts = [place for place in range(len(text)) if text.startswith("@id(", place)]
    for start in starts:
        without = text[:start] + text[text.index("};", start) + 2 :]
        assert PolicySet({**files, "policies.cedar": without.encode()}).check(), text[start : start + 40]


def test_the_digest_follows_names_and_bytes(directory: Path):
    first = PolicySet.load(directory).digest
    (directory / "README.md").write_text("not part of the set")
    (directory / ".swap").write_text("neither")
    assert PolicySet.load(directory).digest == first
    (directory / "policies.cedar").rename(directory / "more.cedar")
    assert PolicySet.load(directory).digest != first
    assert PolicySet({"ab": b"c"}).digest != PolicySet({"a": b"bc"}).digest


def test_several_files_of_policies_are_one_set(directory: Path):
    (directory / "more.cedar").write_text(CLOSED)
    assert PolicySet.load(directory).engine().evaluate(example()).determining == ("closed",)


def test_a_schema_of_its_own_goes_before_the_shipped_one(directory: Path):
    (directory / "schema.cedarschema").write_text("entity Nothing;")
    with pytest.raises(PolicyError, match="open"):
        PolicySet.load(directory).engine()


@pytest.mark.parametrize(
    ("name", "why"),
    [("policies.cedr", "policies.cedr must be"), ("policies.rego", "one engine"), ("forbids/more.cedar", "folders are not read")],
)
def test_a_file_that_would_be_left_out_in_silence_stops_the_set(directory: Path, name: str, why: str):
    (directory / name).parent.mkdir(exist_ok=True)
    (directory / name).write_text(CLOSED)
    with pytest.raises(PolicyError, match=why):
        PolicySet.load(directory)


def test_a_directory_without_policies_is_no_set(tmp_path: Path):
    with pytest.raises(PolicyError, match="got none"):
        PolicySet.load(tmp_path)
    with pytest.raises(PolicyError, match="cannot read"):
        PolicySet.load(tmp_path / "absent")


def test_policies_must_be_text(directory: Path):
    (directory / "policies.cedar").write_bytes(b"\xff")
    with pytest.raises(PolicyError, match=r"policies.cedar: must be UTF-8"):
        PolicySet.load(directory).engine()


def test_a_set_without_cases_fails(directory: Path):
    (directory / "cases.toml").write_text("")
    assert [failure.why for failure in PolicySet.load(directory).check()] == [NO_CASES]
    (directory / "cases.toml").unlink()
    assert [failure.why for failure in PolicySet.load(directory).check()] == [NO_CASES]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("allow = false", "must be denied, got allowed by open"),
        ('allow = true\nobligations = ["mask"]', "must have the obligations mask, got none"),
        ('allow = true\ndetermining = ["other"]', "must be decided by other, got open"),
    ],
)
def test_a_case_says_how_it_fails(directory: Path, line: str, why: str):
    (directory / "cases.toml").write_text(f'[[case]]\nname = "n"\n{line}\n')
    (failure,) = PolicySet.load(directory).check()
    assert (failure.case, failure.why) == ("n", why)


def test_an_engine_without_an_answer_passes_no_case_not_even_a_denial(directory: Path):
    written(
        directory,
        OPEN + '@id("e") forbid (principal, action, resource) when { context.session.calls * 9223372036854775807 > 3 };',
        '[[case]]\nname = "n"\nallow = false\n[case.input]\ncontext.session.calls = 4\n',
    )
    (failure,) = PolicySet.load(directory).check()
    assert "gave no answer" in failure.why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[case]]", "name"),
        ('[[case]]\nname = "n"\nallow = "false"', "allow"),
        ('[[case]]\nname = "n"\nallow = true\nexpect = 1', "expect"),
        (ALLOWED + ALLOWED, "'all' twice"),
        (ALLOWED + 'obligations = ["masks"]', "masks"),
        (ALLOWED + '[case.input]\naction.properties.intend = "write"', "intend must be a field"),
        (ALLOWED + '[case.input]\naction.properties.forwarded = "no"', "forwarded must be bool"),
        (ALLOWED + "[case.input]\naction.properties.forwarded = 0", "forwarded must be bool"),
        (ALLOWED + '[case.input]\naction = "write"', "action must be dict"),
        (ALLOWED + '[case.input]\naction.name = "tools/list"', "name must be 'tools/call'"),
        (ALLOWED + "[case.input]\nresource.properties.sensitivity_rank = 3", "follows from other fields"),
        (ALLOWED + '[case.input]\nresource.properties.sensitivity = "secret"', "sensitivity"),
        (ALLOWED + '[case.input]\ncontext.session.read_sensitivity = "secret"', "secret"),
        (ALLOWED + "[case.input]\nsubject.properties.claims = [1]", "claims"),
        ("[[case", "cases"),
    ],
)
def test_a_case_that_does_not_fit_stops_the_set(text: str, why: str):
    with pytest.raises(PolicyError, match=why):
        cases.parse(text.encode())


def test_a_new_version_comes_into_force_after_the_interval(directory: Path):
    clock = Clock()
    hot = HotPolicySet(directory, 5, clock)
    before = hot.digest
    assert (hot.name, hot.fault) == ("cedar", "")
    written(directory, CLOSED, DENIED)
    clock.now += 4.9
    assert hot.evaluate(example()).allowed
    clock.now += 0.1
    assert not hot.evaluate(example()).allowed
    assert hot.digest == PolicySet.load(directory).digest != before
    assert (hot.swaps, hot.refusals, hot.fault) == (1, 0, "")


@pytest.mark.parametrize(
    ("policies", "tests"),
    [
        ("permit (;", ALLOWED),
        ('@id("m") permit (principal, action, resource) when { context.nothing };', ALLOWED),
        (CLOSED, ALLOWED),
        (OPEN, DENIED),
        (CLOSED, ""),
        (CLOSED, "[[case"),
        ('@id("open") @stepup("x") permit (principal, action, resource);', ALLOWED),
    ],
)
def test_a_version_that_does_not_hold_is_refused_once_and_the_old_one_stays(
    directory: Path, policies: str, tests: str, caplog: pytest.LogCaptureFixture
):
    clock = Clock()
    hot = HotPolicySet(directory, 5, clock)
    before = hot.digest
    written(directory, policies, tests)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            clock.now += 5
            assert hot.evaluate(example()).determining == ("open",)
    assert hot.fault
    assert (hot.digest, hot.swaps, hot.refusals, len(caplog.records)) == (before, 0, 1, 1)
    written(directory, OPEN, ALLOWED)
    clock.now += 5
    hot.look()
    assert hot.fault == ""
    written(directory, CLOSED, DENIED)
    clock.now += 5
    assert not hot.evaluate(example()).allowed


def test_a_directory_that_goes_away_leaves_the_old_version_in_force(directory: Path):
    clock = Clock()
    hot = HotPolicySet(directory, 5, clock)
    shutil.rmtree(directory)
    clock.now += 5
    assert hot.evaluate(example()).allowed
    assert "cannot read the policy set" in hot.fault
    written(directory, OPEN, ALLOWED)
    clock.now += 5
    hot.look()
    assert (hot.fault, hot.refusals) == ("", 1)


def test_a_version_that_changes_while_it_is_checked_waits_for_the_next_look(directory: Path, monkeypatch: pytest.MonkeyPatch):
    clock = Clock()
    hot = HotPolicySet(directory, 5, clock)
    written(directory, CLOSED, DENIED)
    checked = PolicySet.checked_engine

    def overtaken(self: PolicySet, vocabulary: Vocabulary | None):
        (directory / "more.cedar").write_text('@id("late") permit (principal, action, resource);')
        return checked(self, vocabulary)

    monkeypatch.setattr(PolicySet, "checked_engine", overtaken)
    clock.now += 5
    assert hot.evaluate(example()).allowed
    monkeypatch.undo()
    clock.now += 5
    assert not hot.evaluate(example()).allowed


def test_whatever_breaks_in_a_new_version_the_old_one_goes_on(directory: Path, monkeypatch: pytest.MonkeyPatch):
    clock = Clock()
    hot = HotPolicySet(directory, 5, clock)
    written(directory, CLOSED, DENIED)

    def broken(_: PolicySet, __: Vocabulary | None) -> None:
        raise MemoryError

    monkeypatch.setattr(PolicySet, "checked_engine", broken)
    clock.now += 5
    assert hot.evaluate(example()).allowed
    assert hot.fault == "MemoryError"


def test_a_first_version_must_hold(directory: Path):
    (directory / "cases.toml").write_text(DENIED)
    with pytest.raises(PolicyError, match="none: must be denied"):
        HotPolicySet(directory, 5, Clock())


def test_no_thread_sees_half_of_a_version(directory: Path):
    def version(name: str) -> tuple[str, str]:
        policies = f'@id("{name}") @mask("{name}") permit (principal, action == Action::"tools/call", resource);'
        return policies, f'[[case]]\nname = "n"\nallow = true\nobligations = ["mask"]\ndetermining = ["{name}"]\n'

    clock = Clock()
    hot = HotPolicySet(written(directory, *version("v0")), 1, clock)
    stop, faults, seen = threading.Event(), [], {hot.digest: "v0"}

    def ask() -> None:
        while not stop.is_set():
            verdict = hot.evaluate(example())
            (name,) = verdict.determining
            if verdict.obligations[0].properties["fields"] != [name] or seen.setdefault(verdict.policy, name) != name:
                faults.append(verdict)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for place in range(1, 6):
        written(directory, *version(f"v{place}"))
        while hot.digest != PolicySet.load(directory).digest:
            clock.now += 2
            hot.look()
    stop.set()
    for thread in threads:
        thread.join()
    assert not faults
    assert hot.swaps >= 5
    assert set(seen.values()) <= {f"v{place}" for place in range(6)}
    assert len(set(seen.values())) == len(seen) > 1


def run(*arguments: str) -> typer.testing.Result:
    return typer.testing.CliRunner().invoke(command.app, list(arguments))


def test_the_command_tests_a_set(directory: Path):
    passed = run("test", str(directory))
    assert (passed.exit_code, passed.stdout) == (0, "")
    assert "1 of 1 cases pass" in passed.stderr
    written(directory, CLOSED, ALLOWED)
    failed = run("test", str(directory))
    assert failed.exit_code == 3
    assert "must be allowed, got denied by closed" in " ".join(failed.stdout.split())
    assert '"why": "must be allowed' in run("test", str(directory), "--json").stdout
    (directory / "cases.toml").unlink()
    assert run("test", str(directory)).exit_code == 3


def test_the_command_shows_policies_and_the_input(directory: Path):
    (directory / "policies.cedar").write_text(f"// \x1b[2J\n{OPEN}")
    assert "// <U+001B>[2J\n" in run("show", str(directory)).stdout
    assert run("show").stdout.startswith((default_path() / "policies.cedar").read_text("utf-8")[:100])
    assert '"intent": "write"' in run("input", "--intent", "write").stdout
    assert isinstance(run("show", str(directory / "absent")).exception, PolicyError)
