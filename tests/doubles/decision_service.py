"""The service with a decision point of doubles, for tests of its edge."""

from __future__ import annotations

from starlette.testclient import TestClient

from intent.api import create_app
from intent.api.evaluations import Decides
from intent.settings import Settings
from tests.doubles.decision_parts import MemoryJournal, decision_point
from tests.doubles.normalizer import EchoNormalizer


def client_of(point: Decides, **settings: object) -> TestClient:
    """A client of a service that asks this decision point."""
    return TestClient(create_app(Settings(**settings), EchoNormalizer(), point), raise_server_exceptions=False)  # type: ignore[arg-type]


def service(**settings: object) -> tuple[TestClient, MemoryJournal]:
    """A client of a service whose policy allows whatever the gate forwards, and what it records."""
    point, journal, _ = decision_point()
    return client_of(point, **settings), journal


def asked(tool: str = "get_file", **more: object) -> dict[str, object]:
    """A request that the double allows: a read of a file server; others by the words in their name."""
    return {
        "subject": {"type": "identity", "id": "alice"},
        "action": {"name": "tools/call"},
        "resource": {"type": "tool", "id": tool, "properties": {"server": "files"}},
        **more,
    }
