import base64
import json

import pytest

from intent.errors import TooLarge
from intent.evidence.base import Leaf
from intent.schema import Tool
from intent.text import Change
from intent.views import Limits, read_capability, read_declared, read_effect, tool_digest

LIMITS = Limits()


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_a_capability_is_in_words():
    schema = {
        "type": "object",
        "properties": {
            "repoName": {"type": "string", "description": "Which one."},
            "action": {"enum": ["createIssue", "close_issue", 3]},
            "filter": {"type": "object", "properties": {"updated_since": {"type": "string"}}},
            "items": {"type": "array", "items": {"$ref": "#/$defs/Item"}},
        },
        "$defs": {"Item": {"properties": {"itemId": {"const": "oneKind"}}}},
    }
    view = read_capability(Tool(name="manageIssues", description="Manages.", input_schema=schema), LIMITS)
    assert view.name.text == "manage issues"
    assert view.description.text == "Manages."
    assert view.parameters.text == "repo name, action, create issue, close issue, filter, updated since, items, item id, one kind"
    assert view.parameter_notes.text == "Which one."
    assert not view.changes
    assert not view.obfuscated


def test_a_capability_gathers_the_changes_of_its_parts():
    schema = {"properties": {"p\u0430th": {"description": "a\x00b"}}}
    view = read_capability(Tool(name="re\u200bad", input_schema=schema), LIMITS)
    assert view.changes == {Change.INVISIBLE, Change.LOOKALIKE, Change.CONTROL}
    assert view.deceptions == {Change.INVISIBLE, Change.LOOKALIKE}
    assert view.parameters.text == "path"
    assert view.parameters.raw == "p\u0430th"


@pytest.mark.parametrize(
    "schema",
    [
        None,
        {},
        {"properties": []},
        {"properties": [{"name": "x"}, 3]},
        {"properties": {"a": None, "b": 3, "c": "text", "d": [], "e": True}},
        {"properties": {"a": {"$ref": "#/properties/a"}}},
        {"$ref": "#"},
        {"enum": "text", "const": {"a": 1}, "description": ["no"]},
        {"properties": {"properties": {"properties": {"enum": {"enum": [None, {"x": 1}]}}}}},
        {"allOf": {"properties": {"a": 1}}, "items": [[[]]], "additionalProperties": False},
    ],
)
def test_no_schema_raises(schema):
    read_capability(Tool(name="t", input_schema=schema), LIMITS)


def test_properties_that_are_named_like_keywords_are_still_names():
    schema = {"properties": {"properties": {"type": "string"}, "enum": {"type": "string"}, "default": {"type": "string"}}}
    assert read_capability(Tool(name="t", input_schema=schema), LIMITS).parameters.text == "properties, enum, default"


def nested(levels: int) -> dict:
    schema: dict = {}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


@pytest.mark.parametrize(
    ("tool", "where"),
    [
        (Tool(name="n" * 513), "tool.name"),
        (Tool(name="n", description="d" * 65537), "tool.description"),
        (Tool(name="n", input_schema={"x": "y" * 262144}), "tool.input_schema"),
        (Tool(name="n", input_schema=nested(33)), "tool.input_schema"),
        (Tool(name="n", input_schema={"items": [[] for _ in range(33000)]}), "tool.input_schema"),
        (Tool.model_construct(name="n", description=None, input_schema=nested(100_000)), "tool.input_schema"),
    ],
)
def test_a_tool_beyond_a_cap_is_too_large(tool, where):
    with pytest.raises(TooLarge, match=where):
        read_capability(tool, LIMITS)


def test_a_request_is_capped():
    assert read_declared("find\u00a0it", LIMITS).text == "find it"
    with pytest.raises(TooLarge, match="request"):
        read_declared("x" * 65537, LIMITS)


