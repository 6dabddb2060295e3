"""What the package gives to the outside, pinned: a change here is a change of the version."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

import intent
from intent import errors
from intent.errors import IntentError
from intent.schema import Outcome, ReasonCode, View

EXPORTS = ["Decision", "IntentError", "Normalizer", "Tool", "ToolCall", "Vocabulary", "__version__"]
REASONS = [
    *("low_confidence", "other", "novel", "mismatch", "conflict", "obfuscated", "too_large", "changed_definition"),
    *("invalid_certificate", "model_unavailable", "timeout", "error"),
]


def family() -> list[type[IntentError]]:
    found = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, IntentError)]
    return sorted(found, key=lambda kind: kind.__name__)


def test_the_package_exports_exactly_these_names() -> None:
    assert intent.__all__ == EXPORTS
    assert all(getattr(intent, name) is not None for name in EXPORTS)
    assert intent.__version__ == version("intent-normalizer")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Normaliser'"):
        _ = intent.Normaliser


def test_help_and_the_start_of_the_service_wait_for_no_model_runtime() -> None:
    heavy = "{'onnxruntime', 'sqlglot', 'torch', 'sklearn', 'tree_sitter'}"
    code = f"import sys, intent.cli, intent.api; sys.exit(bool({heavy} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_every_error_has_a_code_of_its_own_that_tells_its_name() -> None:
    codes = {kind.code: kind.__name__ for kind in family()}
    assert len(codes) == len(family())
    assert all(code.replace("_", "") == name.lower() for code, name in codes.items())


def test_every_error_stands_in_the_tree_of_the_docstring() -> None:
    tree = errors.__doc__ or ""
    drawn = [
        line.split("─ ")[-1].split()[0] for line in tree.splitlines() if line.strip() and ("─ " in line or line.strip() == "IntentError")
    ]
    assert sorted(drawn) == [kind.__name__ for kind in family()]


def test_the_words_of_a_decision_are_stable() -> None:
    assert list(Outcome) == ["forward", "deny"]
    assert list(ReasonCode) == REASONS
    assert list(View) == ["request", "tool", "arguments", "annotations", "catalogue"]
