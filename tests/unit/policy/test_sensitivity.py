"""Rules of sensitivity: only ever higher, and no spelling of a path escapes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intent.errors import PolicyError
from intent.policy.input import Sensitivity
from intent.policy.sensitivity import Rule, SensitivityRules

PUBLIC, INTERNAL, CONFIDENTIAL, RESTRICTED = Sensitivity
HR = Rule("fs*", "*", "path", "/srv/hr/**", RESTRICTED)
RULES = SensitivityRules((HR,))
NESTED = SensitivityRules((Rule("*", "*", "options.path", "/srv/hr/**", RESTRICTED),))
ANYWHERE = SensitivityRules((Rule("*", "*", "*", "/srv/hr/**", RESTRICTED),))


@pytest.mark.parametrize(
    "path",
    [
        "/srv/hr", "/srv/hr/", "/srv/hr/x", "/srv/hr/a/b/c.txt", "/srv/hr/../hr/x", "/srv/web/../hr/x", "/srv/./hr//x", "//srv/hr/x", "///srv/hr/x",
        "file:///srv/hr/x", "FILE:///srv/hr/x", "file://localhost/srv/hr/x", "file:/srv/hr/x", "file:///srv/hr/x?a#b", "file:///srv/web/%2e%2e/hr/x",
        "/srv/%68r/x", "/srv/%2568r/x", "/srv/hr%2Fx", "%2Fsrv%2Fhr%2Fx", "/srv/%25%36%38r/x", "/srv\\hr\\x", "C:\\srv\\hr\\x", "c:/srv/hr/x",
        "\\\\?\\C:\\srv\\hr\\x", "srv/hr/x", "./srv/hr/x", "../../srv/hr/x", "/../srv/hr/x", " /srv/hr/x ", "/srv/hr/x\n", "/SRV/Hr/x", "/srv/h\u200br/x",
        "\uff0fsrv\uff0fhr\uff0fx", "'/srv/hr/x'", "cat /srv/hr/x", "cat '/srv/hr/x'; ls", "/srv/hr/x ../../../..", "if=/srv/hr/x of=y",
        '{"path":"/srv/hr/x"}', "/tmp/a,/srv/hr/x", "/srv/hr/\0x", "\0/srv/hr/x",
    ],
)  # fmt: skip
def test_no_spelling_of_a_path_escapes(path: str):
    assert RULES.of("fs", "read", {"path": path}) is RESTRICTED


@pytest.mark.parametrize("path", ["/srv/hrx", "/srv", "/srv/hr/../web/x", "/home/srv/hr.txt", "hr", "", "/", "/srv/web/%2e%2e/web/hr", "."])
def test_other_paths_are_not_covered(path: str):
    assert RULES.of("fs", "read", {"path": path}) is INTERNAL


def test_what_is_encoded_too_often_to_read_may_be_anything():
    assert RULES.of("fs", "read", {"path": "/srv/%25252525252568r"}) is RESTRICTED


def test_what_is_too_long_to_read_may_be_anything():
    assert RULES.of("fs", "read", {"path": "a" * 70_000}) is RESTRICTED
    assert RULES.of("fs", "read", {"content": "a" * 70_000, "path": "/srv/web"}) is INTERNAL
    assert ANYWHERE.of("fs", "read", {"paths": ["/srv/web"] * 5000}) is RESTRICTED


@pytest.mark.parametrize(
    ("arguments", "covered"),
    [
        ({"path": "/srv/hr/x"}, False),
        ({"options": {"path": "/srv/hr/x"}}, True),
        ({"options": [{"path": ["/tmp", "/srv/hr/x"]}]}, True),
        ({"Options": {"PATH": "/srv/hr/x"}}, True),
        ({"options.path": "/srv/hr/x"}, True),
        ({"options": {"other": "/srv/hr/x"}}, False),
        ({"options": {"path": {"/srv/hr/x": 1}}}, True),
        ({"options": {"path": 5, "other": None}}, False),
    ],
)
def test_a_dotted_name_finds_a_nested_argument(arguments: dict[str, Any], covered: bool):
    assert (NESTED.of("fs", "read", arguments) is RESTRICTED) == covered


@pytest.mark.parametrize(
    "arguments", [{"a": "/srv/hr/x"}, {"a": {"b": [[{"c": "/srv/hr/x"}]]}}, {"/srv/hr/x": True}, {"a": {"/srv/hr/x": {}}}]
)
def test_a_star_finds_every_string_and_every_key(arguments: dict[str, Any]):
    assert ANYWHERE.of("fs", "read", arguments) is RESTRICTED


@pytest.mark.parametrize(
    ("server", "tool", "covered"),
    [("fs-1", "read", True), ("FS", "read", True), ("web", "read", False), (None, "read", True), ("", "read", True), ("fs", None, True)],
)
def test_a_server_that_is_not_named_may_be_any(server: str | None, tool: str | None, covered: bool):
    assert (RULES.of(server, tool, {"path": "/srv/hr/x"}) is RESTRICTED) == covered


@pytest.mark.parametrize(
    ("pattern", "path", "covered"),
    [
        ("/srv/*/pay", "/srv/hr/pay", True),
        ("/srv/*/pay", "/srv/hr/x/pay", False),
        ("/srv/**/pay", "/srv/hr/x/pay", True),
        ("/srv/**/pay", "/srv/pay", True),
        ("/srv/**/x/**/pay", "/srv/a/x/b/c/pay", True),
        ("/srv/**/x/**/pay", "/srv/a/b/c/pay", False),
        ("**/*.pem", "/home/bob/keys/id.pem", True),
        ("**/*.pem", "id.pem", True),
        ("**/.ssh/**", "/home/bob/.ssh/id_rsa", True),
        ("/Srv/HR/**", "/srv/hr/x", True),
        ("salar*", "salaries", True),
        ("https://hr.example/**", "https://HR.example/people?all=1", True),
        ("https://hr.example/**", "https://web.example/hr.example", False),
        ("C:\\HR\\**", "c:/hr/x", True),
    ],
)
def test_patterns_are_of_paths(pattern: str, path: str, covered: bool):
    rules = SensitivityRules((Rule("*", "*", "p", pattern, RESTRICTED),))
    assert (rules.of("fs", "read", {"p": path}) is RESTRICTED) == covered


def test_the_highest_of_all_counts():
    rules = SensitivityRules((HR, Rule("fs", "*", None, None, CONFIDENTIAL), Rule("*", "*", None, None, PUBLIC)), PUBLIC)
    assert rules.of("web", "read", {}) is PUBLIC
    assert rules.of("fs", "read", None) is CONFIDENTIAL
    assert rules.of("fs", "read", {"path": "/srv/hr"}) is RESTRICTED
    assert rules.of("web", "read", {}, "confidential") is CONFIDENTIAL
    assert rules.of("fs", "read", {"path": "/srv/hr"}, "public") is RESTRICTED


@pytest.mark.parametrize("told", ["", "Restricted", "secret", 0, False, [], {}, 3.0, b"public"])
def test_what_is_told_and_cannot_be_read_is_restricted(told: object):
    assert SensitivityRules().of("fs", "read", {}, told) is RESTRICTED


def test_nothing_told_is_the_default():
    assert SensitivityRules().of("fs", "read", {}) is INTERNAL
    assert SensitivityRules(default=CONFIDENTIAL).of("fs", "read", {}, "public") is CONFIDENTIAL


@given(st.text(max_size=40), st.sampled_from(["/srv/hr/x", "srv/hr", ""]), st.sampled_from([None, *map(str, Sensitivity)]))
def test_rules_and_callers_only_raise(text: str, path: str, told: str | None):
    arguments = {"path": path + text, text: [text]}
    level = RULES.of("fs", "read", arguments, told)
    assert level.rank >= SensitivityRules().of("fs", "read", arguments, told).rank >= INTERNAL.rank
    assert level.rank >= RULES.of("fs", "read", arguments).rank


def test_time_is_linear_in_the_value():
    rules = SensitivityRules((Rule("*", "*", "*", "/**/a*b*c/**/a*b*c/**/z", RESTRICTED),))
    for value in ("/" + "abc/" * 16_000, "a" * 65_000, "%61" * 21_000, "/a " * 21_000, "../" * 21_000):
        start = time.process_time()
        rules.of("fs", "read", {"path": value})
        assert time.process_time() - start < 5


def test_rules_are_read_from_a_file(tmp_path: Path):
    path = tmp_path / "sensitivity.toml"
    path.write_text(
        '[[rule]]\nserver = "fs*"\nargument = "path"\npattern = "/srv/hr/**"\nsensitivity = "restricted"\n'
        '[[rule]]\ntool = "list_*"\nsensitivity = "confidential"\n'
    )
    rules = SensitivityRules.load(path, PUBLIC)
    assert rules.rules == (HR, Rule("*", "list_*", None, None, CONFIDENTIAL))
    assert rules.of("web", "read", {}) is PUBLIC
    assert SensitivityRules.load(None).rules == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[rule]]", "sensitivity"),
        ('[[rule]]\nsensitivity = "secret"', "sensitivity"),
        ('[[rule]]\nsensitivity = "public"\nargument = "path"', "together"),
        ('[[rule]]\nsensitivity = "public"\npattern = "x"', "together"),
        ('[[rule]]\nsensitivity = "public"\nserver = ""', "server"),
        ('[[rule]]\nsensitivity = "public"\nservers = "x"', "servers"),
        ('[[rules]]\nsensitivity = "public"', "rules"),
        ("[[rule", "cannot read"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path: Path, text: str, why: str):
    path = tmp_path / "sensitivity.toml"
    path.write_text(text)
    with pytest.raises(PolicyError, match=why):
        SensitivityRules.load(path)
    with pytest.raises(PolicyError, match="cannot read"):
        SensitivityRules.load(tmp_path / "absent.toml")
