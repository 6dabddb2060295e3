"""The chain of events: each link names the one before it, so that none can be changed, moved, left out or put in unseen."""

from __future__ import annotations

import hashlib

_GENESIS = b"intent.audit.genesis/1\0"
_LINK = b"intent.audit.link/1\0"


def genesis(origin: str) -> bytes:
    """What the first link of a log names as its predecessor: a digest of the log's own name, so that no two logs share a link."""
    return hashlib.sha256(_GENESIS + origin.encode("utf-8", "surrogateescape")).digest()


def link(number: int, previous: bytes, body: bytes) -> bytes:
    """Digest of a link: SHA-256 over a tag, the number (8 bytes, big end first), the link before it, and SHA-256 of the event.

    >>> link(0, genesis("log"), b"{}").hex()[:16]
    'e68bdbcdf382cc1e'
    """
    return hashlib.sha256(_LINK + number.to_bytes(8, "big", signed=True) + previous + hashlib.sha256(body).digest()).digest()
