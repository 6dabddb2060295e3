"""Training runs as real processes: told, one at a time, ended with their children, and found again after a restart."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from intent.database import open_database
from intent.errors import Forbidden, WorkbenchError
from intent.registry.jobs import SCRATCH, Jobs
from intent.registry.progress import last_line, read_lines
from intent.workbench.records import Actor, Role, RunEvent, RunState
from intent.workbench.store import WorkbenchStore
from tests.doubles.registered import ANALYST, NOW

TELL = """
import json, pathlib, sys
print("this is no JSON", flush=True)
print(json.dumps({"message": "reading"}), flush=True)
print(json.dumps({"message": "fitting", "step": 1, "steps": 2}), flush=True)
pathlib.Path(sys.argv[sys.argv.index("--output") + 1]).mkdir()
print(json.dumps({"message": "done", "finished": True, "detail": {"digest": "d", "niceness": __import__("os").nice(0)}}), flush=True)
"""
FAIL = "import sys; print('training_error: no rows', file=sys.stderr); sys.exit(2)"
# Ignores the polite request, and has a child that does too.
STUBBORN = """
import json, os, pathlib, signal, subprocess, sys, tempfile, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"])
pathlib.Path(tempfile.gettempdir(), "scrap").write_text("x")
print(json.dumps({"message": "stuck", "detail": {"child": child.pid}}), flush=True)
time.sleep(600)
"""
WAITING = """
import json, pathlib, sys, time
print(json.dumps({"message": "waiting"}), flush=True)
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.02)
print(json.dumps({"message": "done", "finished": True}), flush=True)
"""


@pytest.fixture
def store(tmp_path):
    return WorkbenchStore(open_database(f"sqlite:///{tmp_path / 'workbench.db'}"))


@pytest.fixture
def jobs(tmp_path, store):
    """Jobs whose training is a script."""
    made: list[Jobs] = []

    def act(script, **options):
        command = (sys.executable, "-c", script)
        made.append(Jobs(tmp_path / "runs", store, command=command, poll_s=0.02, grace_s=0.3, **options))
        return made[-1]

    yield act
    for run, event in (made[0].states() if made else {}).items():
        if event.state in {RunState.QUEUED, RunState.RUNNING}:
            made[0].cancel(ANALYST, run)


def _until(true, seconds=60.0):
    until_s = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until_s, "waited too long"
        time.sleep(0.02)


def _is_gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_run_tells_its_progress_and_hands_over_its_model(jobs, store):
    taken = []
    found = jobs(TELL, finished=lambda actor, run, model: taken.append((actor.name, run, model.is_dir())))
    run = found.start(ANALYST, ["--seed", "7"], detail={"why": "new labels"})
    assert found.wait(run, 60).state is RunState.FINISHED
    assert taken == [("ann", run, True)]
    told = [(event.state, event.step, event.steps, event.message) for event in store.run_events(run)]
    assert told == [
        (RunState.QUEUED, 0, 0, "queued"),
        (RunState.RUNNING, 0, 0, "started"),
        (RunState.RUNNING, 0, 0, "reading"),
        (RunState.RUNNING, 1, 2, "fitting"),
        (RunState.FINISHED, 0, 0, "done"),
    ]
    first, last = store.run_events(run)[0], store.run_events(run)[-1]
    assert (first.detail["arguments"], first.detail["why"], first.detail["by"]) == (["--seed", "7"], "new labels", "ann")
    assert last.detail["digest"] == "d"


def test_a_run_that_fails_says_its_last_complaint(jobs):
    found = jobs(FAIL)
    event = found.wait(found.start(ANALYST, []), 60)
    assert (event.state, event.message) == (RunState.FAILED, "it ended with code 2: training_error: no rows")
    assert found.log(event.run) == "training_error: no rows\n"


def test_a_model_that_cannot_be_taken_over_fails_its_run(jobs):
    def refuse(*_):
        raise WorkbenchError("no room")

    found = jobs(TELL, finished=refuse)
    event = found.wait(found.start(ANALYST, []), 60)
    assert (event.state, event.message) == (RunState.FAILED, "the model could not be taken over: no room")


def test_one_run_at_a_time_also_for_another_service(jobs, tmp_path):
    found = jobs(WAITING)
    run = found.start(ANALYST, [str(tmp_path / "go")])
    with pytest.raises(WorkbenchError, match="one run must end"):
        jobs(TELL).start(ANALYST, [])
    (tmp_path / "go").touch()
    assert found.wait(run, 60).state is RunState.FINISHED
    again = jobs(TELL)
    assert again.wait(again.start(ANALYST, []), 60).state is RunState.FINISHED


def test_a_cancelled_run_ends_with_its_children_and_its_scraps(jobs, store, tmp_path):
    found = jobs(STUBBORN)
    run = found.start(ANALYST, [])
    _until(lambda: found.states()[run].message == "stuck")
    child = found.states()[run].detail["child"]
    assert (tmp_path / "runs" / run / SCRATCH / "scrap").exists()
    found.cancel(Actor(name="olga", role=Role.APPROVER), run)
    event = found.states()[run]
    assert (event.state, event.detail["by"]) == (RunState.CANCELLED, "olga")
    _until(lambda: _is_gone(child))
    assert not (tmp_path / "runs" / run / SCRATCH).exists()
    with pytest.raises(WorkbenchError, match="must be under way"):
        found.cancel(ANALYST, run)


def test_roles_are_asked(jobs, tmp_path):
    viewer = Actor(name="vic", role=Role.VIEWER)
    found = jobs(WAITING)
    with pytest.raises(Forbidden):
        found.start(viewer, [])
    run = found.start(ANALYST, [str(tmp_path / "go")])
    with pytest.raises(Forbidden):
        found.cancel(viewer, run)
    (tmp_path / "go").touch()
    assert found.wait(run, 60).state is RunState.FINISHED


def test_after_a_restart_a_run_that_goes_on_is_followed(jobs, store, tmp_path):
    starter = (
        "import sys, pathlib\n"
        "from intent.database import open_database\n"
        "from intent.registry.jobs import Jobs\n"
        "from intent.workbench.records import Actor, Role\n"
        "from intent.workbench.store import WorkbenchStore\n"
        f"store = WorkbenchStore(open_database({f'sqlite:///{tmp_path}/workbench.db'!r}))\n"
        f"jobs = Jobs(pathlib.Path({str(tmp_path / 'runs')!r}), store, command=(sys.executable, '-c', {WAITING!r}), poll_s=0.02)\n"
        f"print(jobs.start(Actor(name='ann', role=Role.ANALYST), [{str(tmp_path / 'go')!r}]), flush=True)\n"
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    gone = subprocess.run([sys.executable, "-c", starter], capture_output=True, text=True, check=False, timeout=120)
    run = gone.stdout.strip()
    assert store.run_events(run)[-1].state is RunState.RUNNING, gone.stderr
    found = jobs(TELL)
    assert found.resume() == (run,)
    (tmp_path / "go").touch()
    event = found.wait(run, 60)
    assert (event.state, event.detail["by"]) == (RunState.FINISHED, "ann")
    assert [e.message for e in store.run_events(run)].count("waiting") == 1


@pytest.mark.parametrize(
    ("said", "state"),
    [("", RunState.FAILED), ('{"message": "half"}\n', RunState.FAILED), ('{"message": "done", "finished": true}\n', RunState.FINISHED)],
)
def test_after_a_restart_a_run_whose_process_is_gone_is_closed(jobs, store, tmp_path, said, state):
    store.add_run_event(ANALYST, RunEvent(id=0, run="r1", at=NOW, state=RunState.RUNNING))
    place = tmp_path / "runs" / "r1"
    place.mkdir(parents=True)
    (place / "progress.jsonl").write_text(said, "utf-8")
    # The number is taken by another process, this one: it is not the run, and must not be waited for or ended.
    (place / "process.json").write_text(json.dumps({"pid": os.getpid(), "started": "1"}), "utf-8")
    found = jobs(TELL)
    assert found.resume() == ()
    assert found.states()["r1"].state is state


def test_a_run_that_somebody_closed_in_the_ledger_is_ended(jobs, store, tmp_path):
    found = jobs(WAITING)
    run = found.start(ANALYST, [str(tmp_path / "go")])
    _until(lambda: found.states()[run].message == "waiting")
    store.add_run_event(ANALYST, RunEvent(id=0, run=run, at=NOW, state=RunState.CANCELLED))
    (tmp_path / "go").touch()
    found.wait(run, 60)
    assert found.states()[run].state is RunState.CANCELLED


def test_lines_are_read_once_they_are_whole(tmp_path):
    file = tmp_path / "progress.jsonl"
    assert read_lines(file, 0) == ([], 0)
    assert last_line(file) is None
    file.write_text('{"message": "a"}\n[1]\n{"message": "b", "step": -1}\n{"message": "c"}\n{"mess', "utf-8")
    lines, offset = read_lines(file, 0)
    assert [line.message for line in lines] == ["a", "c"]
    with file.open("a", encoding="utf-8") as more:
        more.write('age": "d"}\n')
    assert [line.message for line in read_lines(file, offset)[0]] == ["d"]
    assert last_line(file).message == "d"
