"""The bundle that a new one takes its encoder from: what must stay as it was there, so that the promise of the new one is true.

An encoder that was fine-tuned has seen the rows that trained it. Heads on top of it must part the rows by the same draw: with another one,
rows that certify may have trained the encoder. For the same reason the rows to certify on are those that the parent was certified on, and
what its certificates spent of their delta is spent.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from pydantic import JsonValue

from intent import bundle
from intent.certificate.certificate import Use
from intent.certificate.certificate import read as read_certificate
from intent.certificate.ledger import read_ledger
from intent.embedding.onnx import ENCODER_FILE, TOKENIZER_FILE
from intent.errors import CertificateError, TrainingError
from intent.training.partition import Shares


@dataclass(frozen=True, slots=True)
class Parent:
    """A verified bundle, as far as a new one goes on from it.

    Attributes
    ----------
    digest
        Of its manifest.
    max_tokens
        Longest piece of text that its encoder takes.
    encoder
        What its manifest says of the encoder.
    uses
        What its certificate says was spent on the rows that certified it; none without a certificate.
    """

    directory: Path
    digest: str
    max_tokens: int
    encoder: dict[str, JsonValue]
    uses: tuple[Use, ...]

    @classmethod
    def read(cls, directory: Path, seed: int, shares: Shares) -> Parent:
        """Verify a bundle, and that rows will be parted as they were for it.

        Raises
        ------
        BundleError
            If it is missing or corrupt.
        TrainingError
            If its encoder was fine-tuned, and not on the rows that ``seed`` and ``shares`` draw.
        """
        manifest, digest = bundle.verify(directory)
        if manifest.encoder.get("fine_tuned"):
            _check_draw(manifest.training, seed, shares)
        uses = ()
        if bundle.CERTIFICATE_FILE in manifest.files:
            uses = read_certificate((directory / bundle.CERTIFICATE_FILE).read_bytes()).ledger
        return cls(directory, digest, manifest.max_tokens, manifest.encoder, uses)


def take_encoder(parent: Parent, directory: Path) -> None:
    """Copy the encoder files; nothing of them is read into anything."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in (ENCODER_FILE, TOKENIZER_FILE):
        shutil.copyfile(parent.directory / name, directory / name)


def draw_of(directory: Path) -> tuple[int, Shares] | None:
    """Seed and shares that a verified bundle's rows were parted by; None where its manifest does not say."""
    training = bundle.verify(directory)[0].training
    recipe, shares = training.get("recipe"), training.get("shares")
    if not isinstance(recipe, Mapping) or not isinstance(shares, Mapping) or not isinstance(seed := recipe.get("seed"), int):
        return None
    return seed, _shares(shares)


def earlier_uses(ledger: Path | None, parent: Parent | None) -> tuple[Use, ...]:
    """Every use of the rows to certify on, oldest first: those of the file, and those that the parent's certificate names."""
    found = dict.fromkeys((*(parent.uses if parent else ()), *(read_ledger(ledger) if ledger else ())))
    return tuple(sorted(found, key=lambda use: use.at))


def budget_left(uses: Sequence[Use], delta: float, wanted: float | None) -> float:
    """How much of delta a new certificate spends: what is wanted, or all that is left.

    Raises
    ------
    CertificateError
        If there is not that much left.
    """
    left = delta - math.fsum(use.delta for use in uses)
    chosen = left if wanted is None else wanted
    if not 0 < chosen <= left + 1e-12:
        raise CertificateError(
            f"the rows to certify on must have delta left to spend: {len(uses)} uses left {max(left, 0.0):g} of {delta:g}, wanted {chosen:g}"
        )
    return chosen


def _check_draw(training: Mapping[str, JsonValue], seed: int, shares: Shares) -> None:
    recipe, given = training.get("recipe"), training.get("shares")
    if not isinstance(recipe, Mapping) or not isinstance(given, Mapping):
        raise TrainingError("a fine-tuned encoder must say which rows trained it, and its manifest does not")
    if recipe.get("seed") != seed or _shares(given) != shares:
        wanted = f"seed {recipe.get('seed')} and shares {dict(asdict(_shares(given)))}"
        raise TrainingError(f"rows that certify must not have trained the encoder: it needs {wanted}, got seed {seed} and {asdict(shares)}")


def _shares(given: Mapping[str, JsonValue]) -> Shares:
    """Shares as a manifest has them; one from before earlier draws were kept names none."""
    plain = {name: cast("float", value) for name, value in given.items() if name != "spent"}
    spent = given.get("spent")
    return Shares(**plain, spent=tuple(cast("list[int]", spent)) if isinstance(spent, list) else ())  # pyright: ignore[reportArgumentType] - floats by name
