"""The contract of an audit store, as the decision path needs it: append one event, and recall a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from intent.audit.event import Event


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where an event stands: its number from 0 and the digest of its link."""

    number: int
    digest: str


@dataclass(frozen=True, slots=True)
class SessionHistory:
    """What was allowed in a session so far.

    Attributes
    ----------
    calls
        Allowed decisions.
    intents
        Their words, sorted.
    reads
        ``server/tool`` whose content came into the session, sorted.
    sensitivities
        Of what was read, sorted.
    """

    calls: int = 0
    intents: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    sensitivities: tuple[str, ...] = ()


class Journal(Protocol):
    """An append-only record; safe between threads."""

    def append(self, event: Event) -> Receipt:
        """Record an event; when this returns the event outlives the process.

        Raises
        ------
        AuditError
            If it could not be recorded; the call must then be denied.
        """
        ...

    def history(self, session: str) -> SessionHistory:
        """What was allowed in a session so far, of every process that writes here.

        Raises
        ------
        AuditError
            If it cannot be read; the call must then be denied.
        """
        ...
