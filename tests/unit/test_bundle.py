"""A bundle is verified, every file of it, before anything is constructed from it."""

import dataclasses
import hashlib
import json
from datetime import UTC, datetime

import numpy as np
import pytest

from intent import bundle
from intent.bundle import ARRAYS_FILE, CERTIFICATE_FILE, FILES, MANIFEST_FILE, VOCABULARY_FILE, attach, load, save, verify
from intent.certificate.certificate import Part, digest_of, issue, spend
from intent.certificate.ltt import Bound, Certified
from intent.embedding.onnx import ENCODER_FILE, TOKENIZER_FILE
from intent.errors import BundleCorrupt, BundleMissing
from tests.doubles.small_model import described
from tests.doubles.tiny_encoder import write_encoder
from tests.doubles.worded_model import DIMENSIONS, VOCABULARY, worded_model

NOW = datetime(2026, 3, 1, tzinfo=UTC)
MODEL = worded_model({"n1 fetch": (VOCABULARY.ids[1], 60.0), "n1 purge": (VOCABULARY.top[-1], 60.0)}, thresholds=0.7)


@pytest.fixture
def directory(tmp_path):
    """A whole bundle on the disk, with a real encoder of a few kilobytes."""
    where = tmp_path / "bundle"
    where.mkdir()
    write_encoder(where, DIMENSIONS)
    save(where, MODEL, VOCABULARY, described())
    return where


@pytest.fixture
def certificate(directory):
    made = Certified(tuple(Bound(word, 800, 0, 0.01, 0.025, 0.7, 0.005) for word in VOCABULARY.top))
    return issue(
        made,
        VOCABULARY,
        model_digest=load(directory).content_digest,
        calibration_digest=digest_of(["row"]),
        data=(Part(source="catalogue", labelled_by="two people", rows=1600, groups=80),),
        ledger=spend((), 0.05, budget=0.05, purpose="thresholds", at=NOW),
        budget=0.05,
        now=NOW,
    )


@pytest.fixture
def untouched(monkeypatch):
    """Fails the test if a part of a bundle is constructed."""

    def forbidden(*_, **__):
        raise AssertionError("something was constructed before the bundle was verified")

    monkeypatch.setattr(bundle, "OnnxEncoder", forbidden)
    monkeypatch.setattr(bundle, "read_certificate", forbidden)
    monkeypatch.setattr(bundle.np, "load", forbidden)
    monkeypatch.setattr(bundle.Vocabulary, "load", forbidden)


def _sealed(directory):
    """Digests in the manifest as whoever alters a file and the manifest would write them."""
    manifest = json.loads((directory / MANIFEST_FILE).read_text("utf-8"))
    manifest["files"] = {name: hashlib.sha256((directory / name).read_bytes()).hexdigest() for name in manifest["files"]}
    (directory / MANIFEST_FILE).write_text(json.dumps(manifest), "utf-8")


def _equal(first, second):
    if dataclasses.is_dataclass(first):
        return all(_equal(getattr(first, f.name), getattr(second, f.name)) for f in dataclasses.fields(first))
    return np.array_equal(first, second) and np.asarray(first).dtype == np.asarray(second).dtype


def test_what_is_saved_is_loaded_again_to_the_bit(directory):
    found = load(directory)
    assert _equal(found.model, MODEL)
    assert found.vocabulary == VOCABULARY
    assert found.certificate is None
    assert found.digest == hashlib.sha256((directory / MANIFEST_FILE).read_bytes()).hexdigest()
    assert found.card["thresholds"] == dict.fromkeys(VOCABULARY.ids, 0.7)
    assert found.version.digest == found.digest


def test_what_is_loaded_embeds_and_reads(directory):
    found = load(directory)
    (embedding,) = found.encoder.encode(["delete the rows"])
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)
    assert embedding.shape == (found.encoder.dimensions,) == (DIMENSIONS,)


