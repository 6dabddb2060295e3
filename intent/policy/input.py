"""The one projection of a decision and its circumstances that policies see: an AuthZEN request of whole numbers, words and lists.

Every field is always there, because an engine skips a rule whose attribute is missing; numbers are whole, because Cedar has no others.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pydantic import JsonValue

from intent.schema import Version


class Sensitivity(StrEnum):
    """How much harm disclosure of a resource does; in rising order."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    RESTRICTED = "restricted"

    @property
    def rank(self) -> int:
        """0 for the least sensitive."""
        return list(Sensitivity).index(self)


@dataclass(frozen=True, slots=True)
class Principal:
    """In whose name the call is made.

    Attributes
    ----------
    id, type
        As the request or the delegation names them.
    verified
        Whether a token that was checked says so, and not the caller alone.
    claims
        What the principal holds, such as ``restricted``; sorted.
    """

    id: str
    type: str = "identity"
    verified: bool = False
    claims: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DelegationFacts:
    """Through whom the call comes.

    Attributes
    ----------
    present
        Whether a token was given.
    valid
        Whether every link of its chain holds now; True where none was given.
    fault
        One word for what is broken, such as ``expired``, ``revoked``, ``signature``; empty where nothing is.
    agent
        The actor that makes this call; empty where nobody says.
    actors
        Every actor, the current one first.
    intents, tools
        What the chain grants at most; empty tuples where no token was given.
    granted
        Whether the grant covers this call's intent and tool; True where no token was given.
    """

    present: bool = False
    valid: bool = True
    fault: str = ""
    agent: str = ""
    actors: tuple[str, ...] = ()
    intents: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    granted: bool = True


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """The session that the call belongs to.

    Attributes
    ----------
    id
        Empty where the call belongs to none.
    known
        Whether the call belongs to a session with a start and an end.
    expired
        Whether its end has passed, or it was ended.
    age_s, expires_in_s
        Whole seconds, not negative; 0 where unknown.
    calls
        Calls that were allowed in it so far.
    intents
        Words that were allowed in it so far, sorted.
    reads
        Tools (``server/tool``) whose content was read in it so far, sorted.
    read_sensitivity
        The highest sensitivity that was read in it so far; empty where nothing was.
    """

    id: str = ""
    known: bool = False
    expired: bool = False
    age_s: int = 0
    expires_in_s: int = 0
    calls: int = 0
    intents: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    read_sensitivity: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the normalizer said of the call.

    Attributes
    ----------
    intent
        A word of the vocabulary, or ``unknown``.
    forwarded
        Whether the gate lets it through to policy.
    confidence_permille
        Calibrated probability of the likeliest label, in thousandths.
    declared
        What the request asks for, sorted.
    reasons
        Codes of the gate's denial, sorted.
    evidence
        Kinds of facts that were found, such as ``sql`` or ``unrequested_destination``; sorted.
    certified
        Whether the model's certificate holds.
    """

    intent: str
    forwarded: bool
    confidence_permille: int
    declared: tuple[str, ...]
    reasons: tuple[str, ...]
    evidence: tuple[str, ...]
    certified: bool


@dataclass(frozen=True, slots=True)
class Target:
    """The tool that would run, and how sensitive what it touches is."""

    tool: str
    server: str
    sensitivity: Sensitivity


@dataclass(frozen=True, slots=True)
class PolicyInput:
    """Everything that policy may judge by, and nothing else: no text of the request, no value of an argument."""

    principal: Principal
    delegation: DelegationFacts
    judgement: Judgement
    target: Target
    session: SessionFacts
    model: Version
    vocabulary: Version

    def document(self) -> dict[str, JsonValue]:
        """The AuthZEN request that engines are given.

        >>> sorted(example().document())
        ['action', 'context', 'resource', 'subject']
        """
        principal, judged, target = self.principal, self.judgement, self.target
        return {
            "subject": {
                "type": principal.type,
                "id": principal.id,
                "properties": {"verified": principal.verified, "claims": list(principal.claims)},
            },
            "action": {
                "name": "tools/call",
                "properties": {
                    "intent": judged.intent,
                    "forwarded": judged.forwarded,
                    "confidence_permille": judged.confidence_permille,
                    "declared": list(judged.declared),
                    "reasons": list(judged.reasons),
                    "evidence": list(judged.evidence),
                    "certified": judged.certified,
                },
            },
            "resource": {
                "type": "tool",
                "id": target.tool,
                "properties": {
                    "server": target.server,
                    "sensitivity": str(target.sensitivity),
                    "sensitivity_rank": target.sensitivity.rank,
                },
            },
            "context": {
                "delegation": self._delegation(),
                "session": self._session(),
                "model": self.model.model_dump(),
                "vocabulary": self.vocabulary.model_dump(),
            },
        }

    def _delegation(self) -> dict[str, JsonValue]:
        chain = self.delegation
        return {
            "present": chain.present,
            "valid": chain.valid,
            "fault": chain.fault,
            "agent": chain.agent,
            "actors": list(chain.actors),
            "depth": len(chain.actors),
            "intents": list(chain.intents),
            "tools": list(chain.tools),
            "granted": chain.granted,
        }

    def _session(self) -> dict[str, JsonValue]:
        session = self.session
        return {
            "id": session.id,
            "known": session.known,
            "expired": session.expired,
            "age_s": session.age_s,
            "expires_in_s": session.expires_in_s,
            "calls": session.calls,
            "intents": list(session.intents),
            "reads": list(session.reads),
            "read_sensitivity": session.read_sensitivity,
            "read_sensitivity_rank": Sensitivity(session.read_sensitivity).rank if session.read_sensitivity else -1,
        }


def example(intent: str = "search") -> PolicyInput:
    """An input for documentation and for the first test of an engine: a forwarded call of a known session without delegation."""
    return PolicyInput(
        principal=Principal("alice"),
        delegation=DelegationFacts(),
        judgement=Judgement(intent, True, 970, (intent,), (), (), True),
        target=Target("read_file", "filesystem", Sensitivity.INTERNAL),
        session=SessionFacts("s-1", known=True, age_s=60, expires_in_s=840),
        model=Version(name="default", version="1.0.0", digest="0" * 64),
        vocabulary=Version(name="intents", version="1.0.0", digest="0" * 64),
    )
