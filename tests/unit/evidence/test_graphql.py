"""Documents as servers take them, and the effect each one has."""

from __future__ import annotations

import pytest

from intent.evidence import graphql
from intent.evidence.base import Leaf
from intent.evidence.reading import heaviest
from intent.vocabulary import Effect

INTROSPECTION = (
    "query IntrospectionQuery { __schema { queryType { name } types { ...T } } } fragment T on __Type { kind name fields { name } }"
)

CASES = {
    Effect.READ: [
        "{ me { id name } }",
        "query { viewer { login } }",
        "query Orders($first: Int = 10) { orders(first: $first) { edges { node { id total } } } }",
        "subscription OnComment { commentAdded(postId: 4) { id text } }",
        INTROSPECTION,
        '{ __type(name: "User") { fields { name } } }',
        "# mutation { deleteUser(id: 1) { id } }\nquery { users { id } }",
        'query { search(text: "mutation { deleteUser }") { id } }',
        "query ($withMail: Boolean!) { user(id: 3) { id mail @include(if: $withMail) } }",
        "query { a: user(id: 1) { id } b: user(id: 2) { id } }",
        "query { deleteUser: user(id: 1) { id } }",
        "query { ... on Query { users { id } } }",
        "query { post(id: 3) { shareUrl } }",
        "query { upload(id: 3) { size } message(id: 4) { text } }",
        "query A { a } query B { b }",
        "{ createdOrders(last: 3) { id } }",
    ],
    Effect.CHANGE: [
        "mutation { deleteUser(id: 1) { id } }",
        "mutation Rename($n: String!) { updateProject(id: 4, name: $n) { id } }",
        "mutation { a: user(id: 1) { id } }",
        "mutation { issueCreate(input: {title: \"x\"}) { success } }",
        "query A { a } mutation B { removeItem(id: 1) { id } }",
        "mutation { ...M } fragment M on Mutation { archiveThread(id: 1) { id } }",
        "mutation { ... on Mutation { createPost(title: \"t\") { id } } }",
        "mutation { revokeInvite(id: 1) { id } }",
        "mutation { deleteShare(id: 1) { id } }",
        "mutation { unpublishPage(id: 1) { id } }",
        "mutation { shared: updateMessage(id: 1) { id } }",
        "mutation { setEmail(address: \"a\") { id } }",
        ",,, mutation { payInvoice(id: 9) { id } }",
        "mutation { addComment(body: \"x\") { id } }",
    ],
    Effect.DISCLOSE: [
        "mutation { sendEmail(to: \"a@x.example\") { id } }",
        "mutation { shareDocument(id: 1, with: \"bob\") { id } }",
        "mutation { publishPost(id: 1) { url } }",
        "mutation { inviteUser(email: \"a@x.example\") { id } }",
        "mutation { draftOrderInvoiceSend(id: 1) { id } }",
        "mutation { createInvitation(email: \"x\") { id } }",
        "mutation { postMessage(channel: 3) { id } }",
        "mutation { updateUser(id: 1) { id } notifyTeam(id: 3) { id } }",
        "mutation { ok: exportContacts(format: CSV) { url } }",
        "mutation M { ...F } fragment F on Mutation { ...G } fragment G on Mutation { forwardThread(id: 1) { id } }",
        "mutation { grantAccess(user: 3) { id } }",
    ],
    None: [
        "mutation { deleteUser(id: 1) { id }",
        "query { users { id } } garbage",
        "query { ...Missing }",
        "fragment F on User { id }",
        "type User { id: ID! }",
        "query { " + "a { " * 80 + "b" + " }" * 81,
        "query { " + "user " * 3000 + "}",
        "query { a }" + " " * 20000,
        "query { deleteUser(id: 3) { ok } }",
        "query { sendInvoice(id: 3) { ok } users { id } }",
        "{ ...F } fragment F on Query { " + "x " * 400 + "}",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("text", "effect"), [(text, effect) for effect, texts in CASES.items() for text in texts])
def test_a_document_has_the_effect_of_its_heaviest_operation(text, effect):
    assert heaviest(f.effect for f in graphql.findings(text)) is effect


def test_fragments_that_hold_each_other_end():
    found = graphql.findings("mutation { ...A } fragment A on Mutation { ...B x } fragment B on Mutation { ...A }")
    assert [f.effect for f in found] == [Effect.CHANGE]


def _read(arguments, words):
    return [f.effect for f in graphql.readings([Leaf((key,), text) for key, text in arguments], words)]


TWO = "query Look { users { id } } mutation Drop { deleteUser(id: 1) { id } }"


@pytest.mark.parametrize(
    ("arguments", "words", "effect"),
    [
        ([("query", TWO), ("operationName", "Look")], "graphql", Effect.READ),
        ([("query", TWO), ("operationName", "Drop")], "graphql", Effect.CHANGE),
        ([("query", TWO), ("operationName", "Other")], "graphql", None),
        ([("query", TWO), ("operationName", "null")], "graphql", Effect.CHANGE),
        ([("query", TWO)], "graphql", Effect.CHANGE),
        ([("query", TWO), ("operationName", "Look"), ("operationName", "Drop")], "graphql", Effect.CHANGE),
        ([("query", TWO), ("query", TWO), ("operationName", "Look")], "graphql", Effect.CHANGE),
        ([("query", "mutation { x { id } }")], "anything", Effect.CHANGE),
        ([("body", "mutation { x { id } }")], "run graphql", Effect.CHANGE),
        ([("mutation", "{ deleteUser(id: 1) { id } }")], "graphql mutate", None),
        ([("mutation", "deleteUser")], "graphql mutate", None),
        ([("query", "query { broken")], "graphql", None),
    ],
)
def test_a_call_is_read_with_the_name_beside_it(arguments, words, effect):
    found = _read(arguments, words)
    assert found
    assert heaviest(found) is effect


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        ("query", "how to write a mutation", "search graphql docs query"),
        ("query", "cheap flights to Oslo", "web search"),
        ("query", '{"match": {"title": "x"}}', "elastic search"),
        ("query", "{a} and {b}", "web search"),
        ("content", "mutation { deleteUser(id: 1) { id } }", "write file"),
        ("text", "function f() { return 1 }", "graphql"),
        ("query", "mutation rates in bacteria", "graphql"),
        ("body", "{ x: 1, y: 2 }", "http request"),
    ],
)
def test_what_is_not_graphql_is_left_alone(key, text, words):
    assert not _read([(key, text)], words)


def test_no_number_of_harmless_fields_hides_another_effect():
    text = "mutation { " + " ".join(f"set{i}(a: 1) {{ id }}" for i in range(100)) + " sendEmail(id: 1) { id } }"
    assert Effect.DISCLOSE in {f.effect for f in graphql.findings(text)}
