"""The certificate: a promise with everything it rests on, and the reasons for which it no longer holds.

What is promised: with probability at least 1 - delta over the draw of the calibration rows, of calls like those rows that would do
what a most consequential intent means, at most alpha are forwarded as a read. `ASSUMPTIONS` says what that leaves out.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError, model_validator

from intent.certificate.cluster import ServerFigures
from intent.certificate.ltt import Bound, Certified
from intent.errors import CertificateError, IntentError
from intent.strict_json import loads
from intent.vocabulary import Vocabulary

FORMAT = 1
DAYS = 90
_MAX_BYTES = 1 << 20
_ROUNDING = 1e-12

ASSUMPTIONS: tuple[str, ...] = (
    "Calls are drawn independently, as the calibration rows were, from the same kinds of servers; tools of one server are alike, so for a "
    "server that was not among them only the figures over servers speak.",
    "The labels are right; an error among the labels moves the bound by its own rate.",
    "Nothing was fitted on the calibration rows before: no weight, no temperature, no novelty bound, no threshold.",
    "The rows were not picked by a model because they looked rare or unsure.",
    "No call is written to mislead the model: against an attacker the promise says nothing.",
    "The definition of a tool is the one that is read; a changed definition is another tool.",
    "Model, vocabulary and rules of the gate are those whose digests stand here.",
    "Every use of the calibration rows stands in the ledger and has paid its share of delta.",
)

_OBJECT = TypeAdapter(dict[str, JsonValue])
_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Chance = Annotated[float, Field(gt=0, lt=1)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Use(_Record):
    """One time that the calibration rows were looked at to choose or to promise something."""

    at: AwareDatetime
    purpose: str = Field(min_length=1)
    delta: _Chance = Field(description="Chance of error that this use may cause.")


class Part(_Record):
    """Calibration rows of one source."""

    source: str
    labelled_by: str = Field(min_length=1)
    rows: int = Field(ge=1)
    groups: int = Field(ge=1, description="Servers or domains.")


class Revocation(_Record):
    """Why and when a certificate was withdrawn before its time."""

    at: AwareDatetime
    why: str = Field(min_length=1)


class Status(NamedTuple):
    """Whether a certificate holds, and the reason in a sentence either way."""

    valid: bool
    why: str


class Certificate(_Record):
    """What is promised, from what, by when, under which assumptions.

    Attributes
    ----------
    digest
        SHA-256 (hex) of all but a revocation, so that a withdrawn certificate keeps its name.
    """

    format: Literal[1] = FORMAT
    alpha: _Chance = Field(description="The most that is promised of any intent.")
    delta: _Chance = Field(description="Chance that anything ever promised from these calibration rows is wrong.")
    issued: AwareDatetime
    expires: AwareDatetime
    vocabulary_digest: _Digest
    model_digest: _Digest = Field(description="Of the model's files and of the settings that change what is forwarded.")
    calibration_digest: _Digest = Field(description="Of the calibration rows, whatever model read them.")
    threshold: float | None = Field(ge=0, le=1, description="Least probability of forwarding as a read; null where nothing is promised.")
    bounds: tuple[Bound, ...] = Field(min_length=1, description="The promise: one a most consequential intent.")
    reported: tuple[Bound, ...] = Field(default=(), description="Of forwarding as a most consequential intent; not promised.")
    servers: tuple[ServerFigures, ...] = Field(default=(), description="For servers that were never seen; each at its own delta.")
    data: tuple[Part, ...] = Field(min_length=1, description="What the calibration rows are made of.")
    assumptions: tuple[str, ...] = Field(min_length=1)
    ledger: tuple[Use, ...] = Field(min_length=1, description="Every use of these rows; the last one is this certificate.")
    revoked: Revocation | None = None

    @model_validator(mode="after")
    def _names_each_intent_once(self) -> Certificate:
        words = [bound.intent for bound in self.bounds]
        if len(set(words)) != len(words):
            raise ValueError(f"bounds must be of distinct intents, got {words}")
        if self.expires <= self.issued:
            raise ValueError("expires must be after issued")
        return self

    @property
    def digest(self) -> str:
        """See the class."""
        return digest_of(self.model_dump(mode="json", exclude={"revoked"}))

    def to_json(self) -> str:
        """JSON form, with the digest; `read` takes it back."""
        return json.dumps({"digest": self.digest, **self.model_dump(mode="json")}, indent=1, ensure_ascii=False) + "\n"


def read(text: str | bytes) -> Certificate:
    """Read what `Certificate.to_json` wrote.

    Raises
    ------
    CertificateError
        If the text is no certificate, or is not the one whose digest it bears.
    """
    try:
        data = _OBJECT.validate_python(loads(text, max_bytes=_MAX_BYTES))
        expected = data.pop("digest", None)
        found = Certificate.model_validate(data)
    except (ValidationError, IntentError) as error:
        raise CertificateError(f"a certificate must fit its form: {error}") from error
    if found.digest != expected:
        raise CertificateError(f"the certificate must have digest {expected}, got {found.digest}")
    return found


def issue(
    certified: Certified,
    vocabulary: Vocabulary,
    *,
    model_digest: str,
    calibration_digest: str,
    data: Sequence[Part],
    ledger: Sequence[Use],
    budget: float,
    now: datetime,
    days: int = DAYS,
    reported: Sequence[Bound] = (),
    servers: Sequence[ServerFigures] = (),
    further_assumptions: Sequence[str] = (),
) -> Certificate:
    """Write a certificate for bounds from `ltt.certify`; where they do not hold it is written all the same, and says why it is not valid.

    Parameters
    ----------
    ledger
        With this use as its last entry, see `spend`.
    budget
        The delta of all uses of the calibration rows together.

    Raises
    ------
    CertificateError
        If a most consequential intent has no bound, or the certificate does not fit its form.
    """
    words = tuple(bound.intent for bound in certified.bounds)
    if words != vocabulary.top:
        raise CertificateError(f"a certificate must bound {', '.join(vocabulary.top)}, got {', '.join(words) or 'nothing'}")
    try:
        return Certificate(
            alpha=max(bound.alpha for bound in certified.bounds),
            delta=budget,
            issued=now,
            expires=now + timedelta(days=days),
            vocabulary_digest=vocabulary.digest,
            model_digest=model_digest,
            calibration_digest=calibration_digest,
            threshold=certified.threshold,
            bounds=certified.bounds,
            reported=tuple(reported),
            servers=tuple(servers),
            data=tuple(data),
            assumptions=(*ASSUMPTIONS, *further_assumptions),
            ledger=tuple(ledger),
        )
    except ValidationError as error:
        raise CertificateError(f"a certificate must fit its form: {error}") from error


def spend(ledger: Sequence[Use], delta: float, *, budget: float, purpose: str, at: datetime) -> tuple[Use, ...]:
    """The ledger with one use more.

    Each use of the same rows may err, and errors add up: what all uses spend must stay within the budget (a union bound). Plan for it: rows
    that are to carry two certificates give each one half.

    Raises
    ------
    CertificateError
        If the rows have not that much left.
    """
    left = budget - math.fsum(use.delta for use in ledger)
    if not 0 < delta <= left + _ROUNDING:
        raise CertificateError(f"a use of these rows must spend at most the {max(left, 0.0):g} of delta that is left, got {delta:g}")
    return (*ledger, Use(at=at, purpose=purpose, delta=delta))


def revoke(certificate: Certificate, why: str, at: datetime) -> Certificate:
    """The same certificate, withdrawn; a second revocation leaves the first."""
    return certificate if certificate.revoked else certificate.model_copy(update={"revoked": Revocation(at=at, why=why)})


def status(certificate: Certificate, model_digest: str, vocabulary_digest: str, now: datetime) -> Status:
    """Whether the certificate holds for this model, this vocabulary and this moment; every figure is computed anew, none is believed.

    Parameters
    ----------
    now
        With its time zone; without one nothing can be said to be unexpired.
    """
    fault = (
        _revoked(certificate)
        or _of_another(certificate, model_digest, vocabulary_digest)
        or _out_of_time(certificate, now)
        or _overspent(certificate)
        or _not_borne(certificate)
    )
    return Status(valid=False, why=fault) if fault else Status(valid=True, why="; ".join(bound.why for bound in certificate.bounds))


def unmet(certificate: Certificate, thresholds: Mapping[str, float]) -> tuple[str, ...]:
    """The reads whose threshold is laxer than the certified one; every read where nothing is certified.

    Parameters
    ----------
    thresholds
        Least probability of each intent of the vocabulary, as the gate has it. Those that the certificate does not bound are reads.
    """
    bounded = {bound.intent for bound in certificate.bounds}
    least = math.inf if certificate.threshold is None else certificate.threshold
    return tuple(word for word, threshold in thresholds.items() if word not in bounded and not threshold >= least)


def composition(sources: Sequence[str], groups: Sequence[str], labelled_by: Mapping[str, str]) -> tuple[Part, ...]:
    """What rows are made of, by source, in alphabetical order.

    Parameters
    ----------
    sources, groups
        Of each row.
    labelled_by
        Who labelled each source.

    Raises
    ------
    CertificateError
        If nobody is named for a source.
    """
    if missing := sorted(set(sources) - set(labelled_by)):
        raise CertificateError(f"every source must say who labelled it, missing {', '.join(missing)}")
    rows = Counter(sources)
    distinct = Counter(source for source, _ in set(zip(sources, groups, strict=True)))
    return tuple(Part(source=name, labelled_by=labelled_by[name], rows=rows[name], groups=distinct[name]) for name in sorted(rows))


def digest_of(value: JsonValue) -> str:
    """SHA-256 (hex) of a JSON value in canonical form: sorted keys, no spaces, UTF-8."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _revoked(certificate: Certificate) -> str | None:
    found = certificate.revoked
    return f"revoked at {found.at.isoformat(timespec='seconds')}: {found.why}" if found else None


