"""Which labelled rows a changed vocabulary touches, over the corpora of the service and the settled labels of the workbench."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from intent.corpus import Row, corpus_files, read_rows
from intent.embedding.base import Encoder, Floats
from intent.registry.background import Background, Task, Tick
from intent.registry.files import write_atomically
from intent.registry.orders import Supplies, labelled, left_out_file
from intent.registry.registry import Registry
from intent.workbench.relabelling import Touched, Why, embedded, touched_rows
from intent.workbench.release import Proposal
from intent.workbench.store import WorkbenchStore

_STEP = 64


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a change reaches into the rows.

    Attributes
    ----------
    by_why
        Reason and older label to rows.
    redefined
        Label whose definition has other words to the rows that bear it: none of them moved by itself, and each may.
    """

    rows: int
    touched: tuple[Touched, ...]
    by_why: Mapping[tuple[str, str], int]
    redefined: Mapping[str, int]


def begin(background: Background, by: str, proposal: Proposal, registry: Registry, store: WorkbenchStore, supplies: Supplies) -> str:
    """Begin to look, with the encoder of the model that serves; the name by which `task` finds it again.

    The rows whose label was carved up or is gone are written down for runs of these words: nobody knows what they are until somebody looks.
    """
    origins = sorted((split.label, split.into) for split in proposal.difference.split)
    name = hashlib.sha256(f"{proposal.base.digest}\n{proposal.vocabulary.digest}\n{origins}".encode()).hexdigest()[:32]

    def work(tick: Tick) -> Reach:
        encoder = registry.shelf.load(registry.shelf.current(), cache=supplies.cache).encoder
        found = reach(proposal, labelled(store, proposal.base, supplies), encoder, tick)
        unsure = [json.dumps(asdict(one)) + "\n" for one in found.touched if one.why is not Why.NEAR]
        supplies.directory.mkdir(parents=True, exist_ok=True)
        write_atomically(left_out_file(supplies, proposal.vocabulary), "".join(unsure).encode())
        return found

    background.start(f"reach {name}", by, work)
    return name


def task(background: Background, name: str) -> Task | None:
    """What `begin` began; None where there is none of this name in this process."""
    return background.find(f"reach {name}")


def reach(proposal: Proposal, sources: Sequence[Path], encoder: Encoder, tick: Tick = lambda _done, _total: None) -> Reach:
    """Look through labelled rows; those marked ``held`` are never read.

    Nearness to a new intent is nearness to its examples in the vocabulary's own text.

    Raises
    ------
    CorpusError
        If a row cannot be read.
    """
    files = [file for source in sources for file in corpus_files(source)]
    rows = [row for file in files for row in read_rows(file) if row.split != "held" and row.label.intent is not None]
    labels = Counter(row.label.intent or "" for row in rows)
    examples = _examples(proposal, encoder)
    # Without examples of anything new, nothing is asked of how near a row is.
    embeddings = _embedded(rows, encoder, tick) if rows and examples else np.zeros((len(rows), encoder.dimensions), np.float32)
    found = touched_rows(proposal.difference, rows, embeddings, examples)
    return Reach(
        rows=len(rows),
        touched=tuple(found),
        by_why=dict(sorted(Counter((str(one.why), one.label) for one in found).items())),
        redefined={word: labels[word] for word in proposal.difference.redefined},
    )


def _examples(proposal: Proposal, encoder: Encoder) -> dict[str, Floats]:
    fresh = [intent for intent in proposal.vocabulary.intents if intent.id not in proposal.base.labels]
    renamed = {new for _, new in proposal.difference.renamed}
    texts = {intent.id: [(encoder.split(text) or [""])[0] for text in intent.examples] for intent in fresh if intent.id not in renamed}
    return {word: encoder.encode(own) for word, own in texts.items() if own}


def _embedded(rows: Sequence[Row], encoder: Encoder, tick: Tick) -> Floats:
    parts: list[Floats] = []
    for start in range(0, len(rows), _STEP):
        parts.append(embedded(rows[start : start + _STEP], encoder))
        tick(min(start + _STEP, len(rows)), len(rows))
    return np.concatenate(parts)
