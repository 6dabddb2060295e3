"""The decision point that the settings describe, built whole or not at all: where a part is missing, nothing can be allowed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from intent.audit.encoding import call_record
from intent.audit.event import CallRecord
from intent.audit.fault import Verification
from intent.audit.keys import hmac_key, signer
from intent.audit.store import AuditStore, witness_path
from intent.database import Durability
from intent.decision_point.point import DecisionPoint, Normalizes, Parts
from intent.delegation.keys import KeyRing
from intent.delegation.revocation import Revocations, SqlRevocations
from intent.delegation.token import Delegations
from intent.errors import StoreError
from intent.policy.elsewhere import Elsewhere, connect
from intent.policy.engine import Engine
from intent.policy.policy_set import HotPolicySet
from intent.policy.sensitivity import SensitivityRules
from intent.schema import ToolCall
from intent.settings import Settings
from intent.telemetry import Unwatched, Watch, observed
from intent.views import tool_digest
from intent.vocabulary import Vocabulary

DATABASE, SIGNING_KEY, HMAC_KEY, WITNESS = "audit.db", "audit-signing.pem", "audit-hmac.key", "audit.checkpoints"


@dataclass(frozen=True, slots=True)
class Assembly:
    """A decision point, and those of its parts that are read beside it.

    Attributes
    ----------
    store
        The audit; closing it ends the decision point.
    policies
        The policy set in force; None where policy is judged elsewhere.
    public, witness
        What the audit is verified with.
    """

    point: DecisionPoint
    store: AuditStore
    policies: HotPolicySet | None
    public: Ed25519PublicKey
    witness: Path

    def verify(self) -> Verification:
        """Verify the audit whole; takes long for a long one. Raises `AuditError` where the witness cannot be read."""
        from intent.audit.verify import verify_store

        return verify_store(self.store.engine, [self.public], witnesses=[self.witness] if self.witness.exists() else [])


def assemble(settings: Settings, normalizer: Normalizes, watch: Watch | None = None) -> Assembly:
    """Build the decision point.

    Parameters
    ----------
    watch
        Takes note of how long its parts take; None for nobody.

    Raises
    ------
    IntentError
        If any part cannot be built: policies that do not pass their cases, a database or a key that cannot be used.
    """
    watching = watch or Unwatched()
    engine = _engine(settings, normalizer.vocabulary, watching)
    state = state_directory(settings)
    durable = Durability(settings.audit_durable.upper())
    url = database_url(settings)
    # A server's database has no file to stand beside, and a call must be denied before its deadline, not after.
    witness, timeout_s = witness_path(url) or state / WITNESS, settings.deadline_s / 4
    signing = signer(state / SIGNING_KEY)
    store = AuditStore.open(url, signing, witness=witness, durable=durable, timeout_s=timeout_s, witness_bytes=settings.audit_witness_bytes)
    ended = SqlRevocations(store.engine)
    parts = Parts(
        normalizer=normalizer,
        engine=engine,
        journal=store,
        record_call=partial(_recorded, hmac_key(state / HMAC_KEY), settings.audit_raw),
        sensitivity=SensitivityRules.load(settings.sensitivity).of,
        verifier=delegations(settings, lambda: normalizer.vocabulary.ids, ended),
        ended=ended,
        require_delegation=settings.require_delegation,
    )
    policies = engine if isinstance(engine, HotPolicySet) else None
    return Assembly(DecisionPoint(observed(parts, watching)), store, policies, signing.public, witness)


def delegations(settings: Settings, intents: Callable[[], Iterable[str]], ended: Revocations) -> Delegations | None:
    """What issues and verifies tokens; None where no keys are set, and then every token is refused.

    Raises
    ------
    DelegationError
        If the keys cannot be used.
    """
    if settings.delegation_keys is None:
        return None
    return Delegations(
        KeyRing(settings.delegation_keys),
        issuer=settings.delegation_issuer,
        audience=settings.delegation_audience,
        revocations=ended,
        vocabulary_ids=intents,
        max_depth=settings.delegation_max_depth,
    )


def _engine(settings: Settings, vocabulary: Vocabulary, watching: Watch) -> Engine:
    if settings.policy_engine == "local" or settings.policy_url is None:
        engine = HotPolicySet(settings.policies, settings.policy_reload_s, time.monotonic, vocabulary)
        watching.follows(engine)
        return engine
    token = settings.policy_token.get_secret_value() if settings.policy_token else None
    return connect(
        Elsewhere(settings.policy_engine),
        settings.policy_url,
        token=token,
        timeout_s=settings.policy_timeout_s,
        ca_file=settings.policy_ca,
    )


def state_directory(settings: Settings) -> Path:
    """Where keys and records are kept; made, for its owner alone, if it is not there.

    Raises
    ------
    StoreError
        If it cannot be made.
    """
    try:
        found = settings.state or Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "intent"
        found.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"the directory of the state cannot be made: {error.filename}: {error.strerror}") from error
    except RuntimeError as error:
        raise StoreError("there is no home directory to keep the state in; name one by INTENT_STATE") from error
    return found


def _recorded(key: bytes, raw: bool, call: ToolCall) -> CallRecord:
    return call_record(call, key, definition=tool_digest(call.tool) if call.tool else "", raw=raw)


def database_url(settings: Settings) -> str:
    """Where records are kept: as set, or a SQLite file in the state directory."""
    return settings.database.get_secret_value() if settings.database else f"sqlite:///{(state_directory(settings) / DATABASE).resolve()}"
