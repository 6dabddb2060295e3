"""A small corpus with answers, made up here: enough for every part of a report, and hostile where names come from outside."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from intent.schema import CertificateStatus, Decision, Declared, Outcome, ToolCall, Version
from intent.vocabulary import UNKNOWN, Vocabulary, default_path

VOCABULARY = Vocabulary.load(default_path())
WORDS = Version(name=VOCABULARY.name, version=VOCABULARY.version, digest=VOCABULARY.digest)
MODEL_VERSION = Version(name="double", version="1.0", digest="ab" * 32)
HOSTILE_NAME = 'x"><script>alert(1)</script>\u202e\u200b<img src=http://evil.example/p.png>'
HOSTILE_TEXT = "{{ 7 * 7 }} <b onmouseover=alert(2)>read me</b> " + "long " * 60 + "END-OF-LONG-TEXT"
GOLD = ("search", "write", "export", "summarize", "other")


def corpus_rows() -> list[dict[str, Any]]:
    """Fifty tools on ten servers, five labels each; two rows are marked as read differently."""
    rows: list[dict[str, Any]] = []
    for place in range(50):
        gold = GOLD[place % 5]
        rows.append(
            {
                "id": f"row/{place:02}",
                "source": ("npm", "pypi")[place % 2],
                "group": f"server-{place // 5}",
                "split": "held",
                "request": None,
                "tool": {"name": f"{gold}_thing_{place}", "description": None if place % 7 == 0 else "Does a thing. " * (place % 4 + 1)},
                "arguments": None,
                "label": {"intent": gold, "also": [], "polymorphic": place % 10 == 0, "agreed": place not in {3, 4}},
            }
        )
    rows[1]["tool"] = {"name": HOSTILE_NAME, "description": HOSTILE_TEXT}
    return rows


def request_rows() -> list[dict[str, Any]]:
    """Requests alone, four domains."""
    base = {"source": "own", "split": "held", "tool": None, "arguments": None}
    label = {"declared": ["search"], "optional": ["write"]}
    return [{**base, "id": f"request/{k}", "group": f"domain-{k % 4}", "request": f"look up number {k}", "label": label} for k in range(8)]


def write_corpus(directory: Path) -> Path:
    """Write both files."""
    for name, rows in {"tools": corpus_rows(), "requests": request_rows()}.items():
        (directory / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return directory


def judge(wrong: frozenset[str], denied: frozenset[str] = frozenset()) -> Callable[[ToolCall], Decision]:
    """Right on every row but ``wrong``, which it takes for a search; what is ``other`` or ``denied`` is denied."""

    def answer(call: ToolCall) -> Decision:
        place = int((call.id or "0").rpartition("/")[2])
        if call.tool is None:
            return decision(call, "search", 0.9, forward=False, declared=("search", "write") if place % 3 else ())
        gold = GOLD[place % 5]
        word = "search" if call.id in wrong else gold
        return decision(call, word, 0.6 + 0.4 * ((place * 7) % 50) / 50, forward=word != "other" and call.id not in denied)

    return answer


def decision(call: ToolCall, word: str, confidence: float, *, forward: bool, declared: tuple[str, ...] | None = None) -> Decision:
    """A decision that states ``word`` with ``confidence``."""
    others = (1 - confidence) / (len(VOCABULARY.labels) - 1)
    return Decision(
        id=call.id,
        decision_id=f"d-{call.id}",
        intent=word if forward else UNKNOWN,
        outcome=Outcome.FORWARD if forward else Outcome.DENY,
        confidence=confidence,
        probabilities={label: confidence if label == word else others for label in VOCABULARY.labels},
        declared=None if declared is None else Declared(intents=declared, probabilities={}),
        reasons=(),
        evidence=(),
        vocabulary=WORDS,
        model=MODEL_VERSION,
        certificate=CertificateStatus(alpha=0.02, delta=0.05, valid=False),
    )
