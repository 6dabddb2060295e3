"""A book of accounts in memory."""

from __future__ import annotations

import threading

from intent.errors import WorkbenchError
from intent.workbench.records import Account


class MemoryAccountBook:
    """Versions kept in this process; lost with it."""

    def __init__(self) -> None:
        self._kept: list[Account] = []
        self._lock = threading.Lock()

    def add_account(self, version: Account, after: int) -> Account:
        """Keep a version."""
        with self._lock:
            kept = self.account_versions(version.name)
            if (kept[-1].id if kept else 0) != after:
                raise WorkbenchError(f"{version.name} was changed by somebody else meanwhile")
            added = version.model_copy(update={"id": len(self._kept) + 1})
            self._kept.append(added)
            return added

    def account_versions(self, name: str) -> tuple[Account, ...]:
        """All versions of a name."""
        return tuple(version for version in self._kept if version.name == name)

    def account_names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted({version.name for version in self._kept}))
