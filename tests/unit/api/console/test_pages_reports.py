from __future__ import annotations

import sys

import pytest

from tests.doubles.audit_log import decision
from tests.doubles.lab import Lab, Visitor


def test_a_report_opens_where_it_can_do_nothing(lab: Lab, ann: Visitor) -> None:
    name = lab.kept_report("ab" * 32, "<script>alert(1)</script><p>kept</p>")
    answer = ann.client.get(f"/console/reports/{name}")
    policy = answer.headers["content-security-policy"].split("; ")
    assert policy[0] == "sandbox"
    assert "default-src 'none'" in policy
    assert not [part for part in policy if part.startswith(("script-src", "sandbox "))]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    listed = ann.read("/reports")
    assert name in listed
    assert "small &lt;i&gt;" in listed
    assert "script-src 'self'" in ann.client.get("/console/reports").headers["content-security-policy"]


@pytest.mark.parametrize("name", ["0" * 32, "x", "..%2f..%2fstate.db", "%2e%2e"])
def test_nothing_but_a_report_is_opened(ann: Visitor, name: str) -> None:
    assert ann.client.get(f"/console/reports/{name}").status_code in {404, 409}


def test_a_directory_that_is_no_report_is_passed_over(lab: Lab, ann: Visitor) -> None:
    kept = lab.kept_report("ab" * 32)
    for name, text in (
        ("1" * 32, "{"),
        ("2" * 32, '{"name": "3"}'),
        (kept[::-1], (lab.directory / "reports" / kept / "about.json").read_text()),
    ):
        (lab.directory / "reports" / name).mkdir()
        (lab.directory / "reports" / name / "about.json").write_text(text)
    assert [about.name for about in lab.lab.reports.all()] == [kept]
    assert kept in ann.read("/reports")


def test_an_evaluation_that_fails_says_why_and_keeps_nothing(lab: Lab, ann: Visitor) -> None:
    lab.lab.reports._command = (sys.executable, "-c", "import sys; sys.exit('corpus_error: <b>no rows</b>')")
    ann.send("/reports", model=lab.registry.shelf.current())
    lab.lab.background.wait()
    page = ann.read("/reports")
    assert "the evaluation ended with code 1: corpus_error: &lt;b&gt;no rows&lt;/b&gt;" in page
    assert lab.lab.reports.all() == ()
    ann.send("/reports", 404, model="none")


def test_health_tells_each_part_and_a_refused_reload_of_policies(lab: Lab, ann: Visitor) -> None:
    for number in range(240):
        lab.audit.append(decision(number, allowed=number % 3 != 0))
    lab.label(2)
    page = ann.read("/health")
    assert "66.7 % of the last 240" in page
    assert '<code>novel</code></td><td class="num">80</td>' in page
    assert "Stability index" in page
    assert "240" in page
    assert "reload refused" in page
    assert "&lt;b&gt;policy&lt;/b&gt; 3 does not parse" in page
    assert "certificate holds" in page
    assert "Not verified since the service started." in page
    assert ">settled<" in page or ">pending<" in page


def test_the_audit_is_verified_in_the_background_and_a_change_of_it_is_found(lab: Lab, ann: Visitor) -> None:
    for number in range(3):
        lab.audit.append(decision(number))
    ann.send("/health/verify")
    lab.lab.background.wait()
    page = ann.read("/health")
    assert ">sound<" in page
    assert "3 events" in page
    with lab.audit.engine.begin() as connection:
        triggers = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").scalars().all()
        for trigger in triggers:
            connection.exec_driver_sql(f'DROP TRIGGER "{trigger}"')
        connection.exec_driver_sql("UPDATE audit_event SET subject = 'mallory' WHERE number = 1")
    ann.send("/health/verify")
    lab.lab.background.wait()
    page = ann.read("/health")
    assert ">broken<" in page
    assert "edited at 1" in page


def test_what_cannot_be_read_is_told_and_the_rest_stands(lab: Lab, ann: Visitor) -> None:
    lab.audit.close()
    with lab.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE item_state RENAME TO gone")
    page = ann.read("/health")
    assert "the audit must be open" in page
    assert "the workbench cannot be read" in page
    assert "certificate holds" in page
