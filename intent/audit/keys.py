"""Key files: the Ed25519 key that signs heads and the secret of keyed digests; made at the first start, readable by their owner alone."""

from __future__ import annotations

import os
import secrets
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from intent.audit.checkpoint import Signer
from intent.errors import StoreError

HMAC_BYTES = 32
_MAX_KEY_BYTES = 4096


def signer(path: Path) -> Signer:
    """The key of a file that signs heads; see `private_key`."""
    return Signer(private_key(path))


def private_key(path: Path) -> Ed25519PrivateKey:
    """The signing key of a file (PKCS #8 in PEM); a missing one is made, and its public key written beside it as ``<path>.pub``.

    Raises
    ------
    StoreError
        If the file is no such key, others may read it, or it cannot be made.
    """
    if not path.exists():
        key = Ed25519PrivateKey.generate()
        _create(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    try:
        found = load_pem_private_key(_secret(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise StoreError(f"{path} must hold an Ed25519 private key") from error
    if not isinstance(found, Ed25519PrivateKey):
        raise StoreError(f"{path} must hold an Ed25519 private key")
    public = path.with_name(path.name + ".pub")
    if not public.exists():
        _create(public, found.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), 0o644)
    return found


def public_key(path: Path) -> Ed25519PublicKey:
    """The public key of a file (SubjectPublicKeyInfo in PEM).

    Raises
    ------
    StoreError
        If the file is none.
    """
    try:
        found = load_pem_public_key(path.read_bytes()[:_MAX_KEY_BYTES])
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise StoreError(f"{path} must hold an Ed25519 public key") from error
    if not isinstance(found, Ed25519PublicKey):
        raise StoreError(f"{path} must hold an Ed25519 public key")
    return found


def hmac_key(path: Path) -> bytes:
    """The secret of keyed digests (64 hexadecimal digits in a file); a missing one is made.

    Raises
    ------
    StoreError
        If the file is none, others may read it, or it cannot be made.
    """
    if not path.exists():
        _create(path, secrets.token_hex(HMAC_BYTES).encode("ascii") + b"\n", 0o600)
    try:
        found = bytes.fromhex(_secret(path).decode("ascii"))
    except ValueError as error:
        raise StoreError(f"{path} must hold {HMAC_BYTES * 2} hexadecimal digits") from error
    if len(found) != HMAC_BYTES:
        raise StoreError(f"{path} must hold {HMAC_BYTES * 2} hexadecimal digits")
    return found


def _secret(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode) or mode & 0o077:
                raise StoreError(f"{path} must be a file that its owner alone may read, got mode {stat.S_IMODE(mode):o}")
            return file.read(_MAX_KEY_BYTES)
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error


def _create(path: Path, content: bytes, mode: int) -> None:
    """Appear whole and at once; of several processes that start together one makes the file, and all read it."""
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(name, path)
        finally:
            Path(name).unlink()
    except OSError as error:
        raise StoreError(f"{path} cannot be made: {error.strerror}") from error
