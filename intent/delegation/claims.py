"""What a delegation token says, and the law that every link of it only narrows the one before."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from intent.delegation.chain import Chain
from intent.delegation.fault import Fault, refuse
from intent.delegation.tools import all_covered
from intent.errors import DelegationError, first_fault

MOST_TOOLS = 64
MOST_LINKS = 16

Name = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]
_Scope = Annotated[str, StringConstraints(max_length=2048, pattern=r"^[!-~]+( [!-~]+)*$")]
_Tools = Annotated[tuple[Name, ...], Field(min_length=1, max_length=MOST_TOOLS)]
_Seconds = Annotated[int, Field(ge=0, le=253_402_300_799)]  # to the end of the year 9999, the last that datetime has


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Actor(_Record):
    """Who acts, and through whom it came to be so (RFC 8693, section 4.1): the outermost is the current actor."""

    sub: Name
    act: Actor | None = None


class Span(_Record):
    """Start and end of a session, in seconds since 1970."""

    iat: _Seconds
    exp: _Seconds


class Link(_Record):
    """What one actor was granted."""

    jti: Name
    act: Name
    scope: _Scope
    tools: _Tools
    exp: _Seconds

    @property
    def intents(self) -> tuple[str, ...]:
        """The words of the scope."""
        return tuple(self.scope.split(" "))


class Claims(_Record):
    """The payload of a token; ``ancestry`` holds the links before this one, the first grant first."""

    iss: Name
    aud: Name
    sub: Name
    act: Actor
    sid: Name
    scope: _Scope
    tools: _Tools
    session: Span
    iat: _Seconds
    nbf: _Seconds
    exp: _Seconds
    jti: Name
    claims: Annotated[tuple[Name, ...], Field(max_length=64)] = ()
    parent: Name | None = None
    ancestry: Annotated[tuple[Link, ...], Field(max_length=MOST_LINKS)] = ()

    @property
    def link(self) -> Link:
        """The outermost link: what the current actor was granted."""
        return Link(jti=self.jti, act=self.act.sub, scope=self.scope, tools=self.tools, exp=self.exp)

    @property
    def actors(self) -> tuple[str, ...]:
        """Whom it passed through, the current actor first."""
        found: list[str] = []
        actor: Actor | None = self.act
        while actor is not None:
            found.append(actor.sub)
            actor = actor.act
        return tuple(found)

    def chain(self) -> Chain:
        """The record for the rest of the package."""
        return Chain(
            subject=self.sub,
            actors=self.actors,
            session=self.sid,
            session_started_at=datetime.fromtimestamp(self.session.iat, UTC),
            session_expires_at=datetime.fromtimestamp(self.session.exp, UTC),
            expires_at=datetime.fromtimestamp(self.exp, UTC),
            intents=self.link.intents,
            tools=self.tools,
            claims=self.claims,
            token_id=self.jti,
        )


def parse(payload: bytes) -> Claims:
    """Read claims from JSON; raises `DelegationError` ``malformed``."""
    try:
        return Claims.model_validate_json(payload)
    except ValidationError as error:
        raise _malformed(error) from error


def build(values: dict[str, object]) -> Claims:
    """Make claims of Python values; raises `DelegationError` ``malformed``."""
    try:
        return Claims.model_validate(values)
    except ValidationError as error:
        raise _malformed(error) from error


def _malformed(error: ValidationError) -> DelegationError:
    return DelegationError(Fault.MALFORMED, f"claims must fit their form: {': '.join(first_fault(error, 'claims'))}")


def refuse_inconsistent(claims: Claims) -> None:
    """Check that the parts of a token agree with each other: lists are canonical, and the actors are those of the links.

    Raises
    ------
    DelegationError
        ``malformed``.
    """
    links = (*claims.ancestry, claims.link)
    agreeing = (
        claims.actors == tuple(link.act for link in reversed(links))
        and claims.parent == (claims.ancestry[-1].jti if claims.ancestry else None)
        and len({link.jti for link in links}) == len(links)
        and all(_canonical(link.intents) for link in links)
        and _canonical(claims.claims)
        and claims.session.iat <= claims.iat <= claims.nbf < claims.exp
    )
    refuse(not agreeing, Fault.MALFORMED, "the parts of a token must agree with each other")


def refuse_wider(claims: Claims) -> None:
    """Check that no link says more than the one before it, nor lives longer than it or the session.

    Raises
    ------
    DelegationError
        ``wider``.
    """
    links = (*claims.ancestry, claims.link)
    refuse(links[0].exp > claims.session.exp, Fault.WIDER, "a delegation must not outlive its session")
    for outer, inner in pairwise(links):
        refuse(not set(inner.intents) <= set(outer.intents), Fault.WIDER, "intents must be some of those delegated")
        refuse(not all_covered(inner.tools, outer.tools), Fault.WIDER, "each tool pattern must be covered by one delegated")
        refuse(inner.exp > outer.exp, Fault.WIDER, "a delegation must not outlive the one it came from")


def _canonical(words: tuple[str, ...]) -> bool:
    return words == tuple(sorted(set(words)))
