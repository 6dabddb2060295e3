"""How far one vocabulary is from another: what a model, its certificate and the policies written in its words can be told of a release."""

from __future__ import annotations

from itertools import product

from intent.vocabulary import Vocabulary
from intent.workbench.records import Change


def change_between(old: Vocabulary, new: Vocabulary) -> Change | None:
    """The change by semantic versioning; None where both are the same.

    Major: the first number says so, a word is gone, two words stand otherwise to each other, or an effect or the rest has another word.
    Minor: words were added. Patch: anything else, such as an example.

    >>> from intent.vocabulary import default_path
    >>> words = Vocabulary.load(default_path())
    >>> change_between(words, words) is None
    True
    """
    if old.digest == new.digest:
        return None
    if _major_number(old) != _major_number(new) or set(old.labels) - set(new.labels) or old.rest.id != new.rest.id:
        return Change.MAJOR
    if dict(old.effects) != dict(new.effects) or _reordered(old, new):
        return Change.MAJOR
    return Change.MINOR if set(new.labels) - set(old.labels) else Change.PATCH


def _reordered(old: Vocabulary, new: Vocabulary) -> bool:
    return any(old.at_most(a, b) != new.at_most(a, b) for a, b in product(old.ids, repeat=2)) or not set(old.top) <= set(new.top)


def _major_number(vocabulary: Vocabulary) -> str:
    return vocabulary.version.split(".")[0]
