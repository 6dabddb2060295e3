"""The records of the contract: a call comes in, a decision goes out; both are frozen and validated at the edge."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from intent.errors import InvalidCall, TooLarge, first_fault


class Outcome(StrEnum):
    """What the gate does with a call."""

    FORWARD = "forward"
    DENY = "deny"


class ReasonCode(StrEnum):
    """Why a call was denied; stable for clients."""

    LOW_CONFIDENCE = "low_confidence"
    OTHER = "other"
    NOVEL = "novel"
    MISMATCH = "mismatch"
    CONFLICT = "conflict"
    OBFUSCATED = "obfuscated"
    TOO_LARGE = "too_large"
    CHANGED_DEFINITION = "changed_definition"
    INVALID_CERTIFICATE = "invalid_certificate"
    MODEL_UNAVAILABLE = "model_unavailable"
    TIMEOUT = "timeout"
    ERROR = "error"

    @classmethod
    def of(cls, error: InvalidCall) -> ReasonCode:
        """The reason that a fault of the input becomes.

        >>> ReasonCode.of(TooLarge("request", 65536))
        <ReasonCode.TOO_LARGE: 'too_large'>
        """
        return cls.TOO_LARGE if isinstance(error, TooLarge) else cls.ERROR


class View(StrEnum):
    """The part of a call that a finding was read from."""

    REQUEST = "request"
    TOOL = "tool"
    ARGUMENTS = "arguments"
    ANNOTATIONS = "annotations"
    CATALOGUE = "catalogue"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Tool(_Record):
    """A tool definition, as an MCP server lists it."""

    name: str = Field(min_length=1, description="The tool's name on its server.")
    description: str | None = Field(default=None, description="What the server says the tool does; untrusted.")
    input_schema: dict[str, JsonValue] | None = Field(default=None, description="JSON Schema of the arguments.")
    annotations: dict[str, JsonValue] | None = Field(default=None, description="MCP annotations; untrusted, may only tighten.")
    server: str | None = Field(default=None, description="The server that offers the tool.")

    @model_validator(mode="before")
    @classmethod
    def _accept_mcp_spelling(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        given = cast("dict[str, Any]", data)
        spelled = "inputSchema" in given and "input_schema" not in given
        return {**given, "input_schema": given["inputSchema"]} if spelled else given


class ToolCall(_Record):
    """What is to be judged: the user's request, the tool, its arguments; at least one of request and tool."""

    id: str | None = Field(default=None, description="Echoed in the decision.")
    request: str | None = Field(default=None, description="What the user asked the agent for, in free text.")
    tool: Tool | None = None
    arguments: dict[str, JsonValue] | None = Field(default=None, description="The arguments of this call.")
    context: dict[str, JsonValue] | None = Field(default=None, description="Passed on to the policy input, never classified.")

    @model_validator(mode="after")
    def _names_something(self) -> ToolCall:
        if self.tool is None and not (self.request or "").strip():
            raise ValueError("at least one of request and tool must be given")
        if self.tool is None and self.arguments is not None:
            raise ValueError("arguments need a tool")
        return self

    @classmethod
    def parse(cls, data: object) -> ToolCall:
        """Validate parsed JSON.

        Raises
        ------
        InvalidCall
            With the place and the reason of the first fault; never with the offending value, which may be secret.
        """
        if not isinstance(data, dict):
            raise InvalidCall("call", "be a JSON object", type(data).__name__)
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            where, rule = first_fault(error, "call")
            raise InvalidCall(where, f"be valid: {rule}") from error


class Reason(_Record):
    """One reason of a denial."""

    code: ReasonCode
    message: str


class Evidence(_Record):
    """One fact that was read in a call; ``intent`` is null where a parser could only doubt."""

    view: View
    kind: str = Field(description="sql, shell, http, graphql, action, destination, encoding, annotation, …")
    detail: str
    intent: str | None


class Declared(_Record):
    """What the request asks for; several intents may hold at once."""

    intents: tuple[str, ...]
    probabilities: dict[str, float]


class Version(_Record):
    """Name, version and digest of a vocabulary or a model."""

    name: str
    version: str
    digest: str


class CertificateStatus(_Record):
    """The promise under which a call was forwarded, and whether it holds."""

    alpha: float
    delta: float
    valid: bool


class Decision(_Record):
    """The answer to one call."""

    id: str | None
    decision_id: str
    intent: str = Field(description="The effective intent where the call is forwarded, else `unknown`.")
    outcome: Outcome
    confidence: float = Field(ge=0, le=1, description="Calibrated probability of the likeliest label.")
    probabilities: dict[str, float] = Field(description="Over the intents and the rest label; sums to 1.")
    declared: Declared | None
    reasons: tuple[Reason, ...]
    evidence: tuple[Evidence, ...]
    vocabulary: Version
    model: Version
    certificate: CertificateStatus

    @property
    def likeliest(self) -> str:
        """The label of highest probability, the first one of equals; ``intent`` where no probability is stated, as a rule states none."""
        return max(self.probabilities, key=self.probabilities.__getitem__) if self.probabilities else self.intent
