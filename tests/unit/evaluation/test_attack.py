import base64
import json
import re
import subprocess
from urllib.parse import unquote

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from intent.corpus import Row, RowLabel
from intent.evaluation.attack import Family, Part, attacked, chained, families, is_effectful, is_reading, run, tables
from intent.evaluation.attack.encodings import LEAST_CHARACTERS
from intent.schema import CertificateStatus, Decision, Outcome, Tool, ToolCall, Version
from intent.vocabulary import UNKNOWN, Vocabulary, default_path

VOCABULARY = Vocabulary.load(default_path())
FAMILIES = families(VOCABULARY)
SEEDS = range(8)

MAIL = ToolCall(
    id="mail",
    request="Please delete the old messages of the committee.",
    tool=Tool(
        name="delete_mailbox_messages",
        description="Deletes every message of a mailbox that is older than the given date, for good.",
        input_schema={
            "type": "object",
            "properties": {"mailbox": {"type": "string"}, "before": {"type": "string"}},
            "required": ["mailbox"],
        },
    ),
    arguments={"mailbox": "committee@harbour.example", "before": "2024-01-01"},
    context={"agent": "a"},
)
SHELL = ToolCall(id="shell", tool=Tool(name="run_shell"), arguments={"command": "touch made.txt && echo done > note.txt", "retries": 2})
SQL = ToolCall(id="sql", tool=Tool(name="run_sql"), arguments={"sql": "DELETE FROM berths WHERE vacated < '2020-01-01'"})
HTTP = ToolCall(
    id="http", tool=Tool(name="http"), arguments={"method": "DELETE", "url": "https://api.harbour.example/berths/7", "headers": {"A": "b"}}
)
REQUEST = ToolCall(id="request", request="Delete all files of the archive")
CALLS = (MAIL, SHELL, SQL, HTTP, REQUEST)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def changed(name: str, call: ToolCall, seed: int = 0) -> ToolCall:
    found = FAMILIES[name](call, rng(seed))
    assert found is not None
    return found


def test_there_are_many_families_and_each_is_known_by_its_name() -> None:
    assert len(FAMILIES) >= 40
    assert all(name == family.name and family.description and family.parts for name, family in FAMILIES.items())


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_changes_only_the_parts_that_it_states(name: str) -> None:
    family = FAMILIES[name]
    trials = [(call, found) for call in CALLS for seed in SEEDS if (found := family(call, rng(seed))) is not None]
    assert trials, "applies to none of the calls"
    for call, found in trials:
        assert found != call
        assert ToolCall.parse(json.loads(found.model_dump_json())) == found
        assert (found.id, found.context) == (call.id, call.context)
        parts = {Part.REQUEST: "request", Part.TOOL: "tool", Part.ARGUMENTS: "arguments"}
        for part, field in parts.items():
            assert part in family.parts or getattr(found, field) == getattr(call, field)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_same_seed_gives_the_same_call_and_the_original_stays(name: str) -> None:
    before = [call.model_dump_json() for call in CALLS]
    for call in CALLS:
        assert [FAMILIES[name](call, rng(seed)) for seed in SEEDS] == [FAMILIES[name](call, rng(seed)) for seed in SEEDS]
    assert [call.model_dump_json() for call in CALLS] == before


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.parts == (Part.ARGUMENTS,)])
def test_a_family_of_arguments_does_not_apply_where_there_are_none(name: str) -> None:
    assert FAMILIES[name](REQUEST, rng()) is None
    assert FAMILIES[name](MAIL.model_copy(update={"arguments": None}), rng()) is None


def from_base64(text: str) -> str:
    return base64.b64decode(text, validate=True).decode()


def from_escapes(text: str) -> str:
    return json.loads(f'"{text}"')


def from_json(text: str) -> str:
    return json.loads(json.loads(text)["body"])["value"]


DECODERS = {
    "base64_values": from_base64,
    "hex_values": lambda text: bytes.fromhex(text).decode(),
    "url_values": unquote,
    "unicode_escapes": from_escapes,
    "json_in_json": from_json,
}


