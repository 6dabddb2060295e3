"""A service under load while its model is promoted and rolled back by other processes: no request is lost, and the answers change models."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from intent.api import create_app
from intent.bundle import load, shipped_path
from intent.normalizer import Normalizer
from intent.registry.opening import follow, open_shelf
from intent.settings import Settings
from tests.doubles.listening import listening
from tests.doubles.registered import golden_rows, write_bundle
from tests.e2e.load import Load
from tests.e2e.process import INTENT, environment

CALL = {"id": "c1", "tool": {"name": "fetch_page", "description": "Handles item 1."}, "arguments": {"id": 7}}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    where = tmp_path / "state"
    where.mkdir(mode=0o700)
    return where


def intent(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [INTENT, *arguments], env=environment(INTENT_STATE=str(state)), capture_output=True, text=True, check=False, timeout=240
    )


def test_models_change_under_load_and_no_request_is_lost(tmp_path: Path, state: Path) -> None:
    shipped = load(shipped_path()).digest
    candidate = write_bundle(tmp_path / "candidate", "0.9.0")
    golden = golden_rows(tmp_path / "golden.jsonl", n=16)
    settings = Settings(state=state, deadline_s=60, queue_timeout_s=60, dangerously_forward_uncertified=True)
    shelf = open_shelf(state / "models", state)
    following = follow(shelf, lambda path: Normalizer.load(path, require_certificate=False, deadline_s=60), 0.05)
    with listening(create_app(settings, following)) as service:
        asked = Load(f"{service.url}/v1/normalize", CALL)
        try:
            asked.until(lambda one: one.model == shipped)
            promoted = intent(state, "model", "promote", str(candidate), "--golden", str(golden), "--note", "hot reload")
            assert promoted.returncode == 0, promoted.stderr + promoted.stdout
            digest = load(candidate).digest
            assert f"model {digest[:12]} serves" in promoted.stderr
            asked.until(lambda one: one.model == digest)
            assert service.send("/v1/model").json["digest"] == digest
            back = intent(state, "model", "roll-back")
            assert back.returncode == 0, back.stderr
            asked.until(lambda one: one.model == shipped)
            # A model that cannot be loaded: the pointer names it, the old one goes on.
            (state / "models" / "current.json").write_text('{"digest": "' + "0" * 64 + '"}', "utf-8")
            until_s = time.monotonic() + 60
            while not following.fault:
                assert time.monotonic() < until_s
                time.sleep(0.02)
            before = len(asked.seen)
            while len(asked.seen) < before + 20:
                time.sleep(0.02)
        finally:
            asked.end()
            following.close()
    assert asked.failed == []
    assert set(asked.models) == {shipped, digest}
    assert asked.models[0] == asked.models[-1] == shipped
    assert len(asked.seen) > 100
    listed = intent(state, "model", "list")
    assert digest[:12] in listed.stdout, listed.stderr
    assert (state / "model-signing.pem").stat().st_mode & 0o077 == 0


def test_a_promotion_that_fails_its_gate_changes_nothing_and_says_why(tmp_path: Path, state: Path) -> None:
    candidate = write_bundle(tmp_path / "candidate", "0.9.0", certificate={"none": True})
    golden = golden_rows(tmp_path / "golden.jsonl", n=16)
    refused = intent(state, "model", "promote", str(candidate), "--golden", str(golden))
    assert refused.returncode == 2
    assert refused.stderr.startswith("promotion_refused: certificate: the model carries no certificate")
    compared = intent(state, "model", "compare", str(candidate), "--golden", str(golden), "--json")
    assert compared.returncode == 3
    assert '"name": "new false permits"' in compared.stdout
    assert not (state / "models" / "current.json").exists()
    assert intent(state, "model", "promote", str(candidate), "--golden", str(golden), "--force").returncode == 2, (
        "there is no such way around"
    )
    checked = intent(state, "model", "verify")
    assert (checked.returncode, checked.stderr) == (0, "1 of 1 models verify\n")
