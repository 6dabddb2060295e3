"""Passwords of local accounts: what is good enough, kept as argon2id hashes only, and compared at one cost whoever is asked for."""

from __future__ import annotations

import unicodedata
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from intent.errors import WorkbenchError

LEAST_LENGTH, MOST_LENGTH = 12, 256
_LEAST_DISTINCT = 5
# Long enough for the rule of length, and still among the first that anybody tries.
_COMMON = frozenset(
    """
    123456789012 1234567890123 12345678901234 123456789abc 1234567890ab 0123456789ab 1q2w3e4r5t6y 1qaz2wsx3edc qwertyuiop12 qwertyuiop123
    qwertyuiopasdf qwertyuiopas qwerty123456 qwerty1234567 asdfghjkl123 zxcvbnm12345 abcdefghijkl abcdefgh1234 abcd12345678 passwordpassword
    password1234 password12345 password123456 password123! passw0rd1234 p@ssw0rd1234 p@ssword1234 mypassword123 adminadminadmin admin1234567
    administrator administrator1 administrator123 letmeinletmein letmein12345 welcome12345 welcomewelcome changemechangeme changeme1234
    changeme12345 correcthorsebatterystaple correct-horse-battery-staple iloveyou1234 iloveyouiloveyou
    trustno1trustno1 secretsecret secret123456 rootrootroot superuser123 testtesttest test12345678 defaultpassword temporarypassword
    """.split()
) | {"correct horse battery staple"}


def refuse_weak(password: str, name: str) -> None:
    """Raise `WorkbenchError` where a password must not be used for the account ``name``; it is never a part of the error.

    Length counts, and what everybody tries first does not pass (NIST SP 800-63B, section 5.1.1.2); no mixture of kinds is asked for.

    >>> refuse_weak("a long walk by the sea", "ann")
    """
    text = _normal(password)
    if not LEAST_LENGTH <= len(text) <= MOST_LENGTH:
        raise WorkbenchError(f"a password must have {LEAST_LENGTH} to {MOST_LENGTH} characters")
    plain = text.casefold()
    if plain in _COMMON or len(set(plain)) < _LEAST_DISTINCT:
        raise WorkbenchError("a password must not be one that is tried first: common words, or few characters over and over")
    if plain.replace(name.casefold(), "") == "" or plain.strip("0123456789 !.-_") == name.casefold():
        raise WorkbenchError("a password must not be the name of the account")


class Passwords:
    """Hashes and compares with argon2id.

    Parameters
    ----------
    hasher
        Its parameters hold for new hashes; None takes those of RFC 9106 for little memory (64 MiB, three passes, four lanes).
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=4, type=Type.ID)

    def hash(self, password: str) -> str:
        """A salted hash, with its parameters in it."""
        return self._hasher.hash(_normal(password))

    def fits(self, password: str, hashed: str | None) -> bool:
        """Whether the password is the one of the hash; without a hash as much work is done, and it never is."""
        text = _normal(password)
        # No password of this length was ever taken; hashing it would be work for whoever sends it.
        if len(text) > MOST_LENGTH:
            return False
        try:
            return self._hasher.verify(hashed or self._nobody, text) and hashed is not None
        except (VerificationError, InvalidHashError):
            return False

    def is_outdated(self, hashed: str) -> bool:
        """Whether a hash was made with other parameters than those in force."""
        return self._hasher.check_needs_rehash(hashed)

    @cached_property
    def _nobody(self) -> str:
        return self._hasher.hash("the password of nobody")


def _normal(password: str) -> str:
    """One form for the same characters, however a keyboard composes them."""
    return unicodedata.normalize("NFKC", password.encode("utf-8", "replace").decode())
