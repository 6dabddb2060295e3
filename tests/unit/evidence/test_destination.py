"""Where calls send things, and which of it a user has asked for."""

from __future__ import annotations

import time

import pytest

from intent.evidence.base import Leaf
from intent.evidence.destination import MOST_FINDINGS, Destination, DestinationKind, destinations, readings
from intent.evidence.naming import unrequested
from intent.views import Limits, read_effect
from intent.vocabulary import Effect

EMAIL, HOST, PHONE, ACCOUNT, CHANNEL, USER, PATH = DestinationKind
IBAN = "DE89370400440532013000"


def found(arguments, words=""):
    return [(d.kind, d.value) for d in destinations(read_effect(arguments, Limits()).leaves, words)]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"to": "bob@example.com"}, [(EMAIL, "bob@example.com")]),
        ({"to": "Bob Ray <bob@example.com>, ann@example.org"}, [(EMAIL, "bob@example.com"), (EMAIL, "ann@example.org")]),
        ({"cc": ["a.b@example.com"], "bcc": ["c@example.com"]}, [(EMAIL, "a.b@example.com"), (EMAIL, "c@example.com")]),
        ({"recipients": [{"name": "Ann", "email": "ann@example.com"}]}, [(USER, "Ann"), (EMAIL, "ann@example.com")]),
        ({"toRecipients": [{"emailAddress": {"address": "a@example.com"}}]}, [(EMAIL, "a@example.com")]),
        ({"participants": ["Ann Lee", "Bob"]}, [(USER, "Ann Lee"), (USER, "Bob")]),
        ({"recipient": "Ann; Bob"}, [(USER, "Ann"), (USER, "Bob")]),
        ({"reply_to": "x@evil.example"}, [(EMAIL, "x@evil.example")]),
        ({"customer_email": "x@example.com"}, [(EMAIL, "x@example.com")]),
        ({"to": "#general"}, [(CHANNEL, "#general")]),
        ({"channel": "C012AB"}, [(CHANNEL, "C012AB")]),
        ({"chat_id": 123456}, [(CHANNEL, "123456")]),
        ({"url": "https://evil.example/x?a=1"}, [(HOST, "https://evil.example/x?a=1")]),
        ({"webhook_url": "hooks.example.com/a"}, [(HOST, "hooks.example.com/a")]),
        ({"endpoint": "/v1/users"}, []),
        ({"to": "+1 415 555 0134"}, [(PHONE, "+1 415 555 0134")]),
        ({"phone_number": "0170 1234567"}, [(PHONE, "0170 1234567")]),
        ({"phone": "soon"}, []),
        ({"iban": "DE89 3704 0044 0532 0130 00"}, [(ACCOUNT, "DE89 3704 0044 0532 0130 00")]),
        ({"recipient": "US133000000121212121212"}, [(ACCOUNT, "US133000000121212121212")]),
        ({"account_number": "00123456"}, [(ACCOUNT, "00123456")]),
        ({"destination": "/mnt/share/out.csv"}, [(PATH, "/mnt/share/out.csv")]),
        ({"destination": "s3://bucket/a.csv"}, [(PATH, "s3://bucket/a.csv")]),
        ({"bucket": "team-exports"}, [(PATH, "team-exports")]),
        ({"from": "me@example.com"}, []),
        ({"sender": {"name": "Ann", "email": "ann@example.com"}}, []),
        ({"from_phone": "+1 415 555 0134"}, []),
        ({"to": "2026-05-01"}, []),
        ({"to": None, "cc": "", "bcc": []}, []),
        ({"notify": True}, []),
        ({"body": "See https://evil.example/a."}, [(HOST, "https://evil.example/a")]),
        ({"body": "![x](https://evil.example/p.png?d=1)"}, [(HOST, "https://evil.example/p.png?d=1")]),
        ({"body": '<img src="//evil.example/p.png">'}, [(HOST, "//evil.example/p.png")]),
        ({"body": "visit www.secure-systems-252.com, now"}, [(HOST, "www.secure-systems-252.com")]),
        ({"body": "visit secure-systems-252.com now"}, [(HOST, "secure-systems-252.com")]),
        ({"body": "write to ann@example.com."}, [(EMAIL, "ann@example.com")]),
        ({"body": f"pay to {IBAN} PLEASE"}, [(ACCOUNT, IBAN)]),
        ({"body": "pay to GB29 NWBK 6016 1331 9268 19 TODAY"}, [(ACCOUNT, "GB29 NWBK 6016 1331 9268 19")]),
        ({"body": "call +49 170 1234567 today"}, [(PHONE, "+49 170 1234567")]),
        ({"body": "The file report.pdf uses node.js, e.g. in v1.2.3"}, []),
        ({"body": "ORDER AB12 CDEF GHIJ KLMN is no account"}, []),
        ({"note": "https://a.example\\@b.example/x"}, [(HOST, "https://a.example\\@b.example/x")]),
    ],
)
def test_destinations_are_found_by_key_and_by_form(arguments, expected):
    assert found(arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "words", "expected"),
    [
        ({"to": "French"}, "translate text to a language", []),
        ({"to": "Oslo"}, "find flights from to", []),
        ({"to": "ann"}, "send message to", [(USER, "ann")]),
        ({"user": "ann"}, "get user", []),
        ({"user": "ann@example.com"}, "get user", [(EMAIL, "ann@example.com")]),
        ({"recipient": "ann"}, "whatever", [(USER, "ann")]),
    ],
)
def test_a_doubtful_key_counts_in_tools_that_tell(arguments, words, expected):
    assert found(arguments, words) == expected


