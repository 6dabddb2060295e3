from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from intent.errors import Forbidden, WorkbenchError
from intent.schema import Outcome, Tool, ToolCall
from intent.views import Limits
from intent.vocabulary import Vocabulary
from intent.workbench import browsing
from intent.workbench.arrivals import Arrivals, reorder
from intent.workbench.browsing import MAX_PAGE, Filters, Listing, Pile, browse, group
from intent.workbench.clusters import MOST_HEADS, Clusters, head_of, kind_of
from intent.workbench.labelling import Judgement
from intent.workbench.queue import members
from intent.workbench.reading import item_embedding, restored, stored
from intent.workbench.records import Actor, Label, Origin, Standing, Stream
from intent.workbench.store import WorkbenchStore
from intent.workbench.turns import head_priority, member_priority, next_turn
from intent.workbench.urgency import consequence, margin, urgency
from tests.doubles.normalizer import EchoNormalizer
from tests.doubles.review import ENCODER, arrivals, arrive, call, item, said
from tests.doubles.workbench import ADMIN, ANALYST, APPROVER, OTHER, VIEWER, WORDS, open_store, say


@pytest.fixture
def store() -> Iterator[WorkbenchStore]:
    found = open_store()
    yield found
    found.engine.dispose()


def page(
    store: WorkbenchStore,
    limit: int = 50,
    filters: Filters | None = None,
    *,
    pile: Pile = Pile.PICKED,
    after: tuple[float, str] | None = None,
    actor: Actor = ADMIN,
) -> Listing:
    return browse(store, actor, pile, filters or Filters(), after=after, limit=limit)


def label_group(store: WorkbenchStore, actor: Actor, name: str, judgement: Judgement) -> tuple[Label, ...]:
    return browsing.label(store, actor, WORDS, name, judgement, alike=len(group(store, name)))


def servers(found: Listing) -> list[str]:
    return [entry.item.group for entry in found.entries]


def state_of(store: WorkbenchStore, name: str):
    found = store.state(name)
    assert found is not None
    return found


def test_the_margin_is_the_difference_of_the_two_likeliest() -> None:
    assert margin(said("search", 0.5, forwarded=False)) == pytest.approx(1.0)
    assert margin(said("search", 0.9, forwarded=True)) == pytest.approx(0.2)
    assert margin(None) == margin({"probabilities": {}}) == margin({"probabilities": None}) == 1.0
    assert margin({"probabilities": {"search": 1.0}}) == 0.0


def test_what_could_be_let_through_costs_more_than_what_was_stopped() -> None:
    read, harmful = (said(word, 0.6, forwarded=True) for word in ("summarize", "write"))
    stopped, stopped_read = (said(word, 0.6, forwarded=False) for word in ("write", "summarize"))
    assert consequence(read, WORDS) == consequence(None, WORDS) == 1.0
    assert consequence(read, WORDS) > consequence(stopped, WORDS) > consequence(stopped_read, WORDS)
    assert consequence(read, WORDS) > consequence(harmful, WORDS)
    assert urgency(read, WORDS) == pytest.approx(0.8)


def test_consequence_goes_by_the_order_of_whatever_vocabulary() -> None:
    document = {
        "name": "two",
        "version": "1.0.0",
        "rest": {"id": "nothing", "definition": "None."},
        "intents": [{"id": "look", "definition": "Looks."}, {"id": "touch", "definition": "Touches.", "above": ["look"]}],
        "effects": {"none": "nothing", "derive": "look", "read": "look", "disclose": "touch", "change": "touch"},
    }
    words = Vocabulary.parse(document)
    forwarded = {"outcome": Outcome.FORWARD.value, "intent": "look"}
    assert consequence(forwarded, words) > consequence({**forwarded, "intent": "touch"}, words)
    alone = Vocabulary.parse({**document, "intents": document["intents"][:1], "effects": dict.fromkeys(document["effects"], "look")})
    assert 0 < consequence(forwarded, alone) <= 1


