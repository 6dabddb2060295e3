"""Signed heads of a log: who holds one can prove later that the log was cut, rolled back or rewritten.

A checkpoint is a signed note of C2SP (`tlog-checkpoint` and `signed-note`, Ed25519), with two lines of our own: the digest of the last
link and the time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from intent.audit.encoding import timestamp
from intent.errors import AuditError

MAX_NOTE_CHARACTERS = 1024
_ED25519 = b"\x01"
_SIGNATURE_BYTES = 64
_NOTE = re.compile(
    r"(?P<body>(?P<origin>[!-*,-~]{1,200})\n(?P<size>0|[1-9][0-9]{0,17})\n(?P<root>[A-Za-z0-9+/]{43}=)\n"
    r"chain (?P<link>[0-9a-f]{64})\ntime (?P<at>\S{27})\n)\n— (?P<name>\S+) (?P<signature>[A-Za-z0-9+/]+={0,2})\n"
)


class Standing(StrEnum):
    """What a signature is worth."""

    GOOD = "good"
    WRONG_KEY = "wrong_key"
    BAD_SIGNATURE = "bad_signature"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A head of a log.

    Attributes
    ----------
    origin
        Name of the log.
    size
        Number of events.
    root
        Root of the Merkle tree over the digests of all links, 32 bytes.
    link
        Digest of the last link, 32 bytes.
    at
        When it was signed, in the form of `intent.audit.encoding.timestamp`.
    """

    origin: str
    size: int
    root: bytes
    link: bytes
    at: str

    @property
    def body(self) -> str:
        """The text that is signed."""
        root = base64.b64encode(self.root).decode("ascii")
        return f"{self.origin}\n{self.size}\n{root}\nchain {self.link.hex()}\ntime {self.at}\n"


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A checkpoint with its signature, read but not yet believed."""

    checkpoint: Checkpoint
    key_id: bytes
    signature: bytes

    def standing(self, keys: Iterable[Ed25519PublicKey]) -> Standing:
        """Whether one of the keys signed it."""
        origin, body = self.checkpoint.origin, self.checkpoint.body.encode("utf-8")
        mine = [key for key in keys if key_id(origin, key) == self.key_id]
        for key in mine:
            try:
                key.verify(self.signature, body)
            except InvalidSignature:
                continue
            return Standing.GOOD
        return Standing.BAD_SIGNATURE if mine else Standing.WRONG_KEY


@dataclass(frozen=True, slots=True)
class Signer:
    r"""A private key at work.

    >>> Signer(Ed25519PrivateKey.generate()).sign(Checkpoint("log", 0, bytes(32), bytes(32), "2026-01-02T00:00:00.000000Z"))[:6]
    'log\n0\n'
    """

    key: Ed25519PrivateKey

    @property
    def public(self) -> Ed25519PublicKey:
        """What its signatures are verified with."""
        return self.key.public_key()

    def sign(self, checkpoint: Checkpoint) -> str:
        """The signed note of a checkpoint."""
        body = checkpoint.body
        signed = key_id(checkpoint.origin, self.public) + self.key.sign(body.encode("utf-8"))
        return f"{body}\n— {checkpoint.origin} {base64.b64encode(signed).decode('ascii')}\n"


def key_id(origin: str, key: Ed25519PublicKey) -> bytes:
    """Four bytes that say which key signed (C2SP `signed-note`)."""
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(origin.encode("utf-8") + b"\n" + _ED25519 + raw).digest()[:4]


def read_note(text: str) -> SignedNote:
    """Take a note apart; it must be spelled exactly as it was signed.

    Raises
    ------
    AuditError
        If it is none.
    """
    match = _NOTE.fullmatch(text) if len(text) <= MAX_NOTE_CHARACTERS else None
    if match is None or match["name"] != match["origin"]:
        raise AuditError("a checkpoint must be a signed note of this log")
    signed, root = _bytes(match["signature"]), _bytes(match["root"])
    if len(signed) != 4 + _SIGNATURE_BYTES or _time(match["at"]) is None:
        raise AuditError("a checkpoint must carry a time and an Ed25519 signature")
    checkpoint = Checkpoint(match["origin"], int(match["size"]), root, bytes.fromhex(match["link"]), match["at"])
    return SignedNote(checkpoint, signed[:4], signed[4:])


def _bytes(text: str) -> bytes:
    try:
        found = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise AuditError("a checkpoint must be in base64") from error
    # Two spellings of one value would let a byte be changed unseen.
    if base64.b64encode(found).decode("ascii") != text:
        raise AuditError("a checkpoint must be in canonical base64")
    return found


def _time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None and timestamp(at) == text else None
