"""Failed sign-ins, counted for each account and each address; memory is bounded, and a count is taken before the password is compared."""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Limits:
    """How many failures are borne within ``window_s``.

    Attributes
    ----------
    pair
        Of one address for one account.
    account
        For one account from anywhere: higher, since otherwise any stranger could lock its owner out at once.
    address
        Of one address for any account: higher too, since a proxy may be the address of everybody.
    most_keys
        Counts that are kept; beyond it the oldest is forgotten, which costs an attacker one failure for each.
    """

    pair: int = 5
    account: int = 50
    address: int = 100
    window_s: int = 900
    most_keys: int = 30_000


class Attempts:
    """Counts of failures in windows that begin with the first one.

    Parameters
    ----------
    now
        The clock, with a time zone.
    """

    def __init__(self, now: Callable[[], datetime], limits: Limits | None = None) -> None:
        self._now = now
        self._limits = limits or Limits()
        self._lock = threading.Lock()
        self._counts: OrderedDict[tuple[str, ...], tuple[datetime, int]] = OrderedDict()

    def begin(self, account: str, address: str) -> bool:
        """Count an attempt as failed beforehand, so that many at once cannot pass the limit; False where it must not be made."""
        keys = self._keys(account, address)
        with self._lock:
            now = self._now()
            if any(self._count(key, now) >= most for key, most in keys.items()):
                return False
            for key in keys:
                self._add(key, now)
            return True

    def succeeded(self, account: str, address: str) -> None:
        """Take the count of one attempt back; those of other failures stand, since they may be somebody else's."""
        with self._lock:
            for key in self._keys(account, address):
                began, count = self._counts.get(key, (self._now(), 0))
                if count > 1:
                    self._counts[key] = (began, count - 1)
                else:
                    self._counts.pop(key, None)

    def __len__(self) -> int:
        return len(self._counts)

    def _keys(self, account: str, address: str) -> dict[tuple[str, ...], int]:
        place, limits = network_of(address), self._limits
        return {("pair", account, place): limits.pair, ("account", account): limits.account, ("address", place): limits.address}

    def _count(self, key: tuple[str, ...], now: datetime) -> int:
        began, count = self._counts.get(key, (now, 0))
        return count if now - began < timedelta(seconds=self._limits.window_s) else 0

    def _add(self, key: tuple[str, ...], now: datetime) -> None:
        count = self._count(key, now)
        began = self._counts[key][0] if count else now
        self._counts.pop(key, None)
        self._counts[key] = (began, count + 1)
        while len(self._counts) > self._limits.most_keys:
            self._counts.popitem(last=False)


def network_of(address: str) -> str:
    """What one client can be taken for: an IPv4 address, or a /64 of IPv6, which one machine may use in whole.

    >>> network_of("2001:db8::7"), network_of("192.0.2.1"), network_of("?")
    ('2001:db8::/64', '192.0.2.1', 'unknown')
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        mapped = found.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