def test_saving_the_same_model_twice_changes_no_digest_of_a_file(directory):
    before = verify(directory)[0]
    assert save(directory, MODEL, VOCABULARY, described()) == before


def test_no_manifest_is_no_bundle(directory, tmp_path):
    with pytest.raises(BundleMissing):
        load(tmp_path / "nowhere")
    (directory / MANIFEST_FILE).unlink()
    with pytest.raises(BundleMissing):
        load(directory)


@pytest.mark.parametrize("name", FILES)
def test_an_altered_file_is_refused_before_anything_is_constructed(directory, untouched, name):
    content = bytearray((directory / name).read_bytes())
    content[len(content) // 2] ^= 1
    (directory / name).write_bytes(content)
    with pytest.raises(BundleCorrupt, match=f"{name} must have sha256"):
        load(directory)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused_before_anything_is_constructed(directory, untouched, name):
    (directory / name).unlink()
    with pytest.raises(BundleCorrupt, match="and nothing else"):
        load(directory)


@pytest.mark.parametrize("name", ["notes.txt", "arrays.npy", ".hidden", CERTIFICATE_FILE])
def test_an_added_file_is_refused_before_anything_is_constructed(directory, untouched, name):
    (directory / name).write_text("{}", "utf-8")
    with pytest.raises(BundleCorrupt, match="and nothing else"):
        load(directory)


def test_a_file_that_the_manifest_alone_adds_or_leaves_out_is_refused(directory, untouched):
    whole = json.loads((directory / MANIFEST_FILE).read_text("utf-8"))
    for files in ({**whole["files"], "more.bin": "0" * 64}, {k: v for k, v in whole["files"].items() if k != ENCODER_FILE}, {}):
        (directory / MANIFEST_FILE).write_text(json.dumps({**whole, "files": files}), "utf-8")
        with pytest.raises(BundleCorrupt, match="and nothing else"):
            load(directory)


def test_a_file_that_both_add_is_refused(directory, untouched):
    (directory / "more.bin").write_bytes(b"x")
    whole = json.loads((directory / MANIFEST_FILE).read_text("utf-8"))
    whole["files"]["more.bin"] = hashlib.sha256(b"x").hexdigest()
    (directory / MANIFEST_FILE).write_text(json.dumps(whole), "utf-8")
    with pytest.raises(BundleCorrupt, match="and nothing else"):
        load(directory)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "{", '{"format": 1, "format": 1}', "NaN", "null"],
)
def test_a_manifest_that_does_not_fit_its_form_is_refused(directory, untouched, text):
    (directory / MANIFEST_FILE).write_text(text, "utf-8")
    with pytest.raises(BundleCorrupt, match="must fit its form"):
        load(directory)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"format": 3}, "format must be 1 to 2, got 3"),
        ({"max_tokens": 4}, "max_tokens"),
        ({"declared_at_least": 1.5}, "declared_at_least"),
        ({"more": 1}, "more"),
    ],
)
def test_a_manifest_of_another_form_is_refused(directory, untouched, changes, why):
    whole = json.loads((directory / MANIFEST_FILE).read_text("utf-8"))
    (directory / MANIFEST_FILE).write_text(json.dumps({**whole, **changes}), "utf-8")
    with pytest.raises(BundleCorrupt, match=why):
        load(directory)


class _Bomb:
    """What runs code when it is unpickled."""

    def __reduce__(self):
        return (_burst, ())


def _burst():
    raise AssertionError("a pickle was loaded")


def test_pickled_arrays_are_refused_even_where_the_digests_fit(directory):
    with np.load(directory / ARRAYS_FILE) as arrays:
        whole = dict(arrays)
    whole["thresholds"] = np.array([_Bomb()] * 4, dtype=object)
    np.savez_compressed(directory / ARRAYS_FILE, allow_pickle=True, **whole)
    _sealed(directory)
    with pytest.raises(BundleCorrupt, match="arrays of format 2"):
        load(directory)


