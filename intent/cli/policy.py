"""``intent policy``: what a policy set says, whether it passes its own cases, and what a policy is given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from intent.cli.terminal import JsonOption, cell, emit, grid, say, show
from intent.visible import marked

if TYPE_CHECKING:
    from intent.policy.policy_set import Failure, PolicySet

NAME = "policy"
FAILED = 3
EXAMPLES = """Examples:

\b
  intent policy show                    the policies that ship with the package
  intent policy test policies/          check a set of your own before it is used
  intent policy input --intent write    what a policy is given, for a first case

\b
Exit codes: 0 every case passes, 3 one does not.
"""

PathArgument = Annotated[Path | None, typer.Argument(metavar="DIRECTORY", help="Policies, schema and cases; the shipped set if not given.")]

app = typer.Typer(
    help="Show and test the policies that a decision is judged by.", epilog=EXAMPLES, no_args_is_help=True, rich_markup_mode=None
)


@app.command("test")
def check(
    path: PathArgument = None,
    vocabulary: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Words that calls will come in; one that no case is about must be denied.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Validate a policy set and run its cases."""
    from intent.policy.policy_set import PolicySet
    from intent.vocabulary import Vocabulary

    found = PolicySet.load(path)
    failures = found.check(vocabulary=Vocabulary.load(vocabulary) if vocabulary else None)
    if as_json:
        emit(_line({**_about(found), "failures": [{"case": failure.case, "why": failure.why} for failure in failures]}))
    elif failures:
        show(_failures(failures))
    names = {case.name for case in found.cases}
    passed = len(names - {failure.case for failure in failures})
    count = f"{passed} of {len(found.cases)} cases pass" if found.cases else "no case"
    if unknown := [failure.case for failure in failures if found.cases and failure.case not in names]:
        count += f"; let through unknown: {', '.join(unknown)}"
    say(f"policy set {found.digest[:12]}: {count}")
    raise typer.Exit(FAILED if failures else 0)


@app.command("show")
def show_policies(path: PathArgument = None, as_json: JsonOption = False) -> None:
    """Show the policies as they are written, once they validate."""
    from intent.policy.policy_set import PolicySet

    found = PolicySet.load(path)
    engine = found.engine()
    texts = found.texts(found.languages[0])
    if as_json:
        emit(_line({**_about(found), "engine": engine.name, "policies": texts}))
        return
    lines = "\n".join(texts.values()).splitlines()
    emit("".join(f"{marked(line.expandtabs(2))}\n" for line in lines).encode("utf-8", "replace"))
    say(f"policy set {found.digest[:12]}: {engine.name}, {len(found.cases)} cases")


@app.command("input")
def example_input(
    intent: Annotated[str, typer.Option("--intent", metavar="WORD", help="The word that the call was given.")] = "search",
) -> None:
    """Print an example of the document that policies are given; `docs/policy.md` explains each field."""
    from intent.policy.input import example

    emit(_line(example(intent).document()))


def _about(found: PolicySet) -> dict[str, object]:
    return {"digest": found.digest, "files": sorted(found.files), "cases": len(found.cases)}


def _failures(failures: list[Failure]) -> Table:
    table = grid("case", "why it fails")
    for failure in failures:
        table.add_row(cell(failure.case, "bold"), cell(failure.why))
    return table


def _line(document: object) -> bytes:
    return json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"
