"""What an operator watches, in a registry of its own for each app, so that two apps in one process do not add up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.metrics_core import Metric

    from intent.decision_point.evaluation import Evaluation
    from intent.schema import Decision
    from intent.telemetry import Follows

_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_PART_BUCKETS_S = (0.0001, 0.00025, *_BUCKETS_S)
_MOST_VALUES = 64
REST = "rest"


class Bounded:
    """Lets the first values of a label through, and calls all later ones ``rest``: a label must not grow with what it is fed.

    >>> label = Bounded(1)
    >>> label("cedar"), label("opa"), label("cedar")
    ('cedar', 'rest', 'cedar')
    """

    def __init__(self, most: int = _MOST_VALUES) -> None:
        self._most = most
        self._known: set[str] = set()

    def __call__(self, value: str) -> str:
        """The value, or ``rest``."""
        if value not in self._known and len(self._known) >= self._most:
            return REST
        self._known.add(value)
        return value


class _Refusals(Collector):
    """Reads the count where it is kept."""

    def __init__(self, policies: Follows) -> None:
        self._policies = policies

    def collect(self) -> Iterable[Metric]:
        """The figure now."""
        about = "Policy sets that were refused; the one before stays in force."
        yield CounterMetricFamily("intent_policy_reload_failures", about, self._policies.refusals)


class Metrics:
    """Counts of decisions and evaluations and their reasons, latencies, and calls in flight.

    Labels are closed sets (intents, outcomes, reason codes, engines): nothing of a call becomes a label.
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
        self._of_evaluations()

    def _of_evaluations(self) -> None:
        self._intent, self._reason, self._engine = Bounded(), Bounded(), Bounded()
        self._evaluations = Counter(
            "intent_evaluations", "Access evaluations answered.", ["decision", "intent", "engine"], registry=self.registry
        )
        self._grounds = Counter(
            "intent_evaluation_denial_reasons", "Reasons of denied evaluations; one may have several.", ["reason"], registry=self.registry
        )
        self._faults = Counter("intent_evaluation_faults", "Items of batches that are no evaluation request.", registry=self.registry)
        self.evaluation_latency = Histogram(
            "intent_evaluation_seconds", "Time from the wait for a slot to the answer.", buckets=_BUCKETS_S, registry=self.registry
        )
        self._engine_latency = Histogram(
            "intent_engine_seconds", "Time of the policy engine.", ["engine"], buckets=_PART_BUCKETS_S, registry=self.registry
        )
        self._audit_latency = Histogram("intent_audit_seconds", "Time to record an event.", buckets=_PART_BUCKETS_S, registry=self.registry)
        self.decides = Gauge("intent_decision_point_ready", "1 when evaluations are put to policy.", registry=self.registry)
        self._delegations = Counter("intent_delegations", "Requests about delegation tokens answered.", ["result"], registry=self.registry)

    def count(self, decision: Decision) -> None:
        """Count one decision and each of its reasons."""
        self._decisions.labels(decision.intent, decision.outcome).inc()
        for reason in decision.reasons:
            self._reasons.labels(reason.code).inc()

    def count_evaluation(self, answer: Evaluation) -> None:
        """Count one answer and each of its reasons."""
        decision = "allow" if answer.allowed else "deny"
        self._evaluations.labels(decision, self._intent(answer.decision.intent), self._engine(answer.engine)).inc()
        for ground in answer.grounds:
            self._grounds.labels(self._reason(ground.code)).inc()

    def count_fault(self) -> None:
        """Count an item of a batch that is no request."""
        self._faults.inc()

    def count_delegation(self, result: str) -> None:
        """Count a request about delegation tokens by what became of it; ``result`` is of a closed set."""
        self._delegations.labels(result).inc()

    def engine_answered(self, engine: str, seconds: float) -> None:
        """Take note of a policy engine's time."""
        self._engine_latency.labels(self._engine(engine)).observe(seconds)

    def recorded(self, seconds: float) -> None:
        """Take note of the audit's time."""
        self._audit_latency.observe(seconds)

    def follows(self, policies: Follows) -> None:
        """Ask these policies, whenever the figures are asked for, how many versions were refused."""
        self.registry.register(_Refusals(policies))

    def exposition(self) -> bytes:
        """All figures in the Prometheus text format."""
        return generate_latest(self.registry)
