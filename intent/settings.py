"""The one place where the environment is read: a frozen record, every field with a range and a description."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "INTENT_"
_LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))
_ROLES = ("viewer", "analyst", "approver", "admin")


class Settings(BaseSettings):
    """How the service runs; each field is read from ``INTENT_<FIELD>``.

    A variable with the prefix that names no field is refused: a mistyped ``INTENT_API_TOKEN`` would leave the service open.

    Raises
    ------
    pydantic.ValidationError
        On a value out of range, and on an unknown name.

    Examples
    --------
    >>> Settings(port=9000).port
    9000
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True)

    host: str = Field(default="127.0.0.1", min_length=1, max_length=255, description="Address to listen on.")
    port: int = Field(default=8080, ge=1, le=65535, description="TCP port to listen on.")
    public_url: str | None = Field(
        default=None,
        min_length=8,
        max_length=512,
        description="Address that the metadata of the Authorization API name, as clients see it; unset, that of the request.",
    )
    bundle: Path | None = Field(default=None, description="Directory of the model bundle; unset, the one that ships with the package.")
    registry: Path | None = Field(
        default=None, description="Directory of models; what is promoted there serves, at once and without a restart. Unset, the bundle."
    )
    registry_poll_s: float = Field(
        default=2.0, gt=0, le=3600, description="Time between two looks at which model of the registry is promoted, in seconds."
    )
    cache: Path | None = Field(default=None, description="SQLite file that keeps embeddings between runs, and shares them; unset, none.")
    catalogue: Path | None = Field(default=None, description="File of reviewed tools; unset, no tool is pinned.")
    revocation: Path | None = Field(
        default=None, description="File whose presence withdraws the model's certificate, as `intent monitor` writes it; unset, none."
    )
    dangerously_forward_uncertified: bool = Field(
        default=False,
        description="Forward calls although the model's certificate does not hold: no bound on the dangerous error then stands.",
    )
    policies: Path | None = Field(default=None, description="Directory of the policy set; unset, the one that ships with the package.")
    policy_engine: Literal["local", "opa", "authzen", "cerbos"] = Field(
        default="local", description="Who judges: the policy set, in the language of its files, or a policy decision point elsewhere."
    )
    policy_url: str | None = Field(
        default=None, min_length=8, max_length=2048, description="Address of the policy decision point; needed unless it is local."
    )
    policy_token: SecretStr | None = Field(
        default=None, min_length=1, max_length=8192, description="Bearer token for the policy decision point; unset, none is sent."
    )
    policy_ca: Path | None = Field(
        default=None, description="Certificates that the policy decision point is verified by; unset, the usual."
    )
    policy_timeout_s: float = Field(
        default=1.0, gt=0, le=30, description="Longest wait for the policy decision point, in seconds; then the call is denied."
    )
    policy_reload_s: float = Field(
        default=2.0, gt=0, le=3600, description="Least time between two looks for a new version of the policy set, in seconds."
    )
    sensitivity: Path | None = Field(default=None, description="File of the rules of sensitivity; unset, everything is internal.")
    state: Path | None = Field(
        default=None, description="Directory of keys and records; unset, `intent` in `XDG_STATE_HOME`, which is `~/.local/state` if unset."
    )
    database: SecretStr | None = Field(
        default=None, min_length=8, max_length=1024, description="SQLite or PostgreSQL URL of the audit; unset, a SQLite file in the state."
    )
    audit_raw: bool = Field(
        default=False, description="Record requests and arguments as they are, not only their keyed digests and shapes."
    )
    audit_durable: Literal["normal", "full"] = Field(
        default="normal", description="What a record in SQLite outlives: the death of every process, or the loss of power too."
    )
    audit_witness_bytes: int = Field(
        default=1 << 24,
        ge=1 << 16,
        le=1 << 30,
        description="Size from which the witness file of the audit is put aside and followed by another one, in bytes; all are verified.",
    )
    delegation_keys: Path | None = Field(
        default=None, description="File of the keys that delegation tokens are signed with; unset, every token is refused."
    )
    delegation_issuer: str = Field(default="intent", min_length=1, max_length=256, description="Issuer that delegation tokens must name.")
    delegation_audience: str = Field(default="intent", min_length=1, max_length=256, description="Audience that they must name.")
    delegation_max_depth: int = Field(default=8, ge=1, le=16, description="Most actors in a chain of delegation.")
    delegation_session_s: int = Field(
        default=900, ge=1, le=86_400, description="Longest session that a token exchange begins, in seconds; also what it begins unasked."
    )
    oidc_issuer: str | None = Field(
        default=None,
        min_length=8,
        max_length=512,
        description="OpenID provider whose tokens are exchanged and whose people sign in; https, but on the machine itself; unset, none.",
    )
    oidc_audience: str | None = Field(
        default=None, min_length=1, max_length=256, description="Audience that tokens to exchange must name; unset, none are exchanged."
    )
    require_delegation: bool = Field(default=False, description="Deny evaluations that bring no delegation token.")
    review: Literal["none", "denied", "all"] = Field(
        default="none", description="Which calls analysts may see and label; they are kept as they are but for secrets."
    )
    corpora: Path | None = Field(
        default=None, description="Directory of labelled rows that runs ordered in the console train on; unset, `data` where there is one."
    )
    golden: Path | None = Field(
        default=None, description="File of labelled rows that judge a promotion in the console; unset, none can be judged there."
    )
    evaluation: Path | None = Field(
        default=None,
        description="File or directory of labelled rows that the console measures models on; unset, none can be measured there.",
    )
    console_secure: bool = Field(default=False, description="Send the console's cookies over https alone, whatever a request looks like.")
    console_idle_s: int = Field(default=1800, ge=60, le=86_400, description="Seconds after which an unused session of the console ends.")
    console_absolute_s: int = Field(default=28_800, ge=300, le=604_800, description="Seconds after which any session of the console ends.")
    console_max_sessions: int = Field(default=5, ge=1, le=100, description="Sessions of one person in the console at once.")
    oidc_client_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        description="Client that signs people in to the console; unset, accounts are local alone.",
    )
    oidc_client_secret: SecretStr | None = Field(default=None, min_length=1, max_length=1024, description="Its secret; unset, PKCE alone.")
    oidc_roles: str | None = Field(
        default=None, min_length=3, max_length=4096, description="Roles by a value of the claim: `value=role,…`; without one, no way in."
    )
    oidc_claim: str = Field(default="groups", min_length=1, max_length=256, description="Claim of the ID token that gives the role.")
    max_body_bytes: int = Field(default=1 << 20, ge=1024, le=1 << 26, description="Longest request body that is read, in bytes.")
    max_batch: int = Field(default=256, ge=1, le=10_000, description="Most calls in one batch.")
    threads: int = Field(default=1, ge=1, le=64, description="Texts that one call embeds at the same time.")
    max_concurrency: int = Field(default=4, ge=1, le=256, description="Classifications in flight at once; the rest wait for a slot.")
    queue_timeout_s: float = Field(default=1.0, gt=0, le=60, description="Longest wait for a slot, in seconds; then the call is denied.")
    deadline_s: float = Field(default=2.0, gt=0, le=60, description="Longest classification of one call, in seconds; then it is denied.")
    batch_deadline_s: float = Field(
        default=30.0, gt=0, le=600, description="Longest batch, in seconds; calls not reached by then are denied."
    )
    body_timeout_s: float = Field(default=10.0, gt=0, le=120, description="Longest time a client may take to send its body, in seconds.")
    max_connections: int = Field(default=1024, ge=8, le=65_536, description="Open connections; more are answered 503 by the server itself.")
    log_level: Literal["debug", "info", "warning", "error", "critical"] = Field(default="info", description="Least severe level logged.")
    api_token: SecretStr | None = Field(
        default=None,
        min_length=16,
        max_length=512,
        description="When set, /v1/*, /access/* and the page to try calls ask for this bearer token; people sign in to /console/.",
    )

    @field_validator("public_url")
    @classmethod
    def _is_a_base(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if (
            parts.scheme not in ("https", "http")
            or not parts.hostname
            or parts.username
            or "?" in url
            or "#" in url
            or not url.isprintable()
        ):
            raise ValueError("must be an http or https address without user, query and fragment")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _names_who_judges(self) -> Settings:
        if (self.policy_engine == "local") != (self.policy_url is None):
            raise ValueError("INTENT_POLICY_URL must be set where INTENT_POLICY_ENGINE is not local, and only there")
        return self

    @field_validator("oidc_issuer")
    @classmethod
    def _is_secure(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        if not safe or not parts.hostname or parts.username is not None or "?" in url or "#" in url or not url.isprintable():
            raise ValueError("must be an https address without user, query and fragment; http only on the machine itself")
        return url

    @model_validator(mode="after")
    def _names_the_audience_of_the_provider(self) -> Settings:
        if (self.oidc_issuer is None) != (self.oidc_audience is None and self.oidc_client_id is None):
            raise ValueError(
                "INTENT_OIDC_ISSUER must be set with INTENT_OIDC_AUDIENCE, INTENT_OIDC_CLIENT_ID or both, and none of these without it"
            )
        return self

    @model_validator(mode="after")
    def _names_the_roles_of_people(self) -> Settings:
        if (self.oidc_client_id is None) != (self.oidc_roles is None):
            raise ValueError("INTENT_OIDC_CLIENT_ID and INTENT_OIDC_ROLES must be set both or neither")
        pairs = [pair.rpartition("=") for pair in self.oidc_roles.split(",")] if self.oidc_roles else []
        if any(not value.strip() or role.strip() not in _ROLES for value, _, role in pairs):
            raise ValueError(f"INTENT_OIDC_ROLES must be value=role, separated by commas, each role one of {', '.join(_ROLES)}")
        return self

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_variables(cls, data: Any) -> Any:
        known = {f"{PREFIX}{name}".upper() for name in cls.model_fields}
        unknown = sorted(name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known)
        if unknown:
            raise ValueError(f"every {PREFIX}* variable must name a setting, got {', '.join(unknown)}")
        return data