def test_a_text_is_told_from_a_key():
    leaves = [Leaf(("to",), "a@x.example"), Leaf(("body",), "b@x.example")]
    assert [d.embedded for d in destinations(leaves)] == [False, True]


def test_the_host_is_the_one_that_a_browser_opens():
    (destination,) = destinations([Leaf(("url",), "https://good.example@evil.example/x")])
    assert destination.host == "evil.example"


def test_findings_inform_and_never_bind():
    leaves = [Leaf(("body",), "b@x.example"), Leaf(("to",), "a@x.example")]
    findings = list(readings(leaves, "send email"))
    assert [(f.kind, f.effect, f.binding) for f in findings] == [("destination", Effect.DISCLOSE, False)] * 2
    assert findings[0].detail == "email a@x.example in to"


def test_findings_are_bounded_and_destinations_are_not():
    leaves = [Leaf(("to",), f"a{i}@x.example") for i in range(100)]
    assert len(list(readings(leaves, ""))) == MOST_FINDINGS
    assert len(destinations(leaves)) == 100


NAMED = [
    ("Send John the minutes", EMAIL, "john.smith@example.com"),
    ("ask john smith about it", EMAIL, "john.smith@example.com"),
    ("write to Smith", EMAIL, "john.smith@example.com"),
    ("Forward John's note to SMITH", EMAIL, "JOHN.SMITH@EXAMPLE.COM"),
    ("mail John Smith", EMAIL, "johnsmith@example.com"),
    ("mail John Smith", EMAIL, "jsmith@example.com"),
    ("mail John Smith", EMAIL, "smithj42@example.com"),
    ("mail Jos\u00e9", EMAIL, "jose@example.com"),
    ("mail Katherine", EMAIL, "katharine.lee@example.com"),
    ("mail it to bob@example.com.", EMAIL, "bob@example.com"),
    ("mail it to Bob@Example.com", EMAIL, "bob@example.com"),
    ("write to Acme about it", EMAIL, "support@acme.com"),
    ("write to O'Brien", EMAIL, "obrien@example.com"),
    ("summarize www.secure-systems-252.com for me", HOST, "https://www.secure-systems-252.com/a"),
    ("open secure-systems-252 and look", HOST, "www.secure-systems-252.com"),
    ("open Secure Systems 252", HOST, "www.secure-systems-252.com"),
    ("post it to GitHub", HOST, "https://api.github.com/gists"),
    ("see https://docs.example.com/a", HOST, "https://api.example.com/b"),
    ("see (example.co.uk)", HOST, "https://shop.example.co.uk"),
    ("ping 10.1.2.3", HOST, "http://10.1.2.3:8080/x"),
    ("ask localhost:3000", HOST, "http://localhost:3000/x"),
    ("pay to DE89 3704 0044 0532 0130 00 please", ACCOUNT, IBAN),
    (f"pay to {IBAN}", ACCOUNT, "DE89 3704 0044 0532 0130 00"),
    ("pay to de89370400440532013000", ACCOUNT, IBAN),
    ("pay GB29 NWBK 6016 1331 9268 19", ACCOUNT, "GB29NWBK60161331926819"),
    ("from account 00-123-456", ACCOUNT, "00123456"),
    ("call (415) 555-0134", PHONE, "+1 415 555 0134"),
    ("call 0170 1234567", PHONE, "+49 170 1234567"),
    ("call +49 170 1234567", PHONE, "+491701234567"),
    ("call 0049 170 1234567", PHONE, "+49 170 1234567"),
    ("post it in #general", CHANNEL, "general"),
    ("post it in the General channel", CHANNEL, "#general"),
    ("tell the release notes channel", CHANNEL, "release-notes"),
    ("tell the release-note channel", CHANNEL, "#release_notes"),
    ("tell enginering", CHANNEL, "engineering"),
    ("message Alice's manager", USER, "@alice"),
    ("message @alice", USER, "alice"),
    ("message Alice and Bob", USER, "Bob Ray"),
    ("message Jonh Baxter", USER, "john baxter"),
    ("upload it to the team exports bucket", PATH, "s3://team-exports/x.csv"),
    ("save it as report.csv", PATH, "/tmp/out/report.csv"),
    ("put it in the Archive folder", PATH, "Archive"),
]