def _of_another(certificate: Certificate, model_digest: str, vocabulary_digest: str) -> str | None:
    if certificate.model_digest != model_digest:
        return f"issued for the model {certificate.model_digest[:12]}, not for {model_digest[:12]}"
    if certificate.vocabulary_digest != vocabulary_digest:
        return f"issued for the vocabulary {certificate.vocabulary_digest[:12]}, not for {vocabulary_digest[:12]}"
    return None


def _out_of_time(certificate: Certificate, now: datetime) -> str | None:
    if now.tzinfo is None:
        return "the clock has no time zone"
    if now < certificate.issued:
        return f"not valid before {certificate.issued.isoformat(timespec='seconds')}"
    if now >= certificate.expires:
        return f"expired at {certificate.expires.isoformat(timespec='seconds')}"
    return None


def _overspent(certificate: Certificate) -> str | None:
    spent = math.fsum(use.delta for use in certificate.ledger)
    if spent > certificate.delta + _ROUNDING:
        return f"the calibration rows have spent {spent:g} of a delta of {certificate.delta:g}"
    claimed = math.fsum(bound.delta for bound in certificate.bounds)
    if claimed > certificate.ledger[-1].delta + _ROUNDING:
        return f"the bounds claim a delta of {claimed:g}, the ledger gives them {certificate.ledger[-1].delta:g}"
    return None


def _not_borne(certificate: Certificate) -> str | None:
    if fallen := [bound.why for bound in certificate.bounds if not bound.holds]:
        return "; ".join(fallen)
    for bound in certificate.bounds:
        if bound.alpha > certificate.alpha:
            return f"{bound.intent} is bounded by {bound.alpha:.2%}, more than the {certificate.alpha:.2%} that is promised"
        if certificate.threshold is None or bound.threshold is None or bound.threshold > certificate.threshold:
            return f"the read threshold is laxer than the one certified for {bound.intent}"
    return None
