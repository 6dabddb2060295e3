"""Tool definitions as servers listed them, and what people said of them; the latest word on a tool is in force."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from intent.audit.encoding import searchable
from intent.errors import InvalidCall, WorkbenchError
from intent.schema import Tool
from intent.views import tool_digest
from intent.vocabulary import Vocabulary
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

    def review(self, actor: Actor, vocabulary: Vocabulary, *reviews: Review) -> tuple[Review, ...]:
        """Add a person's words on definitions that were listed: all of them or none.

        Nobody lowers alone what a tool was reviewed as: the lower word is kept as proposed, and is in force once another person says the
        same, or names it by its number (``approves``). Any other word takes its place. It is in force at once where another person took
        back the review before.

        Returns
        -------
        tuple
            As they are kept: each says whether it is only proposed.

        Parameters
        ----------
        vocabulary
            The one in force.

        Raises
        ------
        Forbidden
            Below an approver.
        WorkbenchError
            If no such definition was listed, it is another person's word, the vocabulary does not have the word (which a withdrawal only
            repeats), or a person approves what they proposed, or what does not wait any more.
        """
        require(actor, Role.APPROVER)
        added: list[Review] = []
        with self.writes() as connection:
            for review in reviews:
                _refuse_unfit(connection, actor, vocabulary, review)
                added += append(connection, REVIEWS, [_standing(_past(connection, review), review, vocabulary)], _named)
        return tuple(added)

    def reviews(self, server: str | None = None, name: str | None = None) -> tuple[Review, ...]:
        """Every review in order; those of a server or a name alone where it is given."""
        query = select(REVIEWS).order_by(REVIEWS.c.id)
        query = query if server is None else query.where(REVIEWS.c.server == searchable(server))
        query = query if name is None else query.where(REVIEWS.c.name == searchable(name))
        with self.reads() as connection:
            return tuple(record_of(Review, row) for row in connection.execute(query))

    def pins(self) -> tuple[Review, ...]:
        """The review in force of each server and name; those that were withdrawn are left out."""
        last = {(review.server, review.name): review for review in self.reviews() if not review.proposed}
        return tuple(last[named] for named in sorted(last) if not last[named].withdrawn)


def in_force(reviews: Sequence[Review]) -> Review | None:
    """Of the reviews of one tool in their order, the last word that counts, a withdrawal too; None where there is none."""
    return next((one for one in reversed(reviews) if not one.proposed), None)


def waiting(reviews: Sequence[Review]) -> Review | None:
    """Of the reviews of one tool in their order, the lower word that waits for another person; None where none does."""
    return reviews[-1] if reviews and reviews[-1].proposed else None


def _check(definition: Definition, actor: Actor) -> None:
    refuse_other(definition.by, actor)
    try:
        tool = Tool.model_validate(definition.definition)
        digest = tool_digest(tool)
    except (ValueError, InvalidCall) as error:
        raise WorkbenchError(f"a definition must be a tool, got {definition.name[:80]!r}") from error
    if tool.name != definition.name or digest != definition.digest:
        raise WorkbenchError(f"a definition must have the name and the digest of its tool, got {definition.name[:80]!r}")


def _refuse_unfit(connection: Connection, actor: Actor, vocabulary: Vocabulary, review: Review) -> None:
    refuse_other(review.by, actor)
    columns = DEFINITIONS.c
    named = (columns.server == searchable(review.server), columns.name == searchable(review.name), columns.digest == review.digest)
    if latest(connection, DEFINITIONS, *named) is None:
        raise WorkbenchError(f"a review must be of a listed definition, got {review.name[:80]!r} {review.digest[:12]}")
    if review.withdrawn:
        return
    if review.intent not in vocabulary.labels:
        raise WorkbenchError(f"a review must name one of {', '.join(vocabulary.labels)}, got {review.intent[:40]!r}")


def _past(connection: Connection, review: Review) -> list[Review]:
    query = select(REVIEWS).where(REVIEWS.c.server == searchable(review.server), REVIEWS.c.name == searchable(review.name))
    return [record_of(Review, row) for row in connection.execute(query.order_by(REVIEWS.c.id))]


def _standing(past: Sequence[Review], review: Review, vocabulary: Vocabulary) -> Review:
    """A review as it is kept: in force at once, proposed, or in force because it is the second person's."""
    proposal = waiting(past)
    if review.approves and (proposal is None or proposal.id != review.approves or not _is_same(proposal, review)):
        raise WorkbenchError(f"review {review.approves} of {review.name[:80]!r} does not wait any more; look at it again")
    counted = [one for one in past if not one.proposed]
    if review.withdrawn or not _lowers_alone(counted, review, vocabulary):
        return review.model_copy(update={"proposed": False})
    if proposal is None or not _is_same(proposal, review):
        return review.model_copy(update={"proposed": True, "approves": 0})
    if proposal.by == review.by:
        raise WorkbenchError(f"a lower review of {review.name[:80]!r} needs two people: {proposal.by} proposed it, another one approves it")
    return review.model_copy(update={"proposed": False, "approves": proposal.id})


def _is_same(proposal: Review, review: Review) -> bool:
    return (proposal.digest, proposal.intent, proposal.polymorphic) == (review.digest, review.intent, review.polymorphic)


def _lowers_alone(past: Sequence[Review], review: Review, vocabulary: Vocabulary) -> bool:
    """Whether a review is below the last one that was given, and no other person has taken that back; a word that is gone is below nothing."""
    given = next((one for one in reversed(past) if not one.withdrawn), None)
    if given is None:
        return False
    # Where the arguments decide, they may lower the word.
    lower = not vocabulary.at_most(given.intent, review.intent) or (review.polymorphic and not given.polymorphic)
    return lower and not (past[-1].withdrawn and past[-1].by != review.by)


def _named(record: Definition | Review) -> dict[str, str]:
    return {"server": record.server, "name": record.name, "digest": record.digest}
