"""What is installed beside the package is permissive, pinned, and told of."""

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
# The family by its short names and in full.
COPYLEFT = re.compile(r"\b[AL]?GPL|\b(?:affero|lesser|library)?\s*general public licen[cs]e", re.IGNORECASE)
PINNED = [line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if "==" in line]


def named() -> set[str]:
    """Every package that the project names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lists = (project["dependencies"], *project["optional-dependencies"].values())
    return {canonicalize_name(Requirement(line).name) for lines in lists for line in lines}


def licence(name: str) -> str:
    """What the metadata states: the expression, else the classifiers, else the first line of the free text, else the licence file's head."""
    data = importlib.metadata.metadata(name)
    classifiers = [text for text in data.get_all("Classifier") or [] if text.startswith("License ::")]
    stated = data.get("License-Expression") or " ".join(classifiers) or (data.get("License") or "").strip().partition("\n")[0]
    files = [file for file in importlib.metadata.files(name) or [] if "licen" in file.name.lower()]
    return stated or " ".join(file.read_text("utf-8")[:300] for file in files)


@pytest.mark.parametrize("name", PINNED)
def test_no_pinned_package_is_of_the_gpl_family(name: str) -> None:
    try:
        said = licence(name)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{name} is not installed here")
    assert said
    assert not COPYLEFT.search(said), said


@pytest.mark.parametrize("said", ["GPL-3.0-or-later", "LGPLv3", "AGPL-3.0", "OSI Approved :: GNU Lesser General Public License v3"])
def test_the_family_is_known(said: str) -> None:
    assert COPYLEFT.search(said)


def test_every_package_that_is_named_is_told_of_and_pinned() -> None:
    told = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    assert [name for name in sorted(named()) if f"| {name} |" not in told] == []
    # Ray is of the extra that the pinned environment leaves out.
    assert named() - {canonicalize_name(name) for name in PINNED} <= {"ray"}
