"""``intent model``: what a model says of itself, which models there are, and which of them serves."""

from __future__ import annotations

import getpass
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.table import Table

from intent.cli.terminal import BundleOption, CacheOption, JsonOption, cell, emit, grid, progress, say, show
from intent.errors import WorkbenchError

if TYPE_CHECKING:
    from intent.registry.promotion import GateReport
    from intent.registry.registry import Registry
    from intent.workbench.records import Actor, ModelEntry

NAME = "model"
HELP = "Verify a model and show its card; list, compare, promote and roll back the models of a registry."
FAILED = 3
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PREFIX = re.compile(r"[0-9a-f]{6,64}")
EXAMPLES = """Examples:

\b
  intent model
  intent model --bundle models/mine
  intent model --json | jq .thresholds
  intent model compare models/mine --golden golden/
  intent model promote models/mine --golden golden/
  intent model roll-back --note "denies half of the calls"

\b
Exit codes: 0 done, 2 the command could not do its work, or a promotion was refused,
3 a check failed.
"""

RegistryOption = Annotated[
    Path | None, typer.Option("--registry", metavar="DIRECTORY", help="Registry; `models` in the directory of the state if not given.")
]
GoldenOption = Annotated[
    list[Path], typer.Option("--golden", metavar="PATH", help="Labelled rows that did not train the model; repeat for more.")
]
ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help="A model directory, or the first letters of a digest in the registry.")]
NoteOption = Annotated[str, typer.Option(metavar="TEXT", help="Why, for the record.")]

