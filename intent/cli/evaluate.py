"""``intent evaluate``: how good a model is on labelled rows, beside the rules that it has to beat."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from intent.cli.terminal import BundleOption, CacheOption, progress, show

NAME = "evaluate"
EXAMPLES = """Examples:

\b
  intent evaluate /srv/corpus
  intent evaluate /srv/corpus/tools.jsonl --json figures.json
  intent evaluate /srv/corpus --bundle models/mine --cache .embeddings.sqlite
"""


def run(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="Labelled rows, a .jsonl file or a directory of them.")],
    json_path: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Where the figures go, as JSON.")] = None,
    bundle: BundleOption = None,
    cache: CacheOption = None,
) -> None:
    """Measure a model on the held rows of a corpus.

    Only rows marked "held" are judged, and rows that a model picked never are. The rules that the model has to beat stand beside it, and
    each share is printed with its 95% interval.
    """
    from intent.evaluation.run import evaluate_corpus
    from intent.evaluation.table import tables
    from intent.normalizer import Normalizer

    normalizer = Normalizer.load(bundle, cache=cache)
    with progress("judging") as tick:
        report = evaluate_corpus(
            normalizer.normalize, corpus, normalizer.vocabulary, progress=lambda done, total: tick(done, total, "judging")
        )
    if json_path:
        json_path.write_text(json.dumps({"model": normalizer.card, **report.to_dict()}, indent=1) + "\n", "utf-8")
    show(*tables(report))