def test_an_array_that_is_missing_or_of_another_shape_is_refused(directory):
    with np.load(directory / ARRAYS_FILE) as arrays:
        whole = dict(arrays)
    for changes in ({"thresholds": np.zeros(9)}, {"effect.lexical.bias": np.zeros(3)}, {"thresholds": None}):
        kept = {name: array for name, array in {**whole, **changes}.items() if array is not None}
        np.savez_compressed(directory / ARRAYS_FILE, allow_pickle=False, **kept)
        _sealed(directory)
        with pytest.raises(BundleCorrupt):
            load(directory)


def test_a_vocabulary_of_another_digest_is_refused_even_where_the_file_fits(directory):
    whole = VOCABULARY.to_dict()
    whole["version"] = "9.9.9"
    (directory / VOCABULARY_FILE).write_text(json.dumps(whole), "utf-8")
    _sealed(directory)
    with pytest.raises(BundleCorrupt, match="the vocabulary must have digest"):
        load(directory)


def test_a_certificate_is_attached_without_changing_what_it_was_issued_for(directory, certificate):
    before = load(directory)
    attach(directory, certificate)
    after = load(directory)
    assert after.certificate == certificate
    assert after.content_digest == before.content_digest == certificate.model_digest
    assert after.digest != before.digest, "the digest of the model covers its certificate"


def test_an_altered_certificate_is_refused(directory, certificate):
    attach(directory, certificate)
    path = directory / CERTIFICATE_FILE
    altered = path.read_text("utf-8").replace('"n": 800', '"n": 900', 1)
    path.write_text(altered, "utf-8")
    with pytest.raises(BundleCorrupt, match=r"certificate\.json must have sha256"):
        load(directory)
    _sealed(directory)
    with pytest.raises(BundleCorrupt, match="must have digest"):
        load(directory)


def test_a_certificate_that_was_taken_away_is_missed(directory, certificate):
    attach(directory, certificate)
    (directory / CERTIFICATE_FILE).unlink()
    with pytest.raises(BundleCorrupt, match="and nothing else"):
        load(directory)


def test_saving_anew_takes_the_old_certificate_away(directory, certificate):
    attach(directory, certificate)
    save(directory, MODEL, VOCABULARY, described())
    assert load(directory).certificate is None


@pytest.mark.parametrize("changes", [{"max_tokens": 61}, {"declared_at_least": 0.2}])
def test_settings_that_change_what_is_forwarded_change_the_content(directory, changes):
    before = load(directory).content_digest
    save(directory, MODEL, VOCABULARY, {**described(), **changes})
    assert load(directory).content_digest != before


def test_arrays_encoder_and_tokenizer_change_the_content_and_a_description_does_not(directory):
    before = load(directory).content_digest
    save(directory, MODEL, VOCABULARY, {**described(), "created": "2027-01-01T00:00:00+00:00", "name": "renamed"})
    assert load(directory).content_digest == before
    stricter = dataclasses.replace(MODEL, thresholds=MODEL.thresholds + 0.01)
    save(directory, stricter, VOCABULARY, described())
    assert load(directory).content_digest != before
    write_encoder(directory, DIMENSIONS, seed=1)
    save(directory, MODEL, VOCABULARY, described())
    assert load(directory).content_digest != before
    assert (directory / TOKENIZER_FILE).is_file()


def test_embeddings_kept_between_processes_are_those_of_this_encoder(directory, tmp_path):
    cache = tmp_path / "embeddings.sqlite"
    first = load(directory, cache=cache).encoder.encode(["read the table", "send mail"])
    again = load(directory, cache=cache, threads=2).encoder.encode(["send mail", "read the table"])
    assert (first == again[::-1]).all()
    write_encoder(directory, DIMENSIONS, seed=1)
    save(directory, MODEL, VOCABULARY, described())
    assert not (load(directory, cache=cache).encoder.encode(["read the table"]) == first[0]).all()