def test_an_embedding_weighs_each_part_alike_and_survives_what_cannot_be_read() -> None:
    whole = ToolCall(request="Find it.", tool=Tool(name="find", description="Finds."), arguments={"q": "it"})
    vector = item_embedding(whole, ENCODER, Limits())
    assert vector.shape == (64,)
    assert float(np.linalg.norm(vector)) == pytest.approx(1.0, abs=1e-6)
    tight = Limits(max_arguments_bytes=2, max_request_bytes=2, max_description_bytes=2, max_name_bytes=2)
    assert not item_embedding(whole, ENCODER, tight).any()
    partly = item_embedding(whole, ENCODER, Limits(max_arguments_bytes=2))
    assert partly == pytest.approx(item_embedding(whole.model_copy(update={"arguments": None}), ENCODER, Limits()))
    assert restored([stored(vector)], 64)[0] == pytest.approx(vector, abs=1e-3)
    with pytest.raises(ValueError, match="64 dimensions"):
        restored([b"ab"], 64)


def test_near_duplicates_are_one_cluster_and_what_differs_in_fact_is_not(store: WorkbenchStore) -> None:
    sql = {"view": "arguments", "kind": "sql", "detail": "DROP", "intent": "write"}
    text = "show me all the rows of the table of orders that were placed by our customers in the month of march number"
    first, second = (item(store, call("db", "run", sql=f"{text} {n}"), said("search", 0.6, forwarded=True)) for n in (1, 2))
    harmful = item(store, call("db", "run", sql=f"{text} 3"), said("search", 0.6, forwarded=True, evidence=[sql]))
    elsewhere = item(store, call("other", "run", sql=f"{text} 4"), said("search", 0.6, forwarded=True))
    denied = item(store, call("db", "run", sql=f"{text} 5"), said("search", 0.6, forwarded=False))
    far = item(store, call("db", "run", sql="quite another question"), said("search", 0.6, forwarded=True))
    names = arrive(store, first, second, harmful, elsewhere, denied, far)
    clusters = [state_of(store, name).cluster for name in names]
    assert clusters[0] == clusters[1]
    assert len(set(clusters)) == 5
    assert head_of(clusters[1]) == first.id
    assert members(store, clusters[0]) == (first.id, second.id)
    assert members(store, "") == ()
    assert kind_of(first) == kind_of(second) != kind_of(harmful)


def test_another_process_finds_the_clusters_that_are_there(store: WorkbenchStore) -> None:
    text = "all the rows of the table of orders that were placed by our customers in the month of march number"
    arrive(store, *(item(store, call("db", "run", sql=f"{text} {n}"), said("search", 0.6, forwarded=True)) for n in range(4)))
    late = item(store, call("db", "run", sql=f"{text} 9"), said("search", 0.6, forwarded=True))
    first = next(iter(store.all_items()))
    with store.reads() as connection:
        found = Clusters(64).place(connection, late, arrivals(store).embedding(ToolCall.parse(late.call)))
    assert found == state_of(store, first.id).cluster


def test_an_item_is_compared_to_a_bounded_number_of_clusters(store: WorkbenchStore) -> None:
    clusters = Clusters(MOST_HEADS + 8)
    vectors = np.eye(MOST_HEADS + 8, dtype=np.float32)
    items = [item(store, call("db", "run", n=n), said("search", 0.6, forwarded=True)) for n in range(MOST_HEADS + 8)]
    with store.reads() as connection:
        names = [clusters.place(connection, one, vectors[n]) for n, one in enumerate(items)]
        assert len(set(names)) == MOST_HEADS + 8
        again = items[-1].model_copy(update={"id": "f" * 64})
        assert head_of(clusters.place(connection, again, vectors[0])) == items[0].id
        assert head_of(clusters.place(connection, again, vectors[-1])) == again.id


def test_servers_take_turns_and_the_most_urgent_of_a_turn_is_first(store: WorkbenchStore) -> None:
    many = [item(store, call("loud", f"tool{n}"), said("search", 0.6, forwarded=True)) for n in range(6)]
    few = [item(store, call("quiet", f"tool{n}"), said("search", 0.5, forwarded=True)) for n in range(2)]
    arrive(store, *many, *few)
    assert servers(page(store, 8)) == ["quiet", "loud", "quiet", "loud", "loud", "loud", "loud", "loud"]


