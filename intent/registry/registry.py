"""The registry as those who change it see it: models are added, promoted through a gate, rolled back and cleared away, each act on record."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from intent import bundle
from intent.certificate.standing import utc_now
from intent.errors import BundleMissing, Forbidden, PromotionRefused, WorkbenchError
from intent.registry.files import copy_atomically, locked, write_atomically
from intent.registry.ledger import Models
from intent.registry.promotion import GateReport
from intent.registry.shelf import LOCK, POINTER, Pointer, Shelf
from intent.registry.signature import ModelSigner
from intent.workbench.records import Actor, ModelEntry, Promotion, PromotionKind, Role

WITHOUT_CERTIFICATE = (
    "An admin may let it serve all the same, and say why: intent model promote MODEL --dangerously-without-certificate WHY; "
    "it then forwards nothing unless INTENT_DANGEROUSLY_FORWARD_UNCERTIFIED is set"
)


class Registry:
    """Models and the pointer to the one that serves; several processes may hold the same directory.

    The ledger is the truth: the pointer follows it, and an act that was cut short between the two is finished by the next one.

    Parameters
    ----------
    directory
        Made if it is missing.
    ledger
        Where models and promotions are written down.
    signer
        Signs what is added.
    shipped
        See `Shelf`.
    """

    def __init__(
        self, directory: Path, ledger: Models, signer: ModelSigner, *, shipped: Path | None = None, now: Callable[[], datetime] = utc_now
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.shelf = Shelf(directory, signer.public, shipped)
        self._ledger = ledger
        self._signer = signer
        self._now = now
        self._lock = directory / LOCK

    def models(self) -> tuple[ModelEntry, ...]:
        """Every model that was ever added, oldest first; `Shelf.holds` says whether it is still kept."""
        return tuple(self._ledger.models())

    def promotions(self) -> tuple[Promotion, ...]:
        """Every change of the model that serves, oldest first."""
        return tuple(self._ledger.promotions())

    def current(self) -> ModelEntry | None:
        """The entry of the model that serves; None while that is the shipped one."""
        return self.entry(self.shelf.current())

    def entry(self, digest: str) -> ModelEntry | None:
        """The entry of a model, None where it was never added."""
        return next((entry for entry in self._ledger.models() if entry.digest == digest), None)

    def verify(self, digest: str) -> Path:
        """See `Shelf.verify`."""
        return self.shelf.verify(digest)

    def add(self, directory: Path, actor: Actor, *, run: str = "", parent: str = "") -> ModelEntry:
        """Verify a bundle, load it once, copy it here and sign it; the same model again changes nothing.

        Parameters
        ----------
        run, parent
            The training run that made it; the model that it was made from, its manifest's word if not given.

        Raises
        ------
        Forbidden
            If the actor is no analyst.
        BundleError
            If the bundle is missing, corrupt, or cannot be loaded.
        """
        _need(actor, Role.ANALYST)
        digest = bundle.load(directory).digest
        with locked(self._lock):
            return self._add(directory, digest, actor, run, parent)

    def promote(self, digest: str, actor: Actor, gate: GateReport, note: str = "", *, uncertified: str = "") -> Promotion:
        """Let a model serve.

        Parameters
        ----------
        gate
            What `intent.registry.promotion.judge` found, of this model against the one that serves now.
        uncertified
            Why it must serve although its certificate does not hold; kept with the name of whoever says so. The model forwards nothing in a
            service that asks for a certificate.

        Raises
        ------
        Forbidden
            If the actor is no approver; no admin where ``uncertified`` is said.
        PromotionRefused
            If a check failed that was not done without, or the gate judged another pair of models.
        BundleError
            If the model does not verify.
        """
        _need(actor, Role.ADMIN if uncertified else Role.APPROVER)
        with locked(self._lock):
            serving = self._settled()
            if digest == serving:
                raise PromotionRefused(f"the model must be another than the one that serves, got {digest[:12]}")
            if (gate.candidate, gate.incumbent) != (digest, serving):
                raise PromotionRefused(
                    f"the gate must have judged {digest[:12]} against {serving[:12]}, got {gate.candidate[:12]} against {gate.incumbent[:12]}"
                )
            _refuse_failed(gate, waived=bool(uncertified))
            self.verify(digest)
            if not self._ledger.promotions():
                self._enter_shipped(serving, actor)
            waived: dict[str, object] = {"uncertified": uncertified} if uncertified and not gate.passed else {}
            return self._point(PromotionKind.PROMOTE, digest, serving, actor, gate.to_dict() | waived, note)

    def roll_back(self, actor: Actor, note: str = "", *, serving: str | None = None) -> Promotion:
        """Let the model serve again that served before the current one was promoted; it passed its gate then, and is verified now.

        Parameters
        ----------
        serving
            Digest of the model that the person saw serve; None where it does not matter.

        Raises
        ------
        Forbidden
            If the actor is no approver.
        WorkbenchError
            If nothing was promoted, or another model serves than the person saw.
        BundleError
            If the earlier model is gone or does not verify.
        """
        _need(actor, Role.APPROVER)
        with locked(self._lock):
            seen, serving = serving, self._settled()
            if seen not in {None, serving}:
                raise WorkbenchError(f"another model must not serve than was looked at, and {serving[:12]} does")
            served = history(self._ledger.promotions())
            if len(served) < 2:
                raise WorkbenchError("a model must have been promoted before it can be rolled back, and none was")
            self.verify(served[-2])
            return self._point(PromotionKind.ROLL_BACK, served[-2], serving, actor, {}, note)

    def keep(self, n: int) -> tuple[str, ...]:
        """Remove the files of all but the newest ``n`` models; the current one and the one to roll back to stay whatever their age.

        Returns
        -------
        tuple
            The digests whose files were removed; their entries stay on record.
        """
        if n < 0:
            raise ValueError(f"n must be at least 0, got {n}")
        with locked(self._lock):
            wanted = {self._settled(), *history(self._ledger.promotions())[-2:]}
            held = [entry.digest for entry in sorted(self._ledger.models(), key=lambda e: e.at) if self.shelf.holds(entry.digest)]
            old = [digest for digest in held[: max(len(held) - n, 0)] if digest not in wanted]
            for digest in old:
                # The signature goes first: what is half removed is no model.
                self.shelf.signature_path(digest).unlink(missing_ok=True)
                shutil.rmtree(self.shelf.directory / digest)
        return tuple(old)

    def _add(self, directory: Path, digest: str, actor: Actor, run: str, parent: str) -> ModelEntry:
        if not self.shelf.holds(digest):
            copy_atomically(directory, self.shelf.directory / digest)
        # What is signed is the copy: the source may have changed since it was read.
        if (copied := bundle.verify(self.shelf.directory / digest)[1]) != digest:
            shutil.rmtree(self.shelf.directory / digest)
            raise WorkbenchError(f"the bundle in {directory} must stay as it is while it is added, got {copied[:12]} for {digest[:12]}")
        write_atomically(self.shelf.signature_path(digest), self._signer.sign(digest))
        return self.entry(digest) or self._ledger.add_model(actor, self._described(digest, actor, run, parent))

    def _enter_shipped(self, digest: str, actor: Actor) -> None:
        """Keep what served before the first promotion: it must be there to roll back to also after the package was updated."""
        self._add(self.verify(digest), digest, actor, "", "")
        self._point(PromotionKind.PROMOTE, digest, "", actor, {}, "ships with the package, and served before the first promotion")

    def _described(self, digest: str, actor: Actor, run: str, parent: str) -> ModelEntry:
        manifest, _ = bundle.verify(self.shelf.directory / digest)
        told = parent or manifest.training.get("parent")
        # The manifest keeps the parent's name in any case; an entry names one that is in the registry too.
        known = isinstance(told, str) and self.entry(told) is not None
        return ModelEntry(
            digest=digest,
            name=manifest.name,
            version=manifest.version,
            directory=digest,
            parent=str(told) if known else "",
            run=run,
            vocabulary=manifest.vocabulary.digest,
            at=self._now(),
            by=actor.name,
        )

    def _point(self, kind: PromotionKind, digest: str, previous: str, actor: Actor, gate: dict[str, object], note: str) -> Promotion:
        promotion = Promotion.model_validate(
            {"id": 0, "kind": kind, "digest": digest, "previous": previous, "at": self._now(), "by": actor.name, "gate": gate, "note": note}
        )
        kept = self._ledger.add_promotion(actor, promotion)
        self._write_pointer(digest)
        return kept

    def _settled(self) -> str:
        """The model that serves; a pointer that a crash left behind the ledger is moved first."""
        served = self._ledger.promotions()
        if not served:
            return self.shelf.current()
        latest = served[-1].digest
        with suppress(BundleMissing):
            if self.shelf.current() == latest:
                return latest
        self.verify(latest)
        self._write_pointer(latest)
        return latest

    def _write_pointer(self, digest: str) -> None:
        write_atomically(self.shelf.directory / POINTER, Pointer(digest=digest).model_dump_json().encode() + b"\n")


def history(promotions: Sequence[Promotion]) -> list[str]:
    """Digests of the models that stand behind each other, the current one last: a roll-back takes one off.

    >>> history([])
    []
    """
    served: list[str] = []
    for promotion in promotions:
        if promotion.kind is PromotionKind.ROLL_BACK:
            del served[-1:]
            continue
        served.append(promotion.digest)
    return served


def _refuse_failed(gate: GateReport, *, waived: bool) -> None:
    if gate.passed or (waived and gate.lacks_certificate_alone):
        return
    why = "; ".join(f"{check.name}: {check.why}" for check in gate.failed) or "the gate checked nothing"
    raise PromotionRefused(f"{why}. {WITHOUT_CERTIFICATE}" if gate.lacks_certificate_alone else why)


def _need(actor: Actor, role: Role) -> None:
    if not actor.role.includes(role):
        raise Forbidden(actor.name, actor.role, role)
