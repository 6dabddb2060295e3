"""The store of the workbench: everything that analysts bring in and say, attributed and only ever added to, in SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Engine

from intent.errors import Forbidden
from intent.workbench.accounts import Accounts
from intent.workbench.definitions import Definitions
from intent.workbench.labels import Labels
from intent.workbench.models import Models
from intent.workbench.records import Actor, Role
from intent.workbench.runs import Runs
from intent.workbench.streams import AUDIT_RATE
from intent.workbench.vocabularies import Vocabularies


class WorkbenchStore(Labels, Definitions, Vocabularies, Runs, Models, Accounts):
    """One store; each part of it is a module of its own, and every write asks the role of its `Actor`.

    Parameters
    ----------
    engine
        Of `intent.database.open_database`.
    now
        Clock of the facts.
    audit_rate
        Share of new items that goes into the audit stream.

    Raises
    ------
    Forbidden
        By any write that the role of the actor does not allow.
    StoreError
        By any method, where the database does not answer or what it holds does not fit.
    """

    def __init__(self, engine: Engine, now: Callable[[], datetime] = lambda: datetime.now(UTC), *, audit_rate: float = AUDIT_RATE) -> None:
        super().__init__(engine, now)
        self.audit_rate = audit_rate

    def actor(self, name: str) -> Actor:
        """Whoever has an account of this name, with its role.

        Raises
        ------
        Forbidden
            If there is none, or it is disabled.
        """
        versions = self.account_versions(name)
        if not versions or versions[-1].disabled:
            raise Forbidden(name[:80], "disabled" if versions else "nobody", Role.VIEWER)
        return Actor(name=name, role=versions[-1].role)
