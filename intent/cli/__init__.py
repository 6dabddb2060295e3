"""The command ``intent``: parse, call one library function, render."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from intent import strict_json
from intent.bundle import shipped_path, verify
from intent.errors import IntentError, MalformedJson, TooLarge
from intent.normalizer import Normalizer
from intent.schema import Decision, ReasonCode
from intent.settings import Settings
from intent.vocabulary import Vocabulary, default_path

MAX_LINE_BYTES = 1 << 20
app = typer.Typer(help="Say what a tool call of an agent would do, in one word of a closed vocabulary.", no_args_is_help=True)
errors = Console(stderr=True)

BundleOption = Annotated[Path | None, typer.Option("--bundle", help="Model directory; the shipped one if not given.")]


def lines(stream: IO[bytes], longest: int = MAX_LINE_BYTES) -> Iterator[bytes | None]:
    """Lines of a stream; None in place of one that is longer than ``longest`` bytes, which is read past, not held."""
    while line := stream.readline(longest + 1):
        if len(line) <= longest or line.endswith(b"\n"):
            yield line
            continue
        while (rest := stream.readline(longest)) and not rest.endswith(b"\n"):
            pass
        yield None


def decide(normalizer: Normalizer, line: bytes | None) -> Decision:
    """The decision on one line; a bad line is a deny with its reason."""
    if line is None:
        return normalizer.refuse(ReasonCode.TOO_LARGE, f"a line must be at most {MAX_LINE_BYTES} bytes, got more")
    try:
        return normalizer.normalize_json(strict_json.loads(line, max_bytes=MAX_LINE_BYTES, where="a line"))
    except TooLarge as error:
        return normalizer.refuse(ReasonCode.TOO_LARGE, str(error))
    except MalformedJson as error:
        return normalizer.refuse(ReasonCode.ERROR, str(error))


@app.command()
def normalize(
    source: Annotated[Path | None, typer.Argument(help="JSON Lines of calls; standard input if not given.")] = None,
    bundle: BundleOption = None,
    catalogue: Annotated[Path | None, typer.Option(help="Reviewed tools.")] = None,
    cache: Annotated[Path | None, typer.Option(help="File that keeps embeddings between runs.")] = None,
) -> None:
    """Decide calls: JSON Lines in, JSON Lines out, one line for each, in order. A bad line gives a deny, not a stop."""
    normalizer = Normalizer.load(bundle, catalogue=catalogue, cache=cache)
    stream = source.open("rb") if source else sys.stdin.buffer
    with stream:
        for line in lines(stream):
            sys.stdout.buffer.write(decide(normalizer, line).model_dump_json().encode() + b"\n")
            sys.stdout.buffer.flush()


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port to listen on.")] = None,
    bundle: BundleOption = None,
) -> None:
    """Serve the HTTP API and the console; every other setting is read from INTENT_* variables."""
    from intent.api.server import serve as run

    given = {"host": host, "port": port, "bundle": bundle}
    run(Settings(**{name: value for name, value in given.items() if value is not None}))


@app.command()
def train(
    corpus: Annotated[list[Path] | None, typer.Option("--corpus", help="Labelled rows, a file or a directory; repeat for more.")] = None,
    output: Annotated[Path, typer.Option(help="Where the bundle goes.")] = Path("models/default"),
    vocabulary: Annotated[Path | None, typer.Option(help="Vocabulary file.")] = None,
    fine_tune: Annotated[bool, typer.Option("--finetune", help="Train the encoder too; takes a quarter of an hour on two cores.")] = False,
    cache: Annotated[Path | None, typer.Option(help="File that keeps embeddings between runs.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the split and of fine-tuning.")] = 0,
) -> None:
    """Train a model from labelled rows; rows marked held are never read."""
    from intent.training.finetune import Schedule
    from intent.training.fit import Recipe
    from intent.training.train import Run, Steps
    from intent.training.train import train as run

    shared = Path("../shared/corpus")
    chosen = corpus or [Path("data"), *([shared] if shared.is_dir() else [])]
    if not corpus and not shared.is_dir():
        errors.print("training on data/ alone: no catalogue of real servers is at hand; name one with --corpus")
    with _progress() as bar:
        stage = bar.add_task("starting", total=None)

        def tick(step: int, steps: int, loss: float) -> None:
            bar.update(stage, completed=step, total=steps, description=f"fine-tuning, loss {loss:.3f}")

        job = Run(
            corpora=tuple(chosen),
            vocabulary=vocabulary or default_path(),
            output=output,
            recipe=Recipe(seed=seed),
            fine_tune=Schedule(seed=seed) if fine_tune else None,
            cache=cache,
        )
        manifest = run(job, Steps(lambda text: bar.update(stage, description=text), tick))
    errors.print(f"{manifest.name} {manifest.version}: {manifest.training['calibration']}")


@app.command()
def evaluate(
    corpus: Annotated[Path, typer.Option("--corpus", help="Labelled rows, a file or a directory.")],
    json_path: Annotated[Path | None, typer.Option("--json", help="Where the figures go, as JSON.")] = None,
    bundle: BundleOption = None,
    cache: Annotated[Path | None, typer.Option(help="File that keeps embeddings between runs.")] = None,
) -> None:
    """Measure a model on the held rows of a labelled corpus, with its baselines beside it."""
    import json

    from intent.evaluation.run import evaluate_corpus
    from intent.evaluation.table import tables

    normalizer = Normalizer.load(bundle, cache=cache)
    report = evaluate_corpus(normalizer.normalize, corpus, normalizer.vocabulary)
    if json_path:
        json_path.write_text(json.dumps({"model": normalizer.card, **report.to_dict()}, indent=1) + "\n", "utf-8")
    for table in tables(report):
        Console().print(table)


@app.command()
def vocabulary(path: Annotated[Path | None, typer.Argument(help="Vocabulary file; the shipped one if not given.")] = None) -> None:
    """Show a vocabulary as JSON, with its digest."""
    import json

    words = Vocabulary.load(path or default_path())
    sys.stdout.write(json.dumps({"digest": words.digest, **words.to_dict()}, indent=1, ensure_ascii=False) + "\n")


@app.command()
def model(bundle: BundleOption = None) -> None:
    """Verify a model directory and show its manifest."""
    manifest, digest = verify(bundle or shipped_path())
    errors.print(f"verified, digest {digest}")
    sys.stdout.write(manifest.model_dump_json(indent=1) + "\n")


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=errors)


def main() -> None:
    """Run the command; an error of ours is one line and exit code 2."""
    try:
        app()
    except IntentError as error:
        errors.print(f"{error.code}: {error}")
        raise SystemExit(2) from error
