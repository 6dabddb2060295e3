"""One tree of errors; each class has a stable ``code`` that clients may match on.

::

    IntentError
    ├── InvalidCall          a call that does not fit the contract
    │   ├── MalformedJson    text that is not one strict JSON value
    │   └── TooLarge         input beyond a byte, depth or item cap
    ├── VocabularyError      a vocabulary that contradicts itself
    ├── BundleError          a model directory that must not be used
    │   ├── BundleMissing    no bundle at that path
    │   └── BundleCorrupt    a file is missing, added or differs from its digest
    ├── CertificateError     a certificate that cannot be issued or read
    ├── EncoderError         base weights absent or not the pinned ones
    ├── CatalogueError       a catalogue of reviewed tools that cannot be read
    ├── CorpusError          a corpus row or file that does not fit the row format
    ├── EvaluationError      a gate, a report or a list of decisions that does not fit
    ├── TrainingError        data from which no model can be fitted
    ├── HarvestError         a server that cannot be asked for its tools, or a configuration that names none
    ├── PolicyError          a policy set that does not validate or fails its own test cases
    ├── EngineError          a policy engine that gave no answer: the call is denied
    ├── DelegationError      a token, or a chain of them, that must not be trusted
    ├── StoreError           a database that cannot be opened or does not fit
    │   └── AuditError       an event that cannot be recorded: the call is denied
    ├── GatewayError         a gateway that cannot be set up
    ├── WorkbenchError       an act of an analyst that is not allowed, or does not fit what is kept
    │   ├── Forbidden        the role does not allow it
    │   └── PromotionRefused the gate of a promotion did not pass
    └── DependencyMissing    an optional extra that is not installed

Uncertainty is not an error: it is the intent ``unknown`` with a reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pydantic import ValidationError


def first_fault(error: ValidationError, whole: str) -> tuple[str, str]:
    """Place and rule of the first fault that pydantic found; ``whole`` names the place where that is the value itself.

    Never the offending value, which may be secret, and may be as long and as strange as the input.
    """
    first = error.errors(include_input=False, include_url=False)[0]
    return ".".join(map(str, first["loc"])) or whole, first["msg"]


class IntentError(Exception):
    """Root of every error that this package raises on purpose."""

    code: ClassVar[str] = "intent_error"


class InvalidCall(IntentError):
    """A tool call does not fit the contract."""

    code = "invalid_call"

    def __init__(self, where: str, must: str, got: str = "") -> None:
        self.where = where
        super().__init__(f"{where} must {must}" + (f", got {got}" if got else ""))


class MalformedJson(InvalidCall):
    """A text is not one strict JSON value."""

    code = "malformed_json"

    def __init__(self, why: str) -> None:
        super().__init__("input", "be one strict JSON value", why)


class TooLarge(InvalidCall):
    """An input passes a cap on bytes, depth or items."""

    code = "too_large"

    def __init__(self, where: str, limit: int, unit: str = "bytes") -> None:
        self.limit = limit
        super().__init__(where, f"be at most {limit} {unit}", "more")


class VocabularyError(IntentError):
    """A vocabulary contradicts itself or cannot be read."""

    code = "vocabulary_error"


class BundleError(IntentError):
    """A model directory must not be used."""

    code = "bundle_error"


class BundleMissing(BundleError):
    """There is no bundle at the path."""

    code = "bundle_missing"

    def __init__(self, path: object) -> None:
        super().__init__(f"no model bundle at {path}: manifest.json was not found")


class BundleCorrupt(BundleError):
    """A bundle's content differs from its manifest."""

    code = "bundle_corrupt"


class CertificateError(IntentError):
    """A certificate cannot be issued or read, or there is none where one is needed."""

    code = "certificate_error"


class EncoderError(IntentError):
    """The base weights are absent or are not the pinned ones."""

    code = "encoder_error"


class CatalogueError(IntentError):
    """A catalogue of reviewed tools cannot be read."""

    code = "catalogue_error"


class CorpusError(IntentError):
    """A corpus file or row does not fit the row format."""

    code = "corpus_error"

    def __init__(self, path: object, line: int, why: str) -> None:
        super().__init__(f"{path}{f', line {line}' if line else ''}: {why}")


class EvaluationError(IntentError):
    """A gate expression, a report or a list of decisions does not fit."""

    code = "evaluation_error"


class TrainingError(IntentError):
    """No model can be fitted from the data given."""

    code = "training_error"


class HarvestError(IntentError):
    """A server cannot be asked for its tools, or a configuration names none."""

    code = "harvest_error"


class PolicyError(IntentError):
    """A policy set does not validate, or fails its own test cases."""

    code = "policy_error"


class EngineError(IntentError):
    """A policy engine gave no answer that can be trusted: an error, a time-out, nothing, or a rule that was skipped."""

    code = "engine_error"


class DelegationError(IntentError):
    """A token must not be trusted; ``fault`` says why in one word, stable for policies and the audit."""

    code = "delegation_error"

    def __init__(self, fault: str, why: str) -> None:
        self.fault = fault
        super().__init__(why)


class StoreError(IntentError):
    """A database cannot be opened, or its schema does not fit."""

    code = "store_error"


class AuditError(StoreError):
    """An event cannot be recorded, or a record cannot be read."""

    code = "audit_error"


class GatewayError(IntentError):
    """A gateway cannot be set up."""

    code = "gateway_error"


class WorkbenchError(IntentError):
    """An act of an analyst does not fit what is kept."""

    code = "workbench_error"


class Forbidden(WorkbenchError):
    """The role of the actor does not allow an act."""

    code = "forbidden"

    def __init__(self, actor: str, role: str, needed: str) -> None:
        super().__init__(f"{actor} must be {needed} for this, got {role}")


class PromotionRefused(WorkbenchError):
    """A model did not pass the gate of promotion."""

    code = "promotion_refused"


class DependencyMissing(IntentError):
    """An optional dependency is needed and is not installed."""

    code = "dependency_missing"

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; run: pip install 'intent-normalizer[{extra}]'")
