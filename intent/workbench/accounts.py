"""Accounts as the store keeps them: versions that are only ever added; `intent.workbench.local_accounts` says who may sign in with one."""

from __future__ import annotations

from sqlalchemy import select

from intent.errors import WorkbenchError
from intent.workbench.base import Base, append, record_of
from intent.workbench.records import Account
from intent.workbench.tables import ACCOUNTS


class Accounts(Base):
    """Versions in the database of the workbench, which refuses to change or delete one; every fault of it is a `StoreError`."""

    def add_account(self, version: Account, after: int) -> Account:
        """Keep a version; one transaction at a time, in all processes."""
        with self.writes() as connection:
            query = select(ACCOUNTS.c.id, ACCOUNTS.c.body).where(ACCOUNTS.c.name == version.name).order_by(ACCOUNTS.c.id)
            refuse_overtaken(version.name, tuple(record_of(Account, row) for row in connection.execute(query)), after)
            return append(connection, ACCOUNTS, [version], lambda account: {"name": account.name})[0]

    def account_versions(self, name: str) -> tuple[Account, ...]:
        """All versions of a name."""
        query = select(ACCOUNTS.c.id, ACCOUNTS.c.body).where(ACCOUNTS.c.name == name).order_by(ACCOUNTS.c.id)
        with self.reads() as connection:
            return tuple(record_of(Account, row) for row in connection.execute(query))

    def account_names(self) -> tuple[str, ...]:
        """All names, sorted."""
        with self.reads() as connection:
            return tuple(connection.execute(select(ACCOUNTS.c.name).distinct().order_by(ACCOUNTS.c.name)).scalars())


def refuse_overtaken(name: str, kept: tuple[Account, ...], after: int) -> None:
    """Raise `WorkbenchError` where a name has another latest version than the one that a new version was made from."""
    if (kept[-1].id if kept else 0) != after:
        raise WorkbenchError(f"{name} was changed by somebody else meanwhile")
