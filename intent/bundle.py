"""A model on disk: a directory that is verified, every file of it, before anything is constructed from it.

Format 2 holds ``manifest.json`` and beside it exactly the files that it lists: ``vocabulary.json``, ``encoder.onnx``,
``tokenizer.json``, ``arrays.npz`` (plain arrays; pickled objects are refused), and ``certificate.json`` where one was issued. Format 1 had
no doubts among its arrays; it is read with those that the code had then. To change the format, raise ``FORMAT`` and keep a reader for the
old ones.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from intent.certificate.certificate import Certificate, digest_of
from intent.certificate.certificate import read as read_certificate
from intent.classify.model import Doubts, Model
from intent.embedding.base import Encoder
from intent.embedding.cache import CachedEncoder
from intent.embedding.onnx import ENCODER_FILE, TOKENIZER_FILE, OnnxEncoder
from intent.errors import BundleCorrupt, BundleMissing, CertificateError, IntentError, first_fault
from intent.schema import Version
from intent.strict_json import loads
from intent.vocabulary import Vocabulary

FORMAT = 2
MANIFEST_FILE = "manifest.json"
VOCABULARY_FILE = "vocabulary.json"
ARRAYS_FILE = "arrays.npz"
CERTIFICATE_FILE = "certificate.json"
FILES = (ARRAYS_FILE, ENCODER_FILE, TOKENIZER_FILE, VOCABULARY_FILE)
_MAX_MANIFEST_BYTES = 4 << 20
_DOUBTS_OF_FORMAT_1 = Doubts(later_piece=0.9, piece=0.5, sentence=0.7, text=0.6)

T = TypeVar("T")


class Manifest(BaseModel):
    """What a bundle says of itself; its digest is the digest of the model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    name: str
    version: str
    created: str = Field(description="UTC, ISO 8601.")
    files: dict[str, str] = Field(description="File name to SHA-256 (hex).")
    max_tokens: int = Field(ge=8, le=512, description="Longest piece of text that the encoder takes.")
    declared_at_least: float = Field(ge=0, le=1, description="Least declared probability of an effective intent of high privilege.")
    encoder: dict[str, JsonValue] = Field(description="Base weights and how they were trained and quantized.")
    vocabulary: Version
    data: dict[str, JsonValue] = Field(description="Corpora by name: digest, rows, who labelled.")
    libraries: dict[str, str] = Field(description="Versions that trained it.")
    training: dict[str, JsonValue] = Field(description="Settings, seeds, and figures on rows that did not train.")


@dataclass(frozen=True)
class Bundle:
    """A verified model, ready to serve."""

    manifest: Manifest
    digest: str
    vocabulary: Vocabulary
    encoder: Encoder
    model: Model
    certificate: Certificate | None = None

    @property
    def version(self) -> Version:
        """Name, version and digest of the model."""
        return Version(name=self.manifest.name, version=self.manifest.version, digest=self.digest)

    @property
    def content_digest(self) -> str:
        """What a certificate is issued for: every file but the certificate itself, and the settings that change what is forwarded."""
        return content_digest(self.manifest)

    @property
    def declared_at_least(self) -> float:
        """See `Manifest.declared_at_least`."""
        return self.manifest.declared_at_least

    @property
    def card(self) -> dict[str, JsonValue]:
        """The manifest as JSON, with its digest and the thresholds of its arrays; null for an intent that is never forwarded."""
        return {"digest": self.digest, "thresholds": self.thresholds, **self.manifest.model_dump(mode="json")}

    @property
    def thresholds(self) -> dict[str, JsonValue]:
        """Intent to the least probability at which it is forwarded, None for never."""
        least = map(float, self.model.thresholds)
        return {word: value if value <= 1 else None for word, value in zip(self.vocabulary.ids, least, strict=True)}


def content_digest(manifest: Manifest) -> str:
    """SHA-256 (hex) of the digests of all files but the certificate, with the settings of the manifest that the decision path reads."""
    files: dict[str, JsonValue] = {name: digest for name, digest in manifest.files.items() if name != CERTIFICATE_FILE}
    return digest_of({"files": files, "max_tokens": manifest.max_tokens, "declared_at_least": manifest.declared_at_least})


def verify(directory: Path) -> tuple[Manifest, str]:
    """Check every file of a bundle against its manifest; nothing is constructed from them.

    Returns
    -------
    tuple
        The manifest and its SHA-256.

    Raises
    ------
    BundleMissing
        If there is no manifest.
    BundleCorrupt
        If the manifest is unreadable or of an unknown format, or a file is missing, added or altered.
    """
    try:
        text = (directory / MANIFEST_FILE).read_bytes()
    except OSError as error:
        raise BundleMissing(directory) from error
    try:
        manifest = Manifest.model_validate(loads(text, max_bytes=_MAX_MANIFEST_BYTES))
    except IntentError as error:
        raise BundleCorrupt(f"{directory / MANIFEST_FILE} must fit its form: {error}") from error
    except ValidationError as error:
        raise BundleCorrupt(f"{directory / MANIFEST_FILE} must fit its form: {': '.join(first_fault(error, 'it'))}") from error
    if not 1 <= manifest.format <= FORMAT:
        raise BundleCorrupt(f"the bundle's format must be 1 to {FORMAT}, got {manifest.format}")
    present = {p.name for p in directory.iterdir()} - {MANIFEST_FILE}
    if present != set(manifest.files) or present - {CERTIFICATE_FILE} != set(FILES):
        raise BundleCorrupt(f"{directory} must hold {', '.join(FILES)} and nothing else, got {', '.join(sorted(present)) or 'nothing'}")
    for name, expected in manifest.files.items():
        if (digest := file_digest(directory / name)) != expected:
            raise BundleCorrupt(f"{name} must have sha256 {expected}, got {digest}")
    return manifest, hashlib.sha256(text).hexdigest()


