"""The directory of a registry as its readers see it: signed models, and one pointer that says which of them serves.

::

    <registry>/current.json        {"digest": "..."}; absent: the model that ships with the package serves
    <registry>/<digest>/           a bundle
    <registry>/<digest>.sig        its signature

Nothing is used before its signature and every digest were checked. The model that ships with the package needs no signature, and is used
without one only from its own place.
"""

from __future__ import annotations

import re
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from intent import bundle
from intent.bundle import Bundle, shipped_path
from intent.errors import BundleCorrupt, BundleMissing, IntentError
from intent.registry.signature import check_signature
from intent.strict_json import loads

POINTER = "current.json"
LOCK = ".lock"
_MAX_BYTES = 4096
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Pointer(BaseModel):
    """What `POINTER` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: str = Field(pattern=r"^[0-9a-f]{64}$")


class Shelf:
    """Models that can be loaded once they verify.

    Parameters
    ----------
    directory
        Of the registry.
    public
        The key that models must be signed with.
    shipped
        The bundle that needs no signature; the one of the package if not given.
    """

    def __init__(self, directory: Path, public: Ed25519PublicKey, shipped: Path | None = None) -> None:
        self.directory = directory
        self._public = public
        self._shipped = shipped or shipped_path()

    def current(self) -> str:
        """The digest of the model that serves; that of the shipped one where nothing was promoted.

        Raises
        ------
        BundleError
            If the pointer does not fit its form, or nothing was promoted and no model was shipped.
        """
        try:
            text = (self.directory / POINTER).read_bytes()
        except FileNotFoundError:
            return self.shipped_digest()
        except OSError as error:
            raise BundleCorrupt(f"{self.directory / POINTER} cannot be read: {error.strerror}") from error
        try:
            return Pointer.model_validate(loads(text, max_bytes=_MAX_BYTES)).digest
        except (ValidationError, IntentError) as error:
            raise BundleCorrupt(f"{self.directory / POINTER} must name one model by its digest") from error

    def shipped_digest(self) -> str:
        """The digest of the model that comes with the package; raises as `intent.bundle.verify`."""
        return bundle.verify(self._shipped)[1]

    def holds(self, digest: str) -> bool:
        """Whether a model of this digest is kept here; nothing is verified."""
        return bool(_DIGEST.fullmatch(digest)) and (self.directory / digest).is_dir()

    def verify(self, digest: str) -> Path:
        """The directory of a model, once its signature and every file of it were checked.

        Raises
        ------
        BundleMissing
            If it is neither kept here nor the shipped one.
        BundleCorrupt
            If it is not signed with this registry's key, or differs from what was signed.
        """
        if not self.holds(digest):
            return self._verified_shipped(digest)
        directory = self.directory / digest
        try:
            signature = self.signature_path(digest).read_bytes()
        except OSError as error:
            raise BundleCorrupt(f"model {digest[:12]} must be signed, and its signature cannot be read") from error
        check_signature(signature, digest, self._public)
        if (found := bundle.verify(directory)[1]) != digest:
            raise BundleCorrupt(f"the manifest in {directory} must have digest {digest}, got {found}")
        return directory

    def load(self, digest: str, *, threads: int = 1, cache: Path | None = None) -> Bundle:
        """Verify a model, then construct it; raises as `verify` does."""
        loaded = bundle.load(self.verify(digest), threads=threads, cache=cache)
        if loaded.digest != digest:
            raise BundleCorrupt(f"model {digest[:12]} changed while it was read")
        return loaded

    def signature_path(self, digest: str) -> Path:
        """Where the signature of a model stands."""
        return self.directory / f"{digest}.sig"

    def _verified_shipped(self, digest: str) -> Path:
        if self._shipped.is_dir() and self.shipped_digest() == digest:
            return self._shipped
        raise BundleMissing(self.directory / digest[:64])
