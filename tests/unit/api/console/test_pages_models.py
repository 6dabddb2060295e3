from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from intent.errors import PolicyError
from intent.registry.following import Following
from intent.workbench.records import PromotionKind
from tests.doubles.lab import OTTO, Lab, Visitor
from tests.doubles.normalizer import EchoNormalizer
from tests.doubles.registered import CHANGE, READ, SAYS

DANGEROUS = {**SAYS, "n1 purge": (READ, 60.0)}


@pytest.fixture
def otto(lab: Lab) -> Visitor:
    return Visitor(lab, "otto")


def judged(lab: Lab, visitor: Visitor, digest: str) -> str:
    visitor.send(f"/models/{digest}/gate")
    lab.lab.background.wait()
    return visitor.read(f"/models/{digest}/gate")


def test_a_good_model_passes_every_check_serves_and_is_rolled_back(lab: Lab, otto: Visitor) -> None:
    before, digest = lab.registry.shelf.current(), lab.add("0.0.2")
    page = judged(lab, otto, digest)
    assert "8 of 8 checks passed" in page
    assert "FAIL" not in page
    otto.send(f"/models/{digest}/promote", note="<b>better</b>")
    assert lab.registry.shelf.current() == digest
    promoted = lab.registry.promotions()[-1]
    assert (promoted.by, promoted.note, promoted.gate["passed"]) == ("otto", "<b>better</b>", True)
    listed = otto.read("/models")
    assert "&lt;b&gt;better&lt;/b&gt;" in listed
    assert "8 checks" in listed
    asked = otto.read("/models/roll-back")
    assert before[:12] in asked
    assert f'name="serving" value="{digest}"' in asked
    otto.send("/models/roll-back", serving=digest, note="it was not")
    assert lab.registry.shelf.current() == before
    assert lab.registry.promotions()[-1].kind is PromotionKind.ROLL_BACK
    otto.read("/models/roll-back", 404)


def test_a_model_that_fails_a_check_is_not_promoted(lab: Lab, otto: Visitor) -> None:
    before, digest = lab.registry.shelf.current(), lab.add("0.0.2", says=DANGEROUS)
    page = judged(lab, otto, digest)
    assert "It cannot be promoted" in page
    assert "new false permits: golden/purge/0" in page
    assert "/promote" not in page
    refused = otto.send(f"/models/{digest}/promote", 409)
    assert "promotion_refused" in refused.text
    assert lab.registry.shelf.current() == before
    assert lab.registry.promotions() == ()


def test_an_admin_lets_a_model_serve_without_a_certificate_and_says_why(lab: Lab, otto: Visitor) -> None:
    digest = lab.add("0.0.2", certificate={"none": True})
    page = judged(lab, otto, digest)
    assert "Only the certificate is missing: an admin can let it serve without one" in page
    assert "WITHOUT" not in page
    assert "--dangerously-without-certificate" in otto.send(f"/models/{digest}/promote", 409).text
    assert otto.send(f"/models/{digest}/promote", 403, uncertified="urgent").status_code == 403
    ada = Visitor(lab, "ada")
    assert "WITHOUT A CERTIFICATE" in ada.read(f"/models/{digest}/gate")
    ada.send(f"/models/{digest}/promote", uncertified="<i>urgent</i>")
    assert lab.registry.shelf.current() == digest
    listed = otto.read("/models")
    assert "WITHOUT A CERTIFICATE" in listed
    assert "&lt;i&gt;urgent&lt;/i&gt;" in listed


