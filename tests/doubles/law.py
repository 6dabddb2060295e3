"""The law of the default policy set in plain Python, read off its description: what every engine must answer."""

from __future__ import annotations

from intent.policy.input import PolicyInput, Sensitivity

READS = frozenset({"summarize", "search"})
ORDINARY = frozenset({Sensitivity.PUBLIC, Sensitivity.INTERNAL})


def forbids(given: PolicyInput) -> set[str]:
    """Names of the policies that deny."""
    judged, session, target = given.judgement, given.session, given.target
    exports, restricted = judged.intent == "export", Sensitivity.RESTRICTED
    holds = {
        "unknown": not judged.forwarded or judged.intent == "unknown",
        "mismatch": "mismatch" in judged.reasons,
        "session-expired": session.expired,
        "broken-delegation": not given.delegation.valid,
        "not-granted": not given.delegation.granted,
        "restricted-without-claim": target.sensitivity == restricted and "restricted" not in given.principal.claims,
        "export-after-restricted-read": exports and session.read_sensitivity == restricted,
        "export-outside-session": exports and not session.known,
    }
    return {name for name, matched in holds.items() if matched}


def permits(given: PolicyInput) -> dict[str, set[str]]:
    """Names of the policies that allow, with the types of their obligations."""
    judged, ordinary = given.judgement, given.target.sensitivity in ORDINARY
    if judged.intent == "write":
        return {"write": {"step-up"}}
    if judged.intent == "export":
        return {"export": {"step-up", "notification"}}
    if judged.intent not in READS:
        return {}
    if "unrequested_destination" in judged.evidence:
        return {"read-unrequested": {"step-up"}} if ordinary else {"read-unrequested-sensitive": {"step-up", "mask"}}
    return {"read": set()} if ordinary else {"read-sensitive": {"mask"}}


def answer(given: PolicyInput) -> tuple[bool, set[str], set[str]]:
    """Whether the call is allowed, by which policies, and the ids of the obligations."""
    denied, allowed = forbids(given), permits(given)
    if denied:
        return False, denied, {"mismatch:notification"} & {f"{name}:notification" for name in denied}
    return bool(allowed), set(allowed), {f"{name}:{kind}" for name, kinds in allowed.items() for kind in kinds}
