"""``intent delegation``: keys, and tokens that say who acts for whom in one session; issued, handed on, verified and revoked."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from intent.cli.terminal import emit, say
from intent.errors import DelegationError
from intent.vocabulary import Vocabulary, default_path

if TYPE_CHECKING:
    from intent.delegation.token import Delegations

NAME = "delegation"
REFUSED = 3
EXAMPLES = """Examples:

\b
  intent delegation keys init --keys keys.json
  intent delegation issue --keys keys.json --database sqlite:///state.db \\
    --subject ann --actor agent-1 --session s-1 --session-s 3600 \\
    --intent WORD --tool 'github/*' > token
  intent delegation exchange --keys keys.json --database sqlite:///state.db \\
    --actor agent-2 --tool 'github/get_*' token
  intent delegation verify --keys keys.json --database sqlite:///state.db token
  intent delegation revoke --database sqlite:///state.db --session s-1 \\
    --why 'lost laptop' --by ops

\b
Exit codes: 0 done, 3 the token is refused.
"""
_MOST_BYTES = 1 << 16

KeysOption = Annotated[Path, typer.Option("--keys", metavar="FILE", help="Key ring, made by `keys init`.")]
DatabaseOption = Annotated[str, typer.Option("--database", metavar="URL", help="Database that holds the revoked sessions.")]
IssuerOption = Annotated[str, typer.Option("--issuer", help="Who issues the tokens.")]
AudienceOption = Annotated[str, typer.Option("--audience", help="Whom the tokens are meant for.")]
VocabularyOption = Annotated[Path | None, typer.Option("--vocabulary", metavar="FILE", help="Vocabulary; the shipped one if not given.")]
TokenArgument = Annotated[Path, typer.Argument(metavar="FILE", help="File that holds the token; - for standard input.", allow_dash=True)]
ActorOption = Annotated[str, typer.Option("--actor", help="Who may act from now on.")]
LifetimeOption = Annotated[int | None, typer.Option("--lifetime-s", min=1, help="Seconds that it lives; else as long as it may.")]

# A token goes through files and pipes, never through arguments, which every user of the machine can read.
app = typer.Typer(help="Session-bound chains of delegation.", no_args_is_help=True, rich_markup_mode=None, epilog=EXAMPLES)
keys_app = typer.Typer(help="The keys that sign and verify.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(keys_app, name="keys")


@keys_app.command("init")
def init(keys: KeysOption) -> None:
    """Make a key ring with one key, in a file that only its owner can read."""
    from intent.delegation.keys import KeyRing

    emit(f"{KeyRing.create(keys).current[0]}\n".encode())


@keys_app.command("rotate")
def rotate(keys: KeysOption) -> None:
    """Sign with a new key from now on; tokens of the old one stay good until it is retired."""
    from intent.delegation.keys import KeyRing

    emit(f"{KeyRing(keys).rotate()}\n".encode())


@keys_app.command("retire")
def retire(keys: KeysOption, kid: Annotated[str, typer.Argument(help="Identifier of the key.")]) -> None:
    """Refuse all tokens of an older key from now on."""
    from intent.delegation.keys import KeyRing

    KeyRing(keys).retire(kid)
    say(f"retired {kid}")


@keys_app.command("show")
def show(keys: KeysOption) -> None:
    """Print the public keys as a JWK set; the first one signs."""
    from intent.delegation.keys import KeyRing

    _emit_json(KeyRing(keys).jwks())


@app.command("issue")
def issue(
    *,
    keys: KeysOption,
    database: DatabaseOption,
    subject: Annotated[str, typer.Option(help="In whose name everything happens.")],
    actor: ActorOption,
    session: Annotated[str, typer.Option("--session", help="Identifier of the session.")],
    session_s: Annotated[int, typer.Option("--session-s", min=1, help="Seconds from now to the end of the session.")],
    intents: Annotated[list[str], typer.Option("--intent", help="Word that may be used; give it once for each.")],
    tools: Annotated[list[str], typer.Option("--tool", help="Pattern server/tool that may be called; give it once for each.")],
    lifetime_s: LifetimeOption = None,
    claims: Annotated[list[str] | None, typer.Option("--claim", help="What the subject holds; give it once for each.")] = None,
    issuer: IssuerOption = "intent",
    audience: AudienceOption = "intent",
    vocabulary: VocabularyOption = None,
) -> None:
    """Delegate to an actor for a session that begins now, and print the token."""
    from intent.delegation.token import Session

    made = _delegations(keys, database, issuer, audience, vocabulary)
    now = datetime.now(UTC)
    bound = Session(session, now, now + timedelta(seconds=session_s))
    _emit_token(made.issue(subject, actor, bound, intents=intents, tools=tools, lifetime_s=lifetime_s, claims=claims or ()))


@app.command("exchange")
def exchange(
    *,
    keys: KeysOption,
    database: DatabaseOption,
    actor: ActorOption,
    token: TokenArgument = Path("-"),
    intents: Annotated[list[str] | None, typer.Option("--intent", help="Word to hand on; all if none is given.")] = None,
    tools: Annotated[list[str] | None, typer.Option("--tool", help="Pattern to hand on; all if none is given.")] = None,
    lifetime_s: LifetimeOption = None,
    issuer: IssuerOption = "intent",
    audience: AudienceOption = "intent",
    vocabulary: VocabularyOption = None,
) -> None:
    """Hand a delegation on to a further actor, with as much or less, and print the new token."""
    made = _delegations(keys, database, issuer, audience, vocabulary)
    with _refusals():
        _emit_token(made.exchange(_text(token), actor, intents=intents or None, tools=tools or None, lifetime_s=lifetime_s))


@app.command("verify")
def verify(
    *,
    keys: KeysOption,
    database: DatabaseOption,
    token: TokenArgument = Path("-"),
    issuer: IssuerOption = "intent",
    audience: AudienceOption = "intent",
    vocabulary: VocabularyOption = None,
) -> None:
    """Check a token with every link of its chain, and print the chain as JSON."""
    made = _delegations(keys, database, issuer, audience, vocabulary)
    with _refusals():
        _emit_json(asdict(made.verify(_text(token))))


@app.command("revoke")
def revoke(
    database: DatabaseOption,
    session: Annotated[str, typer.Option("--session", help="Identifier of the session.")],
    why: Annotated[str, typer.Option(help="The reason, for the record.")],
    by: Annotated[str, typer.Option(help="Who ends it.")],
) -> None:
    """End a session: every token that is bound to it is refused from now on, everywhere."""
    from intent.database import open_database
    from intent.delegation.revocation import SqlRevocations

    SqlRevocations(open_database(database)).revoke(session, at=datetime.now(UTC), why=why, by=by)
    say(f"revoked {session}")


@contextmanager
def _refusals() -> Generator[None]:
    """A refused token is an answer: its fault as JSON, and exit code 3."""
    try:
        yield
    except DelegationError as error:
        _emit_json({"fault": str(error.fault), "why": str(error)})
        raise typer.Exit(REFUSED) from error


def _delegations(keys: Path, database: str, issuer: str, audience: str, vocabulary: Path | None) -> Delegations:
    from intent.database import open_database
    from intent.delegation.keys import KeyRing
    from intent.delegation.revocation import SqlRevocations
    from intent.delegation.token import Delegations

    return Delegations(
        KeyRing(keys),
        issuer=issuer,
        audience=audience,
        revocations=SqlRevocations(open_database(database)),
        vocabulary_ids=Vocabulary.load(vocabulary or default_path()).ids,
    )


def _text(path: Path) -> str:
    if path == Path("-"):
        return _first(sys.stdin.buffer)
    with path.open("rb") as file:
        return _first(file)


def _first(file: BinaryIO) -> str:
    return file.read(_MOST_BYTES).decode("utf-8", "replace").strip()


def _emit_token(token: str) -> None:
    emit(f"{token}\n".encode())


def _emit_json(value: object) -> None:
    emit(json.dumps(value, indent=1, ensure_ascii=False, default=datetime.isoformat).encode() + b"\n")
