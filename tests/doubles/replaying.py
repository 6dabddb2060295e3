"""A log that a real decision point wrote: Cedar, the SQL audit, and whatever normalizer a test brings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

from intent.audit.encoding import call_record
from intent.audit.keys import signer
from intent.audit.store import AuditStore
from intent.decision_point.point import DecisionPoint, Normalizes, Parts
from intent.policy.engine import Engine
from intent.policy.policy_set import PolicySet, default_path
from intent.policy.request import EvaluationRequest
from tests.doubles.audit_log import SECRET
from tests.doubles.decision_parts import NOW, TokenTable, chain, request, session, told_sensitivity
from tests.doubles.normalizer import EchoNormalizer

EVERY = ["step-up", "mask", "limit", "notification", "session_termination"]
CASE = '[[case]]\nname = "an everyday search is {0}"\nallow = {1}\n'


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder / 'audit.db'}"


def engine_of(path: Path | None = None) -> Engine:
    return PolicySet.load(path).checked_engine()


def policy_set(folder: Path, *changes: tuple[str, str], more: str = "", allow: bool = True) -> Path:
    """The shipped policies with other texts, and one case of their own."""
    folder.mkdir()
    text = (default_path() / "policies.cedar").read_text("utf-8")
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    (folder / "policies.cedar").write_text(text + more, "utf-8")
    (folder / "cases.toml").write_text(CASE.format("answered", "true" if allow else "false"), "utf-8")
    return folder


def calls() -> list[EvaluationRequest]:
    """Calls of every kind: allowed, bound to duties, and denied for each reason that there is."""
    able, told = {"supported_obligations": EVERY}, {"session": session()}
    late = {"session": session(expires_s=-1)}
    return [
        request("get_file", context=told),
        request("get_page", context={**told, **able}, sensitivity="confidential"),
        request("get_page", context=told, sensitivity="confidential"),
        request("get_secret", context={**told, **able}, sensitivity="restricted"),
        request("update_row", context={**told, **able}, arguments={"id": 1}),
        request("update_row", context=told),
        request("send_mail", context={**told, **able}, request="Send it."),
        request("send_mail", context=able),
        request("frobnicate", context=told),
        request("get_file", context=late),
        request("get_file", context={"delegation": "token"}),
        request("update_row", context={"delegation": "token", **able}),
        request("get_file", context={"delegation": "forged"}),
        request("send_mail", context={**told, **able}, request="summarize this"),
        request("get_file", context={"session": {"id": 7}}),
        request("boom", context=told),
    ]


def write_log(
    folder: Path,
    asked: Sequence[EvaluationRequest],
    normalizer: Normalizes | None = None,
    *,
    engine: Engine | None = None,
    raw: bool = False,
) -> list[bool]:
    """Decide requests and record them; the answers, in order."""
    store = AuditStore.open(url_of(folder), signer(folder / "key.pem"))
    token = chain(session="s-9", session_started_at=NOW - timedelta(minutes=1))
    parts = Parts(
        normalizer=normalizer or EchoNormalizer(),
        engine=engine or engine_of(),
        journal=store,
        record_call=partial(call_record, key=SECRET, raw=raw),
        sensitivity=told_sensitivity,
        verifier=TokenTable({"token": token}),
    )
    point = DecisionPoint(parts, now=lambda: NOW)
    answers = [point.evaluate(one).allowed for one in asked]
    store.close()
    return answers
