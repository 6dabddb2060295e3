"""``intent train``: labelled rows in, a model bundle out."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from intent.cli.terminal import CacheOption, Tick, emit, is_watched, progress, say
from intent.corpus import OWN_DATA
from intent.vocabulary import default_path

if TYPE_CHECKING:
    from intent.training.train import Run

NAME = "train"
SHARED_CORPUS = Path("../shared/corpus")
_TICK_S = 1.0
EXAMPLES = """Examples:

\b
  intent train --output models/mine
  intent train --corpus data --corpus /srv/corpus --cache .embeddings.sqlite
  intent train --encoder models/default --cache .embeddings.sqlite --output models/mine
  intent train --finetune --checkpoint .finetune.pt --seed 1
"""


def run(  # noqa: PLR0917 - each option of the command is a parameter
    corpus: Annotated[
        list[Path] | None, typer.Option("--corpus", metavar="PATH", help="Labelled rows, a file or a directory; repeat for more.")
    ] = None,
    output: Annotated[Path, typer.Option(metavar="DIRECTORY", help="Where the bundle goes.")] = Path("models/default"),
    vocabulary: Annotated[Path | None, typer.Option(metavar="FILE", help="Vocabulary; the shipped one if not given.")] = None,
    left_out: Annotated[
        Path | None, typer.Option("--left-out", metavar="FILE", help="Rows not to use, as `intent vocabulary touched` prints them.")
    ] = None,
    fine_tune: Annotated[bool, typer.Option("--finetune", help="Train the encoder too, which takes most of an hour on two cores.")] = False,
    checkpoint: Annotated[Path | None, typer.Option(metavar="FILE", help="Where a stopped --finetune is taken up again.")] = None,
    runs: Annotated[int, typer.Option(min=1, max=8, help="Runs of --finetune whose weights are averaged; each takes as long as one.")] = 1,
    encoder: Annotated[
        Path | None,
        typer.Option(metavar="DIRECTORY", help="Keep the encoder of this model and fit the heads anew: a minute, and no torch."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the split and of fine-tuning; that of --encoder, else the one set, if not given.")
    ] = None,
    ledger: Annotated[Path | None, typer.Option(metavar="FILE", help="What earlier certificates spent on these rows; kept up.")] = None,
    spend: Annotated[
        float | None, typer.Option(min=0, max=1, help="How much of delta = 5% this certificate uses; all if not given.")
    ] = None,
    certify: Annotated[
        bool, typer.Option("--certify/--no-certificate", help="Without a certificate the model denies everything: for comparisons.")
    ] = True,
    cache: CacheOption = None,
    progress_json: Annotated[
        bool, typer.Option("--progress-json", help="Print progress as JSON for machines, one object a line, and no bar.")
    ] = False,
) -> None:
    """Train a model from labelled rows.

    Rows marked "held" are never read. The bundle replaces the one at --output only when it is complete and verifies. Needs the extra
    "train": pip install 'intent-normalizer[train]'; with --encoder, scikit-learn alone.
    """
    if encoder is not None and (fine_tune or checkpoint is not None):
        raise typer.BadParameter("an encoder is kept or trained: --encoder goes with neither --finetune nor --checkpoint")
    from intent.training.finetune import Schedule
    from intent.training.parent import draw_of
    from intent.training.partition import Shares
    from intent.training.recipe import Recipe
    from intent.training.train import Run, Steps
    from intent.training.train import train as trained

    drawn = draw_of(encoder) if encoder else None
    seed = seed if seed is not None else drawn[0] if drawn else Recipe().seed
    job = Run(
        corpora=tuple(corpus or _corpora()),
        vocabulary=vocabulary or default_path(),
        output=output,
        recipe=Recipe(seed=seed),
        shares=drawn[1] if drawn else Shares(),
        left_out=left_out,
        fine_tune=Schedule(seed=seed, runs=runs) if fine_tune else None,
        encoder=encoder,
        certified=certify,
        ledger=ledger,
        spend=spend,
        cache=cache,
        checkpoint=checkpoint,
    )
    if progress_json:
        _told_to_machines(job)
        return
    with progress("starting") as tick:
        made = trained(job, Steps(_sayer(tick), lambda step, steps, loss: tick(step, steps, _fine_tuning(loss))))
    say(f"{made.version.name} {made.version.version} is in {output}; to read its card: intent model --bundle {output}")


def _told_to_machines(job: Run) -> None:
    """Each stage in a line, and of the steps within one, at most one a second; the last line names the model."""
    from intent.training.train import Steps
    from intent.training.train import train as trained

    told_s = -math.inf

    def tick(step: int, steps: int, loss: float) -> None:
        nonlocal told_s
        if (now_s := time.monotonic()) - told_s >= _TICK_S:
            told_s = now_s
            _tell(message=_fine_tuning(loss), step=step, steps=steps, detail={"loss": loss} if math.isfinite(loss) else {})

    made = trained(job, Steps(lambda text: _tell(message=text), tick))
    _tell(message=f"{made.version.name} {made.version.version} is in {job.output}", finished=True, detail={"digest": made.digest})


def _tell(**fields: object) -> None:
    emit(json.dumps(fields, ensure_ascii=False).encode() + b"\n")


def _fine_tuning(loss: float) -> str:
    return f"fine-tuning, loss {loss:.3f}"


def _corpora() -> list[Path]:
    if SHARED_CORPUS.is_dir():
        return [OWN_DATA, SHARED_CORPUS]
    say(f"training on {OWN_DATA}/ alone: no catalogue of real servers is at hand; name one with --corpus")
    return [OWN_DATA]


def _sayer(tick: Tick) -> Callable[[str], None]:
    """A stage is named beside the bar, and in a log, where there is no bar, in a line of its own."""
    return (lambda text: tick(0, 0, text)) if is_watched() else say
