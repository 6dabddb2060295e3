"""Whether a certificate holds now: asked on every call, computed at most once a second; in doubt it does not hold."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from intent.certificate.certificate import Certificate, Status, status, unmet

NONE = "the model carries no certificate"
_FRESH = timedelta(seconds=1)


def utc_now() -> datetime:
    """The clock of the machine, with its time zone."""
    return datetime.now(UTC)


class Standing:
    """The certificate of one model, watched.

    Parameters
    ----------
    thresholds
        Least probability of each intent, as the gate has it: laxer than certified is not certified.
    revocation
        A file whose presence withdraws the certificate; its text is the reason. None: nothing is watched.
    now
        The clock, with a time zone.
    """

    def __init__(
        self,
        certificate: Certificate | None,
        *,
        model_digest: str,
        vocabulary_digest: str,
        thresholds: Mapping[str, float],
        revocation: Path | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.certificate = certificate
        self._digests = model_digest, vocabulary_digest
        self._unmet = () if certificate is None else unmet(certificate, thresholds)
        self._revocation = revocation
        self._now = now
        self._lock = threading.Lock()
        self._known: tuple[datetime, Status] | None = None

    def status(self) -> Status:
        """Whether the certificate holds, and why, not older than a second."""
        now = self._now()
        with self._lock:
            if self._known is None or not timedelta(0) <= now - self._known[0] < _FRESH:
                self._known = now, self._status(now)
            return self._known[1]

    def _status(self, now: datetime) -> Status:
        if self.certificate is None:
            return Status(valid=False, why=NONE)
        if self._unmet:
            return Status(valid=False, why=f"the thresholds of {', '.join(self._unmet)} are laxer than certified")
        if self._revocation is not None and (why := _withdrawn(self._revocation)):
            return Status(valid=False, why=why)
        return status(self.certificate, *self._digests, now)


def _withdrawn(path: Path) -> str | None:
    """The reason in a revocation file, None where there is none; a file that cannot be read withdraws as well."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        return f"revoked: {path} cannot be read ({type(error).__name__})"
    return f"revoked: {' '.join(text.split())[:200] or 'no reason given'}"
