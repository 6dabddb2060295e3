"""A model's signature: Ed25519 over the digest of its manifest, which covers every file; in a file beside the model's directory."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from intent.errors import BundleCorrupt, IntentError
from intent.strict_json import loads

_MAX_BYTES = 4096
_CONTEXT = "intent model, signed, 1"


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    signature: str = Field(max_length=128)


@dataclass(frozen=True, slots=True)
class ModelSigner:
    """A private key at work; it signs digests of models and nothing else.

    >>> signer = ModelSigner(Ed25519PrivateKey.generate())
    >>> check_signature(signer.sign("0" * 64), "0" * 64, signer.public)
    """

    key: Ed25519PrivateKey

    @property
    def public(self) -> Ed25519PublicKey:
        """What its signatures are verified with."""
        return self.key.public_key()

    def sign(self, digest: str) -> bytes:
        """The signature file of a model."""
        signed = base64.b64encode(self.key.sign(_message(digest))).decode("ascii")
        return _Document(digest=digest, signature=signed).model_dump_json(indent=1).encode() + b"\n"


def check_signature(text: bytes, digest: str, public: Ed25519PublicKey) -> None:
    """Let a signature pass that the key made for this digest.

    Raises
    ------
    BundleCorrupt
        If the file is none, is of another model, or was made with another key.
    """
    try:
        found = _Document.model_validate(loads(text, max_bytes=_MAX_BYTES))
        public.verify(base64.b64decode(found.signature, validate=True), _message(digest))
    except (ValidationError, IntentError, binascii.Error) as error:
        raise BundleCorrupt(f"the signature of model {digest[:12]} must fit its form") from error
    except InvalidSignature as error:
        raise BundleCorrupt(f"the signature of model {digest[:12]} must be made with the key of this registry") from error


def _message(digest: str) -> bytes:
    # The context keeps a signature under another text of the same length from being taken for one of a model.
    return f"{_CONTEXT}\n{digest}\n".encode("ascii")