app = typer.Typer(help=HELP, epilog=EXAMPLES, invoke_without_command=True, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback(epilog=EXAMPLES)
def default(context: typer.Context, bundle: BundleOption = None, as_json: JsonOption = False) -> None:
    """Verify a model and show its card, where no command is named.

    Every file of the directory must have the digest that the manifest states. The JSON is what the service answers at /v1/model; the
    table shortens digests.
    """
    if context.invoked_subcommand is None:
        show_card(bundle, as_json)
    elif bundle is not None or as_json:
        raise typer.BadParameter("options must stand behind the command that they are for")


@app.command("show")
def show_card(bundle: BundleOption = None, as_json: JsonOption = False) -> None:
    """Verify a model and show its card."""
    from intent.bundle import load, shipped_path

    card = load(bundle or shipped_path()).card
    if as_json:
        emit(json.dumps(card, indent=1, ensure_ascii=False).encode() + b"\n")
        return
    show(tabulated(card))


@app.command("list")
def list_models(registry: RegistryOption = None, as_json: JsonOption = False) -> None:
    """List the models of the registry, the one that serves marked."""
    opened = _opened(registry)
    serving = opened.shelf.current()
    told = [_about(entry, opened, serving) for entry in opened.models()]
    if as_json:
        emit(json.dumps({"serving": serving, "models": told}, indent=1, ensure_ascii=False).encode() + b"\n")
        return
    table = grid("serves", "digest", "name", "version", "made from", "added", "by", "files")
    for one in told:
        digest, parent = str(one["digest"])[:12], str(one["parent"])[:12]
        row = (
            "yes" if one["serves"] else "",
            digest,
            one["name"],
            one["version"],
            parent,
            one["at"],
            one["by"],
            "kept" if one["kept"] else "gone",
        )
        table.add_row(*(cell(str(value)) for value in row))
    show(table)
    if not any(one["serves"] for one in told):
        say(f"model {serving[:12]} serves, which ships with the package")


@app.command("compare")
def compare(
    model: ModelArgument, golden: GoldenOption, registry: RegistryOption = None, as_json: JsonOption = False, cache: CacheOption = None
) -> None:
    """Ask the gate of a promotion what it says of a model, beside the one that serves; nothing is changed."""
    opened = _opened(registry)
    report = _judged(opened, _directory(opened, model), golden, cache)
    _show_report(report, as_json=as_json)
    raise typer.Exit(0 if report.passed else FAILED)


@app.command("promote")
def promote(
    model: ModelArgument,
    golden: GoldenOption,
    registry: RegistryOption = None,
    note: NoteOption = "",
    uncertified: Annotated[
        str,
        typer.Option(
            "--dangerously-without-certificate", metavar="WHY", help="Do without a certificate, and say why; kept with your name."
        ),
    ] = "",
    as_json: JsonOption = False,
    cache: CacheOption = None,
) -> None:
    """Let a model serve, if it passes the gate.

    There is no way around the gate but for the certificate: a model without one forwards nothing, unless the service runs with
    INTENT_DANGEROUSLY_FORWARD_UNCERTIFIED.
    """
    opened, actor = _opened(registry), _actor()
    digest = _added(opened, model, actor)
    report = _judged(opened, opened.verify(digest), golden, cache)
    _show_report(report, as_json=as_json)
    opened.promote(digest, actor, report, note, uncertified=uncertified)
    if uncertified and not report.passed:
        say("WITHOUT A CERTIFICATE: it forwards nothing unless the service runs with INTENT_DANGEROUSLY_FORWARD_UNCERTIFIED")
    say(f"model {digest[:12]} serves; to go back: intent model roll-back")


@app.command("roll-back")
def roll_back(registry: RegistryOption = None, note: NoteOption = "") -> None:
    """Let the model serve again that served before."""
    done = _opened(registry).roll_back(_actor(), note)
    say(f"model {done.digest[:12]} serves again, after {done.previous[:12]}")


@app.command("verify")
def verify(
    model: Annotated[
        str | None, typer.Argument(metavar="DIGEST", help="The first letters of its digest; every model if not given.")
    ] = None,
    registry: RegistryOption = None,
) -> None:
    """Check the signature and every file of a model in the registry."""
    from intent.errors import BundleError

    opened = _opened(registry)
    wanted = [_digest(opened, model)] if model else [entry.digest for entry in opened.models() if opened.shelf.holds(entry.digest)]
    faults = 0
    for digest in wanted:
        try:
            opened.verify(digest)
        except BundleError as error:
            faults += 1
            say(f"{digest[:12]}: {error}")
    say(f"{len(wanted) - faults} of {len(wanted)} models verify")
    raise typer.Exit(FAILED if faults else 0)


def tabulated(card: Mapping[str, object]) -> Table:
    """A row for each fact of the card, under its dotted name."""
    table = grid("fact", "value", title="verified: every file has the digest that the manifest states")
    for name, value in _facts(card):
        table.add_row(cell(name), cell(value))
    return table


def _opened(directory: Path | None) -> Registry:
    """The registry of the settings: whoever may read its key and its database may change it."""
    from intent.assembly import database_url, state_directory
    from intent.registry.opening import open_registry
    from intent.settings import Settings

    settings = Settings()
    state = state_directory(settings)
    return open_registry(directory or state / "models", state, database_url(settings))


def _actor() -> Actor:
    from intent.workbench.records import Actor, Role

    return Actor(name=getpass.getuser(), role=Role.ADMIN)


def _added(opened: Registry, model: str, actor: Actor) -> str:
    directory = Path(model)
    return opened.add(directory, actor).digest if directory.is_dir() else _digest(opened, model)


def _directory(opened: Registry, model: str) -> Path:
    return Path(model) if Path(model).is_dir() else opened.verify(_digest(opened, model))


def _digest(opened: Registry, prefix: str) -> str:
    found = {entry.digest for entry in opened.models() if entry.digest.startswith(prefix)} if _PREFIX.fullmatch(prefix) else set[str]()
    if len(found) != 1:
        raise WorkbenchError(f"a model must be a directory or the first letters of one digest of the registry, got {prefix[:80]!r}")
    return found.pop()


def _judged(opened: Registry, candidate: Path, golden: list[Path], cache: Path | None) -> GateReport:
    from intent.bundle import load
    from intent.policy.policy_set import PolicySet
    from intent.registry.promotion import Golden, judge
    from intent.settings import Settings

    settings = Settings()
    policies = PolicySet.load(settings.policies) if settings.policy_engine == "local" else None
    incumbent = opened.shelf.load(opened.shelf.current(), cache=cache)
    with progress("both models answer") as tick:
        return judge(
            load(candidate, cache=cache),
            incumbent,
            Golden.read(golden),
            revocation=settings.revocation,
            admits=policies and policies.checked_engine,
            progress=lambda done, total: tick(done, total, "both models answer"),
        )


def _show_report(report: GateReport, *, as_json: bool) -> None:
    if as_json:
        emit(json.dumps(report.to_dict(), indent=1, ensure_ascii=False).encode() + b"\n")
        return
    table = grid("check", "passed", "figure", "bound", "why", title=f"model {report.candidate[:12]} beside {report.incumbent[:12]}")
    for check in report.checks:
        figures = ("" if value is None else f"{value:.4g}" for value in (check.figure, check.bound))
        table.add_row(
            cell(check.name), cell("yes" if check.passed else "no", "" if check.passed else "bold"), *map(cell, figures), cell(check.why)
        )
    show(table)


def _about(entry: ModelEntry, opened: Registry, serving: str) -> dict[str, object]:
    return {**entry.model_dump(mode="json"), "serves": entry.digest == serving, "kept": opened.shelf.holds(entry.digest)}


def _facts(card: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in card.items():
        if isinstance(value, Mapping):
            parts = cast("Mapping[str, object]", value)
            yield from ((f"{name}.{key}", _in_a_line(part)) for key, part in parts.items())
        else:
            yield name, _in_a_line(value)


def _in_a_line(value: object) -> str:
    if isinstance(value, Mapping):
        parts = cast("Mapping[str, object]", value)
        return "; ".join(f"{key} {_in_a_line(part)}" for key, part in parts.items())
    if isinstance(value, list):
        return ", ".join(map(_in_a_line, cast("list[object]", value)))
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str):
        return f"{value[:12]}…" if _DIGEST.fullmatch(value) else value
    return json.dumps(value)