def load(directory: Path, *, threads: int = 1, cache: Path | None = None) -> Bundle:
    """Verify a bundle, then construct it; raises as `verify` does.

    ``threads`` texts are embedded at the same time; ``cache`` is a file that keeps embeddings between processes.
    """
    manifest, digest = verify(directory)
    vocabulary = Vocabulary.load(directory / VOCABULARY_FILE)
    if vocabulary.digest != manifest.vocabulary.digest:
        raise BundleCorrupt(f"the vocabulary must have digest {manifest.vocabulary.digest}, got {vocabulary.digest}")
    try:
        with np.load(io.BytesIO((directory / ARRAYS_FILE).read_bytes()), allow_pickle=False) as arrays:
            added = _flattened(_DOUBTS_OF_FORMAT_1, "doubts") if manifest.format == 1 else {}
            model = _built(Model, "", {**added, **arrays})
    except (KeyError, ValueError) as error:
        raise BundleCorrupt(f"{ARRAYS_FILE} must hold the arrays of format {manifest.format}: {error}") from error
    _check_shapes(model, vocabulary)
    encoder = CachedEncoder(OnnxEncoder(directory, max_tokens=manifest.max_tokens, threads=threads), path=cache)
    return Bundle(manifest, digest, vocabulary, encoder, model, _certificate(directory, manifest))


def _certificate(directory: Path, manifest: Manifest) -> Certificate | None:
    if CERTIFICATE_FILE not in manifest.files:
        return None
    try:
        return read_certificate((directory / CERTIFICATE_FILE).read_bytes())
    except CertificateError as error:
        raise BundleCorrupt(f"{CERTIFICATE_FILE}: {error}") from error


def save(directory: Path, model: Model, vocabulary: Vocabulary, describe: dict[str, Any]) -> Manifest:
    """Write arrays, vocabulary and manifest beside an encoder that is already there; a certificate that lay there is removed.

    Parameters
    ----------
    describe
        The fields of `Manifest` that the caller knows: all but format, files and vocabulary.
    """
    (directory / CERTIFICATE_FILE).unlink(missing_ok=True)
    np.savez_compressed(directory / ARRAYS_FILE, allow_pickle=False, **_flattened(model, ""))
    text = json.dumps(vocabulary.to_dict(), indent=1, ensure_ascii=False, sort_keys=True)
    (directory / VOCABULARY_FILE).write_text(text + "\n", "utf-8")
    manifest = Manifest(
        format=FORMAT,
        files={name: file_digest(directory / name) for name in FILES},
        vocabulary=Version(name=vocabulary.name, version=vocabulary.version, digest=vocabulary.digest),
        **describe,
    )
    (directory / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=1) + "\n", "utf-8")
    return manifest


def attach(directory: Path, certificate: Certificate) -> Manifest:
    """Put a certificate into a saved bundle; what it was issued for does not change by it."""
    manifest = Manifest.model_validate(loads((directory / MANIFEST_FILE).read_bytes(), max_bytes=_MAX_MANIFEST_BYTES))
    (directory / CERTIFICATE_FILE).write_text(certificate.to_json(), "utf-8")
    files = {**manifest.files, CERTIFICATE_FILE: file_digest(directory / CERTIFICATE_FILE)}
    manifest = manifest.model_copy(update={"files": files})
    (directory / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=1) + "\n", "utf-8")
    return manifest


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def shipped_path() -> Path:
    """The bundle that comes with the package: inside it when installed, beside it in a checkout."""
    inside = Path(__file__).parent / "_shipped" / "model"
    return inside if inside.is_dir() else Path(__file__).parents[1] / "models" / "default"


def _flattened(value: Any, prefix: str) -> dict[str, NDArray[Any]]:
    """Every array and number of nested dataclasses, under dotted names."""
    if is_dataclass(value):
        parts = (_flattened(getattr(value, f.name), f"{prefix}.{f.name}" if prefix else f.name) for f in fields(value))
        return {name: array for part in parts for name, array in part.items()}
    return {prefix: np.asarray(value)}


def _built(kind: type[T], prefix: str, arrays: dict[str, NDArray[Any]]) -> T:
    """The inverse of `_flattened`; raises KeyError where an array is missing."""
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        names = [f.name for f in fields(kind)]
        return kind(**{name: _built(hints[name], f"{prefix}.{name}" if prefix else name, arrays) for name in names})
    array = arrays[prefix]
    return float(array) if kind is float else array  # type: ignore[return-value]  # the leaf types are float and ndarray only


def _check_shapes(model: Model, vocabulary: Vocabulary) -> None:
    labels, intents = len(vocabulary.labels), len(vocabulary.ids)
    for name, got, must in (
        ("capability", len(model.capability.dense.bias), labels),
        ("effect", len(model.effect.lexical.bias), labels),
        ("declared", len(model.declared.dense.bias), intents),
        ("thresholds", len(model.thresholds), intents),
    ):
        if got != must:
            raise BundleCorrupt(f"{name} must have {must} outputs for vocabulary {vocabulary.version}, got {got}")
