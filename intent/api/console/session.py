"""Sessions of the console: kept by the server, named by a random id in a sealed cookie, ended by idleness, age, sign-out or a changed account."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from itsdangerous import BadSignature, Signer, TimestampSigner, URLSafeTimedSerializer

from intent.workbench.records import Actor, Role

_MOST_SESSIONS = 10_000
_MOST_FLASHES = 8
_FLOW_S = 600


@dataclass(frozen=True, slots=True)
class Person:
    """Who signed in.

    Attributes
    ----------
    name
        What acts are attributed to; ``openid:`` before the subject where a provider vouched for it, so that no local account is like it.
    shown
        What the page calls them; any text, never trusted.
    version
        Number of the account's version that the session rests on; None where a provider vouched for it.
    """

    name: str
    shown: str
    role: Role
    version: int | None = None

    @property
    def actor(self) -> Actor:
        """As the workbench knows them."""
        return Actor(name=self.name, role=self.role)


@dataclass(frozen=True, slots=True)
class Session:
    """One person in one browser; the role is the one at sign-in."""

    id: str
    person: Person
    started: datetime
    seen: datetime


@dataclass(frozen=True, slots=True)
class Flash:
    """What the next page tells; ``kind`` is ``good``, ``bad`` or ``plain``."""

    kind: str
    text: str


class Sessions:
    """Sessions in this process; lost with it, and then everybody signs in again.

    Parameters
    ----------
    now
        The clock, with a time zone.
    idle_s, absolute_s
        When a session ends that nobody uses, and when any does.
    max_sessions
        Sessions of one person at once; a further one ends the oldest.
    """

    def __init__(self, now: Callable[[], datetime], *, idle_s: int = 1800, absolute_s: int = 28_800, max_sessions: int = 5) -> None:
        self._now = now
        self._idle, self._absolute = timedelta(seconds=idle_s), timedelta(seconds=absolute_s)
        self._max_sessions = max_sessions
        self._lock = threading.Lock()
        # In the order of their start: the first are the oldest. Kept by digest, so that a look at memory gives no cookie.
        self._held: OrderedDict[str, Session] = OrderedDict()
        self._flashes: dict[str, deque[Flash]] = {}

    def start(self, person: Person) -> Session:
        """Begin a session with an id that nobody has seen before."""
        now = self._now()
        made = Session(secrets.token_urlsafe(32), person, now, now)
        with self._lock:
            for key in [key for key, held in self._held.items() if not self._alive(held, now)]:
                self._drop(key)
            own = [key for key, held in self._held.items() if held.person.name == person.name]
            for key in own[: max(0, len(own) + 1 - self._max_sessions)]:
                self._drop(key)
            while len(self._held) >= _MOST_SESSIONS:
                self._drop(next(iter(self._held)))
            self._held[_digest(made.id)] = made
        return made

    def find(self, session_id: str) -> Session | None:
        """The session, used just now; None where there is none, or it has ended."""
        key, now = _digest(session_id), self._now()
        with self._lock:
            held = self._held.get(key)
            if held is None:
                return None
            if not self._alive(held, now):
                self._drop(key)
                return None
            # Without a move to the end: the order is that of the start.
            self._held[key] = used = replace(held, seen=max(held.seen, now))
            return used

    def end(self, session_id: str) -> None:
        """End one session; one that there is not is ended already."""
        with self._lock:
            self._drop(_digest(session_id))

    def end_all(self, name: str) -> int:
        """End every session of a person; how many there were."""
        with self._lock:
            keys = [key for key, held in self._held.items() if held.person.name == name]
            for key in keys:
                self._drop(key)
            return len(keys)

    def flash(self, session_id: str, flash: Flash) -> None:
        """Keep a message for the next page."""
        with self._lock:
            if (key := _digest(session_id)) in self._held:
                self._flashes.setdefault(key, deque(maxlen=_MOST_FLASHES)).append(flash)

    def flashes(self, session_id: str) -> tuple[Flash, ...]:
        """The messages kept, once."""
        with self._lock:
            return tuple(self._flashes.pop(_digest(session_id), ()))

    def __len__(self) -> int:
        return len(self._held)

    def _alive(self, held: Session, now: datetime) -> bool:
        return now - held.seen < self._idle and now - held.started < self._absolute

    def _drop(self, key: str) -> None:
        self._held.pop(key, None)
        self._flashes.pop(key, None)


class Seals:
    """Seals what the browser keeps for the console, each kind with a key of its own.

    Parameters
    ----------
    secret
        At least 32 bytes; a new one makes every cookie and form of the old one worthless.
    now
        The clock, with a time zone.
    """

    def __init__(self, secret: bytes, now: Callable[[], datetime]) -> None:
        class Timed(TimestampSigner):
            """Tells the time by the clock that was given."""

            def get_timestamp(self) -> int:
                return int(now().timestamp())

        self._cookie = Signer(secret, salt=b"console.cookie", key_derivation="hmac", digest_method=hashlib.sha256)
        self._form = Timed(secret, salt=b"console.form", key_derivation="hmac", digest_method=hashlib.sha256)
        options = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
        self._flow = URLSafeTimedSerializer(secret, salt=b"console.flow", signer=Timed, signer_kwargs=options)

    def cookie(self, session_id: str) -> str:
        """An id as the cookie holds it."""
        return self._cookie.sign(session_id).decode()

    def opened(self, cookie: str | None) -> str | None:
        """The id in a cookie; None where the seal is not ours."""
        try:
            return self._cookie.unsign(cookie or "").decode()
        except (BadSignature, UnicodeDecodeError):
            return None

    def form(self, bound_to: str) -> str:
        """A token for the forms of one session."""
        return self._form.sign(_digest(bound_to)).decode()

    def is_form(self, token: str, bound_to: str, max_age_s: int) -> bool:
        """Whether a token was made for this session, not longer ago than ``max_age_s``."""
        try:
            found = self._form.unsign(token, max_age=max_age_s)
        except BadSignature:
            return False
        return hmac.compare_digest(found, _digest(bound_to).encode())

    def flow(self, values: dict[str, str]) -> str:
        """What a sign-in at the provider needs to know when it comes back."""
        return self._flow.dumps(values)

    def opened_flow(self, cookie: str | None) -> dict[str, str] | None:
        """The same again; None where the seal is not ours, or it is older than ten minutes."""
        try:
            return self._flow.loads(cookie or "", max_age=_FLOW_S)
        except BadSignature:
            return None


def _digest(session_id: str) -> str:
    return hashlib.sha256(session_id.encode("utf-8", "replace")).hexdigest()
