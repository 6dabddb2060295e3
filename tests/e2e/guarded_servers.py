"""A gateway of real parts before real servers, as a process: the normalizer that ships, Cedar, the SQL audit, signed delegations.

Run with a folder that holds ``mcp.json``; everything that is recorded goes into its ``state``.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio

sys.path.insert(0, str(Path(__file__).parents[2]))

from intent.assembly import assemble
from intent.decision_point.point import DecisionPoint
from intent.delegation.keys import KeyRing
from intent.delegation.revocation import MemoryRevocations
from intent.delegation.token import Delegations
from intent.gateway.consent import Consent
from intent.gateway.pins import Pins
from intent.gateway.proxy import GatewayConfig, build
from intent.gateway.session import Sessions
from intent.harvest.spec import read_config
from intent.normalizer import Normalizer
from intent.settings import Settings

ISSUER, AUDIENCE = "https://intent.example", "gateway"


def delegations(folder: Path, normalizer: Normalizer) -> Delegations:
    path = folder / "keys.json"
    return Delegations(
        KeyRing(path) if path.exists() else KeyRing.create(path),
        issuer=ISSUER,
        audience=AUDIENCE,
        revocations=MemoryRevocations(),
        vocabulary_ids=normalizer.vocabulary.ids,
    )


def decision_point(folder: Path) -> DecisionPoint:
    normalizer = Normalizer.load()
    rules = folder / "sensitivity.toml"
    settings = Settings(state=folder / "state", sensitivity=rules if rules.exists() else None)
    made = assemble(settings, normalizer).point
    return DecisionPoint(replace(made.parts, verifier=delegations(folder, normalizer)))


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("folder", type=Path)
    options.add_argument("--port", type=int)
    options.add_argument("--session-s", type=float, default=600.0)
    options.add_argument("--answer-s", type=float, default=20.0)
    given = options.parse_args()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    token = os.environ.pop("INTENT_DELEGATION_TOKEN", None)
    sessions = Sessions(subject=None if token or given.port else "alice", token=token, session_s=given.session_s)
    gateway = build(
        GatewayConfig(
            servers=read_config(given.folder / "mcp.json"),
            decision_point=decision_point(given.folder),
            sessions=sessions,
            pins=Pins(given.folder / "pins.json"),
            consent=Consent(timeout_s=given.answer_s),
        )
    )
    if given.port:
        anyio.run(partial(gateway.run_http_async, show_banner=False, host="127.0.0.1", port=given.port, host_origin_protection=True))
    else:
        anyio.run(partial(gateway.run_stdio_async, show_banner=False))


if __name__ == "__main__":
    main()
