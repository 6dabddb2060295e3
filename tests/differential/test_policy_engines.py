"""One law in four languages: Cedar, Rego, Cerbos and plain Python must answer every input alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from intent.errors import EngineError
from intent.policy.authzen import PATH, AuthZenEngine
from intent.policy.cerbos import CerbosEngine, request_of
from intent.policy.engine import Engine
from intent.policy.input import PolicyInput, Sensitivity, example
from intent.policy.opa import OpaEngine
from intent.policy.outcome import Verdict
from intent.policy.policy_set import CASES, PolicySet
from intent.policy.rego import RegoEngine
from intent.policy.remote import Remote
from tests.doubles.law import answer, forbids, permits
from tests.doubles.policy_server import answering, opa
from tests.e2e import cerbos

REGO = cerbos.POLICIES.parent / "default_rego"
WORDS = ("summarize", "search", "export", "write", "unknown", "browse")
FLAGS = ("forwarded", "mismatch", "unrequested", "claim", "known", "expired", "valid", "granted")
NAMES = ("alice", 'a"b', "a\\b", "a\nb", "a\x00b", "${x}", "{{x}}", "\u202eb", "restricted", "Zoë 🦊", "x" * 300)


def made(word: str, sensitivity: Sensitivity, read: str, **flags: bool) -> PolicyInput:
    """An input with one value for each thing that the law looks at; all that the law does not look at differs from case to case."""
    base = example(word)
    reasons = ("low_confidence", "mismatch") if flags["mismatch"] else ("low_confidence",)
    evidence = ("sql", "unrequested_destination") if flags["unrequested"] else ("sql",)
    return replace(
        base,
        principal=replace(base.principal, claims=("billing", "restricted") if flags["claim"] else ("restricted\x00", "unrestricted")),
        delegation=replace(base.delegation, valid=flags["valid"], granted=flags["granted"]),
        judgement=replace(base.judgement, forwarded=flags["forwarded"], reasons=reasons, evidence=evidence),
        target=replace(base.target, sensitivity=sensitivity),
        session=replace(base.session, known=flags["known"], expired=flags["expired"], read_sensitivity=read),
    )


def grid() -> list[PolicyInput]:
    """Nothing forbidden, then each flag that forbids alone: every permit and every forbid with every word and sensitivity."""
    good = {"forwarded": True, "mismatch": False, "claim": True, "known": True, "expired": False, "valid": True, "granted": True}
    bad: list[dict[str, bool]] = [{}, *({name: not value} for name, value in good.items())]
    cases = product(WORDS, Sensitivity, ("", "internal", "restricted"), (False, True), bad)
    return [made(word, level, read, unrequested=odd, **{**good, **wrong}) for word, level, read, odd, wrong in cases]


def drawn(count: int, seed: int = 20_260_101) -> list[PolicyInput]:
    """Inputs at random: several forbids at once, and strange names where the law does not look."""
    generator = np.random.default_rng(seed)
    found: list[PolicyInput] = []
    for _ in range(count):
        flags = {name: bool(generator.random() < 0.5) for name in FLAGS}
        level = list(Sensitivity)[generator.integers(4)]
        read = ("", *map(str, Sensitivity))[generator.integers(5)]
        case = made(WORDS[generator.integers(len(WORDS))], level, read, **flags)
        one, other = (NAMES[place] for place in generator.integers(len(NAMES), size=2))
        found.append(replace(case, principal=replace(case.principal, id=one), target=replace(case.target, tool=other, server=one)))
    return found


GRID, DRAWN = grid(), drawn(400)
CASES_ALL = GRID + DRAWN


def in_short(verdict: Verdict) -> tuple[bool, set[str], set[str]]:
    assert all(duty.id == f"{duty.id.partition(':')[0]}:{duty.type}" for duty in verdict.obligations)
    return verdict.allowed, set(verdict.determining), {duty.id for duty in verdict.obligations}


def without_policies(said: tuple[bool, set[str], set[str]]) -> tuple[bool, set[str]]:
    return said[0], said[2]


def differing(engine: Engine, cases: list[PolicyInput]) -> list[tuple[PolicyInput, object, object]]:
    """Inputs that the engine does not answer as the law does, in full."""
    pairs = ((given, in_short(engine.evaluate(given)), answer(given)) for given in cases)
    return [(given, said, wanted) for given, said, wanted in pairs if said != wanted]


@pytest.fixture(scope="module")
def rego() -> RegoEngine:
    return RegoEngine(PolicySet.load(REGO).texts(".rego"))


@pytest.fixture(scope="module")
def cerbos_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with cerbos.running(tmp_path_factory.mktemp("cerbos")) as url:
        yield url


@pytest.fixture(scope="module")
def cerbos_engine(cerbos_url: str) -> Iterator[CerbosEngine]:
    engine = CerbosEngine(cerbos_url, timeout_s=10.0)
    yield engine
    engine.close()


def test_the_cases_meet_every_forbid_and_every_permit():
    alone = {min(denied) for given in CASES_ALL if len(denied := forbids(given)) == 1}
    allowed = {name for given in CASES_ALL if not forbids(given) for name in permits(given)}
    assert alone == {
        *("unknown", "mismatch", "session-expired", "broken-delegation", "not-granted"),
        *("restricted-without-claim", "export-after-restricted-read", "export-outside-session"),
    }
    assert allowed == {"read", "read-sensitive", "read-unrequested", "read-unrequested-sensitive", "write", "export"}
    assert any(not forbids(given) and not permits(given) for given in CASES_ALL)
    assert sum(len(forbids(given)) > 1 for given in DRAWN) > 100
    assert len(CASES_ALL) > 1_000


def test_cedar_answers_as_the_law_does():
    assert differing(PolicySet.load().engine(), CASES_ALL) == []


def test_rego_answers_as_the_law_does(rego: RegoEngine):
    assert differing(rego, CASES_ALL) == []


def test_obligations_say_the_same_in_cedar_rego_and_cerbos(rego: RegoEngine, cerbos_engine: CerbosEngine):
    cedar = PolicySet.load().engine()
    for given in GRID[::7]:
        said = [duty.to_dict() for duty in cedar.evaluate(given).obligations]
        assert said == [duty.to_dict() for duty in rego.evaluate(given).obligations]
        assert said == [duty.to_dict() for duty in cerbos_engine.evaluate(given).obligations]


def test_cerbos_answers_as_the_law_does(cerbos_engine: CerbosEngine):
    for given in GRID[::2] + DRAWN:
        said, wanted = in_short(cerbos_engine.evaluate(given)), answer(given)
        assert without_policies(said) == without_policies(wanted), given
        # Cerbos stops at the first rule that denies, so of several it names one.
        assert said[1] == wanted[1] if said[0] else said[1] <= wanted[1] and bool(said[1]) == bool(wanted[1]), given


def test_opa_over_rest_answers_as_the_law_does(rego: RegoEngine):
    with answering(opa(rego)) as server:
        engine = OpaEngine(server.url, timeout_s=10.0)
        assert differing(engine, DRAWN[:150]) == []
        engine.close()


def test_the_rego_set_passes_the_cases_of_the_cedar_set(rego: RegoEngine):
    assert PolicySet.load().check(rego) == []
    assert PolicySet.load(REGO).files[CASES] == PolicySet.load().files[CASES]


def test_authzen_reaches_the_real_cerbos_and_refuses_an_answer_without_its_request_id(cerbos_url: str):
    engine = AuthZenEngine(cerbos_url, timeout_s=10.0)
    with pytest.raises(EngineError, match="X-Request-ID"):
        engine.evaluate(example())
    engine.close()


def test_an_input_that_breaks_the_schema_is_an_error_with_the_real_cerbos(cerbos_engine: CerbosEngine):
    broken = replace(example(), judgement=replace(example().judgement, forwarded="yes"))
    with pytest.raises(EngineError, match="validation"):
        cerbos_engine.evaluate(broken)


JUDGED_BY = (
    *(("subject", "properties", "claims"), ("resource", "properties", "sensitivity")),
    *(("action", "properties", name) for name in ("forwarded", "intent", "reasons", "evidence")),
    *(("context", "delegation", name) for name in ("valid", "granted")),
    *(("context", "session", name) for name in ("known", "expired", "read_sensitivity")),
)


def spoiled(document: dict[str, Any], path: tuple[str, ...], *value: object) -> dict[str, Any]:
    """A copy in which the attribute at the path is missing, or has another value."""
    copy = json.loads(json.dumps(document))
    *ways, last = path
    place = copy
    for way in ways:
        place = place[way]
    del place[last]
    if value:
        place[last] = value[0]
    return copy


@pytest.mark.parametrize("path", JUDGED_BY, ids=".".join)
def test_a_missing_attribute_skips_no_rule_of_rego(rego: RegoEngine, path: tuple[str, ...]):
    document: dict[str, Any] = example().document()
    assert rego.query(document)["allow"] is True
    for value in ((), (7,), (None,)):
        with pytest.raises(EngineError, match="undefined"):
            rego.query(spoiled(document, path, *value))


def test_a_missing_attribute_skips_no_rule_of_cerbos(cerbos_url: str):
    remote = Remote(cerbos_url, timeout_s=10.0)
    document: dict[str, Any] = request_of(example(), "r")
    assert remote.post(PATH, document).document["decision"] is True
    for path in JUDGED_BY:
        where = path if path[0] in {"subject", "resource"} else ("resource", "properties", path[0], *path[1 + (path[0] == "action") :])
        for value in ((), (7,)):
            told: Any = remote.post(PATH, spoiled(document, where, *value)).document
            assert told["decision"] is False, where
            assert told["context"]["cerbos.response"]["results"][0]["validationErrors"], where
    remote.close()


def test_a_policy_without_outputs_cannot_permit_with_the_real_cerbos(tmp_path: Path):
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "tool.yaml").write_text(
        "apiVersion: api.cerbos.dev/v1\nresourcePolicy:\n  resource: tool\n  version: default\n  rules:\n"
        '    - {actions: [tools/call], effect: EFFECT_ALLOW, roles: ["*"]}\n',
        "utf-8",
    )
    with cerbos.running(tmp_path, policies) as url:
        engine = CerbosEngine(url, timeout_s=10.0)
        with pytest.raises(EngineError, match="without the output"):
            engine.evaluate(example())
        engine.close()
