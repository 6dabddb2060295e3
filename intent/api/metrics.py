"""What an operator watches, in a registry of its own for each app, so that two apps in one process do not add up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from intent.schema import Decision

_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """Counts of decisions and reasons, latency, and classifications in flight.

    Labels are closed sets (intents, outcomes, reason codes): nothing of a call becomes a label.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._decisions = Counter("intent_decisions", "Decisions given.", ["intent", "outcome"], registry=self.registry)
        self._reasons = Counter("intent_denial_reasons", "Reasons given; a denial may have several.", ["reason"], registry=self.registry)
        self.latency = Histogram(
            "intent_classification_seconds", "Time from the wait for a slot to the decision.", buckets=_BUCKETS_S, registry=self.registry
        )
        self.in_flight = Gauge(
            "intent_classifications_in_flight", "Calls that wait for a slot or are being classified.", registry=self.registry
        )
        self.ready = Gauge("intent_model_ready", "1 when a model is loaded.", registry=self.registry)

    def count(self, decision: Decision) -> None:
        """Count one decision and each of its reasons."""
        self._decisions.labels(decision.intent, decision.outcome).inc()
        for reason in decision.reasons:
            self._reasons.labels(reason.code).inc()

    def exposition(self) -> bytes:
        """All figures in the Prometheus text format."""
        return generate_latest(self.registry)