def test_arguments_are_flattened_in_order():
    view = read_effect(
        {"toAddress": "a@b.example", "n": 1.5, "on": True, "none": None, "list": [{"x": "1"}, {"x": "2"}], "empty": {}}, LIMITS
    )
    assert view.leaves == (
        Leaf(("toAddress",), "a@b.example"),
        Leaf(("n",), "1.5"),
        Leaf(("on",), "true"),
        Leaf(("none",), "null"),
        Leaf(("list", "x"), "1"),
        Leaf(("list", "x"), "2"),
    )
    assert view.text.splitlines()[0] == "to address: a@b.example"
    assert view.text.splitlines()[-1] == "list x: 2"


def test_a_line_of_the_text_is_one_leaf():
    assert read_effect({"sql": "SELECT 1;\nDROP TABLE x"}, LIMITS).text == "sql: SELECT 1; DROP TABLE x"


def test_encoded_text_becomes_a_leaf_of_its_own():
    view = read_effect({"data": encoded("delete everything")}, LIMITS)
    assert view.leaves[1] == Leaf(("data",), "delete everything", "base64")


@pytest.mark.parametrize("mark", ["", "\u200b", "\ufeff"])
def test_json_in_a_string_is_flattened(mark):
    view = read_effect({"body": mark + json.dumps({"query": "mutation { x }", "token": 123456789})}, LIMITS)
    assert view.leaves[0] == Leaf(("body", "query"), "mutation { x }")
    assert view.leaves[1].path == ("body", "token")


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', "{not json}", '"{}"', '{"a": NaN}', "[1, 2]", '{"a":' * 100 + "1" + "}" * 100])
def test_what_is_no_strict_json_object_stays_a_text(text):
    assert [leaf.path for leaf in read_effect({"v": text}, LIMITS).leaves if leaf.decoded_from is None] == [("v",)]


def test_keys_are_canonical_and_their_changes_count():
    view = read_effect({"p\u0430th": {"\u202ex": "1"}}, LIMITS)
    assert view.leaves[0].path == ("path", "x")
    assert view.deceptions == {Change.LOOKALIKE, Change.BIDI}
    assert view.obfuscated


@pytest.mark.parametrize(
    ("value", "expected"), [("swordfish", "[secret]"), ("'; DROP TABLE x", "'; DROP TABLE x"), ("abcd;reboot", "abcd;reboot")]
)
def test_a_password_is_masked_by_its_key_unless_a_command_could_hide_there(value, expected):
    assert read_effect({"password": value}, LIMITS).leaves[0].text == expected


@pytest.mark.parametrize(
    "arguments",
    [
        {"x": "y" * 262145},
        {"x" * 262145: "y"},
        {str(i): i for i in range(4097)},
        {"x": [[] for _ in range(33000)]},
        {"x": nested(33)},
        {"x": nested(100_000)},
        {"x": encoded("delete everything " * 1000)},
        {"x": " ".join(encoded(f"delete number {i}") for i in range(17)) + " !"},
        {str(i): "\ufdfa" * 400 for i in range(100)},
    ],
)
def test_arguments_beyond_a_cap_are_too_large(arguments):
    with pytest.raises(TooLarge):
        read_effect(arguments, LIMITS)


def test_arguments_at_the_cap_are_read():
    assert len(read_effect({str(i): i for i in range(4096)}, LIMITS).leaves) == 4096


def test_no_arguments_are_no_leaves():
    assert read_effect({}, LIMITS).text == ""


def test_the_digest_is_of_the_definition_alone():
    tool = Tool(name="a", description="b", input_schema={"x": 1, "y": 2}, annotations={"readOnlyHint": True}, server="s")
    same = Tool(name="a", description="b", input_schema={"y": 2, "x": 1})
    assert tool_digest(tool) == tool_digest(same)
    assert len({tool_digest(t) for t in (tool, Tool(name="a"), Tool(name="a", description=""), Tool(name="a", input_schema={}))}) == 4
    with pytest.raises(TooLarge):
        tool_digest(Tool.model_construct(name="n", description=None, input_schema=nested(100_000)))
