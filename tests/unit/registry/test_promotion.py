"""The gate: each demand on a new model fails for its own reason, and what cannot be measured fails too."""

import json
from datetime import timedelta

import pytest

from intent.bundle import load, save
from intent.errors import CorpusError, PolicyError
from intent.registry.change import change_between
from intent.registry.promotion import Bounds, Golden, judge
from intent.vocabulary import Vocabulary
from intent.workbench.records import Change
from tests.doubles.registered import CHANGE, NOW, READ, SAYS, golden_rows, vocabulary, write_bundle
from tests.doubles.small_model import described
from tests.doubles.tiny_encoder import write_encoder
from tests.doubles.worded_model import DIMENSIONS, VOCABULARY, worded_model

FEW = Bounds(least_rows=5)


@pytest.fixture
def golden(tmp_path):
    return Golden.read([golden_rows(tmp_path / "golden.jsonl", n=16)])


@pytest.fixture
def gate(tmp_path, golden):
    """Judges a changed bundle beside the plain one, and gives the failed checks by name."""
    incumbent = load(write_bundle(tmp_path / "old"))

    def act(rows=golden, bounds=FEW, now=lambda: NOW, revocation=None, **changes):
        candidate = load(write_bundle(tmp_path / "new", "0.2.0", **changes))
        return judge(candidate, incumbent, rows, bounds, now=now, revocation=revocation)

    return act


def _failed(report):
    return {check.name: check for check in report.failed}


def test_an_equal_model_passes_every_check(gate):
    report = gate()
    assert report.passed, report.failed
    assert [check.name for check in report.checks] == [
        *("certificate", "vocabulary", "golden rows", "accuracy by source", "accuracy by group", "accuracy by language"),
        *("new false permits", "coverage"),
    ]
    assert {part.dimension for part in report.slices} == {"source", "group", "language"}
    assert all(part.difference == 0 for part in report.slices)
    assert {part.name for part in report.slices if part.dimension == "source"} == {"catalogue-0", "catalogue-1"}
    by_source = next(part for part in report.slices if part.dimension == "source")
    assert (by_source.groups, by_source.low, by_source.high) == (4, 0.0, 0.0)
    assert json.loads(json.dumps(report.to_dict()))["passed"] is True


@pytest.mark.parametrize(
    ("certificate", "why"),
    [
        ({"none": True}, "carries no certificate"),
        ({"issued": NOW - timedelta(days=100)}, "expired at"),
        ({"issued": NOW + timedelta(days=1)}, "not valid before"),
        ({"alpha": 0.05}, "promises 5.00%"),
    ],
)
def test_a_certificate_that_does_not_hold_fails(gate, certificate, why):
    report = gate(certificate=certificate)
    assert set(_failed(report)) == {"certificate"}
    assert why in _failed(report)["certificate"].why


def test_a_certificate_that_was_withdrawn_fails(gate, tmp_path):
    (tmp_path / "revoked.txt").write_text("an audit found errors", "utf-8")
    assert "an audit found errors" in _failed(gate(revocation=tmp_path / "revoked.txt"))["certificate"].why


def test_a_certificate_of_another_model_fails(gate, tmp_path, golden):
    other = write_bundle(tmp_path / "other", "0.3.0", declared_at_least=0.9)
    candidate = tmp_path / "mixed"
    candidate.mkdir()
    write_encoder(candidate, DIMENSIONS)
    save(candidate, worded_model(SAYS, thresholds=0.7), VOCABULARY, {**described(), "version": "0.4.0"})
    from intent.bundle import attach

    certificate = load(other).certificate
    assert certificate is not None
    attach(candidate, certificate)
    report = judge(load(candidate), load(write_bundle(tmp_path / "base")), golden, FEW, now=lambda: NOW)
    assert "issued for the model" in _failed(report)["certificate"].why


def test_a_change_that_is_forwarded_as_a_read_is_named(gate):
    report = gate(says={**SAYS, "n1 purge": (READ, 60.0)})
    check = _failed(report)["new false permits"]
    assert (check.figure, check.bound) == (16.0, 0.0)
    assert "golden/purge/0" in check.why
    assert "and 11 more" in check.why


def test_an_old_false_permit_is_no_new_one(tmp_path, golden):
    erring = {**SAYS, "n1 purge": (READ, 60.0)}
    old, new = load(write_bundle(tmp_path / "old", says=erring)), load(write_bundle(tmp_path / "new", "0.2.0", says=erring))
    report = judge(new, old, golden, FEW, now=lambda: NOW)
    assert report.passed
    cured = judge(load(write_bundle(tmp_path / "cured", "0.3.0")), old, golden, FEW, now=lambda: NOW)
    assert next(check for check in cured.checks if check.name == "new false permits").why == "none; 16 of the old ones are gone"


def test_what_is_denied_more_often_costs_coverage(gate):
    report = gate(says={word: said for word, said in SAYS.items() if word != "n1 mail"})
    assert _failed(report)["coverage"].figure == pytest.approx(-1 / 3)
    assert "accuracy by source" in _failed(report)


