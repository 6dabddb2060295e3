"""What commands print with: data on standard output, everything else on standard error, and nothing there that could move a cursor."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from intent.visible import marked

BROKEN_PIPE = 141

BundleOption = Annotated[Path | None, typer.Option("--bundle", metavar="DIRECTORY", help="Model directory; the shipped one if not given.")]
CacheOption = Annotated[Path | None, typer.Option("--cache", metavar="FILE", help="SQLite file that keeps embeddings between runs.")]
UncertifiedOption = Annotated[
    bool,
    typer.Option(
        "--dangerously-forward-uncertified", help="Forward although the certificate does not hold: nothing bounds the error then."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines, not a table.")]

Tick = Callable[[int, int, str], None]


def emit(data: bytes) -> None:
    """Write to standard output at once; leave quietly, as ``SIGPIPE`` would have it, when its reader has gone."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError as error:
        # What is still buffered has nowhere to go, and must not fail a second time on the way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(BROKEN_PIPE) from error


def show(*parts: RenderableType) -> None:
    """Print for people: in colour on a terminal, plain into a file."""
    console = Console()
    with console.capture() as captured:
        console.print(*parts, sep="\n")
    emit("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()).encode("utf-8", "replace"))


def say(text: str) -> None:
    """One line on standard error."""
    sys.stderr.write(marked(text) + "\n")


def grid(*columns: str, title: str | None = None) -> Table:
    """An empty table in the style of every command."""
    table = Table(*columns, title=title, title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False)
    for column in table.columns:
        column.overflow = "fold"
    return table


def cell(text: str, style: str = "") -> Text:
    """A cell that shows exactly ``text``: no markup is read in it, hidden characters are named."""
    return Text(marked(text), style)


def is_watched() -> bool:
    """Whether standard error is a terminal on which a bar can move."""
    return Console(stderr=True).is_interactive


@contextmanager
def progress(description: str, *, wanted: bool = True) -> Generator[Tick]:
    """A bar on standard error where that is a terminal, else nothing; yields what takes (done, total, description)."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = not (wanted and is_watched())
    with Progress(
        *columns, console=Console(stderr=True), disable=hidden, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as bar:
        task = bar.add_task(description, total=None)

        def tick(done: int, total: int, text: str) -> None:
            bar.update(task, completed=done, total=total or None, description=text)

        yield tick
