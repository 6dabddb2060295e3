"""Every group has one part, decided by its name and the seed alone."""

from collections import Counter
from dataclasses import replace

import pytest

from intent.corpus import Row, RowLabel
from intent.errors import TrainingError
from intent.schema import Tool, ToolCall
from intent.training.examples import OWN, Source
from intent.training.partition import Part, Partition, Shares, partition
from tests.doubles.small_model import sources


def _row(k, group, source="catalogue", **changes):
    return Row(f"{source}/{k}", source, group, None, ToolCall(tool=Tool(name=f"get_{k}")), RowLabel(intent="search"), **changes)


def _sources(tmp_path, rows):
    return [Source(tmp_path / "rows.jsonl", "0" * 64, tuple(rows))]


@pytest.fixture
def rows():
    own = [_row(k, f"own:{k // 3}", OWN) for k in range(900)]
    return [*(_row(k, f"server-{k // 3}") for k in range(1800)), *own]


def _side(parts: Partition):
    sides = {Part.TRAIN: parts.train, Part.TUNE: parts.tune, Part.CERTIFY: parts.certify}
    return {row.group: part for part, chosen in sides.items() for row in chosen}


def test_no_group_stands_on_two_sides_and_no_row_is_lost(tmp_path, rows):
    parts = partition(_sources(tmp_path, rows), Shares(), 2)
    groups = [{row.group for row in chosen} for chosen in (parts.train, parts.tune, parts.certify)]
    assert not groups[0] & groups[1]
    assert not groups[0] & groups[2]
    assert not groups[1] & groups[2]
    assert Counter(row.id for part in (parts.train, parts.tune, parts.certify) for row in part) == Counter(row.id for row in rows)


def test_of_the_rows_of_data_too_no_group_stands_on_two_sides():
    parts = partition(sources(), Shares(), 2)
    assert not {row.group for row in parts.train} & {row.group for row in (*parts.tune, *parts.certify)}
    assert not {row.group for row in parts.tune} & {row.group for row in parts.certify}


def test_groups_that_come_later_move_no_other_to_another_side(tmp_path, rows):
    before = _side(partition(_sources(tmp_path, rows[::2]), Shares(), 2))
    after = _side(partition(_sources(tmp_path, reversed(rows)), Shares(), 2))
    assert {group: after[group] for group in before} == before


def test_another_seed_draws_anew(tmp_path, rows):
    assert _side(partition(_sources(tmp_path, rows), Shares(), 2)) != _side(partition(_sources(tmp_path, rows), Shares(), 3))


def test_shares_of_the_groups_are_kept(tmp_path, rows):
    shares = Shares(tune=0.10, certify=0.17, own_tune=0.06, own_certify=0.25, spent=())
    sides = _side(partition(_sources(tmp_path, rows), shares, 2))
    for prefix, groups, tune, certify in (("server", 600, 0.10, 0.17), ("own", 300, 0.06, 0.25)):
        counted = Counter(part for group, part in sides.items() if group.startswith(prefix))
        assert counted[Part.TUNE] / groups == pytest.approx(tune, abs=0.04)
        assert counted[Part.CERTIFY] / groups == pytest.approx(certify, abs=0.06)


def test_a_group_with_rows_of_our_own_is_drawn_as_ours_whatever_else_is_in_it(tmp_path, rows):
    mixed = [*rows, *(replace(row, id=f"{row.id}/b", source="catalogue") for row in rows if row.source == OWN)]
    assert _side(partition(_sources(tmp_path, mixed), Shares(), 2)) == _side(partition(_sources(tmp_path, rows), Shares(), 2))


def test_a_picked_row_trains_or_is_left_out(tmp_path, rows):
    marked = [replace(row, picked=k % 2 == 0) for k, row in enumerate(rows)]
    parts = partition(_sources(tmp_path, marked), Shares(), 2)
    assert any(row.picked for row in parts.train)
    assert not any(row.picked for row in (*parts.tune, *parts.certify))
    # Leaving them out of one side does not bring them to another.
    sides = _side(partition(_sources(tmp_path, rows), Shares(), 2))
    assert all(sides[row.group] is Part.TRAIN for row in parts.train)


@pytest.mark.parametrize("shares", [Shares(0, 0, 0, 0), Shares(1, 0, 1, 0), Shares(0, 1, 0, 1)])
def test_a_part_without_rows_is_refused(tmp_path, rows, shares):
    with pytest.raises(TrainingError, match="at least three groups"):
        partition(_sources(tmp_path, rows), shares, 2)


def test_what_an_earlier_draw_certified_with_trains_and_certifies_nothing_again(tmp_path, rows):
    never = Shares(certify=0.22, own_certify=0.25, spent=())
    spent = replace(never, spent=(2,), spent_certify=0.22, own_spent_certify=0.25)
    earlier = {group for group, part in _side(partition(_sources(tmp_path, rows), never, 2)).items() if part is Part.CERTIFY}
    drawn_anew = {group for group, part in _side(partition(_sources(tmp_path, rows), never, 3)).items() if part is Part.CERTIFY}
    sides = _side(partition(_sources(tmp_path, rows), spent, 3))
    assert {group for group, part in sides.items() if part is Part.CERTIFY} == drawn_anew - earlier
    assert all(sides[group] is Part.TRAIN for group in drawn_anew & earlier)


def test_a_larger_share_later_does_not_widen_what_an_earlier_draw_certified_with(tmp_path, rows):
    never = Shares(certify=0.22, own_certify=0.25, spent=())
    earlier = {group for group, part in _side(partition(_sources(tmp_path, rows), never, 2)).items() if part is Part.CERTIFY}
    larger = replace(never, certify=0.4, own_certify=0.4)
    drawn_anew = {group for group, part in _side(partition(_sources(tmp_path, rows), larger, 3)).items() if part is Part.CERTIFY}
    sides = _side(partition(_sources(tmp_path, rows), replace(larger, spent=(2,)), 3))
    assert {group for group, part in sides.items() if part is Part.CERTIFY} == drawn_anew - earlier
