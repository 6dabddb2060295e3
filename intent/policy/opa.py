"""Open Policy Agent over its REST API: an answer without a result is undefined, and so an error."""

from __future__ import annotations

import hashlib
import json
from typing import cast

from pydantic import JsonValue

from intent.errors import EngineError
from intent.policy.answer import read_verdict
from intent.policy.input import PolicyInput
from intent.policy.outcome import Verdict
from intent.policy.remote import RemoteEngine

PATH = "/v1/data/intent/verdict"


class OpaEngine(RemoteEngine):
    """An OPA server whose policies define ``data.intent.verdict``, as `intent.policy.rego` does.

    Parameters
    ----------
    url
        Address of the server, such as ``http://127.0.0.1:8181``.
    token, timeout_s, ca_file
        As `Remote` takes them.
    """

    name = "opa"

    # Of the bundles that the last answer came from.
    _in_answer: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of the address and of the revisions of the bundles that the last answer came from; of the address where it has none."""
        return self._in_answer or self._remote.digest

    def evaluate(self, given: PolicyInput) -> Verdict:
        """Answer one input.

        Raises
        ------
        EngineError
            As `Remote.post`, and on 200 without ``result``, which is how OPA says that the verdict is undefined.
        """
        document = self._remote.post(f"{PATH}?provenance=true&strict-builtin-errors=true", {"input": given.document()}).document
        if "result" not in document:
            raise EngineError("opa: the verdict is undefined: 200 without a result")
        verdict = read_verdict(document["result"])
        self._in_answer = self._in_force(document.get("provenance"))
        return verdict

    def _in_force(self, provenance: JsonValue) -> str:
        """A digest over the revisions that OPA names: one for each bundle, or one for a bundle of the command line."""
        told = provenance if isinstance(provenance, dict) else {}
        named = {key: told[key] for key in ("bundles", "revision") if told.get(key)}
        if not named:
            return self._remote.digest
        return hashlib.sha256(json.dumps([self._remote.url, cast("JsonValue", named)], sort_keys=True).encode()).hexdigest()
