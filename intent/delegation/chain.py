"""A verified chain of delegation: what every link of a token said, after all of them were checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Chain:
    """Who acts for whom through whom, and what for at most.

    Attributes
    ----------
    subject
        The delegator: the person or service in whose name everything happens (``sub``).
    actors
        Whom it passed through, the current actor first (nested ``act`` of RFC 8693, section 4.1).
    session
        The session that it is bound to (``sid``).
    session_started_at, session_expires_at, expires_at
        Aware times; the token never outlives its session.
    intents
        Words that the current actor may use at most (``scope``), sorted.
    tools
        Patterns ``server/tool`` of `fnmatch` that the current actor may call at most; ``("*",)`` for all.
    claims
        What the subject holds, such as ``restricted``, sorted.
    token_id
        ``jti`` of the outermost token.
    """

    subject: str
    actors: tuple[str, ...]
    session: str
    session_started_at: datetime
    session_expires_at: datetime
    expires_at: datetime
    intents: tuple[str, ...]
    tools: tuple[str, ...]
    claims: tuple[str, ...]
    token_id: str

    def grants(self, intent: str, server: str, tool: str) -> bool:
        """Whether the chain covers a word and a tool; every link narrowed them, so the last one decides."""
        return covers(self.intents, self.tools, intent, server, tool)


def covers(intents: Iterable[str], tools: Iterable[str], intent: str, server: str, tool: str) -> bool:
    """Whether a grant of words and of patterns ``server/tool`` covers a word and a tool.

    >>> covers(["search"], ["files/*"], "search", "files", "get"), covers(["search"], ["files/*"], "write", "files", "put")
    (True, False)
    """
    return intent in intents and any(fnmatchcase(f"{server}/{tool}", pattern) for pattern in tools)
