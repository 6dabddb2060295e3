"""Training runs: what each one reported; the latest report is where it stands, and after its end there is none."""

from __future__ import annotations

from sqlalchemy import func, select

from intent.audit.encoding import searchable
from intent.errors import WorkbenchError
from intent.workbench.base import Base, append, latest, record_of, require
from intent.workbench.records import Actor, Role, RunEvent, RunState
from intent.workbench.tables import RUN_EVENTS

ENDED = frozenset((RunState.FINISHED, RunState.FAILED, RunState.CANCELLED))


class Runs(Base):
    """Training runs of a store."""

    def add_run_event(self, actor: Actor, event: RunEvent) -> RunEvent:
        """Add what a run reports; who adds it is noted in its detail under ``by``.

        Raises
        ------
        Forbidden
            Below an analyst.
        WorkbenchError
            If the run has ended, which is how a run learns that it was cancelled.
        """
        require(actor, Role.ANALYST)
        attributed = event.model_copy(update={"detail": {**event.detail, "by": actor.name}})
        with self.writes() as connection:
            row = latest(connection, RUN_EVENTS, RUN_EVENTS.c.run == searchable(event.run))
            if row is not None and row.state in ENDED:
                raise WorkbenchError(f"a run must not have ended, got {event.run[:80]!r}, which is {row.state}")
            return append(connection, RUN_EVENTS, [attributed], _columns)[0]

    def run_events(self, run: str, *, after: int = 0) -> tuple[RunEvent, ...]:
        """What a run reported, in order; what came after an event alone where its number is given."""
        query = select(RUN_EVENTS).where(RUN_EVENTS.c.run == searchable(run), RUN_EVENTS.c.id > after).order_by(RUN_EVENTS.c.id)
        with self.reads() as connection:
            return tuple(record_of(RunEvent, row) for row in connection.execute(query))

    def runs(self) -> tuple[RunEvent, ...]:
        """The latest report of each run, the newest one first."""
        last = select(func.max(RUN_EVENTS.c.id)).group_by(RUN_EVENTS.c.run)
        query = select(RUN_EVENTS).where(RUN_EVENTS.c.id.in_(last)).order_by(RUN_EVENTS.c.id.desc())
        with self.reads() as connection:
            return tuple(record_of(RunEvent, row) for row in connection.execute(query))


def _columns(event: RunEvent) -> dict[str, str]:
    return {"run": event.run, "state": event.state.value}
