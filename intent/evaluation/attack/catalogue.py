"""All families by name, and families made of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from intent.evaluation.attack import characters, encodings, languages, structure, wording
from intent.evaluation.attack.base import Family, Part
from intent.schema import ToolCall
from intent.vocabulary import Vocabulary, default_path

_CHAINS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "disguise",
        "harmless name, claims, hints, parameters and dilution at once",
        ("renamed", "claims_description", "false_annotations", "diluted_schema", "dilution"),
    ),
    ("quiet_name", "nothing but a name, in other words", ("stripped", "euphemisms")),
    (
        "quiet_translation",
        "another language, with claims and false hints",
        ("translated_renamed", "claims_description", "false_annotations"),
    ),
    (
        "smuggled_encoding",
        "the longest argument in base64 under a harmless key, beside claims",
        ("innocuous_key", "base64_values", "claims_arguments"),
    ),
)


def families(vocabulary: Vocabulary | None = None) -> Mapping[str, Family]:
    """Every family by name, in a fixed order; add to a copy to try others.

    Parameters
    ----------
    vocabulary
        Where poisoned texts take their words from; None takes the shipped one.

    Examples
    --------
    >>> families()["leetspeak"].parts
    (<Part.REQUEST: 'request'>, <Part.TOOL: 'tool'>)
    """
    words = vocabulary or Vocabulary.load(default_path())
    single = (*characters.families(), *encodings.families(), *languages.families(), *wording.families(words), *structure.families())
    known = {family.name: family for family in single}
    chains = (chained(name, description, [known[part] for part in parts]) for name, description, parts in _CHAINS)
    return known | {family.name: family for family in chains}


def chained(name: str, description: str, parts: Sequence[Family]) -> Family:
    """A family that applies others one after another; links that do not apply to a call are left out, but not the first."""

    def transform(call: ToolCall, rng: np.random.Generator) -> ToolCall | None:
        changed = parts[0](call, rng)
        if changed is None:
            return None
        for family in parts[1:]:
            changed = family(changed, rng) or changed
        return changed

    touched = {part for family in parts for part in family.parts}
    return Family(name, description, tuple(part for part in Part if part in touched), transform)
