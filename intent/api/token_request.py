"""A token exchange request (RFC 8693, section 2.1), read strictly from its form: nothing twice, nothing that is not understood."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qsl

from intent.delegation.claims import MOST_TOOLS

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
MOST_FIELDS = MOST_TOOLS + 32
_REPEATABLE = frozenset(("tools", "audience", "resource"))
_SCOPE = re.compile(r"[!#-\[\]-~]+( [!#-\[\]-~]+)*")
_SECONDS = re.compile(r"[1-9][0-9]{0,8}")
_LONGEST_SCOPE = 2048

Form = Mapping[str, tuple[str, ...]]


class TokenErrorCode(StrEnum):
    """Why no token is given (RFC 6749, section 5.2; RFC 8693, section 2.2.2)."""

    INVALID_REQUEST = "invalid_request"
    INVALID_SCOPE = "invalid_scope"
    INVALID_TARGET = "invalid_target"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"


class TokenError(Exception):
    """The request, or a token in it, cannot be taken; ``description`` holds no part of either."""

    def __init__(self, code: TokenErrorCode, description: str) -> None:
        self.code = code
        self.description = description
        super().__init__(f"{code}: {description}")


class TokenType(StrEnum):
    """What tokens may be called (RFC 8693, section 3), and what ours is."""

    ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 - a name
    ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name
    JWT = "urn:ietf:params:oauth:token-type:jwt"
    DELEGATION = "urn:intent:token-type:delegation"


_ACTORS = frozenset((TokenType.ID_TOKEN, TokenType.ACCESS_TOKEN, TokenType.JWT))
_GIVEN = frozenset((TokenType.DELEGATION, TokenType.JWT))


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What is asked for; exactly one of ``actor`` and ``actor_token`` is there.

    Attributes
    ----------
    actor
        A name that the client gives, which nobody has verified.
    intents, tools
        None where the request names none.
    session_s, lifetime_s
        Seconds; None where the request does not say.
    """

    subject_token: str
    subject_token_type: TokenType
    actor: str | None
    actor_token: str | None
    intents: tuple[str, ...] | None
    tools: tuple[str, ...] | None
    session_s: int | None
    lifetime_s: int | None

    @property
    def is_delegation(self) -> bool:
        """Whether the subject token is called one of ours."""
        return self.subject_token_type is TokenType.DELEGATION

    @property
    def is_any_jwt(self) -> bool:
        """Whether its type leaves open whose it is."""
        return self.subject_token_type is TokenType.JWT

    @classmethod
    def parse(cls, form: Form, *, audience: str) -> TokenRequest:
        """Read a form.

        Parameters
        ----------
        audience
            The only one that tokens are given for.

        Raises
        ------
        TokenError
            With the first rule that the form breaks.
        """
        grant_type = _required(form, "grant_type")
        if grant_type != GRANT_TYPE:
            raise TokenError(TokenErrorCode.UNSUPPORTED_GRANT_TYPE, f"grant_type must be {GRANT_TYPE}")
        _refuse_target(form, audience)
        if one(form, "requested_token_type") not in {None, *_GIVEN}:
            raise _invalid(f"requested_token_type must be one of {', '.join(sorted(_GIVEN))}")
        actor, actor_token = _actor(form)
        return cls(
            subject_token=_required(form, "subject_token"),
            subject_token_type=_subject_type(form),
            actor=actor,
            actor_token=actor_token,
            intents=_intents(form),
            tools=form.get("tools"),
            session_s=_seconds(form, "session_s"),
            lifetime_s=_seconds(form, "lifetime_s"),
        )


def form_of(raw: bytes) -> Form:
    """The parameters of a form by name; those without a value count as not sent (RFC 6749, section 3.2).

    Raises
    ------
    TokenError
        ``invalid_request`` for what is no form, and for a parameter that comes twice and must not.

    Examples
    --------
    >>> form_of(b"tools=a%2F*&tools=b&actor=")
    {'tools': ('a/*', 'b')}
    """
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise _invalid(f"the body must be a form in urlencoded UTF-8 of at most {MOST_FIELDS} fields") from None
    found: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        if name in found and name not in _REPEATABLE:
            raise _invalid(f"only {', '.join(sorted(_REPEATABLE))} may come more than once")
        found[name] = (*found.get(name, ()), *filter(None, [value]))
    return {name: values for name, values in found.items() if values}


def one(form: Form, name: str) -> str | None:
    """The value of a parameter; None where it was not sent."""
    return form[name][0] if name in form else None


def _required(form: Form, name: str) -> str:
    value = one(form, name)
    if value is None:
        raise _invalid(f"{name} must be given")
    return value


def _refuse_target(form: Form, audience: str) -> None:
    if "resource" in form or set(form.get("audience", ())) - {audience}:
        raise TokenError(TokenErrorCode.INVALID_TARGET, "audience must be that of this service, and resource must not be given")


def _subject_type(form: Form) -> TokenType:
    given = _required(form, "subject_token_type")
    if given not in list(TokenType):
        raise _invalid(f"subject_token_type must be one of {', '.join(TokenType)}")
    return TokenType(given)


def _actor(form: Form) -> tuple[str | None, str | None]:
    actor, token, kind = one(form, "actor"), one(form, "actor_token"), one(form, "actor_token_type")
    if (actor is None) == (token is None):
        raise _invalid("exactly one of actor and actor_token must be given")
    if (token is None) != (kind is None):
        raise _invalid("actor_token_type must be given with actor_token, and only then")
    if kind not in {None, *_ACTORS}:
        raise _invalid(f"actor_token_type must be one of {', '.join(sorted(_ACTORS))}")
    return actor, token


def _intents(form: Form) -> tuple[str, ...] | None:
    scope = one(form, "scope")
    if scope is None:
        return None
    if len(scope) > _LONGEST_SCOPE or not _SCOPE.fullmatch(scope):
        raise TokenError(TokenErrorCode.INVALID_SCOPE, f"scope must be words, one space between two, at most {_LONGEST_SCOPE} characters")
    return tuple(scope.split(" "))


def _seconds(form: Form, name: str) -> int | None:
    given = one(form, name)
    if given is None:
        return None
    if not _SECONDS.fullmatch(given):
        raise _invalid(f"{name} must be a whole number of seconds, at least 1")
    return int(given)


def _invalid(description: str) -> TokenError:
    return TokenError(TokenErrorCode.INVALID_REQUEST, description)
