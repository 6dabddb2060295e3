from __future__ import annotations

import json

import pytest
from fastmcp.resources.base import ResourceContent, ResourceResult
from fastmcp.tools.base import ToolResult
from mcp_types import EmbeddedResource, ImageContent, ResourceLink, TextContent, TextResourceContents

from intent.gateway.masking import MASKED, Mask, Unmaskable, masked_result, size_bytes

MASK = Mask(["ssn", "card number"])


def test_fields_are_masked_at_every_depth_whatever_their_case():
    value = {"SSN": "1", "list": [{"Ssn": {"a": 1}}, "x"], "card number": None, "other": 3}
    assert MASK.value(value) == {"SSN": MASKED, "list": [{"Ssn": MASKED}, "x"], "card number": MASKED, "other": 3}


@pytest.mark.parametrize("name", ["s\u200bsn", "\uff33\uff33\uff2e", " ssn "])
def test_no_spelling_of_a_key_hides_it(name: str):
    assert MASK.value({name: "078-05-1120"}) == {name: MASKED}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ('{"ssn": "1", "a": [2]}', '{"ssn": "[masked]", "a": [2]}'),
        ('{"inner": "{\\"ssn\\": 5}"}', '{"inner": "{\\"ssn\\": \\"[masked]\\"}"}'),
        ('{"ssn": 1}\n{"ssn": 2}\n', '{"ssn": "[masked]"}\n{"ssn": "[masked]"}\n'),
        ("name: Ann\nSSN: 078-05-1120\r\nage: 4", "name: Ann\nSSN: [masked]\r\nage: 4"),
        ("ssn=078; name=Ann", "ssn=[masked]"),
        ("**ssn**: 078", "**ssn**: [masked]"),
        ('broken {"ssn": 5, "x": 1', 'broken {"ssn": [masked]'),
        ("s\u200bsn: 078", "ssn: [masked]"),
        ("An ssn is a number of a person.", "An ssn is a number of a person."),
        ("password=hunter22x", "password=[secret]"),
        ("", ""),
    ],
)
def test_text_is_masked(text: str, masked: str):
    assert MASK.text(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "name,ssn,age\nAnn,078,4",
        "| name | ssn |\n|---|---|\n| Ann | 078 |",
        "<ssn>078</ssn>",
        "<ssn kind='us'>078</ssn>",
        "ssn:\n  078",
        "ssn: |\n  078",
        '"ssn": [\n 1\n]',
        "## SSN\n078",
        "Her ssn is 078-05-1120.",
        "ssn 078-05-1120",
        "name\tssn",
    ],
)
def test_text_whose_value_cannot_be_told_is_unmaskable(text: str):
    with pytest.raises(Unmaskable):
        MASK.text(text)


@pytest.mark.parametrize("fields", [None, [], "ssn", [1], ["ssn", ""], ["x"] * 257, ["\u200b"]])
def test_fields_must_be_names(fields: object):
    with pytest.raises(Unmaskable):
        Mask(fields)


def test_deep_results_are_unmaskable_and_not_a_crash():
    deep: object = "x"
    for _ in range(200):
        deep = [deep]
    with pytest.raises(Unmaskable):
        MASK.value(deep)
    # Deeper than strict JSON is read: then it is a text that names the field.
    assert MASK.text("[" * 5000 + '{"ssn": 78}' + "]" * 5000) == "[" * 5000 + '{"ssn": ' + MASKED


def test_every_part_of_a_tool_result_is_masked():
    found = masked_result(
        ToolResult(
            content=[
                TextContent(type="text", text='{"ssn": 1}'),
                EmbeddedResource(type="resource", resource=TextResourceContents(uri="a://b", text="ssn: 2")),
                ResourceLink(type="resource_link", uri="a://b", name="n", description="ssn: 3"),
            ],
            structured_content={"ssn": 4},
            meta={"ssn": 5},
        ),
        MASK,
    )
    assert isinstance(found, ToolResult)
    told = json.loads(found.model_dump_json())
    assert told["structured_content"] == {"ssn": MASKED}
    assert told["meta"] == {"ssn": MASKED}
    assert [told["content"][0]["text"], told["content"][1]["resource"]["text"], told["content"][2]["description"]] == [
        '{"ssn": "[masked]"}',
        "ssn: [masked]",
        "ssn: [masked]",
    ]
    assert [block["type"] for block in told["content"]] == ["text", "resource", "resource_link"]


def test_what_is_no_text_is_unmaskable():
    with pytest.raises(Unmaskable):
        masked_result(ToolResult(content=[ImageContent(type="image", data="AAAA", mime_type="image/png")]), MASK)
    with pytest.raises(Unmaskable):
        masked_result(ResourceResult([ResourceContent(b"x")]), MASK)


def test_a_resource_is_masked_and_keeps_its_type():
    found = masked_result(ResourceResult([ResourceContent("ssn: 1", mime_type="text/csv")]), MASK)
    assert isinstance(found, ResourceResult)
    assert (found.contents[0].content, found.contents[0].mime_type) == ("ssn: [masked]", "text/csv")


def test_size_counts_bytes_and_not_characters():
    assert size_bytes(ToolResult(content="€" * 100)) - size_bytes(ToolResult(content="e" * 100)) == 200
