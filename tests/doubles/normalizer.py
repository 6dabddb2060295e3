"""A small real classifier for tests of the edge: it reads words, keeps every contract, and says everything back in its views."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass

from intent.errors import InvalidCall
from intent.schema import (
    CertificateStatus,
    Decision,
    Declared,
    Evidence,
    Outcome,
    Reason,
    ReasonCode,
    ToolCall,
    Version,
    View,
)
from intent.vocabulary import UNKNOWN, Vocabulary, default_path

_WORDS = {
    "summar": "summarize",
    "get": "search",
    "run_sql": "search",
    "send": "export",
    "forward": "export",
    "update": "write",
    "drop": "write",
}
MAX_TEXT = 50_000


@dataclass(frozen=True)
class Echo:
    """What the double explains."""

    decision: Decision
    declared: str | None
    capability: str | None
    effect: str | None
    changes: tuple[str, ...]


class EchoNormalizer:
    """Forwards what it knows by a word, denies the rest; ``boom`` in a request raises, ``slow`` sleeps."""

    def __init__(self, slow_s: float = 0.0) -> None:
        self.vocabulary = Vocabulary.load(default_path())
        self.card: dict[str, object] = {
            "name": "echo",
            "version": "1.2.3",
            "digest": "ab" * 32,
            "created": "2031-01-02T03:04:05Z",
            "thresholds": {"search": 0.8, "summarize": 0.75, "export": 0.9, "write": 0.9},
        }
        self._slow_s = slow_s
        self.running = 0
        self.most_running = 0

    def normalize(self, call: ToolCall) -> Decision:
        text = call.model_dump_json()
        if "boom" in text:
            raise RuntimeError(f"secret in the message: {text}")
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        if "slow" in text:
            time.sleep(self._slow_s)
        self.running -= 1
        if len(text) > MAX_TEXT:
            return self.refuse(ReasonCode.TOO_LARGE, "a field is too large", call.id)
        return self._decide(call, text)

    def normalize_json(self, data: object) -> Decision:
        try:
            return self.normalize(ToolCall.parse(data))
        except InvalidCall as error:
            return self.refuse(ReasonCode.ERROR, error.code, data.get("id") if isinstance(data, dict) else None)

    def refuse(self, code: ReasonCode, message: str, id: str | None = None) -> Decision:  # noqa: A002 - the contract's name
        spread = dict.fromkeys(self.vocabulary.labels, 1 / len(self.vocabulary.labels))
        return self._record(id, spread, None, (Reason(code=code, message=message),), (), "refusal" + message)

    def explain(self, call: ToolCall) -> Echo:
        decision = self.normalize(call)
        tool = call.tool
        capability = f"{tool.name}\n{tool.description or ''}\n{json.dumps(tool.input_schema, ensure_ascii=False)}" if tool else None
        effect = json.dumps(call.arguments, ensure_ascii=False) if call.arguments is not None else None
        return Echo(decision, call.request, capability, effect, (f"tool.name: {tool.name}",) if tool else ())

    def _decide(self, call: ToolCall, text: str) -> Decision:
        lower = text.lower()
        name = call.tool.name.lower() if call.tool else lower
        label = "write" if "drop table" in lower else next((word for start, word in _WORDS.items() if name.startswith(start)), "other")
        others = (1 - 0.94) / (len(self.vocabulary.labels) - 1)
        probabilities = {word: 0.94 if word == label else others for word in self.vocabulary.labels}
        declared = Declared(intents=("search",), probabilities={word: 0.9 if word == "search" else 0.05 for word in self.vocabulary.ids})
        reasons = (Reason(code=ReasonCode.OTHER, message="no word of mine stands in " + name),) if label == "other" else ()
        if "summarize this" in lower and label == "export":
            reasons = (Reason(code=ReasonCode.MISMATCH, message="export exceeds summarize"),)
        evidence = (Evidence(view=View.ARGUMENTS, kind="text", detail=text[:160], intent=None if label == "other" else label),)
        return self._record(call.id, probabilities, declared if call.request else None, reasons, evidence, text)

    def _record(
        self,
        id: str | None,  # noqa: A002 - the contract's name
        probabilities: dict[str, float],
        declared: Declared | None,
        reasons: tuple[Reason, ...],
        evidence: tuple[Evidence, ...],
        text: str,
    ) -> Decision:
        return Decision(
            id=id,
            decision_id=hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32],
            intent=UNKNOWN if reasons else max(probabilities, key=lambda word: probabilities[word]),
            outcome=Outcome.DENY if reasons else Outcome.FORWARD,
            confidence=max(probabilities.values()),
            probabilities=probabilities,
            declared=declared,
            reasons=reasons,
            evidence=evidence,
            vocabulary=Version(name=self.vocabulary.name, version=self.vocabulary.version, digest=self.vocabulary.digest),
            model=Version(name="echo", version="1.2.3", digest="ab" * 32),
            certificate=CertificateStatus(alpha=0.01, delta=0.05, valid=True),
        )
