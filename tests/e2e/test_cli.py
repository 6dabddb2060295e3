"""The command line as it is used: pipes, signals, wrong names, rows of a corpus."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.process import INTENT, environment

DELETION = {"id": "d1", "request": "Delete old orders.", "tool": {"name": "delete_rows", "description": "Removes rows for good."}}
READING = {"id": "r1", "tool": {"name": "get_weather", "description": "Current weather of a city."}, "arguments": {"city": "Oslo"}}
ROW = {**READING, "id": "corpus-7", "source": "own", "group": "weather", "label": {"intent": "search"}}


def run(*arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    command = [INTENT, *arguments]
    return subprocess.run(command, input=stdin, env=environment(**variables), capture_output=True, text=True, check=False, timeout=120)


def start(*arguments: str, **streams: object) -> subprocess.Popen[bytes]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    return subprocess.Popen([INTENT, *arguments], env=environment(), **pipes)


def json_lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_there_is_one_line_out_for_each_line_in_and_ids_are_echoed() -> None:
    lines = [
        json.dumps(DELETION),
        "not json",
        "",
        json.dumps(ROW),
        json.dumps({"id": "x", "tool": 3}),
        '{"id": "y"' + " " * (1 << 20) + "}",
    ]
    done = run("normalize", stdin="\n".join(lines) + "\n")
    assert (done.returncode, done.stderr) == (0, "")
    found = json_lines(done.stdout)
    assert [decision["id"] for decision in found] == ["d1", None, None, "corpus-7", "x", None]
    codes = [[reason["code"] for reason in decision["reasons"]] for decision in found]
    assert (codes[1], codes[2], codes[4], codes[5]) == (["error"], ["error"], ["error"], ["too_large"])
    assert all(decision["outcome"] == "deny" for decision in (found[1], found[2], found[4], found[5]))


def test_a_stream_is_answered_line_by_line() -> None:
    with start("normalize") as process:
        for call in (DELETION, READING, ROW):
            process.stdin.write(json.dumps(call).encode() + b"\n")
            process.stdin.flush()
            assert select.select([process.stdout], [], [], 60)[0], "no answer while the stream is open"
            assert json.loads(process.stdout.readline())["id"] == call["id"]
        process.stdin.close()
        assert process.wait(30) == 0


def test_a_table_is_for_people_and_names_what_would_not_show(tmp_path: Path) -> None:
    calls = tmp_path / "calls.jsonl"
    hostile = {**READING, "id": "a\u202eb\x1b[2J[bold]"}
    calls.write_text("".join(json.dumps(call) + "\n" for call in (DELETION, hostile, {"request": 7})), "utf-8")
    done = run("normalize", "--table", str(calls))
    head, deletion, reading, bad = done.stdout.splitlines()
    assert head.split() == ["id", "intent", "outcome", "confidence", "likeliest", "reasons"]
    assert deletion.startswith("d1 ")
    assert reading.startswith("a<U+202E>b<U+001B>[2J[bold] ")
    assert bad.split()[:3] == ["[3]", "unknown", "deny"]
    assert bad.endswith("error")
    assert done.stderr == ""


def test_a_bar_moves_on_a_terminal_and_nowhere_else(tmp_path: Path) -> None:
    calls = tmp_path / "calls.jsonl"
    calls.write_text((json.dumps(READING) + "\n") * 300, "utf-8")
    terminal, error_stream = pty.openpty()
    process = subprocess.Popen(
        [INTENT, "normalize", str(calls)], env=environment(TERM="xterm"), stdout=subprocess.PIPE, stderr=error_stream, text=True
    )
    os.close(error_stream)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert len(json_lines(output)) == 300
    assert b"deciding" in os.read(terminal, 1 << 16)
    os.close(terminal)


def test_an_interrupt_ends_with_130_and_no_traceback() -> None:
    with start("normalize") as process:
        process.stdin.write(json.dumps(READING).encode() + b"\n")
        process.stdin.flush()
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert b"Traceback" not in process.stderr.read()


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path: Path) -> None:
    calls = tmp_path / "calls.jsonl"
    calls.write_text((json.dumps(READING) + "\n") * 2000, "utf-8")
    with start("normalize", str(calls)) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 141
        assert process.stderr.read() == b""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["normalize", "absent.jsonl"], "absent.jsonl: No such file or directory"),
        (["normalize", "."], ".: Is a directory"),
        (["normalize", "--bundle", "absent"], "bundle_missing: no model bundle at absent: manifest.json was not found"),
        (["normalize", "--catalogue", "absent.json"], "catalogue_error: cannot read the catalogue absent.json: "),
        (["model", "--bundle", "absent"], "bundle_missing: no model bundle at absent"),
        (["vocabulary", "absent.toml"], "vocabulary_error: cannot read the vocabulary absent.toml: "),
        (["evaluate", "--corpus", "absent"], "corpus_error: absent: must be a .jsonl file or a directory of them"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_2(tmp_path: Path, arguments: list[str], says: str) -> None:
    done = subprocess.run([INTENT, *arguments], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(says)


def test_a_corrupt_bundle_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    done = run("normalize", "--bundle", str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("bundle_corrupt: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("name", "value"), [("INTENT_PORT", "99999"), ("INTENT_API_TOKNE", "x" * 20)])
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    done = run("serve", **{name: value})
    assert done.returncode == 2
    assert name in done.stderr
    assert value not in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_module_is_the_command() -> None:
    commands = ([INTENT, "--version"], [sys.executable, "-m", "intent", "--version"])
    outputs = [subprocess.run(command, env=environment(), capture_output=True, check=True, timeout=60).stdout for command in commands]
    assert outputs[0] == outputs[1]
    assert outputs[0].startswith(b"intent ")


def test_vocabulary_and_model_speak_to_people_and_to_machines() -> None:
    words = json.loads(run("vocabulary", "--json").stdout)
    shown = run("vocabulary").stdout
    assert all(intent["id"] in shown for intent in (*words["intents"], words["rest"]))
    card = json.loads(run("model", "--json").stdout)
    assert card["vocabulary"]["digest"] == words["digest"]
    assert set(card["thresholds"]) == {intent["id"] for intent in words["intents"]}
    assert card["digest"][:12] in run("model").stdout


def test_a_model_is_measured_on_held_rows(tmp_path: Path) -> None:
    rows = [
        {**ROW, "id": "1", "split": "held"},
        {**DELETION, "id": "2", "split": "held", "source": "own", "group": "orders", "label": {"intent": "write", "declared": ["write"]}},
        {**ROW, "id": "3", "split": "open"},
    ]
    corpus, figures = tmp_path / "rows.jsonl", tmp_path / "figures.json"
    corpus.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    done = run("evaluate", "--corpus", str(corpus), "--json", str(figures))
    assert (done.returncode, done.stderr) == (0, "")
    assert "accuracy" in done.stdout
    assert json.loads(figures.read_text("utf-8"))["files"]["rows"]["systems"]["model"]["all"]["n"] == 2