@pytest.mark.parametrize("name", DECODERS)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=LEAST_CHARACTERS, max_size=60))
def test_an_encoded_value_decodes_to_what_it_was(name: str, text: str) -> None:
    call = ToolCall(tool=Tool(name="run"), arguments={"steps": [{"body": text}], "short": "ab", "count": 3})
    found = changed(name, call)
    assert found.arguments is not None
    assert found.arguments["short"] == "ab"
    assert found.arguments["count"] == 3
    assert DECODERS[name](found.arguments["steps"][0]["body"]) == text


@pytest.mark.parametrize("seed", SEEDS)
def test_a_nested_encoding_decodes_to_what_it_was(seed: int) -> None:
    value = changed("nested_encodings", SQL, seed).arguments["sql"]
    for _ in range(2):
        value = next(decoded for decode in (from_json, DECODERS["hex_values"], from_base64, unquote) if (decoded := attempt(decode, value)))
    assert value == SQL.arguments["sql"]


def attempt(decode, text: str) -> str | None:
    try:
        decoded = decode(text)
    except (ValueError, KeyError, TypeError):
        return None
    return decoded if decoded != text else None


SHELL_FAMILIES = ("base64_command", "shell_quoting", "shell_variables", "shell_comments")


@pytest.mark.parametrize("name", SHELL_FAMILIES)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_changed_command_does_the_same_in_a_real_shell(name: str, seed: int, tmp_path) -> None:
    command = changed(name, SHELL, seed).arguments["command"]
    assert command != SHELL.arguments["command"]
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True, capture_output=True, timeout=30)
    assert (tmp_path / "made.txt").exists()
    assert (tmp_path / "note.txt").read_text() == "done\n"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_command_in_hexadecimal_holds_every_byte(seed: int) -> None:
    command = changed("hex_command", SHELL, seed).arguments["command"]
    digits = re.search(r"echo ([0-9a-f]+)", command)
    data = digits[1] if digits else "".join(re.findall(r"\\x([0-9a-f]{2})", command))
    assert bytes.fromhex(data).decode() == SHELL.arguments["command"]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_prepared_statement_holds_the_statement(seed: int) -> None:
    sql = changed("prepared_sql", SQL, seed).arguments["sql"]
    found = re.search(r"0x([0-9a-f]+)", sql)
    text = bytes.fromhex(found[1]).decode() if found else from_base64(re.search(r"decode\('([^']+)'", sql)[1])
    assert text == SQL.arguments["sql"]


