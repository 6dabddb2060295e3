"""Models are kept signed, one pointer says which of them serves, and each act on it is on record."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from intent.bundle import MANIFEST_FILE, verify
from intent.errors import BundleCorrupt, BundleMissing, Forbidden, PromotionRefused, WorkbenchError
from intent.registry.promotion import Golden, judge
from intent.registry.registry import history
from intent.registry.shelf import POINTER, Shelf
from intent.registry.signature import ModelSigner, check_signature
from intent.workbench.records import Actor, PromotionKind, Role
from tests.doubles.registered import ANALYST, APPROVER, KEY, READ, SAYS, golden_rows, new_registry, write_bundle

ADMIN = Actor(name="ada", role=Role.ADMIN)


@pytest.fixture
def shipped(tmp_path):
    return write_bundle(tmp_path / "shipped")


@pytest.fixture
def registry(tmp_path, shipped):
    return new_registry(tmp_path / "registry", shipped)


@pytest.fixture
def golden(tmp_path):
    return Golden.read([golden_rows(tmp_path / "golden.jsonl", n=16)])


@pytest.fixture
def advance(tmp_path, registry, golden):
    """Adds and promotes a bundle of a version."""

    def act(version, **changes):
        digest = registry.add(write_bundle(tmp_path / version, version, **changes), ANALYST).digest
        report = judge(registry.shelf.load(digest), registry.shelf.load(registry.shelf.current()), golden)
        registry.promote(digest, APPROVER, report)
        return digest

    return act


def test_before_any_promotion_the_shipped_model_serves_and_needs_no_signature(registry, shipped):
    assert registry.current() is None
    digest = verify(shipped)[1]
    assert registry.shelf.current() == digest
    assert registry.verify(digest) == shipped


def test_the_shipped_model_is_accepted_from_its_own_place_only(tmp_path, registry, shipped):
    digest = verify(shipped)[1]
    copied = registry.shelf.directory / digest
    copied.mkdir()
    for file in shipped.iterdir():
        (copied / file.name).write_bytes(file.read_bytes())
    with pytest.raises(BundleCorrupt, match="must be signed"):
        registry.verify(digest)


def test_an_added_model_is_signed_described_and_loads(tmp_path, registry):
    source = write_bundle(tmp_path / "new", "0.2.0")
    entry = registry.add(source, ANALYST, run="run-1")
    assert (entry.digest, entry.version, entry.run, entry.by) == (verify(source)[1], "0.2.0", "run-1", "ann")
    assert registry.shelf.load(entry.digest).digest == entry.digest
    assert registry.add(source, ANALYST) == entry, "the same model again changes nothing"
    assert registry.models() == (entry,)


def test_the_manifests_word_names_the_parent_where_the_registry_knows_it(tmp_path, registry):
    first = registry.add(write_bundle(tmp_path / "a", "1.0.0"), ANALYST)
    child = registry.add(write_bundle(tmp_path / "b", "1.1.0", training={"parent": first.digest}), ANALYST)
    orphan = registry.add(write_bundle(tmp_path / "c", "1.2.0", training={"parent": "ab" * 32}), ANALYST)
    assert (child.parent, orphan.parent) == (first.digest, "")


def test_a_model_that_was_altered_or_signed_by_somebody_else_does_not_verify(tmp_path, registry):
    digest = registry.add(write_bundle(tmp_path / "new", "0.2.0"), ANALYST).digest
    stranger = Shelf(registry.shelf.directory, Ed25519PrivateKey.generate().public_key())
    with pytest.raises(BundleCorrupt, match="must be made with the key"):
        stranger.verify(digest)
    manifest = registry.shelf.directory / digest / MANIFEST_FILE
    manifest.write_text(manifest.read_text("utf-8").replace("0.2.0", "0.2.1"), "utf-8")
    with pytest.raises(BundleCorrupt, match="must have digest"):
        registry.verify(digest)
    registry.shelf.signature_path(digest).unlink()
    with pytest.raises(BundleCorrupt, match="must be signed"):
        registry.verify(digest)
    with pytest.raises(BundleMissing):
        registry.verify("00" * 32)


@pytest.mark.parametrize("name", ["../shipped", "", "a" * 63, "A" * 64])
def test_what_is_no_digest_is_no_path(registry, name):
    with pytest.raises(BundleMissing):
        registry.verify(name)


@pytest.mark.parametrize("text", [b"", b"{}", b'{"digest": "x", "signature": ""}', b'{"digest": "' + b"a" * 64 + b'", "signature": "!"}'])
def test_a_file_that_is_no_signature_is_refused(text):
    with pytest.raises(BundleCorrupt):
        check_signature(text, "a" * 64, KEY.public_key())


def test_a_signature_of_one_model_is_none_of_another():
    signer = ModelSigner(KEY)
    with pytest.raises(BundleCorrupt):
        check_signature(signer.sign("a" * 64), "b" * 64, signer.public)


def test_promotions_and_roll_backs_stand_on_record_and_move_the_pointer(registry, shipped, advance, tmp_path):
    base = verify(shipped)[1]
    second = advance("0.2.0")
    assert registry.current().digest == second
    third = advance("0.3.0")
    other_process = new_registry(registry.shelf.directory, shipped)
    assert other_process.current().digest == third
    back = other_process.roll_back(APPROVER, "denies too much")
    assert (back.kind, back.digest, back.previous, back.note) == (PromotionKind.ROLL_BACK, second, third, "denies too much")
    assert registry.current().digest == second
    assert registry.roll_back(APPROVER).digest == base, "the first roll-back can be followed by another, down to the shipped model"
    with pytest.raises(WorkbenchError, match="must have been promoted"):
        registry.roll_back(APPROVER)
    assert [p.digest for p in registry.promotions()] == [base, second, third, second, base]
    assert registry.promotions()[1].gate["passed"] is True
    assert {check["name"] for check in registry.promotions()[1].gate["checks"]} >= {"certificate", "new false permits", "coverage"}


def test_the_shipped_model_can_be_rolled_back_to_after_the_package_changed(registry, shipped, advance, tmp_path):
    base = verify(shipped)[1]
    advance("0.2.0")
    updated = new_registry(registry.shelf.directory, write_bundle(tmp_path / "update", "9.0.0"))
    assert updated.roll_back(APPROVER).digest == base
    assert updated.shelf.load(updated.shelf.current()).digest == base


def test_roles_are_asked(tmp_path, registry, golden, advance):
    viewer = Actor(name="vic", role=Role.VIEWER)
    source = write_bundle(tmp_path / "x", "0.2.0")
    with pytest.raises(Forbidden):
        registry.add(source, viewer)
    digest = registry.add(source, ANALYST).digest
    report = judge(registry.shelf.load(digest), registry.shelf.load(registry.shelf.current()), golden)
    with pytest.raises(Forbidden):
        registry.promote(digest, ANALYST, report)
    with pytest.raises(Forbidden):
        registry.roll_back(ANALYST)
    assert registry.promotions() == ()


def test_a_gate_of_another_pair_of_models_promotes_nothing(tmp_path, registry, golden, advance):
    first = registry.add(write_bundle(tmp_path / "a", "0.4.0"), ANALYST).digest
    stale = judge(registry.shelf.load(first), registry.shelf.load(registry.shelf.current()), golden)
    advance("0.5.0")
    with pytest.raises(PromotionRefused, match="must have judged"):
        registry.promote(first, APPROVER, stale)
    other = registry.add(write_bundle(tmp_path / "b", "0.6.0"), ANALYST).digest
    with pytest.raises(PromotionRefused, match="must have judged"):
        registry.promote(other, APPROVER, stale)


def test_a_failed_gate_promotes_nothing_and_says_which_check(tmp_path, registry, golden):
    digest = registry.add(write_bundle(tmp_path / "a", "0.4.0", certificate={"none": True}), ANALYST).digest
    report = judge(registry.shelf.load(digest), registry.shelf.load(registry.shelf.current()), golden)
    with pytest.raises(PromotionRefused, match="certificate: the model carries no certificate"):
        registry.promote(digest, APPROVER, report)
    assert registry.current() is None


def test_an_admin_may_do_without_a_certificate_by_name_and_with_a_reason(tmp_path, registry, golden):
    digest = registry.add(write_bundle(tmp_path / "new", "0.2.0", certificate={"none": True}), ANALYST).digest
    report = judge(registry.shelf.load(digest), registry.shelf.load(registry.shelf.current()), golden)
    with pytest.raises(PromotionRefused, match=r"carries no certificate.*--dangerously-without-certificate WHY.*forwards nothing unless"):
        registry.promote(digest, APPROVER, report)
    with pytest.raises(Forbidden):
        registry.promote(digest, APPROVER, report, uncertified="it is urgent")
    kept = registry.promote(digest, ADMIN, report, uncertified="it is urgent")
    assert (kept.by, kept.gate["passed"], kept.gate["uncertified"]) == ("ada", False, "it is urgent")
    assert registry.shelf.current() == digest


def test_nobody_does_without_any_other_check(tmp_path, registry, golden):
    says = {**SAYS, "n1 purge": (READ, 60.0)}
    digest = registry.add(write_bundle(tmp_path / "bad", "0.2.0", certificate={"none": True}, says=says), ANALYST).digest
    report = judge(registry.shelf.load(digest), registry.shelf.load(registry.shelf.current()), golden)
    with pytest.raises(PromotionRefused, match="new false permits"):
        registry.promote(digest, ADMIN, report, uncertified="it is urgent")
    assert registry.promotions() == ()


def test_a_model_with_a_certificate_is_not_said_to_lack_one(tmp_path, registry, golden):
    digest = registry.add(write_bundle(tmp_path / "new", "0.2.0"), ANALYST).digest
    report = judge(registry.shelf.load(digest), registry.shelf.load(registry.shelf.current()), golden)
    assert "uncertified" not in registry.promote(digest, ADMIN, report, uncertified="in case").gate


def test_the_newest_models_stay_and_what_serves_and_its_predecessor(tmp_path, registry, advance):
    served = [advance(f"0.{k}.0") for k in range(2, 5)]
    newer = [registry.add(write_bundle(tmp_path / f"n{k}", f"1.{k}.0"), ANALYST).digest for k in range(3)]
    removed = registry.keep(2)
    assert served[0] in removed
    assert set(removed).isdisjoint({served[1], served[2], newer[1], newer[2]})
    assert registry.keep(0) == tuple(newer[1:])
    assert registry.current().digest == served[2]
    assert registry.roll_back(APPROVER).digest == served[1]
    with pytest.raises(BundleMissing):
        registry.verify(served[0])
    assert len(registry.models()) == 7, "entries stay on record"


def test_a_pointer_that_a_crash_left_behind_is_moved_by_the_next_act(tmp_path, registry, advance):
    second, third = advance("0.2.0"), advance("0.3.0")
    (registry.shelf.directory / POINTER).write_text(json.dumps({"digest": second}), "utf-8")
    assert registry.roll_back(APPROVER).previous == third
    assert registry.shelf.current() == second


@pytest.mark.parametrize("text", ["", "{}", '{"digest": "../x"}', "[]", '{"digest": "' + "a" * 64 + '", "more": 1}'])
def test_a_pointer_that_does_not_fit_names_no_model(registry, text):
    (registry.shelf.directory / POINTER).write_text(text, "utf-8")
    with pytest.raises(BundleCorrupt):
        registry.shelf.current()


def test_history_is_a_stack():
    assert history([]) == []
