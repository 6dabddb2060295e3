"""Local accounts of the workbench: versions that are only ever added, the last one in force; a name is never given twice."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

from intent.errors import WorkbenchError
from intent.workbench.attempts import Attempts
from intent.workbench.passwords import Passwords, refuse_weak
from intent.workbench.records import Account, Role

# No colon: what an OpenID provider says of a person is kept apart by one.
_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,127}")


class Refusal(StrEnum):
    """Why somebody is not signed in; a person is told no more than this."""

    WRONG = "wrong"
    TOO_MANY = "too_many"


class AccountBook(Protocol):
    """Where versions are kept."""

    def add_account(self, version: Account, after: int) -> Account:
        """Keep a version, and give it back with its number; ``after`` is the number of the version it was made from, 0 for a new name.

        Raises
        ------
        WorkbenchError
            If the name has another version by now.
        StoreError
            If nothing can be kept.
        """
        ...

    def account_versions(self, name: str) -> tuple[Account, ...]:
        """All versions of a name in their order; none where there is no such account."""
        ...

    def account_names(self) -> tuple[str, ...]:
        """All names, sorted."""
        ...


def utc_now() -> datetime:
    """The clock of the machine, with its time zone."""
    return datetime.now(UTC)


class LocalAccounts:
    """Creates, changes and checks accounts.

    Parameters
    ----------
    book
        Where versions are kept.
    passwords
        Hashes and compares.
    now
        The clock, with a time zone.
    attempts
        Counts failures; None makes a counter with the limits by default.
    """

    def __init__(
        self,
        book: AccountBook,
        passwords: Passwords | None = None,
        now: Callable[[], datetime] = utc_now,
        attempts: Attempts | None = None,
    ) -> None:
        self._book = book
        self._passwords = passwords or Passwords()
        self._now = now
        self._attempts = attempts or Attempts(now)

    def create(self, name: str, role: Role, password: str, by: str) -> Account:
        """Make an account.

        Raises
        ------
        WorkbenchError
            If the name is malformed or was ever given, or the password is weak.
        """
        if not _NAME.fullmatch(name):
            raise WorkbenchError("a name must be 1 to 128 of a-z, 0-9, ., _, @, + and -, and begin with a letter or digit")
        if self._book.account_versions(name):
            raise WorkbenchError(f"{name} is the name of an account already; a name is given once, since acts are known by it")
        refuse_weak(password, name)
        return self._book.add_account(Account(name=name, hash=self._passwords.hash(password), role=role, at=self._now(), by=by), 0)

    def set_password(self, name: str, password: str, by: str) -> Account:
        """Give a new password; ends all sessions. Raises `WorkbenchError` as `create` does, and for an unknown or disabled account."""
        held = self._active(name)
        refuse_weak(password, name)
        return self._change(held, by, hash=self._passwords.hash(password))

    def set_role(self, name: str, role: Role, by: str) -> Account:
        """Give another role; ends all sessions. Raises `WorkbenchError` for the last administrator, and an unknown or disabled account."""
        held = self._active(name)
        self._refuse_last_admin(held, stays=role is Role.ADMIN)
        return self._change(held, by, role=role)

    def disable(self, name: str, by: str) -> Account:
        """Close an account for good; ends all sessions. Raises `WorkbenchError` as `set_role` does."""
        held = self._active(name)
        self._refuse_last_admin(held, stays=False)
        return self._change(held, by, disabled=True)

    def current(self, name: str) -> Account | None:
        """The version in force; None where there is no such account."""
        versions = self._book.account_versions(name)
        return versions[-1] if versions else None

    def all(self) -> tuple[Account, ...]:
        """The version in force of each account, by name."""
        return tuple(self._book.account_versions(name)[-1] for name in self._book.account_names())

    def sign_in(self, name: str, password: str, address: str) -> Account | Refusal:
        """The account, where the password is right; ``wrong`` for every other case, at the same cost and without saying which.

        ``too_many`` where too many attempts failed before; nothing is compared then.
        """
        asked = name.strip().lower()[:256]
        if not self._attempts.begin(asked, address):
            return Refusal.TOO_MANY
        held = self.current(asked) if _NAME.fullmatch(asked) else None
        usable = held is not None and not held.disabled and held.hash != ""
        fits = self._passwords.fits(password, held.hash if held is not None and usable else None)
        if held is None or not usable or not fits:
            return Refusal.WRONG
        self._attempts.succeeded(asked, address)
        return self._rehashed(held, password)

    def _rehashed(self, held: Account, password: str) -> Account:
        if not self._passwords.is_outdated(held.hash):
            return held
        # Whoever changed the account at this moment was first: the session then rests on a version of the past, and ends at once.
        with suppress(WorkbenchError):
            return self._change(held, held.name, hash=self._passwords.hash(password))
        return held

    def _active(self, name: str) -> Account:
        held = self.current(name)
        if held is None or held.disabled:
            raise WorkbenchError(f"there is no active account of the name {name!r}")
        return held

    def _refuse_last_admin(self, held: Account, *, stays: bool) -> None:
        others = (other for other in self.all() if other.name != held.name)
        if held.role is Role.ADMIN and not stays and not any(other.role is Role.ADMIN and not other.disabled for other in others):
            raise WorkbenchError(f"{held.name} is the last administrator; make another one first")

    def _change(self, held: Account, by: str, **changed: object) -> Account:
        made = Account.model_validate({**held.model_dump(), "id": 0, "at": self._now(), "by": by, **changed})
        return self._book.add_account(made, held.id)
