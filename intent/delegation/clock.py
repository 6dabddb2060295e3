"""Time that never runs backwards: what has expired once stays expired, and a clock that cannot be trusted refuses everything."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from intent.delegation.fault import Fault, refuse
from intent.errors import DelegationError

# A clock is set back by less than this when it is disciplined; by more, it was wrong, or is.
_TOLERANCE = timedelta(seconds=60)


def utc_now() -> datetime:
    """The clock of the machine, with its time zone."""
    return datetime.now(UTC)


class Clock:
    """A wall clock, watched.

    Parameters
    ----------
    now
        The clock, with a time zone; may raise.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._latest: datetime | None = None

    def seconds(self) -> int:
        """Whole seconds since 1970, never less than was told before.

        Raises
        ------
        DelegationError
            ``unavailable`` if the clock raises, has no time zone, or went back by more than a minute.
        """
        with self._lock:
            now = self._read()
            latest = now if self._latest is None else max(self._latest, now)
            refuse(latest - now > _TOLERANCE, Fault.UNAVAILABLE, "the clock must not run backwards")
            self._latest = latest
        return int(latest.timestamp())

    def _read(self) -> datetime:
        try:
            now = self._now()
        except Exception as error:  # whatever a clock may raise, the time is then unknown, and nothing is allowed
            raise DelegationError(Fault.UNAVAILABLE, "the clock must tell the time") from error
        refuse(now.tzinfo is None, Fault.UNAVAILABLE, "the clock must have a time zone")
        return now
