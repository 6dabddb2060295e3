"""One call in, one decision out; whatever goes wrong on the way is a deny with a reason, never an exception and never a label."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import cast

import numpy as np
from pydantic import JsonValue

from intent.bundle import Bundle, load, shipped_path
from intent.catalogue import Catalogue, Pin
from intent.catalogue import Standing as PinStanding
from intent.certificate.certificate import Certificate, Status
from intent.certificate.standing import Standing, utc_now
from intent.classify.explanation import Explanation, Views
from intent.classify.facts import annotation_conflicts, annotation_evidence, destination_evidence, encoding_evidence, finding_evidence
from intent.classify.features import hint
from intent.classify.gate import Gate, Reading, asked
from intent.classify.lexical import Doubles
from intent.classify.reader import POLYMORPHIC_AT_LEAST, CapabilityReading, Reader
from intent.errors import IntentError, InvalidCall
from intent.evidence import collect
from intent.evidence.base import Finding
from intent.schema import (
    CertificateStatus,
    Decision,
    Declared,
    Evidence,
    Outcome,
    Reason,
    ReasonCode,
    Tool,
    ToolCall,
    Version,
    View,
)
from intent.text import CanonicalText, Change
from intent.views import EffectView, Limits, read_capability, read_declared, read_effect, tool_digest
from intent.vocabulary import UNKNOWN, Vocabulary

log = logging.getLogger(__name__)

# The threshold of greatest F1 is half of that F1 (Lipton, Elkan & Naryanaswamy 2014), and the head's is near 0.9.
DECLARED_AT_LEAST = 0.45
_NO_ARGUMENTS = EffectView(leaves=(), text="", changes=frozenset())


class Deadline:
    """A point on a monotonic clock after which a call is denied."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until = clock() + seconds

    def check(self) -> None:
        """Raise `TimeoutError` once the point has passed."""
        if self._clock() > self._until:
            raise TimeoutError


@dataclass(frozen=True, slots=True)
class _Read:
    """A tool and its arguments as they were read, before anything is concluded from them."""

    standing: PinStanding
    pin: Pin | None
    known: CapabilityReading
    view: EffectView
    findings: tuple[Finding, ...]

    @property
    def reviewed(self) -> bool:
        """Whether this very definition was reviewed."""
        return self.standing is PinStanding.REVIEWED