def test_a_server_that_rested_has_no_claim_to_the_turns_it_did_not_use(store: WorkbenchStore) -> None:
    loud = arrive(store, *(item(store, call("loud", f"tool{n}"), said("search", 0.6, forwarded=True)) for n in range(6)))
    for name in loud[:4]:
        say(store, ADMIN, name, "write")
    arrive(store, *(item(store, call("late", f"tool{n}"), said("search", 0.6, forwarded=True)) for n in range(4)))
    assert sorted(servers(page(store, 2))) == ["late", "loud"]
    for name in loud[4:]:
        say(store, ADMIN, name, "write")
    for entry in page(store, 10).entries:
        say(store, ADMIN, entry.item.id, "write")
    with store.reads() as connection:
        assert next_turn(connection, Stream.PICKED, "new") == 7


def test_members_of_a_cluster_come_after_every_first_one_and_never_two_on_a_page(store: WorkbenchStore) -> None:
    text = "all the rows of the table of orders that were placed by our customers in the month of march number"
    alike = [item(store, call("db", "run", sql=f"{text} {n}"), said("search", 0.5, forwarded=True)) for n in range(4)]
    others = [item(store, call("db", f"tool{n}"), said("search", 0.99, forwarded=True)) for n in range(3)]
    arrive(store, *alike, *others)
    first = page(store, 10)
    assert [entry.item.id for entry in first.entries] == [alike[0].id, *(one.id for one in others)]
    assert [entry.alike for entry in first.entries] == [4, 1, 1, 1]
    assert first.after is None
    seen: list[list[str]] = []
    after: tuple[float, str] | None = None
    while found := page(store, 4, after=after):
        seen.append([entry.item.id for entry in found.entries])
        if (after := found.after) is None:
            break
    assert seen == [[entry.item.id for entry in first.entries], [alike[1].id]]
    cluster = first.entries[0].cluster
    assert members(store, cluster) == tuple(one.id for one in alike)
    assert members(store, cluster, limit=3) == tuple(one.id for one in alike[:3])


def test_a_label_of_a_cluster_settles_it_and_one_undo_takes_it_back(store: WorkbenchStore) -> None:
    text = "all the rows of the table of orders that were placed by our customers in the month of march number"
    alike = [item(store, call("db", "run", sql=f"{text} {n}"), said("search", 0.5, forwarded=True)) for n in range(3)]
    names = arrive(store, *alike, item(store, call("db", "other"), said("search", 0.5, forwarded=True)))
    acts = label_group(store, ANALYST, names[0], Judgement("search", declared=("search",)))
    assert {act.item for act in acts} == set(names[:3])
    assert [state_of(store, name).standing for name in names] == [Standing.SETTLED] * 3 + [Standing.OPEN]
    assert [entry.item.id for entry in page(store).entries] == [names[3]]
    store.undo(ANALYST, WORDS)
    assert [state_of(store, name).standing for name in names] == [Standing.OPEN] * 4
    with pytest.raises(Forbidden):
        label_group(store, VIEWER, names[0], Judgement("search"))
    with pytest.raises(WorkbenchError, match="no item"):
        label_group(store, ANALYST, "gone", Judgement("search"))


def test_what_a_request_asks_for_is_said_of_the_same_request_alone(store: WorkbenchStore) -> None:
    asked = "please find all the rows of the table of orders that were placed by our customers in the month of march number"
    calls = [
        ToolCall(request=f"{asked} {n}", tool=Tool(name="run", server="db"), arguments={"q": f"{asked} {q}"})
        for n, q in ((1, 1), (1, 2), (2, 1))
    ]
    names = arrive(store, *(item(store, one, said("search", 0.5, forwarded=True)) for one in calls))
    assert len({state_of(store, name).cluster for name in names}) == 1
    acts = label_group(store, ANALYST, names[0], Judgement("search", declared=("search",)))
    assert {act.item: act.declared for act in acts} == {names[0]: ("search",), names[1]: ("search",), names[2]: None}


def test_a_lower_label_waits_for_a_second_person_in_a_cluster_as_well(store: WorkbenchStore) -> None:
    text = "all the rows of the table of orders that were placed by our customers in the month of march number"
    names = arrive(store, *(item(store, call("db", "run", sql=f"{text} {n}"), said("write", 0.6, forwarded=False)) for n in range(2)))
    label_group(store, ANALYST, names[0], Judgement("search"))
    assert [state_of(store, name).standing for name in names] == [Standing.PENDING] * 2
    found = page(store, filters=Filters(standing=Standing.PENDING)).entries
    assert [(entry.item.id, entry.alike) for entry in found] == [(names[0], 2)]
    for name in names:
        say(store, APPROVER, name, "search")
    assert [state_of(store, name).standing for name in names] == [Standing.SETTLED] * 2


