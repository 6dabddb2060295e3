"""The routes, the problems and the reasons, pinned; docs/http.md tells each of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from intent.api import create_app
from intent.api.console.result import EXPLANATIONS
from intent.api.hook import built_in
from intent.api.problems import STATUS, ProblemCode
from intent.decision_point.evaluation import Refusal
from intent.schema import ReasonCode
from intent.settings import Settings
from tests.doubles.normalizer import EchoNormalizer

DOCUMENT = Path(__file__).parents[2] / "docs" / "http.md"
ROUTES = {
    ("POST", "/v1/normalize"),
    ("POST", "/v1/normalize/batch"),
    ("GET", "/v1/vocabulary"),
    ("GET", "/v1/model"),
    ("POST", "/access/v1/evaluation"),
    ("POST", "/access/v1/evaluations"),
    ("POST", "/v1/hook/claude-code"),
    ("POST", "/v1/delegation/token"),
    ("POST", "/v1/delegation/revoke"),
    ("GET", "/v1/delegation/jwks"),
    ("GET", "/.well-known/authzen-configuration"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(Settings(), EchoNormalizer()).openapi()


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return DOCUMENT.read_text("utf-8").splitlines()


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(method.upper(), path): operation for path, methods in document["paths"].items() for method, operation in methods.items()}


def test_these_are_the_routes_of_the_api(document: dict[str, Any]) -> None:
    assert set(operations(document)) == ROUTES


def test_every_route_is_documented_with_its_summary(document: dict[str, Any], lines: list[str]) -> None:
    told = [f"| `{method} {path}` | {operation['summary']} |" for (method, path), operation in operations(document).items()]
    assert [line for line in lines if line.startswith(("| `GET /", "| `POST /"))] == told


def test_every_problem_is_documented_with_its_status(lines: list[str]) -> None:
    assert set(STATUS) == set(ProblemCode)
    assert [line for line in lines if line.startswith("| `") and line.split("|")[2].strip().isdigit()] == [
        f"| `{code}` | {status} |" for code, status in STATUS.items()
    ]


def test_every_reason_is_documented_with_its_explanation(lines: list[str]) -> None:
    assert set(EXPLANATIONS) == set(ReasonCode)
    for code, explanation in EXPLANATIONS.items():
        assert f"| `{code}` | {explanation} |" in lines


def test_every_reason_of_a_denied_evaluation_is_documented(lines: list[str]) -> None:
    for code in Refusal:
        (told,) = [line for line in lines if line.startswith(f"| `{code}` |")]
        assert told.endswith(". |")


def test_every_tool_of_the_coding_agent_that_is_known_is_documented() -> None:
    told = DOCUMENT.with_name("hooks.md").read_text("utf-8").partition("The agent's own tools (")[2].partition(")")[0]
    assert {name.strip(" `\n") for name in told.split(",")} == set(built_in())
