"""Copies of tools whose name or text misleads: the name of a tool that reads, or harmless sentences around the one that counts.

A definition is written by whoever offers the tool, so the most consequential thing that any part of it says must count. Names and sentences
are taken from other training rows, so that no list of ours decides what harmless looks like.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from intent.training.examples import AUGMENTED, ToolExample
from intent.vocabulary import Vocabulary

_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_MAX_SENTENCE_WORDS = 40


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Which shares of the tools get a copy.

    Attributes
    ----------
    renamed
        Of the tools of the highest privilege: a copy under the name of a tool that reads.
    diluted
        Of the tools of the highest privilege: a copy with sentences of tools that read before and behind its description.
    diluted_reads
        Of the tools that read: the same, so that dilution by itself tells nothing.
    disguised
        Of the tools of the highest privilege: a copy that is both renamed and diluted.
    """

    renamed: float = 0.15
    diluted: float = 0.20
    diluted_reads: float = 0.10
    disguised: float = 0.10


def augmented(
    tools: Sequence[ToolExample], vocabulary: Vocabulary, shares: Augmentation, rng: np.random.Generator
) -> tuple[ToolExample, ...]:
    """Copies with the labels of their originals, marked by the source `AUGMENTED`; empty where no tool reads."""
    reads = [e for e in tools if _reads(e, vocabulary) and e.description]
    sentences = [s for e in reads for s in _SENTENCE.split(" ".join(e.description.split())) if 3 <= len(s.split()) <= _MAX_SENTENCE_WORDS]
    if not reads or not sentences:
        return ()
    copies: list[ToolExample] = []
    for tool in tools:
        top = tool.intent in vocabulary.top
        if top and tool.description and rng.random() < shares.renamed:
            copies.append(_copy(tool, name=reads[rng.integers(len(reads))].name))
        if rng.random() < (shares.diluted if top else shares.diluted_reads if _reads(tool, vocabulary) else 0.0):
            copies.append(_copy(tool, description=_diluted(tool.description, sentences, rng)))
        if top and tool.description and rng.random() < shares.disguised:
            copies.append(_copy(tool, name=reads[rng.integers(len(reads))].name, description=_diluted(tool.description, sentences, rng)))
    return tuple(copies)


def _copy(tool: ToolExample, *, name: str | None = None, description: str | None = None) -> ToolExample:
    return replace(
        tool, source=AUGMENTED, natural=False, name=name or tool.name, description=tool.description if description is None else description
    )


def _reads(tool: ToolExample, vocabulary: Vocabulary) -> bool:
    """Whether everything that is right about the tool is an intent that something stands above."""
    words = {tool.intent, *tool.also}
    return words <= set(vocabulary.ids) - set(vocabulary.top)


def _diluted(description: str, sentences: Sequence[str], rng: np.random.Generator) -> str:
    before, behind = (int(n) for n in rng.integers(0, 4, size=2))
    picks: list[int] = rng.integers(len(sentences), size=max(before + behind, 1)).tolist()
    chosen = [sentences[k] for k in picks]
    return " ".join([*chosen[:before], description, *chosen[before:]])
