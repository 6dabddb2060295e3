from __future__ import annotations

import html
import re

from intent.workbench.editing import editable, origins_of
from intent.workbench.vocabularies import parsed
from tests.doubles.lab import Lab, Visitor
from tests.doubles.worded_model import VOCABULARY

TEXT = editable(VOCABULARY)
FIRST = VOCABULARY.intents[0]
REWORDED = TEXT.replace(FIRST.definition, "Condenses what it is given.")


def text_in(page: str) -> str:
    """What stands in the editor."""
    found = re.search(r'<textarea id="text"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    assert found is not None, page
    return html.unescape(found.group(1))


def test_every_word_is_told_with_its_examples_and_its_place_in_the_order(ann: Visitor) -> None:
    page = ann.read("/vocabulary")
    for label in (*VOCABULARY.intents, VOCABULARY.rest):
        assert html.escape(label.definition, quote=False).replace("'", "&#39;") in page
        assert f'id="word-{label.id}"' in page
        assert all(text.split("'")[0] in page for text in (*label.examples, *label.counter_examples))
    assert re.search(r"write stands above [a-z, ]*search", page)


def test_the_text_of_the_editor_reads_back_as_the_vocabulary_itself(ann: Visitor) -> None:
    page = ann.read("/vocabulary/draft")
    assert text_in(page) == TEXT
    assert "Nothing differs from 1.0.0" in page


def test_a_look_tells_the_change_without_keeping_anything(lab: Lab, ann: Visitor) -> None:
    part = ann.send("/vocabulary/draft", 200, part=True, text=REWORDED, seen="0").text
    assert "<html" not in part
    assert "MINOR</span> 1.0.0 becomes 1.1.0" in part
    assert "Condenses what it is given." in part
    assert lab.store.vocabulary_versions() == ()


def test_faults_are_told_by_line_with_the_text_that_is_to_blame(ann: Visitor) -> None:
    broken = TEXT.replace(f'definition = "{FIRST.definition}"', 'definition = 7 # <script>"x"')
    part = ann.send("/vocabulary/draft", 200, part=True, text=broken, seen="0").text
    number = broken[: broken.index("definition = 7")].count("\n") + 1
    assert f"<b>Line {number}</b>" in part
    assert "&lt;script&gt;" in part
    assert "<script>" not in part


def test_an_intent_is_put_into_the_text_and_its_origin_outlives_the_draft(lab: Lab, ann: Visitor) -> None:
    fields = {"new_id": "schedule", "new_from": "other", "new_definition": "Plans a date.", "new_examples": "plan a visit\nbook a room"}
    page = ann.send("/vocabulary/draft", 200, act="add", text=TEXT, seen="0", **fields).text
    assert "MAJOR</span> 1.0.0 becomes 2.0.0" in page
    answer = ann.send("/vocabulary/draft", act="save", text=text_in(page), seen="0", note="a date is none of the others")
    kept = lab.store.vocabulary_versions()[-1]
    assert answer.headers["location"] == f"/console/vocabulary/versions/{kept.id}"
    assert (kept.version, kept.by, kept.released, origins_of(kept)) == ("2.0.0", "ann", False, {"schedule": "other"})
    again = ann.read("/vocabulary/draft", **{"from": str(kept.id)})
    assert 'from = "other"' in text_in(again)
    assert "other into schedule" in again


def test_two_people_edit_the_same_text_and_the_second_is_told(lab: Lab, ann: Visitor) -> None:
    other = Visitor(lab, "ada")
    first = ann.send("/vocabulary/draft", act="save", text=REWORDED, seen="0")
    theirs = TEXT.replace(FIRST.definition, "Digests what it is given.")
    refused = other.send("/vocabulary/draft", 409, act="save", text=theirs, seen="0")
    assert "Not kept: ann kept" in refused.text
    assert text_in(refused.text) == theirs
    assert "Condenses what it is given." in refused.text
    assert [version.by for version in lab.store.vocabulary_versions(released=False)] == ["ann", "ann"]
    seen = re.search(r'name="seen" value="(\d+)"', refused.text)
    assert seen is not None
    other.send("/vocabulary/draft", act="save", text=theirs, seen=seen.group(1))
    assert [version.by for version in lab.store.vocabulary_versions()] == ["ann", "ann", "ada"]
    assert first.status_code == 303


def test_an_approver_releases_a_draft_and_nobody_below(lab: Lab, ann: Visitor) -> None:
    ann.send("/vocabulary/draft", act="save", text=REWORDED, seen="0")
    kept = lab.store.vocabulary_versions()[-1]
    assert "An approver can release it." in ann.read(f"/vocabulary/versions/{kept.id}")
    ann.send(f"/vocabulary/versions/{kept.id}/release", 403)
    otto = Visitor(lab, "otto")
    answer = otto.send(f"/vocabulary/versions/{kept.id}/release", note="read by two")
    released = lab.store.released_vocabulary()
    assert released is not None
    assert (released.version, released.by, parsed(released).intents[0].definition) == ("1.1.0", "otto", "Condenses what it is given.")
    assert "1.1.0 is released" in otto.client.get(answer.headers["location"]).text
    assert "intent 1.1.0 is in force" in ann.read("/vocabulary")
    otto.send(f"/vocabulary/versions/{kept.id}/release", 409)
    assert len(lab.store.vocabulary_versions(released=True)) == 1


def test_the_rows_that_a_change_touches_are_counted_and_listed(lab: Lab, ann: Visitor) -> None:
    gone = TEXT.replace('id = "export"', 'id = "disclose"').replace('"export"', '"disclose"')
    renamed = gone.replace(VOCABULARY.intents[2].definition, "Gives something to somebody.")
    answer = ann.send("/vocabulary/draft", act="touched", text=renamed, seen="0")
    lab.lab.background.wait()
    address = answer.headers["location"].removeprefix("/console")
    page, part = ann.read(address), ann.read(address, part=True)
    assert "16 of 48 labelled rows may have another label" in page
    assert "its label is gone" in page
    assert "golden/mail/0" in part
    assert "hx-trigger" not in part
    assert "<html" not in part


def test_a_role_sees_and_does_what_it_may(lab: Lab) -> None:
    vera = Visitor(lab, "vera")
    assert "Draft a change" not in vera.read("/vocabulary")
    vera.read("/vocabulary/draft", 403)
    vera.send("/vocabulary/draft", 403, act="save", text=REWORDED, seen="0")
    assert lab.store.vocabulary_versions() == ()


def test_what_is_typed_is_shown_and_never_run(lab: Lab, ann: Visitor) -> None:
    note = "</textarea><script>alert(1)</script>{{ 7*7 }}\u202e"
    text = REWORDED.replace('scope_note = "', 'scope_note = "</textarea><img src=x onerror=alert(1)>', 1)
    ann.send("/vocabulary/draft", act="save", text=text, seen="0", note=note)
    kept = lab.store.vocabulary_versions()[-1]
    for path in (f"/vocabulary/versions/{kept.id}", "/vocabulary", f"/vocabulary/draft?from={kept.id}"):
        page = ann.read(path)
        assert "<script>alert" not in page
        assert "<img src=x" not in page
    assert "U+202E" in ann.read("/vocabulary")


def test_a_version_that_is_not_there_is_told(ann: Visitor) -> None:
    ann.read("/vocabulary/versions/999", 409)
    ann.read("/vocabulary/versions/x", 422)
    ann.read("/vocabulary/touched/" + "0" * 32, 404)


def test_a_text_that_differs_in_nothing_or_is_none_is_not_kept(lab: Lab, ann: Visitor) -> None:
    for text in (TEXT, "", "x = [", "a" * 300_000):
        page = ann.send("/vocabulary/draft", 422, act="save", text=text, seen="0").text
        assert text_in(page).strip() == text.strip()
    assert lab.store.vocabulary_versions() == ()
