"""``intent train``: labelled rows in, a model bundle out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from intent.cli.terminal import CacheOption, Tick, is_watched, progress, say
from intent.vocabulary import default_path

NAME = "train"
OWN_DATA = Path("data")
SHARED_CORPUS = Path("../shared/corpus")
EXAMPLES = """Examples:

\b
  intent train --output models/mine
  intent train --corpus data --corpus /srv/corpus --cache .embeddings.sqlite
  intent train --finetune --checkpoint .finetune.pt --seed 1
"""


def run(  # noqa: PLR0917 - each option of the command is a parameter
    corpus: Annotated[
        list[Path] | None, typer.Option("--corpus", metavar="PATH", help="Labelled rows, a file or a directory; repeat for more.")
    ] = None,
    output: Annotated[Path, typer.Option(metavar="DIRECTORY", help="Where the bundle goes.")] = Path("models/default"),
    vocabulary: Annotated[Path | None, typer.Option(metavar="FILE", help="Vocabulary; the shipped one if not given.")] = None,
    fine_tune: Annotated[bool, typer.Option("--finetune", help="Train the encoder too, which takes most of an hour on two cores.")] = False,
    checkpoint: Annotated[Path | None, typer.Option(metavar="FILE", help="Where a stopped --finetune is taken up again.")] = None,
    runs: Annotated[int, typer.Option(min=1, max=8, help="Runs of --finetune whose weights are averaged; each takes as long as one.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the split and of fine-tuning.")] = 2,
    ledger: Annotated[Path | None, typer.Option(metavar="FILE", help="What earlier certificates spent on these rows; kept up.")] = None,
    spend: Annotated[
        float | None, typer.Option(min=0, max=1, help="How much of delta = 5% this certificate uses; all if not given.")
    ] = None,
    cache: CacheOption = None,
) -> None:
    """Train a model from labelled rows.

    Rows marked "held" are never read. The bundle replaces the one at --output only when it is complete and verifies. Needs the extra
    "train": pip install 'intent-normalizer[train]'.
    """
    from intent.training.finetune import Schedule
    from intent.training.fit import Recipe
    from intent.training.train import Run, Steps
    from intent.training.train import train as trained

    job = Run(
        corpora=tuple(corpus or _corpora()),
        vocabulary=vocabulary or default_path(),
        output=output,
        recipe=Recipe(seed=seed),
        fine_tune=Schedule(seed=seed, runs=runs) if fine_tune else None,
        ledger=ledger,
        spend=spend,
        cache=cache,
        checkpoint=checkpoint,
    )
    with progress("starting") as tick:
        made = trained(job, Steps(_sayer(tick), lambda step, steps, loss: tick(step, steps, f"fine-tuning, loss {loss:.3f}")))
    say(f"{made.version.name} {made.version.version} is in {output}; to read its card: intent model --bundle {output}")


def _corpora() -> list[Path]:
    if SHARED_CORPUS.is_dir():
        return [OWN_DATA, SHARED_CORPUS]
    say(f"training on {OWN_DATA}/ alone: no catalogue of real servers is at hand; name one with --corpus")
    return [OWN_DATA]


def _sayer(tick: Tick) -> Callable[[str], None]:
    """A stage is named beside the bar, and in a log, where there is no bar, in a line of its own."""
    return (lambda text: tick(0, 0, text)) if is_watched() else say
