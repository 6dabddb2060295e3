"""docs/policy.md names every field, policy and annotation, and its example is a set that passes its own cases."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from intent.policy import annotations
from intent.policy.input import Sensitivity, example
from intent.policy.policy_set import PolicySet
from intent.policy.sensitivity import SensitivityRules

TEXT = (Path(__file__).parents[2] / "docs" / "policy.md").read_text("utf-8")


def leaves(document: dict[str, Any], before: str = "") -> list[str]:
    found: list[str] = []
    for key, value in document.items():
        found += leaves(value, f"{before}{key}.") if isinstance(value, dict) else [f"{before}{key}"]
    return found


def block(language: str, mark: str) -> str:
    return next(text for text in re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE) if mark in text)


def test_every_field_has_its_row():
    fields = leaves(example().document())
    for name in ("model", "vocabulary"):
        assert f"| `context.{name}.name`, `.version`, `.digest` |" in TEXT
    rest = [field for field in fields if not field.startswith(("context.model.", "context.vocabulary."))]
    rows = re.findall(r"^\| `((?:subject|action|resource|context)\.[a-z_.]+)` \|", TEXT, re.MULTILINE)
    assert sorted(rows) == sorted(rest)


def test_every_policy_and_annotation_has_its_row():
    shipped = re.findall(r'^@id\("([^"]+)"\)', PolicySet.load().files["policies.cedar"].decode(), re.MULTILINE)
    assert re.findall(r"^\| `([a-z-]+)` \| ", TEXT, re.MULTILINE) == shipped
    assert set(re.findall(r"^\| `@([a-z_]+)\(", TEXT, re.MULTILINE)) == set(annotations.NAMES)


def test_the_example_is_a_set_that_passes(tmp_path: Path):
    (tmp_path / "policies.cedar").write_text(block("cedar", "payroll"))
    (tmp_path / "cases.toml").write_text(block("toml", "[[case]]"))
    found = PolicySet.load(tmp_path)
    assert len(found.cases) == 4
    assert found.check() == []


def test_the_example_of_rules_can_be_read(tmp_path: Path):
    path = tmp_path / "sensitivity.toml"
    path.write_text(block("toml", "[[rule]]"))
    rules = SensitivityRules.load(path)
    assert rules.of("fs-1", "read", {"path": "/srv/hr/x"}) is Sensitivity.RESTRICTED
    assert rules.of("crm", "list_customers", {}) is Sensitivity.CONFIDENTIAL
