from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from intent.api.console.pages import Neighbour
from intent.audit.event import CallRecord, EnforcementRecord, Event, EventKind, JudgementRecord, PolicyRecord
from intent.audit.keys import signer
from intent.audit.store import AuditStore
from intent.schema import Decision, Tool, ToolCall
from intent.workbench.labelling import Judgement
from intent.workbench.labels import Act
from tests.doubles.desk import ADA, VOCABULARY, Bench, Person

AT = datetime(2031, 1, 2, 3, 4, tzinfo=UTC)
CALL = ToolCall(
    request="get\u200b me the p\u0430ge",
    tool=Tool(name="get_page", description="Reads a page. \u202egalf\u202c"),
    arguments={"where": {"url": ["https://example.com/\u2066x"]}},
)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def event(decision: Decision, kind: EventKind, *, raw: str | None = None) -> Event:
    judged = JudgementRecord(
        intent=decision.intent,
        outcome=decision.outcome,
        confidence=decision.confidence,
        probabilities=decision.probabilities,
        declared=("search",),
        reasons=decision.reasons,
        evidence=decision.evidence,
        model=decision.model,
        vocabulary=decision.vocabulary,
        certified=True,
    )
    policy = PolicyRecord(engine="cedar", digest="cd" * 32, allowed=True, determining=("reads-are-fine",), input={"who": "ann"})
    call = CallRecord(tool="get_page", server="wiki", definition="ef" * 32, request_hmac="a", arguments_hmac=None, shape={"u": 1}, raw=raw)
    said = EnforcementRecord(obligation="o-1", type="mask", fulfilled=True, detail="two fields were masked")
    is_decision = kind is EventKind.DECISION
    return Event(
        id=f"{kind}-1",
        kind=kind,
        at=AT,
        decision_id=decision.decision_id,
        subject="user:ann",
        agent="agent:desk",
        allowed=True,
        obligations=({"id": "o-1", "type": "mask"},),
        call=call if is_decision else None,
        judgement=judged if is_decision else None,
        policy=policy if is_decision else None,
        enforcement=None if is_decision else said,
    )


def test_a_decision_is_shown_with_its_record_and_what_became_of_it(bench: Bench, tmp_path: Path) -> None:
    decision = bench.normalizer.normalize(CALL)
    audit = AuditStore(bench.engine, signer(tmp_path / "key.pem"))
    first = audit.append(event(decision, EventKind.DECISION))
    audit.append(event(decision, EventKind.ENFORCEMENT))
    item = bench.add(CALL, decision=decision.model_dump(mode="json"), decision_id=decision.decision_id)
    page = Person(bench, "vera").read(f"/decision/{decision.decision_id}")
    for told in ("reads-are-fine", "two fields were masked", first.digest, "user:ann", "cedar", "What the engine was given", item.id):
        assert told in page, told
    assert "forwarded from 80.0 %" in page, "thresholds of the model that decided"


def test_raw_and_canonical_texts_stand_side_by_side_with_what_changed(bench: Bench) -> None:
    item = bench.add(CALL)
    page = Person(bench, "vera").read(f"/item/{item.id}")
    shown = page[page.index("As it came, and as it is read") :]
    for mark in ("U+200B", "U+202E", "U+2066"):
        assert f">{mark}</span>" in shown
    for change in ("invisible", "bidi", "lookalike"):
        assert f">{change}</span>" in shown
    assert "get me the page" in shown
    assert "Argument where.url.0 as read" in shown
    assert not re.search("[\u200b\u202e\u202c\u2066]", page)


def test_a_decision_that_is_no_item_is_read_from_the_audit_where_raw_recording_is_on(bench: Bench, tmp_path: Path) -> None:
    decision = bench.normalizer.normalize(CALL)
    AuditStore(bench.engine, signer(tmp_path / "key.pem")).append(event(decision, EventKind.DECISION, raw=CALL.model_dump_json()))
    page = Person(bench, "vera").read(f"/decision/{decision.decision_id}")
    assert "get me the page" in page
    assert "Label it" not in page


def test_without_the_call_the_page_says_that_the_texts_were_not_kept(bench: Bench, tmp_path: Path) -> None:
    decision = bench.normalizer.normalize(CALL)
    AuditStore(bench.engine, signer(tmp_path / "key.pem")).append(event(decision, EventKind.DECISION))
    page = Person(bench, "vera").read(f"/decision/{decision.decision_id}")
    assert "The texts were not kept" in page
    assert "The three views" not in page


def test_thresholds_of_another_model_are_not_put_beside_its_probabilities(bench: Bench) -> None:
    item = bench.add(CALL)
    bench.normalizer.card["digest"] = "00" * 32
    assert "forwarded from" not in Person(bench, "vera").read(f"/item/{item.id}")


def test_the_nearest_labelled_items_are_the_explanation(tmp_path: Path) -> None:
    found: list[Neighbour] = []
    bench = Bench(tmp_path, neighbours=lambda _, limit: found[:limit])
    item = bench.add(CALL)
    other = bench.add(ToolCall(request="get it", tool=Tool(name="fetch_<b>")))
    bench.store.act(ADA, VOCABULARY, [Act(other.id, Judgement("search"))])
    found.append(Neighbour(other, bench.store.verdict(other.id, VOCABULARY), 0.917))
    page = Person(bench, "vera").read(f"/item/{item.id}")
    assert "0.92" in page
    assert f'/console/item/{other.id}">fetch_&lt;b&gt;</a>' in page


def test_who_said_what_is_told(bench: Bench) -> None:
    item = bench.add(CALL)
    Person(bench, "ann").send("/queue/label", item=item.id, label="write", also=["search"], note="it \u202ewrites")
    page = Person(bench, "vera").read(f"/item/{item.id}")
    assert re.search(r"<td>ann <span", page)
    assert "U+202E" in page[page.index("People") :]


@pytest.mark.parametrize("path", ["/decision/none", "/item/none", "/decision/%00", "/item/" + "a" * 5000, "/decision/%ED%A0%80"])
def test_what_nobody_knows_is_not_found(bench: Bench, path: str) -> None:
    assert "There is nothing here" in Person(bench, "vera").read(path, 404)


def test_nobody_reads_without_signing_in(bench: Bench) -> None:
    vera = Person(bench, "vera")
    vera.client.cookies.clear()
    for path in ("/queue", "/item/x", "/decision/x", "/catalogue", "/catalogue/tool", "/catalogue/export", "/catalogue/import"):
        answer = vera.client.get(f"/console{path}")
        assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/console/sign-in")
