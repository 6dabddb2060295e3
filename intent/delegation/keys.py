"""The service's own signing keys: one that signs, older ones that only verify, in one file that nobody else can read."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import tempfile
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from intent import strict_json
from intent.delegation.fault import Fault, refuse
from intent.errors import DelegationError, InvalidCall

# The fully specified name of RFC 9864 for EdDSA over Curve25519.
ALGORITHM = "Ed25519"
_CURVE = "Ed25519"
_MOST_BYTES = 1 << 18
_PUBLIC = {"kty", "crv", "x", "kid", "alg", "use"}


@dataclass(frozen=True, slots=True)
class _Ring:
    """The keys of one version of the file; ``verifying`` has the signing one too."""

    signing: OKPKey
    verifying: dict[str, OKPKey]


class KeyRing:
    """Keys in a file of mode 0600, a JWK set (RFC 7517) in which exactly the current key has its private part.

    The file is looked at on each use, so that a rotation or a retirement holds in every process at once.

    Parameters
    ----------
    path
        The file; made by `create`.

    Raises
    ------
    DelegationError
        ``unavailable``, here and in every method, if the file is missing, open to others, or not a key ring.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp, self._ring = _read(path)

    @classmethod
    def create(cls, path: Path) -> KeyRing:
        """Make a file with one new key; refuses to overwrite one."""
        with _exclusive(path):
            refuse(path.exists(), Fault.UNAVAILABLE, f"{path} must not exist yet")
            key = _new()
            _write(path, _Ring(key, {_kid(key): key}))
        return cls(path)

    @property
    def current(self) -> tuple[str, OKPKey]:
        """The key that signs, and its identifier."""
        key = self._fresh().signing
        return _kid(key), key

    def key(self, kid: str) -> OKPKey:
        """The key of an identifier; raises ``unknown_key`` for one that was retired or never was."""
        found = self._fresh().verifying.get(kid)
        if found is None:
            raise DelegationError(Fault.UNKNOWN_KEY, "the key must be one of the ring")
        return found

    def rotate(self) -> str:
        """Sign with a new key from now on; the old one keeps verifying, and its private part is destroyed. Returns the new identifier."""
        key = _new()
        self._change(lambda ring: _Ring(key, {**ring.verifying, _kid(key): key}))
        return _kid(key)

    def retire(self, kid: str) -> None:
        """Refuse what a key has signed from now on; the current key must be rotated first."""

        def without(ring: _Ring) -> _Ring:
            refuse(kid not in ring.verifying, Fault.UNKNOWN_KEY, "the key to retire must be one of the ring")
            refuse(kid == _kid(ring.signing), Fault.UNKNOWN_KEY, "the key to retire must not be the one that signs: rotate first")
            return _Ring(ring.signing, {name: key for name, key in ring.verifying.items() if name != kid})

        self._change(without)

    def jwks(self) -> dict[str, list[dict[str, Any]]]:
        """The public keys, the current one first, as a JWK set to publish."""
        ring = self._fresh()
        return {"keys": [_public(key) for key in _ordered(ring)]}

    def _fresh(self) -> _Ring:
        with self._lock:
            if _stamp(self._path) != self._stamp:
                self._stamp, self._ring = _read(self._path)
            return self._ring

    def _change(self, changed: Callable[[_Ring], _Ring]) -> None:
        with _exclusive(self._path), self._lock:
            _, ring = _read(self._path)
            _write(self._path, changed(ring))
            self._stamp, self._ring = _read(self._path)


def _new() -> OKPKey:
    return OKPKey.generate_key(_CURVE)


def _kid(key: OKPKey) -> str:
    """RFC 7638 thumbprint: the identifier is the key's own digest."""
    return key.thumbprint()


def _public(key: OKPKey) -> dict[str, Any]:
    return {**key.as_dict(private=False), "kid": _kid(key), "alg": ALGORITHM, "use": "sig"}


def _ordered(ring: _Ring) -> list[OKPKey]:
    return [ring.signing, *(key for name, key in ring.verifying.items() if name != _kid(ring.signing))]


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        return _stamp_of(path.stat())
    except OSError as error:
        raise DelegationError(Fault.UNAVAILABLE, f"the key ring cannot be read: {error.strerror}") from error


def _stamp_of(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _read(path: Path) -> tuple[tuple[int, ...], _Ring]:
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            refuse(not stat.S_ISREG(found.st_mode), Fault.UNAVAILABLE, f"{path} must be a regular file")
            refuse(bool(found.st_mode & 0o077), Fault.UNAVAILABLE, f"{path} must have mode 0600, got {stat.S_IMODE(found.st_mode):04o}")
            return _stamp_of(found), _parsed(file.read(_MOST_BYTES + 1))
    except OSError as error:
        raise DelegationError(Fault.UNAVAILABLE, f"the key ring cannot be read: {error.strerror}") from error
    # The text of a parser's error could quote a private key, so it goes no further.
    except (InvalidCall, JoseError, ValueError, TypeError, KeyError):
        raise DelegationError(Fault.UNAVAILABLE, f"{path} must be a key ring") from None


def _parsed(text: bytes) -> _Ring:
    document = strict_json.loads(text, max_bytes=_MOST_BYTES)
    keys = [_imported(jwk) for jwk in document["keys"]]
    signing = [key for key in keys if key.is_private]
    if set(document) != {"keys"} or len(signing) != 1 or len({_kid(key) for key in keys}) != len(keys):
        raise ValueError("a key ring has distinct keys, exactly one of them private")
    return _Ring(signing[0], {_kid(key): key for key in keys})


def _imported(jwk: dict[str, str]) -> OKPKey:
    key = OKPKey.import_key(cast("dict[str, str | list[str]]", jwk))
    # The identifier is computed anew from the raw key: a file that names a key by another's digest is refused.
    kid = OKPKey.import_key(key.public_key).thumbprint()
    stated = jwk["kty"], jwk["crv"], jwk["kid"], jwk["alg"], jwk["use"]
    if set(jwk) - {"d"} != _PUBLIC or stated != ("OKP", _CURVE, kid, ALGORITHM, "sig") or key.thumbprint() != kid:
        raise ValueError("a key must be an Ed25519 signing key under its thumbprint")
    return key


def _write(path: Path, ring: _Ring) -> None:
    keys = [{**_public(key), **({"d": key.as_dict(private=True)["d"]} if key is ring.signing else {})} for key in _ordered(ring)]
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"keys": keys}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


@contextmanager
def _exclusive(path: Path) -> Generator[None]:
    """Hold the directory, so that of two processes that change the ring none undoes the other's change."""
    try:
        handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise DelegationError(Fault.UNAVAILABLE, f"the folder of the key ring cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
        os.fsync(handle)
    finally:
        os.close(handle)