def test_one_server_that_is_read_worse_fails_although_its_source_is_well(tmp_path):
    rows = tmp_path / "golden.jsonl"
    golden_rows(rows, n=160)
    # One server of eight is another company's: its reads are called "obtain", which the new model has forgotten.
    lines = [json.loads(line) for line in rows.read_text("utf-8").splitlines()]
    for line in lines:
        if line["group"] == "server-3" and line["label"]["intent"] == READ:
            line["tool"]["name"] = line["tool"]["name"].replace("fetch", "obtain")
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    knowing = {**SAYS, "n1 obtain": (READ, 60.0)}
    old, new = load(write_bundle(tmp_path / "old", says=knowing)), load(write_bundle(tmp_path / "new", "0.2.0"))
    report = judge(new, old, Golden.read([rows]), Bounds(slice_drop=0.2, coverage_drop=0.2), now=lambda: NOW)
    assert set(_failed(report)) == {"accuracy by group"}
    assert "server-3" in _failed(report)["accuracy by group"].why
    part = next(part for part in report.slices if part.name == "server-3")
    assert (part.rows, part.groups, part.low) == (60, 1, None)
    assert part.difference == pytest.approx(-1 / 3)


def test_rows_that_trained_the_new_model_do_not_judge_it(tmp_path, gate):
    from intent.corpus import data_digest

    trained = {"golden/golden.jsonl": {"sha256": data_digest(tmp_path / "golden.jsonl"), "rows": 48}}
    assert "trained the new model" in _failed(gate(data=trained))["golden rows"].why


def test_without_rows_nothing_passes_but_what_needs_none(gate):
    report = gate(rows=Golden((), frozenset()))
    assert {"golden rows", "accuracy by source", "accuracy by language", "coverage"} <= set(_failed(report))


def test_only_rows_that_are_not_open_and_not_picked_are_golden(tmp_path):
    rows = [json.loads(line) for line in golden_rows(tmp_path / "g.jsonl", n=4).read_text("utf-8").splitlines()]
    rows[0]["split"], rows[1]["picked"], rows[2]["split"], rows[3]["label"] = "open", True, "held", {}
    (tmp_path / "g.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    found = Golden.read([tmp_path])
    assert {row.id for row in found.rows} == {row["id"] for row in [rows[2], *rows[4:]]}
    assert len(found.unmarked) == 1


def test_a_word_that_the_new_vocabulary_lacks_is_an_error(gate, tmp_path):
    rows = Golden.read([golden_rows(tmp_path / "odd.jsonl", [("fetch", "compute")])])
    with pytest.raises(CorpusError, match="compute"):
        gate(rows=rows)


def _with_word(above, version="1.1.0"):
    word = {"id": "compute", "definition": "Works something out.", "above": above}
    return vocabulary(intents=[*VOCABULARY.to_dict()["intents"], word], version=version)


@pytest.mark.parametrize(
    ("new", "change"),
    [
        (VOCABULARY, None),
        (vocabulary(version="1.0.1"), Change.PATCH),
        (_with_word([]), Change.MINOR),
        (_with_word([READ]), Change.MINOR),
        (_with_word([CHANGE]), Change.MAJOR),
        (vocabulary(version="2.0.0"), Change.MAJOR),
        (vocabulary(effects={**VOCABULARY.to_dict()["effects"], "derive": READ}), Change.MAJOR),
    ],
)
def test_how_far_vocabularies_differ(new: Vocabulary, change):
    assert change_between(VOCABULARY, new) is change


def test_a_major_change_of_the_vocabulary_voids_the_certificate(tmp_path, golden):
    old = load(write_bundle(tmp_path / "old"))
    new = load(write_bundle(tmp_path / "new", "0.2.0"))
    from dataclasses import replace

    renumbered = replace(new, vocabulary=vocabulary(version="2.0.0"))
    failed = _failed(judge(renumbered, old, golden, FEW, now=lambda: NOW))
    assert {"certificate", "vocabulary"} <= set(failed)
    assert "the old certificate is void" in failed["vocabulary"].why
    assert failed["vocabulary"].figure is None


def test_policies_that_must_not_judge_the_words_fail_the_gate(tmp_path, golden):
    incumbent, candidate = load(write_bundle(tmp_path / "old")), load(write_bundle(tmp_path / "new", "0.2.0"))
    asked = []

    def refuses(words):
        asked.append(words.digest)
        raise PolicyError("compute: must be denied until a case is about it")

    report = judge(candidate, incumbent, golden, FEW, now=lambda: NOW, admits=refuses)
    assert asked == [candidate.vocabulary.digest]
    assert {name: check.why for name, check in _failed(report).items()} == {"policies": "compute: must be denied until a case is about it"}
    assert not report.lacks_certificate_alone
    assert judge(candidate, incumbent, golden, FEW, now=lambda: NOW, admits=lambda _: None).passed


def test_what_lacks_a_certificate_alone_is_told_from_what_fails_otherwise(gate):
    assert gate(certificate={"none": True}).lacks_certificate_alone


def test_what_passes_and_what_fails_otherwise_lacks_no_certificate_alone(tmp_path, gate):
    assert not gate().lacks_certificate_alone
    assert not judge(
        load(write_bundle(tmp_path / "bad", "0.3.0", certificate={"none": True}, says={**SAYS, "n1 purge": (READ, 60.0)})),
        load(tmp_path / "old"),
        Golden.read([tmp_path / "golden.jsonl"]),
        FEW,
        now=lambda: NOW,
    ).lacks_certificate_alone
