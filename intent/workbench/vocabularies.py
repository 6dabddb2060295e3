"""Versions of the vocabulary that were drafted or released; each one is the vocabulary that its digest says it is."""

from __future__ import annotations

import tomllib

from sqlalchemy import select

from intent.errors import VocabularyError, WorkbenchError
from intent.vocabulary import Vocabulary
from intent.workbench.base import Base, append, latest, record_of, refuse_other, require
from intent.workbench.records import Actor, Role, VocabularyVersion
from intent.workbench.tables import VOCABULARIES


class Vocabularies(Base):
    """Vocabulary versions of a store."""

    def add_vocabulary(self, actor: Actor, version: VocabularyVersion, *, after: int | None = None) -> VocabularyVersion:
        """Add a draft, or a release.

        Parameters
        ----------
        after
            Number of the last version that the person saw, 0 for none; None where it does not matter.

        Raises
        ------
        Forbidden
            Below an analyst; below an approver for a release.
        WorkbenchError
            If the document is no vocabulary, has another digest or version than it says, its base is not there, the release has a version
            that another release has, it is another person's, or there is a later version than the person saw.
        """
        require(actor, Role.APPROVER if version.released else Role.ANALYST)
        refuse_other(version.by, actor)
        found = parsed(version)
        if (found.digest, found.version) != (version.digest, version.version):
            raise WorkbenchError(f"a vocabulary must have the digest and version of its document, got {version.version[:40]!r}")
        with self.writes() as connection:
            last = latest(connection, VOCABULARIES)
            if after is not None and after != (0 if last is None else last.id):
                raise WorkbenchError("a version must come after the last one that was seen, and another one was kept meanwhile")
            if version.base and latest(connection, VOCABULARIES, VOCABULARIES.c.digest == version.base) is None:
                raise WorkbenchError(f"the base of a vocabulary must be there, got {version.base[:12]!r}")
            released = connection.execute(select(VOCABULARIES).where(VOCABULARIES.c.released == "yes"))
            for other in (record_of(VocabularyVersion, row) for row in released):
                if version.released and other.version == version.version and other.digest != version.digest:
                    raise WorkbenchError(f"a released version must be new, got {version.version}")
            return append(connection, VOCABULARIES, [version], _columns)[0]

    def vocabulary_versions(self, *, released: bool | None = None) -> tuple[VocabularyVersion, ...]:
        """Every version in order; the released ones or the drafts alone where it is said."""
        query = select(VOCABULARIES).order_by(VOCABULARIES.c.id)
        if released is not None:
            query = query.where(VOCABULARIES.c.released == _word(released))
        with self.reads() as connection:
            return tuple(record_of(VocabularyVersion, row) for row in connection.execute(query))

    def vocabulary_version(self, digest: str) -> VocabularyVersion | None:
        """The last version of a digest, or None."""
        with self.reads() as connection:
            row = latest(connection, VOCABULARIES, VOCABULARIES.c.digest == digest)
        return None if row is None else record_of(VocabularyVersion, row)

    def released_vocabulary(self) -> VocabularyVersion | None:
        """The release in force, which is the last one, or None."""
        with self.reads() as connection:
            row = latest(connection, VOCABULARIES, VOCABULARIES.c.released == "yes")
        return None if row is None else record_of(VocabularyVersion, row)


def parsed(version: VocabularyVersion) -> Vocabulary:
    """The vocabulary of a version's document.

    Raises
    ------
    WorkbenchError
        If it is none.
    """
    try:
        return Vocabulary.parse(tomllib.loads(version.document))
    except (VocabularyError, ValueError) as error:
        raise WorkbenchError(f"a vocabulary must be valid: {error}") from error


def _word(released: bool) -> str:
    return "yes" if released else "no"


def _columns(version: VocabularyVersion) -> dict[str, str]:
    return {"digest": version.digest, "released": _word(version.released)}
