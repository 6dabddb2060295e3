"""A draft becomes a version: its number follows from the change, its text is written anew, and it is kept with what it was made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from intent.errors import VocabularyError
from intent.vocabulary import Vocabulary
from intent.workbench.drafting import Difference, Draft, difference, next_version
from intent.workbench.records import Actor, Change, VocabularyVersion


def written(vocabulary: Vocabulary) -> str:
    """A vocabulary as TOML; reading it gives the same digest."""
    rest = "\n".join(_assigned(vocabulary.rest.model_dump(mode="json")))
    intents = ["\n".join(("[[intents]]", *_assigned(intent.model_dump(mode="json")))) for intent in vocabulary.intents]
    effects = "\n".join(_assigned({str(effect): word for effect, word in vocabulary.effects.items()}))
    head = "\n".join(_assigned({"name": vocabulary.name, "version": vocabulary.version}))
    return "\n\n".join((head, f"[rest]\n{rest}", *intents, f"[effects]\n{effects}")) + "\n"


def _assigned(values: Mapping[str, object]) -> list[str]:
    """``key = value`` a line: a JSON text or list of texts is one of TOML too, but for the character 127."""
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f") for key, value in values.items()]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A draft beside the vocabulary that it was made from.

    Attributes
    ----------
    vocabulary
        The draft with the version that follows; the base itself where nothing differs.
    """

    base: Vocabulary
    vocabulary: Vocabulary
    difference: Difference

    @classmethod
    def of(cls, draft: Draft, base: Vocabulary) -> Proposal:
        """Compare, and give the draft its version, whatever version its text has; raises `VocabularyError` as `difference`."""
        found = difference(base, draft.vocabulary, draft.origins)
        if found.change is None:
            return cls(base, base, found)
        return cls(base, replace(draft.vocabulary, version=next_version(base.version, found.change)), found)

    def record(self, by: str, at: datetime, *, released: bool, note: str = "") -> VocabularyVersion:
        """What the workbench keeps of it.

        Raises
        ------
        VocabularyError
            If nothing differs.
        """
        change = self.difference.change
        if change is None:
            raise VocabularyError(f"a version must differ from the one before it, {self.base.version}, in more than its number")
        return VocabularyVersion(
            id=0,
            version=self.vocabulary.version,
            digest=self.vocabulary.digest,
            document=written(self.vocabulary),
            base=self.base.digest,
            change=change,
            released=released,
            at=at,
            by=by,
            note=note,
        )


class Keeper(Protocol):
    """What keeps versions of a vocabulary; the store of the workbench is one."""

    def vocabulary_version(self, digest: str) -> VocabularyVersion | None:
        """The last version of a digest, or None."""
        ...

    def add_vocabulary(self, actor: Actor, version: VocabularyVersion) -> VocabularyVersion:
        """Add a draft or a release."""
        ...


def release(keeper: Keeper, actor: Actor, proposal: Proposal, at: datetime, note: str = "") -> VocabularyVersion:
    """Add a release to what keeps them, and before it its base where that is not there yet.

    Raises
    ------
    VocabularyError
        If nothing differs.
    Forbidden
        If the role of the actor does not allow a release.
    """
    version, base = proposal.record(actor.name, at, released=True, note=note), proposal.base
    if keeper.vocabulary_version(base.digest) is None:
        first = {"version": base.version, "digest": base.digest, "document": written(base), "base": "", "change": Change.MAJOR}
        keeper.add_vocabulary(actor, version.model_copy(update={**first, "note": "what the first change was made from"}))
    return keeper.add_vocabulary(actor, version)
