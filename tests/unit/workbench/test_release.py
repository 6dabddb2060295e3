"""A release: its version follows from the change, its text says the same, and the store gets it with its base."""

from __future__ import annotations

import string
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intent.database import open_database
from intent.errors import Forbidden, VocabularyError
from intent.vocabulary import Vocabulary, default_path
from intent.workbench.drafting import Draft, read_draft
from intent.workbench.records import Actor, Change, Role
from intent.workbench.release import Proposal, release, written
from intent.workbench.store import WorkbenchStore

OLD = Vocabulary.load(default_path())
COMPUTE = Vocabulary.load(Path(__file__).parents[2] / "fixtures" / "compute" / "vocabulary.toml")
PROPOSAL = Proposal.of(Draft(COMPUTE, {"compute": "other"}), OLD)
AT = datetime(2026, 5, 4, tzinfo=UTC)
APPROVER = Actor(name="ann", role=Role.APPROVER)


@pytest.mark.parametrize("vocabulary", [OLD, COMPUTE], ids=["shipped", "compute"])
def test_a_written_vocabulary_reads_as_the_same(vocabulary: Vocabulary) -> None:
    assert read_draft(written(vocabulary)).vocabulary.digest == vocabulary.digest


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_being_written(text: str) -> None:
    said = replace(OLD, rest=OLD.rest.model_copy(update={"definition": text, "examples": (text, string.printable)}))
    assert read_draft(written(said)).vocabulary.digest == said.digest


def test_the_version_follows_from_the_change_whatever_the_text_says() -> None:
    found = Proposal.of(Draft(replace(COMPUTE, version="7.7.7"), {}), OLD)
    assert (found.vocabulary.version, found.difference.change) == ("2.0.0", Change.MAJOR)


def test_what_differs_in_nothing_cannot_be_released() -> None:
    same = Proposal.of(Draft(replace(OLD, version="1.0.1"), {}), OLD)
    assert same.vocabulary == OLD
    with pytest.raises(VocabularyError, match="must differ"):
        same.record("ann", AT, released=True)


def test_a_release_brings_its_base_into_an_empty_store_and_is_in_force() -> None:
    store = WorkbenchStore(open_database("sqlite://"))
    made = release(store, APPROVER, PROPOSAL, AT, "a fifth word")
    assert [one.digest for one in store.vocabulary_versions(released=True)] == [OLD.digest, COMPUTE.digest]
    assert store.released_vocabulary() == made
    assert (made.base, made.change, made.by, made.note) == (OLD.digest, Change.MAJOR, "ann", "a fifth word")


def test_an_analyst_cannot_release() -> None:
    store = WorkbenchStore(open_database("sqlite://"))
    with pytest.raises(Forbidden):
        release(store, Actor(name="ann", role=Role.ANALYST), PROPOSAL, AT)
    assert store.vocabulary_versions() == ()
