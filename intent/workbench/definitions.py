"""Tool definitions as servers listed them, and what people said of them; the latest word on a tool is in force."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select

from intent.audit.encoding import searchable
from intent.errors import InvalidCall, WorkbenchError
from intent.schema import Tool
from intent.views import tool_digest
from intent.workbench.base import Base, append, latest, record_of, refuse_other, require
from intent.workbench.records import Actor, Definition, Review, Role
from intent.workbench.tables import DEFINITIONS, REVIEWS


class Definitions(Base):
    """Definitions and reviews of a store."""

    def add_definitions(self, actor: Actor, definitions: Sequence[Definition]) -> tuple[Definition, ...]:
        """Add those that differ from the last one of their server and name, and return them.

        Raises
        ------
        Forbidden
            Below an analyst.
        WorkbenchError
            If one is no tool, has another digest or name than it says, or is another person's.
        """
        require(actor, Role.ANALYST)
        for definition in definitions:
            _check(definition, actor)
        added: list[Definition] = []
        with self.writes() as connection:
            for definition in definitions:
                columns = DEFINITIONS.c
                found = latest(
                    connection, DEFINITIONS, columns.server == searchable(definition.server), columns.name == searchable(definition.name)
                )
                if found is None or found.digest != definition.digest:
                    added += append(connection, DEFINITIONS, [definition], _named)
        return tuple(added)

    def definitions(self, server: str | None = None, name: str | None = None) -> tuple[Definition, ...]:
        """Every definition that was listed, in order; those of a server or a name alone where it is given."""
        query = select(DEFINITIONS).order_by(DEFINITIONS.c.id)
        query = query if server is None else query.where(DEFINITIONS.c.server == searchable(server))
        query = query if name is None else query.where(DEFINITIONS.c.name == searchable(name))
        with self.reads() as connection:
            return tuple(record_of(Definition, row) for row in connection.execute(query))

    def listed(self) -> tuple[Definition, ...]:
        """The last definition of each server and name."""
        last = select(func.max(DEFINITIONS.c.id)).group_by(DEFINITIONS.c.server, DEFINITIONS.c.name)
        query = select(DEFINITIONS).where(DEFINITIONS.c.id.in_(last)).order_by(DEFINITIONS.c.server, DEFINITIONS.c.name)
        with self.reads() as connection:
            return tuple(record_of(Definition, row) for row in connection.execute(query))

    def review(self, actor: Actor, review: Review) -> Review:
        """Add a person's word on a definition that was listed.

        Raises
        ------
        Forbidden
            Below an approver.
        WorkbenchError
            If no such definition was listed, or it is another person's word.
        """
        require(actor, Role.APPROVER)
        refuse_other(review.by, actor)
        columns = DEFINITIONS.c
        named = (columns.server == searchable(review.server), columns.name == searchable(review.name), columns.digest == review.digest)
        with self.writes() as connection:
            if latest(connection, DEFINITIONS, *named) is None:
                raise WorkbenchError(f"a review must be of a listed definition, got {review.name[:80]!r} {review.digest[:12]}")
            return append(connection, REVIEWS, [review], _named)[0]

    def reviews(self, server: str | None = None, name: str | None = None) -> tuple[Review, ...]:
        """Every review in order; those of a server or a name alone where it is given."""
        query = select(REVIEWS).order_by(REVIEWS.c.id)
        query = query if server is None else query.where(REVIEWS.c.server == searchable(server))
        query = query if name is None else query.where(REVIEWS.c.name == searchable(name))
        with self.reads() as connection:
            return tuple(record_of(Review, row) for row in connection.execute(query))

    def pins(self) -> tuple[Review, ...]:
        """The review in force of each server and name; those that were withdrawn are left out."""
        last = select(func.max(REVIEWS.c.id)).group_by(REVIEWS.c.server, REVIEWS.c.name)
        query = select(REVIEWS).where(REVIEWS.c.id.in_(last)).order_by(REVIEWS.c.server, REVIEWS.c.name)
        with self.reads() as connection:
            found = [record_of(Review, row) for row in connection.execute(query)]
        return tuple(review for review in found if not review.withdrawn)


def _check(definition: Definition, actor: Actor) -> None:
    refuse_other(definition.by, actor)
    try:
        tool = Tool.model_validate(definition.definition)
        digest = tool_digest(tool)
    except (ValueError, InvalidCall) as error:
        raise WorkbenchError(f"a definition must be a tool, got {definition.name[:80]!r}") from error
    if tool.name != definition.name or digest != definition.digest:
        raise WorkbenchError(f"a definition must have the name and the digest of its tool, got {definition.name[:80]!r}")


def _named(record: Definition | Review) -> dict[str, str]:
    return {"server": record.server, "name": record.name, "digest": record.digest}
