"""The console that the settings describe, over the state of the service: one database, one directory of models, one of runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI

from intent.api.console import catalogue, decision, health, models, queue, reports, suspicious, train, vocabulary
from intent.api.console.laboratory import AuditParts, Laboratory, Places
from intent.api.console.options import ConsoleOptions, OpenIdOptions, utc_now
from intent.api.console.pages import Desk, Neighbour
from intent.api.console.workbench import workbench
from intent.assembly import SIGNING_KEY as AUDIT_KEY
from intent.assembly import database_url, state_directory
from intent.audit.keys import hmac_key, private_key
from intent.corpus import OWN_DATA
from intent.database import Durability, open_database
from intent.harvest import Answer, ServerSpec
from intent.registry.jobs import Jobs
from intent.registry.opening import SIGNING_KEY
from intent.registry.registry import Registry
from intent.registry.replays import Recorded
from intent.registry.reviewing import Placing, following_of
from intent.registry.signature import ModelSigner
from intent.vocabulary import Vocabulary
from intent.workbench.arrivals import reorder
from intent.workbench.editing import in_force
from intent.workbench.intake import INTAKE
from intent.workbench.local_accounts import LocalAccounts
from intent.workbench.neighbours import Snapshots
from intent.workbench.reading import STORED, restored
from intent.workbench.records import Actor, Item, Role
from intent.workbench.server_import import Imports, ask
from intent.workbench.store import WorkbenchStore

if TYPE_CHECKING:
    from intent.api.service import Service
    from intent.assembly import Assembly
    from intent.settings import Settings

KEY, MODELS, RUNS, CACHE = "console.key", "models", "runs", "embeddings.sqlite"


@dataclass(frozen=True, slots=True)
class Mounted:
    """A console to serve, with what it stands on."""

    app: FastAPI
    store: WorkbenchStore
    jobs: Jobs

    def close(self) -> None:
        """Let go of the database; runs go on, and are taken up by the next service."""
        self.store.engine.dispose()


def mounted(settings: Settings, service: Service, assembly: Assembly | None = None) -> Mounted:
    """Build the console, and take up the training runs that an earlier service left under way.

    Parameters
    ----------
    assembly
        Of the decision point; None where there is none, and then pages tell that no audit is kept.

    Raises
    ------
    IntentError
        If a key or the database cannot be used.
    OSError
        If the state cannot be written.
    """
    options = options_of(settings, hmac_key(state_directory(settings) / KEY))
    # What people say is worth the wait for the disk.
    store = WorkbenchStore(open_database(database_url(settings), durable=Durability.FULL))
    try:
        registry = _registry(settings, store)
        jobs = Jobs(state_directory(settings) / RUNS, store, finished=lambda actor, run, path: _add(registry, actor, run, path))
        routers = (queue, suspicious, decision, catalogue, vocabulary, train, models, reports, health)
        app = workbench(options, LocalAccounts(store), *(one.routes for one in routers), service=service)
        app.state.desk = _desk(store, service, assembly)
        app.state.laboratory = _laboratory(settings, store, registry, jobs, service, assembly)
        jobs.resume()
    except BaseException:
        store.engine.dispose()
        raise
    return Mounted(app, store, jobs)


def options_of(settings: Settings, secret: bytes) -> ConsoleOptions:
    """What the settings say of the console."""
    return ConsoleOptions(
        secret=secret,
        secure=settings.console_secure,
        public_url=settings.public_url,
        idle_s=settings.console_idle_s,
        absolute_s=settings.console_absolute_s,
        max_sessions=settings.console_max_sessions,
        openid=_openid(settings),
        max_form_bytes=settings.max_body_bytes,
        body_timeout_s=settings.body_timeout_s,
    )


def _openid(settings: Settings) -> OpenIdOptions | None:
    if settings.oidc_issuer is None or settings.oidc_client_id is None:
        return None
    secret = settings.oidc_client_secret
    return OpenIdOptions(
        settings.oidc_issuer,
        settings.oidc_client_id,
        roles_of(settings.oidc_roles or ""),
        client_secret=secret.get_secret_value() if secret else "",
        claim=settings.oidc_claim,
    )


def roles_of(text: str) -> dict[str, Role]:
    """What ``INTENT_OIDC_ROLES`` says; of a value that is named twice, the last role.

    >>> roles_of("staff=viewer, cn=leads=approver")
    {'staff': <Role.VIEWER: 'viewer'>, 'cn=leads': <Role.APPROVER: 'approver'>}
    """
    pairs = (pair.rpartition("=") for pair in text.split(",") if pair)
    return {value.strip(): Role(role.strip()) for value, _, role in pairs}


class Nearby:
    """The settled labels nearest to an item, among those that the same model embedded."""

    def __init__(self, store: WorkbenchStore, words: Callable[[], Vocabulary]) -> None:
        self._store, self._words = store, words
        self._snapshots = Snapshots(store)

    def __call__(self, item: Item, limit: int) -> Sequence[Neighbour]:
        """See `intent.api.console.pages.Neighbours`."""
        state, words = self._store.state(item.id), self._words()
        if state is None or not state.embedding:
            return ()
        dimensions = len(state.embedding) // STORED.itemsize
        near = self._snapshots.of(words, state.model, dimensions).nearest(
            restored([state.embedding], dimensions)[0], limit, without=item.id
        )
        found = ((self._store.item(one.item), one.similarity) for one in near)
        return [Neighbour(other, self._store.verdict(other.id, words), similarity) for other, similarity in found if other is not None]


def _desk(store: WorkbenchStore, service: Service, assembly: Assembly | None) -> Desk:
    placing = Placing(store, service.normalizer)
    if following := following_of(service.normalizer):
        # What was unsure to the model before need not be so to this one, and the queue begins with what is.
        following.then(lambda: placing.renew(INTAKE))

    def words() -> Vocabulary:
        return in_force(store, service.normalizer.vocabulary)

    def asked(specs: Sequence[ServerSpec], told: Callable[[Answer], None]) -> object:
        # Before the import is said to have ended: whoever looks at the queue then finds its tools in their places.
        return ask(specs, told), placing.place_all(INTAKE), reorder(store, INTAKE)

    return Desk(
        store=store,
        vocabulary=words,
        explain=service.normalizer.explain,
        card=lambda: service.normalizer.card,
        imports=Imports(store, ask=asked),
        now=utc_now,
        audit=assembly.store.engine if assembly else None,
        neighbours=Nearby(store, words),
    )


def _laboratory(
    settings: Settings, store: WorkbenchStore, registry: Registry, jobs: Jobs, service: Service, assembly: Assembly | None
) -> Laboratory:
    audit = AuditParts()
    if assembly:
        audit = AuditParts(assembly.store.engine, assembly.store.head, assembly.verify, assembly.policies, _recorded(settings, assembly))
    policies = assembly.policies if assembly else None
    return Laboratory.open(
        store,
        registry,
        jobs,
        _places(settings),
        service.normalizer.vocabulary,
        audit=audit,
        admits=policies.check_words if policies else None,
        answering=service.normalizer,
    )


def _recorded(settings: Settings, assembly: Assembly) -> Recorded | None:
    # Policies that are judged elsewhere cannot be asked what they would have said.
    if assembly.policies is None:
        return None
    key = state_directory(settings) / f"{AUDIT_KEY}.pub"
    return Recorded(
        database_url(settings),
        key,
        assembly.witness if assembly.witness.exists() else None,
        settings.policies,
        settings.catalogue,
        raw=settings.audit_raw,
        uncertified=settings.dangerously_forward_uncertified,
    )


def _places(settings: Settings) -> Places:
    state, rows = state_directory(settings), settings.corpora or OWN_DATA
    return Places(
        state,
        corpora={file.name: file for file in ([rows] if rows.is_file() else sorted(rows.glob("*.jsonl")))},
        golden=(settings.golden,) if settings.golden else (),
        evaluation=settings.evaluation,
        revocation=settings.revocation,
        cache=settings.cache or state / CACHE,
    )


def _registry(settings: Settings, store: WorkbenchStore) -> Registry:
    # As `open_registry`, over the store that is open already.
    state = state_directory(settings)
    return Registry(settings.registry or state / MODELS, store, ModelSigner(private_key(state / SIGNING_KEY)))


def _add(registry: Registry, actor: Actor, run: str, path: Path) -> None:
    registry.add(path, actor, run=run)
