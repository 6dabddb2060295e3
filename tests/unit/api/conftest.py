from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from intent.api import create_app
from intent.settings import Settings
from tests.doubles.normalizer import EchoNormalizer


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(create_app(Settings(max_body_bytes=100_000, max_batch=5), EchoNormalizer()), raise_server_exceptions=False) as found:
        yield found
