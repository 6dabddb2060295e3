"""What the page says of a decision: figures as bars, reason codes in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from intent.schema import ReasonCode
from intent.text import Change

if TYPE_CHECKING:
    from collections.abc import Mapping

    from intent.api.dispatch import Explained
    from intent.schema import Decision

EXPLANATIONS: dict[ReasonCode, str] = {
    ReasonCode.LOW_CONFIDENCE: "The likeliest intent is not likely enough: its probability is below the threshold of that intent.",
    ReasonCode.OTHER: "The call is most likely none of the intents that a policy can be written for.",
    ReasonCode.NOVEL: "The call is unlike anything the model has learned from, so its probabilities cannot be trusted.",
    ReasonCode.MISMATCH: "The call would do more than the request asks for: the mark of an injected or confused agent.",
    ReasonCode.CONFLICT: "The parts of the call contradict each other about what it does.",
    ReasonCode.OBFUSCATED: "The text hides something: invisible, reordering or look-alike characters, or encoded content.",
    ReasonCode.TOO_LARGE: "A part of the call is larger than what is read, and nothing is judged by half.",
    ReasonCode.CHANGED_DEFINITION: "The tool was reviewed, and its definition has changed since; somebody must look again.",
    ReasonCode.INVALID_CERTIFICATE: "The certificate that bounds the dangerous error does not hold, so nothing is forwarded.",
    ReasonCode.MODEL_UNAVAILABLE: "No model is loaded; without one everything is denied.",
    ReasonCode.TIMEOUT: "No decision was reached in time; a late answer is a denial.",
    ReasonCode.ERROR: "The call could not be read or judged; a failure is a denial, never a guess.",
}

CHANGES: dict[str, str] = {
    Change.COMPATIBILITY: "full-width, mathematical or otherwise styled letters became plain ones",
    Change.INVISIBLE: "invisible characters were taken out",
    Change.BIDI: "characters that reorder the text were taken out",
    Change.TAG: "invisible tag characters, which can spell a hidden message, were taken out",
    Change.COMBINING: "piled-up accents were taken out",
    Change.LOOKALIKE: "letters of other scripts that look like Latin ones became Latin",
    Change.CONTROL: "control characters were taken out",
    Change.SECRET: "what looks like a secret was masked",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One probability; ``threshold`` is the certified one, where the model's card tells it."""

    label: str
    probability: float
    threshold: float | None = None
    chosen: bool = False

    @property
    def percent(self) -> str:
        """To one decimal; what is not quite certain is never shown as 100 %."""
        shown = f"{100 * self.probability:.1f}"
        return "> 99.9 %" if shown == "100.0" and self.probability < 1 else f"{shown} %"


@dataclass(frozen=True, slots=True)
class SeenView:
    """One canonical text of the call."""

    title: str
    note: str
    text: str | None


@dataclass(frozen=True, slots=True)
class Result:
    """All that the page shows of one decision."""

    decision: Decision
    likeliest: str
    bars: tuple[Bar, ...]
    declared: tuple[Bar, ...]
    views: tuple[SeenView, ...]
    changes: tuple[str, ...]
    reasons: tuple[tuple[str, str, str], ...]
    document: str


def result_of(explained: Explained, card: Mapping[str, object]) -> Result:
    """Arrange a decision for reading."""
    decision = explained.decision
    likeliest, declared = decision.likeliest, decision.declared
    return Result(
        decision=decision,
        likeliest=likeliest,
        bars=tuple(Bar(label, p, _threshold(card, label), label == likeliest) for label, p in decision.probabilities.items()),
        declared=tuple(Bar(label, p, None, label in declared.intents) for label, p in declared.probabilities.items()) if declared else (),
        views=(
            SeenView("Declared", "what the request says", explained.declared),
            SeenView("Capability", "what the tool says it can do", explained.capability),
            SeenView("Effect", "what these arguments do", explained.effect),
        ),
        changes=tuple(CHANGES.get(str(change), str(change)) for change in explained.changes),
        reasons=tuple((str(reason.code), reason.message, EXPLANATIONS[reason.code]) for reason in decision.reasons),
        document=decision.model_dump_json(indent=2),
    )


def _threshold(card: Mapping[str, object], label: str) -> float | None:
    thresholds = card.get("thresholds")
    value: object = thresholds.get(label) if isinstance(thresholds, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - the card is parsed JSON
    return float(value) if isinstance(value, int | float) and 0 <= value <= 1 else None
