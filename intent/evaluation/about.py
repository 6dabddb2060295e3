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
        """Whether the certificate held when the card was made."""
        return Standing.of(self.certificate)

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
    """Whether a certificate held when the card was made, and why; anything unclear does not."""

    holds: bool
    why: str

    @classmethod
    def of(cls, certificate: Mapping[str, Any] | None) -> Standing:
        """Read what `intent.certificate.standing` said into the certificate's JSON form.

        >>> Standing.of({"valid": True, "why": "valid until 2031-01-01"}).holds
        True
        >>> Standing.of({}).why
        'the model carries no certificate'
        """
        if not certificate:
            return cls(False, "the model carries no certificate")
        return cls(certificate.get("valid") is True, str(certificate.get("why") or NOT_STATED))