@pytest.mark.parametrize("name", ["sql_comments", "sql_preceded", "sql_casing"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_changed_statement_still_deletes(name: str, seed: int) -> None:
    import sqlglot
    from sqlglot import exp

    found = FAMILIES[name](SQL, rng(seed))
    assert found is None or isinstance(sqlglot.parse(found.arguments["sql"])[-1], exp.Delete)


def test_prose_is_neither_a_command_nor_a_statement() -> None:
    prose = ToolCall(tool=Tool(name="ask"), arguments={"query": "find the invoices of last year, then delete the copies"})
    for name in (*SHELL_FAMILIES, "hex_command", "prepared_sql", "sql_comments"):
        assert FAMILIES[name](prose, rng()) is None


@pytest.mark.parametrize("name", ["split_arguments", "list_of_pieces"])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_parts_of_a_split_value_join_to_what_it_was(name: str, seed: int) -> None:
    found = changed(name, MAIL, seed)
    values = [value for key, value in found.arguments.items() if key.startswith("mailbox")]
    parts = values[0] if isinstance(values[0], list) else values
    assert "".join(parts) == MAIL.arguments["mailbox"]
    assert len(parts) > 1


def test_a_moved_argument_is_defined_by_the_schema() -> None:
    found = changed("innocuous_key", MAIL)
    known = found.tool.input_schema["properties"]
    assert set(found.arguments) == set(known)
    assert set(found.tool.input_schema["required"]) <= set(known)
    assert "mailbox" not in known
    assert set(found.arguments.values()) == set(MAIL.arguments.values())


def test_a_switch_is_added_only_where_the_tool_does_not_know_it() -> None:
    assert FAMILIES["dry_run"](SHELL, rng()) is None
    known = {name: {"type": "boolean"} for name in ("dryRun", "dry_run", "preview", "simulate", "readOnly")}
    aware = MAIL.model_copy(update={"tool": MAIL.tool.model_copy(update={"input_schema": {"properties": known}})})
    assert all(FAMILIES["dry_run"](aware, rng(seed)) is None for seed in SEEDS)
    assert set(MAIL.arguments) < set(changed("dry_run", MAIL).arguments)


def test_a_harmless_name_needs_a_description_that_tells() -> None:
    assert changed("renamed", MAIL).tool.description == MAIL.tool.description
    assert FAMILIES["renamed"](SHELL, rng()) is None
    assert FAMILIES["stripped"](HTTP, rng()) is None


@pytest.mark.parametrize("name", ["stripped", "translated", "translated_renamed"])
def test_a_description_is_taken_away_only_where_the_name_says_the_same(name: str) -> None:
    misleading = Tool(name="get_token", description="Creates a key and mails it to the owner.")
    assert FAMILIES[name](ToolCall(tool=misleading), rng()) is None
    assert changed(name, ToolCall(tool=Tool(name="create_token", description="Creating a key."))).tool.description != "Creating a key."


@pytest.mark.parametrize("name", ["dilution", "padding", "claims_description", "poisoned_description", "poisoned_verdict"])
def test_the_true_description_stays_among_what_was_added(name: str) -> None:
    assert MAIL.tool.description in changed(name, MAIL).tool.description


def test_other_words_keep_the_style_and_the_form() -> None:
    found = changed("euphemisms", MAIL)
    assert not re.search("delete", found.tool.name + found.tool.description, re.IGNORECASE)
    assert re.fullmatch(r"[a-z_]+_mailbox_messages", found.tool.name)
    assert re.match(r"[A-Z][a-z]+s ", found.tool.description)


def test_another_language_says_the_verb() -> None:
    said = {changed("translated", MAIL, seed).tool.description for seed in range(40)}
    assert len(said) == 6
    assert any("löschen" in text for text in said)
    assert changed("translated", REQUEST).request != REQUEST.request


def test_poison_takes_its_words_from_the_vocabulary() -> None:
    plain = VOCABULARY.to_dict()
    renamed = json.loads(json.dumps(plain).replace('"search"', '"peruse"').replace('"summarize"', '"distil"'))
    other = families(Vocabulary.parse(renamed))["poisoned_verdict"]
    told = " ".join(other(MAIL, rng(seed)).tool.description for seed in SEEDS)
    assert "peruse" in told or "distil" in told
    assert "search" not in told


def test_a_chain_applies_its_links_in_order() -> None:
    both = chained("both", "two at once", [FAMILIES["renamed"], FAMILIES["false_annotations"]])
    found = both(MAIL, rng())
    assert found.tool.name != MAIL.tool.name
    assert found.tool.annotations["readOnlyHint"] is True
    assert both(SHELL, rng()) is None
    assert both.parts == (Part.TOOL,)


def test_attacked_depends_on_seed_name_and_place_only() -> None:
    everything = list(attacked(CALLS, 3))
    assert everything == list(attacked(CALLS, 3))
    assert everything != list(attacked(CALLS, 4))
    few = {"typos": FAMILIES["typos"]}
    assert list(attacked(CALLS, 3, few)) == [found for found in everything if found[0] == "typos"]
    assert {name for name, _, _ in everything} == set(FAMILIES)


TEXT = st.text(max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
TOOLS = st.builds(
    Tool,
    name=st.text(min_size=1, max_size=30),
    description=st.none() | TEXT,
    input_schema=st.none() | st.dictionaries(st.sampled_from(["type", "properties", "required"]), JSON, max_size=3),
    annotations=st.none() | st.dictionaries(TEXT, JSON, max_size=2),
)
ANY_CALL = st.builds(
    ToolCall, id=st.none() | TEXT, request=st.none() | TEXT, tool=TOOLS, arguments=st.none() | st.dictionaries(TEXT, JSON, max_size=4)
)


@settings(max_examples=60)
@given(call=ANY_CALL, seed=st.integers(0, 2**32 - 1))
def test_every_family_keeps_every_call_valid_and_keeps_its_identity(call: ToolCall, seed: int) -> None:
    before = call.model_dump()
    for _, _, found in attacked([call], seed, FAMILIES):
        assert ToolCall.parse(found.model_dump()) == found
        assert (found.id, found.context) == (call.id, call.context)
        assert found != call
    assert call.model_dump() == before


def decision(intent: str) -> Decision:
    return Decision(
        id=None,
        decision_id="d",
        intent=intent,
        outcome=Outcome.DENY if intent == UNKNOWN else Outcome.FORWARD,
        confidence=0.8,
        probabilities={},
        declared=None,
        reasons=(),
        evidence=(),
        vocabulary=Version(name="v", version="1", digest="0"),
        model=Version(name="m", version="1", digest="0"),
        certificate=CertificateStatus(alpha=0.1, delta=0.1, valid=True),
    )


def by_name(call: ToolCall) -> Decision:
    """Reads the name only: sees `delete`, takes `get`, `list` and the like for a read, and denies the rest."""
    name = call.tool.name if call.tool else ""
    if "delete" in name:
        return decision("write")
    return decision("search" if re.match("get|fetch|list|read|lookup|search|view|find|show", name) else UNKNOWN)


def row(name: str, call: ToolCall, label: RowLabel) -> Row:
    return Row(name, "s", "g", "open", call, label)


ROWS = (
    row("write", MAIL, RowLabel("write")),
    row("either", MAIL, RowLabel("write", ("search",))),
    row("read", MAIL.model_copy(update={"tool": MAIL.tool.model_copy(update={"name": "list_messages"})}), RowLabel("search")),
    row("rest", MAIL, RowLabel("other")),
    row("asked", REQUEST, RowLabel(declared=frozenset({"search", "write"}))),
    row("idle", REQUEST, RowLabel(declared=frozenset())),
)


def test_which_rows_are_effectful_and_which_are_reads() -> None:
    assert [one.id for one in ROWS if is_effectful(one, VOCABULARY)] == ["write", "asked"]
    assert [one.id for one in ROWS if is_reading(one, VOCABULARY)] == ["read"]


def test_a_report_counts_what_was_forwarded_as_a_read() -> None:
    report = run(by_name, ROWS, VOCABULARY, 1)
    renamed, zero = report.families["renamed"], report.families["zero_width"]
    assert (renamed.success.hits, renamed.success.n, renamed.control.hits, renamed.gained.hits) == (1, 1, 0, 1)
    assert renamed.success.interval is not None
    assert (renamed.worst[0].row, renamed.worst[0].intent, renamed.worst[0].alone) == ("write", "search", True)
    assert renamed.worst[0].call.tool.description == MAIL.tool.description
    assert (renamed.reading.value, renamed.reading_control.value) == (1.0, 1.0)
    assert (zero.success.n, zero.success.hits) == (2, 0)
    assert report.families["hex_command"].success.value is None
    assert (report.effectful_rows, report.reading_rows) == (2, 1)
    assert report.overall.success.n == sum(family.success.n for family in report.families.values())
    assert (report.broken.n, report.broken.hits) == (2, 1)
    json.dumps(report.to_dict(), allow_nan=False)


def test_a_report_is_bounded_repeatable_and_open_to_other_families() -> None:
    def blank(call: ToolCall, _rng: np.random.Generator) -> ToolCall | None:
        return call.model_copy(update={"tool": call.tool.model_copy(update={"name": "get_x"})}) if call.tool else None

    own = {"blank": Family("blank", "another name", (Part.TOOL,), blank)}
    rows = [row(str(k), MAIL, RowLabel("write")) for k in range(9)]
    seen: list[tuple[str, int]] = []
    report = run(by_name, rows, VOCABULARY, 1, most_per_family=4, families=own, progress=lambda name, n: seen.append((name, n)))
    assert report == run(by_name, rows, VOCABULARY, 1, most_per_family=4, families=own)
    assert (report.families["blank"].success.hits, report.families["blank"].success.n) == (4, 4)
    assert seen == [("blank", 4)]
    assert not run(by_name, [], VOCABULARY, 1).overall.success.n


def test_tables_rank_the_families_and_name_the_worst() -> None:
    console = Console(width=200)
    with console.capture() as capture:
        for table in tables(run(by_name, ROWS, VOCABULARY, 1)):
            console.print(table)
    shown = capture.get()
    for word in ("2 effectful rows", "renamed", "rows with a gain", "Worst successes", "forwarded as"):
        assert word in shown
