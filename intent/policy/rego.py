"""Policies in Rego, evaluated in this process by rego-cpp: a verdict that is undefined is an error, never a permit."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from pydantic import JsonValue

from intent.errors import DependencyMissing, EngineError, PolicyError
from intent.policy.answer import read_verdict
from intent.policy.input import PolicyInput
from intent.policy.outcome import Verdict

QUERY = "data.intent.verdict"


class RegoEngine:
    """Modules of Rego that define ``data.intent.verdict``, compiled once.

    Parameters
    ----------
    modules
        Source text by the name that error messages give it.

    Raises
    ------
    PolicyError
        If there is no module, or they do not compile.
    DependencyMissing
        If regopy is not installed.

    Notes
    -----
    An interpreter holds one input at a time, so calls wait for each other. A built-in function that fails is an error here and not an
    undefined rule; a function that does not exist, and a field that is missing, are undefined in Rego and skip their rule: check the input
    in the policy, as the default set does.
    """

    name = "rego"

    def __init__(self, modules: Mapping[str, str]) -> None:
        self.digest = digest_of(modules)
        self._lock = threading.Lock()
        self._library = _library()
        self._interpreter, self._bundle = self._compile(modules)

    def evaluate(self, given: PolicyInput) -> Verdict:
        """Answer one input.

        Raises
        ------
        EngineError
            On an error in a rule, an undefined verdict, and a verdict of another shape.
        """
        return read_verdict(self.query(given.document()))

    def query(self, document: dict[str, JsonValue]) -> object:
        """The value of ``data.intent.verdict`` for an input document.

        Raises
        ------
        EngineError
            If the query fails or is undefined.
        """
        # As text: given as a Python value, a string would end at its first NUL and its backslashes would be read again.
        text = json.dumps(document, ensure_ascii=False, allow_nan=False)
        try:
            with self._lock:
                self._interpreter.set_input_term(text)
                output = self._interpreter.query_bundle(self._bundle)
        except (self._library.RegoError, ValueError) as error:
            raise EngineError(f"rego: the query failed: {type(error).__name__}") from error
        if not output.ok():
            raise EngineError("rego: the query failed")
        values = [value for result in output.results for value in result.expressions]
        if len(values) != 1:
            raise EngineError(f"rego: {QUERY} is undefined")
        return values[0]

    def _compile(self, modules: Mapping[str, str]) -> tuple[Any, Any]:
        if not modules:
            raise PolicyError("rego: there must be at least one module")
        interpreter = self._library.Interpreter()
        interpreter.log_level = self._library.LogLevel.NONE  # else it writes to the standard output
        interpreter.strict_built_in_errors = True
        try:
            for name in sorted(modules):
                interpreter.add_module(name, modules[name])
            bundle = interpreter.build(QUERY)
        except self._library.RegoError as error:
            raise PolicyError(f"rego: the modules do not compile: {' '.join(str(error).split())[:300]}") from error
        if not bundle.ok():
            raise PolicyError("rego: the modules do not compile")
        return interpreter, bundle


def digest_of(modules: Mapping[str, str]) -> str:
    """SHA-256 over names and texts, in the order of the names; in hex.

    >>> digest_of({"a": "b"}) == digest_of({"ab": ""})
    False
    """
    listed = json.dumps(sorted(modules.items()), ensure_ascii=False)
    return hashlib.sha256(listed.encode("utf-8", "surrogatepass")).hexdigest()


def _library() -> Any:
    try:
        return import_module("regopy")
    except ImportError as error:
        raise DependencyMissing("regopy", "rego") from error
