"""Models in the registry, and which of them serves: the one that the latest promotion names."""

from __future__ import annotations

from sqlalchemy import Connection, select

from intent.errors import WorkbenchError
from intent.workbench.base import Base, append, latest, record_of, refuse_other, require
from intent.workbench.records import Actor, ModelEntry, Promotion, PromotionKind, Role
from intent.workbench.tables import MODELS, PROMOTIONS


class Models(Base):
    """Models and promotions of a store."""

    def add_model(self, actor: Actor, entry: ModelEntry) -> ModelEntry:
        """Add a model; one whose digest is there already stays as it was first recorded, and is returned.

        Raises
        ------
        Forbidden
            Below an analyst.
        WorkbenchError
            If its parent is not there, or it is another person's.
        """
        require(actor, Role.ANALYST)
        refuse_other(entry.by, actor)
        with self.writes() as connection:
            there = _model(connection, entry.digest)
            if there is not None:
                return there
            if entry.parent and _model(connection, entry.parent) is None:
                raise WorkbenchError(f"the parent of a model must be there, got {entry.parent[:12]!r}")
            return append(connection, MODELS, [entry], lambda model: {"digest": model.digest})[0]

    def models(self) -> tuple[ModelEntry, ...]:
        """Every model in the order in which they were added."""
        with self.reads() as connection:
            return tuple(record_of(ModelEntry, row) for row in connection.execute(select(MODELS).order_by(MODELS.c.id)))

    def model(self, digest: str) -> ModelEntry | None:
        """A model by its digest, or None."""
        with self.reads() as connection:
            return _model(connection, digest)

    def add_promotion(self, actor: Actor, promotion: Promotion) -> Promotion:
        """Name the model that serves from now on.

        Raises
        ------
        Forbidden
            Below an approver.
        WorkbenchError
            If the model is not there, another one serves than ``previous`` says, a roll-back names a model that never served, or it is
            another person's.
        """
        require(actor, Role.APPROVER)
        refuse_other(promotion.by, actor)
        with self.writes() as connection:
            if _model(connection, promotion.digest) is None:
                raise WorkbenchError(f"a promoted model must be in the registry, got {promotion.digest[:12]!r}")
            row = latest(connection, PROMOTIONS)
            if promotion.previous != ("" if row is None else row.digest):
                raise WorkbenchError(f"another model must not serve than was looked at, got {promotion.previous[:12]!r}")
            served = latest(connection, PROMOTIONS, PROMOTIONS.c.digest == promotion.digest)
            if promotion.kind is PromotionKind.ROLL_BACK and served is None:
                raise WorkbenchError(f"a roll-back must name a model that served, got {promotion.digest[:12]!r}")
            return append(connection, PROMOTIONS, [promotion], lambda one: {"digest": one.digest})[0]

    def promotions(self) -> tuple[Promotion, ...]:
        """Every promotion in order."""
        with self.reads() as connection:
            return tuple(record_of(Promotion, row) for row in connection.execute(select(PROMOTIONS).order_by(PROMOTIONS.c.id)))

    def serving(self) -> Promotion | None:
        """The latest promotion, which names the model that serves, or None."""
        with self.reads() as connection:
            row = latest(connection, PROMOTIONS)
        return None if row is None else record_of(Promotion, row)


def _model(connection: Connection, digest: str) -> ModelEntry | None:
    row = latest(connection, MODELS, MODELS.c.digest == digest)
    return None if row is None else record_of(ModelEntry, row)
