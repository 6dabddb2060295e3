"""What stands around the figures of a report: the model's certificate, who labelled the rows, attacks, and when it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

NOT_STATED = "not stated"


@dataclass(frozen=True, slots=True)
class About:
    """Facts that a report shows and does not compute.

    Attributes
    ----------
    created
        When the report was made.
    card
        The model's manifest as JSON, with its digest; empty where there is none.
    certificate
        JSON of the certificate; None where the model carries none.
    labelled_by
        Who labelled the rows that were evaluated on.
    attacks
        Attack family to its success: ``{"n", "hits", "value", "low", "high"}``; None where no suite was run.
    """

    created: datetime
    card: Mapping[str, Any] = field(default_factory=dict[str, Any])
    certificate: Mapping[str, Any] | None = None
    labelled_by: str = NOT_STATED
    attacks: Mapping[str, Mapping[str, Any]] | None = None

    @classmethod
    def of_card(
        cls,
        card: Mapping[str, Any],
        created: datetime,
        *,
        labelled_by: str | None = None,
        attacks: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> About:
        """Take the certificate from a model's card.

        Parameters
        ----------
        card
            `intent.normalizer.Normalizer.card`.
        """
        found = card.get("certificate")
        certificate = cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else None
        return cls(created, card, certificate, labelled_by or NOT_STATED, attacks)

    @property
    def standing(self) -> Standing:
        """Whether the certificate holds at the time of the report."""
        return Standing.of(self.certificate, self.created)

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "created": self.created.astimezone(UTC).isoformat(timespec="seconds"),
            "certificate": None if self.certificate is None else dict(self.certificate),
            "certificate_standing": {"holds": self.standing.holds, "why": self.standing.why},
            "labelled_by": self.labelled_by,
            "attacks": None if self.attacks is None else {family: dict(figure) for family, figure in self.attacks.items()},
            "card": dict(self.card),
        }


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a certificate holds, and why; anything unclear does not."""

    holds: bool
    why: str

    @classmethod
    def of(cls, certificate: Mapping[str, Any] | None, now: datetime) -> Standing:
        """Read the standing of a certificate's JSON form.

        >>> Standing.of({"valid": True, "expires": "2031-01-01T00:00:00Z"}, datetime(2030, 1, 1, tzinfo=UTC)).holds
        True
        >>> Standing.of({"valid": False}, datetime(2030, 1, 1, tzinfo=UTC)).why
        'the model says that its certificate is not valid'
        """
        if not certificate:
            return cls(False, "the model carries no certificate")
        if certificate.get("revoked"):
            return cls(False, "the certificate was revoked")
        if "valid" not in certificate:
            return cls(False, "the certificate does not say that it is valid")
        if certificate["valid"] is not True:
            why = certificate.get("why")
            return cls(False, f"the model says that its certificate is not valid{f': {why}' if why else ''}")
        if (expires := certificate.get("expires")) is None:
            return cls(True, "the model says that its certificate is valid, without a date of expiry")
        return cls._dated(expires, now)

    @classmethod
    def _dated(cls, expires: object, now: datetime) -> Standing:
        try:
            until = datetime.fromisoformat(str(expires))
        except ValueError:
            return cls(False, "the certificate's date of expiry cannot be read")
        if until.tzinfo is None:
            return cls(False, "the certificate's date of expiry names no time zone")
        if until <= now:
            return cls(False, f"the certificate expired on {until.date()}")
        return cls(True, f"valid until {until.date()}")
