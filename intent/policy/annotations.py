"""Obligations as policies write them: one annotation each, read in full or refused.

::

    @step_up("A person approves every write.")
    @mask("password token")
    @limit("calls=20 window_s=60")      or    @limit("result_bytes=65536")
    @notification("security")           or    @notification("security: what to tell them")
    @session_termination("Why it ends.")
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from pydantic import JsonValue

from intent.errors import PolicyError
from intent.policy.outcome import ON_DENIAL, Obligation, ObligationType

NAME_OF_POLICY = "id"
MAX_CHARACTERS = 1024
_LIMITS = (frozenset({"calls", "window_s"}), frozenset({"result_bytes"}))
_PAIR = re.compile(r"([a-z_]+)=([1-9][0-9]{0,11})", re.ASCII)
_CHANNEL = re.compile(r"[a-z][a-z0-9_-]{0,63}", re.ASCII)
_FIELD = re.compile(r"[\w.$-]{1,128}")

Properties = dict[str, JsonValue]


def obligations_of(policy: str, annotations: Mapping[str, str]) -> tuple[Obligation, ...]:
    """The obligations of one policy, in order of their id.

    Parameters
    ----------
    policy
        Its name, which begins the id of each.
    annotations
        All that it carries, its name among them.

    Raises
    ------
    PolicyError
        If an annotation is unknown or cannot be read: a duty that nobody can carry out must not pass for none.

    Examples
    --------
    >>> [found.to_dict() for found in obligations_of("w", {"id": "w", "limit": "calls=20 window_s=60"})]
    [{'id': 'w:limit', 'type': 'limit', 'properties': {'calls': 20, 'window_s': 60}}]
    """
    found: list[Obligation] = []
    for key, value in annotations.items():
        if key == NAME_OF_POLICY:
            continue
        kind = _KINDS.get(key)
        if kind is None:
            raise PolicyError(f"policy {policy!r}: an annotation must be one of {', '.join([NAME_OF_POLICY, *_KINDS])}, got {key!r}")
        type_, read, form = kind
        properties = read(policy, value) if len(value) <= MAX_CHARACTERS else None
        if properties is None:
            raise PolicyError(f"policy {policy!r}: @{key} must be {form}, got {value[:80]!r}")
        found.append(Obligation(f"{policy}:{type_}", type_, MappingProxyType(properties)))
    return tuple(sorted(found, key=lambda obligation: obligation.id))


def duties(obligations: Iterable[Obligation], *, allowed: bool) -> tuple[Obligation, ...]:
    """What an answer carries of its determining policies' obligations: all of a permit, of a denial only what a denial can carry."""
    by_id = {found.id: found for found in obligations if allowed or found.type in ON_DENIAL}
    return tuple(by_id[name] for name in sorted(by_id))


def _message(_policy: str, value: str) -> Properties | None:
    return {"message": value.strip()} if value.strip() else None


def _mask(_policy: str, value: str) -> Properties | None:
    fields = value.split()
    return {"fields": [*fields]} if fields and all(map(_FIELD.fullmatch, fields)) else None


def _limit(_policy: str, value: str) -> Properties | None:
    pairs = [_PAIR.fullmatch(part) for part in value.split()]
    read = {pair[1]: int(pair[2]) for pair in pairs if pair}
    return {**read} if len(read) == len(pairs) and frozenset(read) in _LIMITS else None


def _notification(policy: str, value: str) -> Properties | None:
    channel, colon, message = (part.strip() for part in value.partition(":"))
    if not _CHANNEL.fullmatch(channel) or (colon and not message):
        return None
    return {"channel": channel, "message": message or f"policy {policy} applied"}


_SENTENCE = "a sentence that is not empty"
_KINDS: Mapping[str, tuple[ObligationType, Callable[[str, str], Properties | None], str]] = {
    "step_up": (ObligationType.STEP_UP, _message, _SENTENCE),
    "mask": (ObligationType.MASK, _mask, "names of fields with spaces between"),
    "limit": (ObligationType.LIMIT, _limit, '"calls=N window_s=N" or "result_bytes=N", each at least 1'),
    "notification": (ObligationType.NOTIFICATION, _notification, 'a channel such as "security", or "security: message"'),
    "session_termination": (ObligationType.SESSION_TERMINATION, _message, _SENTENCE),
}
NAMES = tuple(_KINDS)
