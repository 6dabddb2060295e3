"""Whether a policy set may judge calls in the words of a vocabulary: its cases pass in its name, and it denies a word that no case is about.

Nobody who wrote a policy thought of a word that came later. Such a word is denied by a set whose permits name their words; a set whose
permits do not would let it through, and is told so before it ever judges a call of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from intent.errors import EngineError
from intent.policy.cases import Case
from intent.policy.engine import Engine
from intent.policy.input import example
from intent.schema import Version
from intent.vocabulary import Vocabulary


def unspoken(cases: Sequence[Case], vocabulary: Vocabulary) -> tuple[str, ...]:
    """Words of a vocabulary that no case is about, in its order."""
    spoken = {case.given.judgement.intent for case in cases}
    return tuple(word for word in vocabulary.ids if word not in spoken)


def in_words_of(case: Case, vocabulary: Vocabulary) -> Case:
    """The case in the name of a vocabulary; one that names a vocabulary itself stays as it is."""
    if case.given.vocabulary != example().vocabulary:
        return case
    named = Version(name=vocabulary.name, version=vocabulary.version, digest=vocabulary.digest)
    return replace(case, given=replace(case.given, vocabulary=named))


def permitted_unspoken(engine: Engine, cases: Sequence[Case], vocabulary: Vocabulary) -> Iterator[tuple[str, str]]:
    """Each word that no case is about and that is not denied in all of their circumstances, with what to do about it."""
    for word in unspoken(cases, vocabulary):
        for case in cases:
            if why := _permitted(engine, in_words_of(case, vocabulary), word):
                must = f"must be denied until a case is about it, since it is a word of {vocabulary.name} {vocabulary.version}"
                yield word, f"{must}, and {why} where {case.name!r}: name {word!r} in the policies and in a case"
                break


def _permitted(engine: Engine, case: Case, word: str) -> str:
    judged = replace(case.given.judgement, intent=word)
    try:
        verdict = engine.evaluate(replace(case.given, judgement=judged))
    except EngineError as error:
        return f"the engine gives no answer ({error})"
    return f"{', '.join(verdict.determining)} permits it" if verdict.allowed else ""
