"""Notebooks are shown with what they really printed: run in order, without an error, and with nothing of one machine in them."""

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# A path of a machine: below a home or a work folder, a temporary one or an environment.
LOCAL = re.compile(
    r"(?:^|[\s\"'`(=:])/(?:home|root|work|tmp|Users|usr|opt|var|mnt|private)/|[A-Za-z]:\\\\|site-packages|file://", re.MULTILINE
)

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path: Path) -> list[Any]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def texts(output: Any) -> list[str]:
    """What an output says in words."""
    said = [value for kind, value in output.get("data", {}).items() if not kind.startswith("image/")]
    return [str(text) for text in (output.get("text", ""), *said)]


def test_there_are_notebooks() -> None:
    assert {path.stem for path in NOTEBOOKS} == {"active_learning", "add_an_intent", "certificate", "readers"}


@each
def test_it_is_a_valid_notebook(path: Path) -> None:
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)


@each
def test_every_cell_has_run_in_order(path: Path) -> None:
    cells = code_cells(path)
    assert cells
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


@each
def test_no_cell_failed_or_warned(path: Path) -> None:
    outputs = [output for cell in code_cells(path) for output in cell.outputs]
    assert outputs
    assert [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"] == []
    assert not any("Traceback" in text for output in outputs for text in texts(output))


@each
def test_it_holds_no_path_of_a_machine(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    said = [text for cell in cells for text in (cell.source, *(text for output in cell.get("outputs", ()) for text in texts(output)))]
    assert [text for text in said if LOCAL.search(text) or str(ROOT) in text] == []


def test_a_path_of_a_machine_is_seen() -> None:
    for text in ("/home/me/x", "read '/tmp/x'", "lib/site-packages/x.py:3", "C:\\\\Users", "in /work/main/x"):
        assert LOCAL.search(text), text
    for text in ("read/write", "../shared/corpus", "1/delta", "models/default"):
        assert not LOCAL.search(text), text