def test_a_promoted_model_that_the_service_does_not_take_over_is_told(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    try:
        pointer = iter(["one", "two"])

        def load(digest: str) -> EchoNormalizer:
            if digest == "two":
                raise PolicyError("compute: <b>must</b> be denied")
            return EchoNormalizer()

        following = Following(load, SimpleNamespace(current=lambda: next(pointer)), 3600)
        following.look()
        lab.console.state.laboratory = replace(lab.lab, answering=following)
        page = Visitor(lab, "otto").read("/models")
        following.close()
    finally:
        lab.close()
    assert "does not answer with the model that was promoted" in page
    assert "compute: &lt;b&gt;must&lt;/b&gt; be denied" in page


def test_without_a_fresh_judgement_nothing_is_promoted(lab: Lab, otto: Visitor) -> None:
    digest = lab.add("0.0.2")
    assert "must have judged" in otto.send(f"/models/{digest}/promote", 409).text
    judged(lab, otto, digest)
    lab.lab.candidates._now = lambda: lab.clock() + timedelta(minutes=61)
    assert "within the last hour" in otto.send(f"/models/{digest}/promote", 409).text
    assert lab.registry.promotions() == ()


def test_a_roll_back_of_what_another_person_changed_meanwhile_is_refused(lab: Lab, otto: Visitor) -> None:
    digests = [lab.add("0.0.2"), lab.add("0.0.3")]
    for digest in digests:
        judged(lab, otto, digest)
        otto.send(f"/models/{digest}/promote")
    refused = otto.send("/models/roll-back", 409, serving=digests[0])
    assert "another model must not serve" in refused.text
    assert lab.registry.shelf.current() == digests[1]


def test_a_role_does_what_it_may(lab: Lab) -> None:
    digest = lab.add("0.0.2")
    vera, ann = Visitor(lab, "vera"), Visitor(lab, "ann")
    for path in (f"/models/{digest}/gate", f"/models/{digest}/evaluate", "/reports", "/health/verify"):
        vera.send(path, 403, model=digest)
    assert "an approver can promote it" in judged(lab, ann, digest)
    ann.send(f"/models/{digest}/promote", 403)
    ann.send("/models/roll-back", 403, serving=digest)
    ann.read("/models/roll-back", 403)
    assert lab.registry.promotions() == ()


def test_a_model_tells_where_it_comes_from_and_whether_its_certificate_holds(lab: Lab, otto: Visitor) -> None:
    first = lab.add("0.0.2")
    hostile = "v<script>alert(1)</script>\u202e"
    second = lab.registry.add(_made(lab, hostile), OTTO, parent=first).digest
    page = otto.read(f"/models/{second}")
    assert f"/console/models/{first}" in page
    assert "certificate holds" in page
    assert "Verified just now" in page
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert second in otto.read(f"/models/{first}")
    assert "<script>alert" not in otto.read("/models")
    none = lab.add("0.0.4", certificate={"none": True})
    assert "no certificate" in otto.read(f"/models/{none}")
    old = lab.add("0.0.5", certificate={"days": 1, "issued": lab.clock() - timedelta(days=3)})
    assert "certificate void" in otto.read(f"/models/{old}")


def _made(lab: Lab, version: str) -> Path:
    from tests.doubles.registered import write_bundle

    return write_bundle(lab.directory / "hostile", version, name="<b>small</b>")


def test_a_file_that_was_altered_is_told_and_the_model_does_not_serve(lab: Lab, otto: Visitor) -> None:
    digest = lab.add("0.0.2")
    otto.read(f"/models/{digest}")
    (lab.registry.shelf.directory / digest / "arrays.npz").write_bytes(b"x")
    page = otto.read(f"/models/{digest}")
    assert "cannot be used" in page
    assert "arrays.npz must have sha256" in page


def test_a_model_that_is_not_there_is_told(otto: Visitor) -> None:
    for path in ("/models/" + "0" * 64, "/models/none/gate", "/models/compare?first=a&second=b", "/models/compare"):
        otto.read(path, 404)
    otto.send("/models/none/promote", 404)


def test_two_models_are_measured_and_compared_row_by_row(lab: Lab, otto: Visitor) -> None:
    first, second = lab.registry.shelf.current(), lab.add("0.0.2", says=DANGEROUS)
    query = {"first": first, "second": second}
    assert "was not measured here yet" in otto.read("/models/compare", **query)
    for digest in (first, second):
        lab.lab.reports._command = (sys.executable, "-m", "intent", "evaluate")
        otto.send(f"/models/{digest}/evaluate")
    lab.lab.background.wait()
    assert [task.why for digest in (first, second) if (task := lab.lab.reports.task(digest))] == ["", ""]
    page = otto.read("/models/compare", **query)
    assert page.count('<span class="badge badge-bad">new false permit</span>') == 16
    assert "golden/purge/0" in page
    assert CHANGE in page
    measured = otto.read(f"/models/{second}")
    assert "accuracy" in measured
    assert "66.7 %" in measured
    listed = otto.read("/reports")
    about = lab.lab.reports.latest(second)
    assert about is not None
    assert about.name in listed
    opened = otto.client.get(f"/console/reports/{about.name}")
    assert opened.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert json.loads(lab.lab.reports.figures(about.name).read_bytes())["model"]["digest"] == second
