"""Labels that fit least to those of like calls are listed, and nothing is changed by it."""

from __future__ import annotations

import numpy as np
from sqlalchemy import update

from intent.schema import Tool, ToolCall
from intent.workbench.labelling import Judgement
from intent.workbench.labels import Act
from intent.workbench.reading import stored
from intent.workbench.records import Origin
from intent.workbench.tables import ITEM_STATE
from tests.doubles.lab import ANN, Lab, Visitor
from tests.doubles.worded_model import VOCABULARY

FIRST, SECOND = VOCABULARY.ids[-1], VOCABULARY.ids[-2]


def looked(lab: Lab, visitor: Visitor) -> str:
    visitor.send("/queue/suspicious")
    lab.lab.background.wait()
    return visitor.read("/queue/suspicious")


def labelled(lab: Lab, name: str, group: str, word: str, place: int) -> str:
    """An item with a label, whose embedding points in one of two directions."""
    item = lab.store.new_item(ToolCall(tool=Tool(name=name, description="Does it.")), origin=Origin.IMPORT, group=group)
    lab.store.add_items(ANN, [item])
    lab.store.act(ANN, VOCABULARY, [Act(item.id, Judgement(word))])
    vector = np.zeros(8, np.float32)
    vector[place] = 1.0
    with lab.store.writes() as connection:
        connection.execute(update(ITEM_STATE).where(ITEM_STATE.c.item == item.id).values(embedding=stored(vector)))
    return item.id


def test_a_label_that_no_like_call_has_is_listed(lab: Lab) -> None:
    ann = Visitor(lab, "ann")
    for number in range(12):
        place = number % 2
        labelled(lab, f"tool_{number}", f"server-{number % 6}", (FIRST, SECOND)[place], place)
    wrong = labelled(lab, "odd_one", "server-0", FIRST, 1)
    assert "Nobody has looked yet" in ann.read("/queue/suspicious")
    page = looked(lab, ann)
    assert "odd_one" in page
    assert f"/queue?item={wrong}" in page
    assert "tool_1<" not in page
    assert [act.intent for act in lab.store.labels_of(wrong)] == [FIRST], "nothing is changed"


def test_what_cannot_be_compared_is_told(lab: Lab) -> None:
    lab.label(2)
    assert "there must be labelled items with embeddings" in looked(lab, Visitor(lab, "ann"))


def test_a_viewer_looks_at_what_others_found(lab: Lab) -> None:
    vera = Visitor(lab, "vera")
    assert "Look for them" not in vera.read("/queue/suspicious")
    vera.send("/queue/suspicious", 403)