class Normalizer:
    """Turns tool calls into decisions; safe between threads; the same call gives the same decision alone and in any company.

    Parameters
    ----------
    trained
        A verified bundle.
    catalogue
        Reviewed tools.
    require_certificate
        Deny everything while the certificate of the model does not hold.
    revocation
        A file whose presence withdraws the certificate; None: none is watched.
    deadline_s
        Longest time for one call, in seconds.
    clock, now, new_id
        Injected, so that tests hold time and identifiers still.
    """

    def __init__(
        self,
        trained: Bundle,
        *,
        catalogue: Catalogue | None = None,
        limits: Limits | None = None,
        require_certificate: bool = True,
        revocation: Path | None = None,
        deadline_s: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._trained = trained
        self._catalogue = catalogue or Catalogue.empty()
        self._limits = limits or Limits()
        self._deadline_s = deadline_s
        self._clock = clock
        self._new_id = new_id
        self._reader = Reader(trained.model, trained.vocabulary, trained.encoder)
        self._gate = Gate(
            vocabulary=trained.vocabulary,
            thresholds=trained.model.thresholds,
            declared_at_least=trained.declared_at_least,
        )
        self._require_certificate = require_certificate
        self._standing = Standing(
            trained.certificate,
            model_digest=trained.content_digest,
            vocabulary_digest=trained.vocabulary.digest,
            thresholds=dict(zip(trained.vocabulary.ids, map(float, trained.model.thresholds), strict=True)),
            revocation=revocation,
            now=now,
        )

    @classmethod
    def load(
        cls,
        bundle: Path | None = None,
        *,
        catalogue: Path | None = None,
        limits: Limits | None = None,
        threads: int = 1,
        require_certificate: bool = True,
        revocation: Path | None = None,
        deadline_s: float = 2.0,
        now: Callable[[], datetime] = utc_now,
        cache: Path | None = None,
    ) -> Normalizer:
        """Verify a bundle (None: the shipped one), then make a normalizer from it.

        Raises
        ------
        BundleError
            If the bundle is missing or differs from its manifest.
        CatalogueError
            If the catalogue cannot be read.
        """
        trained = load(bundle or shipped_path(), threads=threads, cache=cache)
        pins = Catalogue.load(catalogue, trained.vocabulary) if catalogue else None
        return cls(
            trained,
            catalogue=pins,
            limits=limits,
            require_certificate=require_certificate,
            revocation=revocation,
            deadline_s=deadline_s,
            now=now,
        )

    @property
    def trained(self) -> Bundle:
        """The bundle that it serves."""
        return self._trained

    @property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary of the model."""
        return self._trained.vocabulary

    @property
    def certificate(self) -> tuple[Certificate | None, Status]:
        """The certificate of the model, and whether it holds now."""
        return self._standing.certificate, self._standing.status()

    @property
    def card(self) -> dict[str, JsonValue]:
        """The model's manifest, with its digest, its thresholds and its certificate (null, or with ``valid`` and ``why`` of this moment)."""
        found, status = self.certificate
        told: JsonValue = None
        if found is not None:
            told = {"digest": found.digest, **found.model_dump(mode="json"), "valid": status.valid, "why": status.why}
        return {**self._trained.card, "certificate": told}

    def normalize(self, call: ToolCall) -> Decision:
        """Decide one call; never raises."""
        return self._decided(call)[0]

    def normalize_many(self, calls: Iterable[ToolCall]) -> Iterator[Decision]:
        """Decide calls in order, each as if it were alone."""
        return map(self.normalize, calls)

    def normalize_json(self, data: object) -> Decision:
        """Decide parsed JSON; what is no valid call is denied with its fault as the reason."""
        name = cast("dict[str, object]", data).get("id") if isinstance(data, dict) else None
        echoed = name if isinstance(name, str) and len(name) <= self._limits.max_name_bytes else None
        try:
            call = ToolCall.parse(cast("object", data))
        except InvalidCall as error:
            return self.refuse(ReasonCode.of(error), str(error), echoed)
        except RecursionError:
            return self.refuse(ReasonCode.TOO_LARGE, "input must be less deeply nested", echoed)
        return self.normalize(call)

    def refuse(self, code: ReasonCode, message: str, id: str | None = None) -> Decision:  # noqa: A002 - the contract's own word
        """A deny for something that was not read: every probability is on the rest label."""
        labels = self.vocabulary.labels
        return self._decision(id, np.eye(len(labels))[-1], None, (Reason(code=code, message=message),), ())

    def explain(self, call: ToolCall) -> Explanation:
        """The decision with the canonical texts behind it; views that could not be read are None."""
        return Explanation.of(*self._decided(call))

    def _decided(self, call: ToolCall) -> tuple[Decision, Views | None]:
        try:
            return self._judged(call, Deadline(self._deadline_s, self._clock))
        except InvalidCall as error:
            return self.refuse(ReasonCode.of(error), str(error), call.id), None
        except TimeoutError:
            message = f"the call was not read within {self._deadline_s:g} s"
            return self.refuse(ReasonCode.TIMEOUT, message, call.id), None
        except IntentError as error:
            return self.refuse(ReasonCode.ERROR, str(error), call.id), None
        except Exception:  # fail closed: whatever happened, the answer is a deny
            log.exception("a call could not be read")
            return self.refuse(ReasonCode.ERROR, "the call could not be read", call.id), None

    def _judged(self, call: ToolCall, deadline: Deadline) -> tuple[Decision, Views]:
        declared_view = read_declared(call.request, self._limits) if call.request and call.request.strip() else None
        declared = self._reader.declared(declared_view) if declared_view else None
        deadline.check()
        if call.tool is None:
            probabilities = asked(np.zeros(len(self.vocabulary.ids)) if declared is None else declared, self.vocabulary)
            reading, evidence, views = Reading(probabilities), (), Views(declared_view, None, None)
        else:
            reading, evidence, views = self._tool_reading(call.tool, call.arguments, declared, declared_view, deadline)
        deadline.check()
        told = None if declared is None else self._declared(declared)
        status = self._standing.status()
        if self._require_certificate and not status.valid:
            reading = replace(reading, uncertified=status.why)
        return self._decision(call.id, reading.probabilities, told, self._gate.reasons(reading), evidence), views

    def _tool_reading(
        self,
        tool: Tool,
        arguments: Mapping[str, JsonValue] | None,
        declared: Doubles | None,
        declared_view: CanonicalText | None,
        deadline: Deadline,
    ) -> tuple[Reading, tuple[Evidence, ...], Views]:
        read = self._read(tool, arguments, deadline)
        probabilities = self._effective(read)
        told = tuple(finding_evidence(finding, self.vocabulary) for finding in read.findings)
        evidence = (
            *_pin_evidence(read.pin, read.standing),
            *annotation_evidence(tool, self.vocabulary),
            *told,
            *encoding_evidence(read.view),
            *destination_evidence(declared_view, read.view, hint(read.known.view), probabilities, self.vocabulary),
        )
        reading = Reading(
            probabilities=probabilities,
            declared=declared,
            novel=read.known.novel and not read.reviewed,
            obfuscated=read.known.obfuscated,
            changed=read.standing is PinStanding.CHANGED,
            doubts=tuple(fact for fact, finding in zip(told, read.findings, strict=True) if finding.effect is None),
            conflicts=(*annotation_conflicts(tool, probabilities, self.vocabulary), *_contradiction(read)),
        )
        return reading, evidence, Views(declared_view, read.known.view, read.view if arguments is not None else None)

    def _read(self, tool: Tool, arguments: Mapping[str, JsonValue] | None, deadline: Deadline) -> _Read:
        digest = tool_digest(tool)
        standing, pin = self._catalogue.look_up(tool.server, tool.name, digest)
        known = self._reader.capability(digest, lambda: read_capability(tool, self._limits))
        if not known.view.name.text or Change.CONTROL in known.view.name.changes:
            raise InvalidCall("tool.name", "have a letter or a digit, and no control character")
        deadline.check()
        view = read_effect(arguments, self._limits) if arguments else _NO_ARGUMENTS
        findings = collect(view.leaves, hint(known.view), self.vocabulary.verb_effects) if view.leaves else ()
        return _Read(standing, pin, known, view, findings)

    def _effective(self, read: _Read) -> Doubles:
        """What the call does: by its arguments where they decide, else what the tool can do, as reviewed or as read."""
        polymorphic = read.known.polymorphic >= POLYMORPHIC_AT_LEAST if read.pin is None else read.pin.polymorphic
        if polymorphic and read.view.leaves:
            return self._reader.effect(read.known.view.name.text, read.view, read.findings)
        capability = self._pinned(read.pin) if read.pin is not None and read.reviewed else read.known.probabilities
        return self._reader.lifted(capability, read.findings)

    def _pinned(self, pin: Pin) -> Doubles:
        return np.eye(len(self.vocabulary.labels))[self.vocabulary.labels.index(pin.intent)]

    def _declared(self, declared: Doubles) -> Declared:
        named = dict(zip(self.vocabulary.ids, map(float, declared), strict=True))
        return Declared(intents=tuple(w for w, p in named.items() if p >= DECLARED_AT_LEAST), probabilities=named)

    def _decision(
        self,
        id: str | None,  # noqa: A002 - the contract's own word
        probabilities: Doubles,
        declared: Declared | None,
        reasons: tuple[Reason, ...],
        evidence: tuple[Evidence, ...],
    ) -> Decision:
        vocabulary = self.vocabulary
        likeliest = int(probabilities.argmax())
        return Decision(
            id=id,
            decision_id=self._new_id(),
            intent=UNKNOWN if reasons else vocabulary.labels[likeliest],
            outcome=Outcome.DENY if reasons else Outcome.FORWARD,
            confidence=min(1.0, float(probabilities[likeliest])),
            probabilities=dict(zip(vocabulary.labels, map(float, probabilities), strict=True)),
            declared=declared,
            reasons=reasons,
            evidence=evidence,
            vocabulary=Version(name=vocabulary.name, version=vocabulary.version, digest=vocabulary.digest),
            model=self._trained.version,
            certificate=self._certificate(),
        )

    def _certificate(self) -> CertificateStatus:
        found = self._standing.certificate
        if found is None:
            return CertificateStatus(alpha=1.0, delta=1.0, valid=False)
        return CertificateStatus(alpha=found.alpha, delta=found.delta, valid=self._standing.status().valid)


def _pin_evidence(pin: Pin | None, standing: PinStanding) -> tuple[Evidence, ...]:
    if pin is None:
        return ()
    return (Evidence(view=View.CATALOGUE, kind="pin", detail=f"{pin.name}: {standing}", intent=pin.intent),)


def _contradiction(read: _Read) -> tuple[str, ...]:
    """A reviewed definition has been read to its end by a person."""
    return ("a part of the definition says more than the whole",) if read.known.contradicted and not read.reviewed else ()