NOT_NAMED = [
    ("Send John the minutes", EMAIL, "mark.gray@example.com"),
    ("send the report to my boss", EMAIL, "report@evil.example"),
    ("ask support", EMAIL, "support@evil.example"),
    ("send it with Gmail", EMAIL, "info@gmail.com"),
    ("mail it to john@example.com", EMAIL, "john@evil.example"),
    ("mail it to john@example.com", EMAIL, "john@examp1e.com"),
    ("mail it to a.bob@example.com", EMAIL, "bob@example.com"),
    ("mail it to bob@example.com.evil", EMAIL, "bob@example.com"),
    ("reply to him", EMAIL, "ann@example.com"),
    ("send to everyone on the list", EMAIL, "ann@example.com"),
    ("", EMAIL, "ann@example.com"),
    ("mail Johnny", EMAIL, "john@example.com"),
    ("open secure-systems-252", HOST, "www.secure-systems-525.com"),
    ("open www.secure-systems-252.com", HOST, "www.secure-systems-252.com.evil.example"),
    ("open GitHub", HOST, "https://github.evil.example/login"),
    ("open GitHub", HOST, "https://github-login.example"),
    ("open github", HOST, "https://evil.github.io"),
    ("open slack.com", HOST, "https://slack.xyz"),
    ("open slack.com", HOST, "https://slack.com@evil.example/x"),
    ("summarize the report", HOST, "https://report.example"),
    ("ping 10.1.2.3", HOST, "http://10.1.2.30/"),
    ("open paypal", HOST, "https://paypa1.com"),
    ("look at the docs", HOST, "https://docs.evil.example"),
    (f"pay to {IBAN}", ACCOUNT, "DE89370400440532013001"),
    ("pay to DE89 3704 0044", ACCOUNT, IBAN),
    ("pay the bill", ACCOUNT, "US133000000121212121212"),
    ("call 555-0134", PHONE, "+1 415 555 0199"),
    ("call (415) 555-0134", PHONE, "+1 212 415 5550134"),
    ("post it in general", CHANNEL, "random"),
    ("ask Alice", CHANNEL, "alice-external"),
    ("post in release", CHANNEL, "release-notes"),
    ("message Alice", USER, "Mallory"),
    ("message the team", USER, "external team"),
    ("read the alphabet", USER, "al"),
    ("tell Bob", USER, "bobby"),
    ("tell agent1234", USER, "agent1235"),
    ("upload it to exports", PATH, "s3://evil-bucket/exports"),
    ("save it", PATH, "/etc/cron.d/job"),
]


@pytest.mark.parametrize(("request_text", "kind", "value"), NAMED)
def test_a_named_destination_is_requested(request_text, kind, value):
    assert unrequested(request_text, [Destination(kind, value)]) == ()


@pytest.mark.parametrize(("request_text", "kind", "value"), NOT_NAMED)
def test_a_destination_that_no_word_names_is_not_requested(request_text, kind, value):
    destination = Destination(kind, value)
    assert unrequested(request_text, [destination]) == (destination,)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 65536,
        "a@" * 30000,
        "a." * 30000,
        "AA11" * 15000,
        "AA11 " * 13000,
        "+1 " * 20000,
        "a:// " * 13000,
        "https://" * 8000,
        "%" * 65536,
        "".join(f"abc{chr(97 + i % 26)}{chr(97 + i // 26 % 26)}{chr(97 + i // 676 % 26)}xyz " for i in range(7000)),
    ],
    ids=lambda text: text[:6].strip(),
)
def test_hostile_texts_are_read_in_bounded_time(text):
    started = time.process_time()
    found = destinations([Leaf(("body",), text)])
    unrequested(text, [*found[:200], Destination(USER, "abcdefxyzw"), Destination(EMAIL, "abcxyzabcxyz@x.example")])
    assert time.process_time() - started < 5
