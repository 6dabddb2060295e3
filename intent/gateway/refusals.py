"""What a client gets instead of a result: JSON-RPC errors with the codes of the AuthZEN profile for MCP."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from mcp.shared.exceptions import MCPError

from intent.decision_point.evaluation import Evaluation, Ground, Refusal
from intent.schema import ReasonCode
from intent.vocabulary import UNKNOWN


class Code(IntEnum):
    """Codes of JSON-RPC errors.

    Attributes
    ----------
    DENIED
        The decision point, or an obligation, denies the call.
    UNMAPPED
        What was asked cannot be put to the decision point.
    UNDECIDED
        The decision point gave no answer; the call was not made, or its result is withheld.
    UNSUPPORTED
        The gateway does not pass on this method.
    """

    DENIED = -32001
    UNMAPPED = -32602
    UNDECIDED = -32603
    UNSUPPORTED = -32601


# A denial for want of an answer is no judgement of the call.
_NO_ANSWER = frozenset((str(Refusal.AUDIT), str(Refusal.ENGINE), str(ReasonCode.TIMEOUT)))


def refusal(code: Code, message: str, *, decision_id: str = "", grounds: Sequence[Ground] = (), intent: str = UNKNOWN) -> MCPError:
    """The error of one refused call; its data name the decision, the reasons and the word.

    >>> refusal(Code.DENIED, "no", grounds=[Ground("policy", "denied by default")]).data["reasons"]
    [{'code': 'policy', 'message': 'denied by default'}]
    """
    reasons = [{"code": ground.code, "message": ground.message} for ground in grounds]
    return MCPError(int(code), message, {"decision_id": decision_id, "reasons": reasons, "intent": intent})


def denial(answer: Evaluation, *grounds: Ground) -> MCPError:
    """The error of a call that the decision point denied, or for one of ``grounds`` the enforcement point."""
    found = (*answer.grounds, *grounds)
    codes = {ground.code for ground in found}
    judged = answer.decision
    code = Code.DENIED
    if codes <= _NO_ANSWER:
        code = Code.UNDECIDED
    elif codes == {str(Refusal.REQUEST)}:
        code = Code.UNMAPPED
    message = "denied: " + ", ".join(sorted(codes)) if codes else "denied"
    return refusal(code, message, decision_id=judged.decision_id, grounds=found, intent=judged.intent)