def test_the_audit_stream_is_a_queue_of_its_own_and_blind() -> None:
    store = open_store(audit_rate=1.0)
    text = "all the rows of the table of orders that were placed by our customers in the month of march number"
    items = [item(store, call("db", "run", sql=f"{text} {n}"), said("search", 0.5 + n / 20, forwarded=True), f"d-{n}") for n in range(4)]
    names = arrive(store, *reversed(items))
    assert page(store).entries == ()
    found = page(store, pile=Pile.AUDIT).entries
    # By their digests, not by what the model said.
    assert [entry.item.id for entry in found] == sorted(one.id for one in items)
    assert all((entry.item.decision, entry.item.decision_id) == (None, "") for entry in found)
    assert {(entry.priority, entry.margin, entry.cluster, entry.alike) for entry in found} == {(0.0, 0.0, "", 1)}
    assert len(label_group(store, ANALYST, names[0], Judgement("search"))) == 1
    store.engine.dispose()


def test_filters_narrow_the_queue(store: WorkbenchStore) -> None:
    arrive(store, *(item(store, call(server, f"tool{n}"), said("search", 0.6, forwarded=True)) for server in "ab" for n in range(3)))
    assert servers(page(store, 10, Filters(server="a"))) == ["a"] * 3
    assert page(store, 10, Filters(server="c")).entries == page(store, 10, Filters(server="\0")).entries == members(store, "\0") == ()
    for limit in (0, MAX_PAGE + 1):
        with pytest.raises(WorkbenchError, match="1 to 200"):
            page(store, limit)


def test_an_item_without_a_decision_is_what_the_model_says_of_it_or_most_urgent(store: WorkbenchStore) -> None:
    plain = store.new_item(call("db", "get_rows"), origin=Origin.HARVEST, group="db")
    other = store.new_item(call("db", "get_tables"), origin=Origin.HARVEST, group="db")
    store.add_items(ADMIN, [plain, other])
    assert Arrivals(store, ENCODER, WORDS).place(ADMIN, [plain]) == 1
    assert (state_of(store, plain.id).margin, state_of(store, plain.id).consequence) == (1.0, 1.0)
    assert Arrivals(store, ENCODER, WORDS, decide=EchoNormalizer().normalize).place(ADMIN, [other]) == 1
    assert state_of(store, other.id).margin == pytest.approx(1 - (0.94 - 0.015))
    kept = store.item(other.id)
    assert kept is not None
    assert kept.decision is None


def test_a_place_is_given_once_and_to_all_that_have_none(store: WorkbenchStore) -> None:
    items = [item(store, call("db", f"tool{n}"), said("search", 0.6, forwarded=True)) for n in range(70)]
    store.add_items(ADMIN, items)
    assert page(store, 1).entries[0].cluster == ""
    placing = arrivals(store)
    assert placing.place(ANALYST, items[:1]) == 1
    before = state_of(store, items[0].id)
    assert placing.place_all(ANALYST) == 69
    assert placing.place_all(ANALYST) == 0
    assert state_of(store, items[0].id) == before
    with pytest.raises(Forbidden):
        placing.place(VIEWER, items)
    with pytest.raises(Forbidden):
        reorder(store, VIEWER)


def test_reordering_lets_the_most_urgent_of_each_server_come_first(store: WorkbenchStore) -> None:
    calm = [item(store, call("db", f"calm{n}"), said("search", 0.95, forwarded=True)) for n in range(5)]
    urgent = item(store, call("db", "urgent"), said("search", 0.5, forwarded=True))
    elsewhere = item(store, call("mail", "calm"), said("search", 0.9, forwarded=True))
    arrive(store, *calm, urgent, elsewhere)
    assert page(store).entries[-1].item.id == urgent.id
    assert reorder(store, OTHER) == 7
    found = [entry.item.id for entry in page(store).entries]
    assert found[:2] == [urgent.id, elsewhere.id]
    assert len(found) == 7


def test_priorities_keep_their_order_at_the_ends() -> None:
    assert head_priority(10**9, 0.0) > member_priority(0, 1.0)
    assert member_priority(10**9, 0.0) > 0
    assert head_priority(1, -5.0) == head_priority(1, 0.0) < head_priority(1, 7.0) < head_priority(0, 0.0)
