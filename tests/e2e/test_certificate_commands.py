"""The certificate on the command line: shown, watched, and withdrawn for everybody once its promise is broken."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from intent.bundle import load, shipped_path
from intent.normalizer import Normalizer
from intent.schema import Outcome, ReasonCode, Tool, ToolCall

READ = ToolCall(tool=Tool(name="list_files", description="Lists the files of a folder."))


def intent(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "intent", *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=120, check=False)


def audited(passed: int, n: int) -> str:
    return "".join(json.dumps({"decision_id": f"d-{k}", "dangerous": True, "passed": k < passed}) + "\n" for k in range(n))


def test_the_certificate_is_shown_with_its_bounds_and_assumptions() -> None:
    found = load(shipped_path()).certificate
    assert found is not None
    shown = intent("certificate")
    # After its day of expiry it no longer holds, and the command says so by its exit code.
    assert shown.returncode in (0, 3)
    assert all(bound.intent in shown.stdout for bound in found.bounds)
    assert found.digest[:12] in shown.stdout
    told = json.loads(intent("certificate", "--json").stdout)
    assert told["digest"] == found.digest
    assert told["valid"] is (shown.returncode == 0)


def test_a_kept_promise_stands_and_its_evidence_is_kept(tmp_path: Path) -> None:
    state = tmp_path / "watch.json"
    first = intent("monitor", "--state", str(state), given=audited(0, 40))
    assert first.returncode == 0, first.stderr
    again = tmp_path / "more.jsonl"
    again.write_text(audited(0, 60).replace("d-", "e-"), "utf-8")
    second = intent("monitor", "--state", str(state), str(again))
    assert second.returncode == 0
    assert json.loads(second.stdout)["n"] == 100


def test_a_broken_promise_withdraws_the_certificate_from_a_running_service(tmp_path: Path) -> None:
    certificate = load(shipped_path()).certificate
    assert certificate is not None
    revocation = tmp_path / "revoked.txt"
    moments = iter(range(1000))

    def now():
        # The standing is computed at most once a second, so each look is a second later.
        return certificate.issued.replace(second=0) + (certificate.expires - certificate.issued) * next(moments) / 1000

    normalizer = Normalizer.load(revocation=revocation, now=now)
    next(moments)
    assert normalizer.normalize(READ).outcome is Outcome.FORWARD
    broken = intent("monitor", "--revocation", str(revocation), given=audited(30, 200))
    assert broken.returncode == 3, broken.stderr
    denied = normalizer.normalize(READ)
    assert denied.outcome is Outcome.DENY
    assert [reason.code for reason in denied.reasons] == [ReasonCode.INVALID_CERTIFICATE]
    assert "broken" in denied.reasons[0].message


def test_a_damaged_state_is_no_fresh_start(tmp_path: Path) -> None:
    state = tmp_path / "watch.json"
    state.write_text("{}", "utf-8")
    found = intent("monitor", "--state", str(state), given=audited(0, 1))
    assert found.returncode == 2
    assert "must hold the state of a watch" in found.stderr
