"""Two rules that gateways ship with, answering in the form of a model: what the model has to beat.

Neither states a probability, so their decisions carry none, and no calibration figure is given for them. Both forward whatever
names a tool, as the label that they read it as; a policy after them would permit what they call a read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from types import MappingProxyType

from intent.schema import CertificateStatus, Decision, Outcome, Reason, ReasonCode, ToolCall, Version
from intent.vocabulary import UNKNOWN, Effect, Vocabulary

CHANGING_SUBSTRINGS = (
    *("create", "write", "update", "delete", "remove", "set", "add", "insert", "put", "post", "send", "modify", "edit", "patch"),
    *("drop", "move", "rename", "upload"),
)

Judge = Callable[[ToolCall], Decision]


def substring_effect(call: ToolCall) -> Effect:
    """CHANGE where the tool's name holds one of `CHANGING_SUBSTRINGS`, else READ.

    The rule sees what it sees: ``get_address`` holds "add" and changes, ``purge_queue`` reads.
    """
    name = call.tool.name.lower() if call.tool else ""
    return Effect.CHANGE if any(part in name for part in CHANGING_SUBSTRINGS) else Effect.READ


def annotated_effect(call: ToolCall) -> Effect:
    """READ where the author says ``readOnlyHint: true``, else CHANGE: the defaults of MCP for what is not said."""
    annotations = (call.tool.annotations if call.tool else None) or {}
    return Effect.READ if annotations.get("readOnlyHint") is True else Effect.CHANGE


RULES: Mapping[str, Callable[[ToolCall], Effect]] = MappingProxyType(
    {"substring rule": substring_effect, "author annotations": annotated_effect}
)


def baselines(vocabulary: Vocabulary) -> dict[str, Judge]:
    """Every rule by name, as a judge of calls that answers in the words of ``vocabulary``."""
    return {name: _judge(name, rule, vocabulary) for name, rule in RULES.items()}


def _judge(name: str, rule: Callable[[ToolCall], Effect], vocabulary: Vocabulary) -> Judge:
    words = Version(name=vocabulary.name, version=vocabulary.version, digest=vocabulary.digest)
    model = Version(name=name, version="1", digest=hashlib.sha256(name.encode()).hexdigest())

    def judge(call: ToolCall) -> Decision:
        nameless = call.tool is None
        return Decision(
            id=call.id,
            decision_id=f"{name}:{call.id}",
            intent=UNKNOWN if nameless else vocabulary.effects[rule(call)],
            outcome=Outcome.DENY if nameless else Outcome.FORWARD,
            confidence=0.0 if nameless else 1.0,
            probabilities={},
            declared=None,
            reasons=(Reason(code=ReasonCode.OTHER, message="the call names no tool"),) if nameless else (),
            evidence=(),
            vocabulary=words,
            model=model,
            certificate=CertificateStatus(alpha=1.0, delta=1.0, valid=False),
        )

    return judge
