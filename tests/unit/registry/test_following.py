"""A model changes while it serves: calls in flight end on the old one, and a model that does not load changes nothing."""

import logging
import threading

import pytest

from intent.embedding.hashing import HashingEncoder
from intent.errors import BundleCorrupt, BundleMissing, PolicyError
from intent.normalizer import Normalizer
from intent.registry.following import Following
from intent.registry.opening import follow
from intent.schema import ReasonCode, Tool, ToolCall
from tests.doubles.registered import ANALYST, APPROVER, new_registry, vocabulary, write_bundle
from tests.doubles.small_model import small_bundle
from tests.doubles.worded_model import DIMENSIONS, worded_model

CALL = ToolCall(id="c", tool=Tool(name="fetch_page"))
NEVER_S = 3600.0


class Pointer:
    """A pointer that the test moves."""

    def __init__(self, digest):
        self.digest = digest

    def current(self):
        if isinstance(self.digest, Exception):
            raise self.digest
        return self.digest


class Model:
    """A model of one name that notes whom it answered, and can be held up."""

    def __init__(self, name, words=None):
        self._behind = Normalizer(small_bundle(worded_model({}), HashingEncoder(DIMENSIONS, 60)), require_certificate=False)
        self.name, self.calls = name, []
        self.vocabulary = words or self._behind.vocabulary
        self.card = {"digest": name}
        self.entered, self.going = threading.Event(), threading.Event()
        self.going.set()

    def normalize(self, call):
        self.calls.append(call)
        self.entered.set()
        assert self.going.wait(10)
        decision = self._behind.normalize(call)
        return decision.model_copy(update={"model": decision.model.model_copy(update={"name": self.name})})

    def normalize_json(self, data):
        return self.normalize(ToolCall.parse(data))

    def refuse(self, code, message, id=None):  # noqa: A002 - the contract's name
        return self._behind.refuse(code, f"{self.name}: {message}", id)

    def explain(self, call):
        return self._behind.explain(call)


@pytest.fixture
def follower():
    """A follower over a pointer and models by name; a name without a model cannot be loaded."""
    made = []

    def act(first="one", interval_s=NEVER_S, **models):
        pointer, shelf = Pointer(first), {"one": Model("one"), "two": Model("two"), **models}

        def load(digest):
            found = shelf[digest]
            if isinstance(found, Exception):
                raise found
            return found

        made.append(Following(load, pointer, interval_s))
        return made[-1], pointer, shelf

    yield act
    for following in made:
        following.close()


def test_it_answers_as_the_model_that_the_pointer_names(follower):
    following, pointer, _ = follower()
    assert following.normalize(CALL).model.name == "one"
    pointer.digest = "two"
    assert following.normalize(CALL).model.name == "one", "nobody has looked yet"
    following.look()
    assert following.normalize(CALL).model.name == "two"
    assert following.normalize_json({"request": "Read it."}).model.name == "two"
    assert following.refuse(ReasonCode.TIMEOUT, "late").reasons[0].message == "two: late"
    assert (following.card["digest"], following.digest, following.fault) == ("two", "two", "")
    assert following.explain(CALL).decision.id == "c"


def test_its_thread_looks_by_itself(follower):
    following, pointer, shelf = follower(interval_s=0.01)
    pointer.digest = "two"
    assert shelf["two"].entered.wait(10), "warmed by the thread"
    for _ in range(1000):
        if following.digest == "two":
            break
        threading.Event().wait(0.01)
    assert following.normalize(CALL).model.name == "two"


def test_what_is_to_be_done_after_a_change_is_done_beside_it_and_may_fail(follower, caplog):
    following, pointer, _ = follower()
    done = threading.Event()
    answered = []

    def note():
        answered.append(following.normalize(CALL).model.name)
        done.set()

    def fail():
        raise RuntimeError("no")

    following.then(fail)
    following.then(note)
    following.look()
    assert not done.wait(0.05), "nothing has changed"
    pointer.digest = "two"
    following.look()
    assert done.wait(10)
    assert answered == ["two"], "the new model answers already"
    assert (following.digest, following.fault) == ("two", "")
    for _ in range(1000):
        if "was not done: RuntimeError: no" in caplog.text:
            break
        threading.Event().wait(0.01)
    assert "was not done: RuntimeError: no" in caplog.text


def test_a_new_model_is_warmed_before_it_answers(follower):
    following, pointer, shelf = follower()
    pointer.digest = "two"
    following.look()
    assert len(shelf["two"].calls) == 2
    assert {call.tool is None for call in shelf["two"].calls} == {True, False}


def test_a_call_in_flight_ends_on_the_model_that_it_began_on(follower):
    following, pointer, shelf = follower()
    shelf["one"].entered.clear()
    shelf["one"].going.clear()
    answers = []
    thread = threading.Thread(target=lambda: answers.append(following.normalize(CALL)))
    thread.start()
    assert shelf["one"].entered.wait(10)
    pointer.digest = "two"
    following.look()
    assert following.normalize(CALL).model.name == "two", "new calls do not wait for old ones"
    shelf["one"].going.set()
    thread.join(10)
    assert answers[0].model.name == "one"


@pytest.mark.parametrize("fault", [BundleCorrupt("bad"), ValueError("odd"), MemoryError()])
def test_a_model_that_does_not_load_leaves_the_old_one_and_a_line_in_the_log(follower, fault, caplog):
    following, pointer, _ = follower(two=fault)
    pointer.digest = "two"
    with caplog.at_level(logging.ERROR, "intent.registry"):
        following.look()
        following.look()
    assert following.normalize(CALL).model.name == "one"
    assert type(fault).__name__ in following.fault or "bundle_corrupt" in following.fault
    assert len(caplog.records) == 1, "the same fault is told once"


def test_a_model_that_loads_and_cannot_answer_is_not_taken(follower):
    broken = Model("two")
    broken.normalize = lambda call: broken.refuse(ReasonCode.ERROR, "the call could not be read", call.id)
    following, pointer, _ = follower(two=broken)
    pointer.digest = "two"
    following.look()
    assert following.normalize(CALL).model.name == "one"
    assert "must answer a plain call" in following.fault


def test_a_model_that_failed_is_tried_again_later_and_another_one_at_once(follower):
    following, pointer, shelf = follower(interval_s=NEVER_S, two=BundleCorrupt("half written"), three=Model("three"))
    pointer.digest = "two"
    following.look()
    shelf["two"] = Model("two")
    following.look()
    assert following.digest == "one", "not due yet"
    pointer.digest = "three"
    following.look()
    assert (following.digest, following.fault) == ("three", "")


def test_a_pointer_that_cannot_be_read_changes_nothing(follower):
    following, pointer, _ = follower()
    pointer.digest = BundleCorrupt("no pointer")
    following.look()
    assert following.normalize(CALL).model.name == "one"
    assert "no pointer" in following.fault
    pointer.digest = "one"
    following.look()
    assert following.fault == ""


def test_a_model_with_other_words_answers_once_every_guard_has_admitted_them(follower):
    following, pointer, _ = follower(two=Model("two", vocabulary(version="1.9.0")))
    asked = []
    following.guard(lambda words: asked.append((words.version, following.digest)))
    assert asked == [("1.0.0", "one")], "the present words are asked of at once"
    pointer.digest = "two"
    following.look()
    assert (following.digest, following.vocabulary.version, following.fault) == ("two", "1.9.0", "")
    pointer.digest = "one"
    following.look()
    assert following.vocabulary.version == "1.0.0"
    assert asked[1:] == [("1.9.0", "one"), ("1.0.0", "two")], "before the model answers, on the way back too"


def test_words_that_a_guard_does_not_admit_are_not_spoken_and_the_log_says_why(follower, caplog):
    following, pointer, shelf = follower(two=Model("two", vocabulary(version="1.9.0")))
    admits = iter([None, PolicyError("compute: must be denied"), None])

    def guard(_):
        if (found := next(admits)) is not None:
            raise found

    following.guard(guard)
    pointer.digest = "two"
    with caplog.at_level(logging.ERROR, "intent.registry"):
        following.look()
    assert (following.digest, following.vocabulary.version) == ("one", "1.0.0")
    assert following.fault == "policy_error: compute: must be denied"
    assert len(caplog.records) == 1
    shelf["three"] = Model("three", vocabulary(version="1.9.0"))
    pointer.digest = "three"
    following.look()
    assert following.digest == "three"


def test_a_guard_that_does_not_admit_the_present_words_is_not_taken(follower):
    def guard(_):
        raise PolicyError("no")

    following, pointer, _ = follower(two=Model("two", vocabulary(version="1.9.0")))
    with pytest.raises(PolicyError):
        following.guard(guard)
    pointer.digest = "two"
    following.look()
    assert following.digest == "two"


def test_without_a_first_model_there_is_nothing_to_go_on_with(follower):
    with pytest.raises(BundleMissing):
        follower(one=BundleMissing("nowhere"))


def test_a_registry_is_followed_and_what_was_altered_in_it_is_not(tmp_path):
    from intent.registry.promotion import Golden, judge
    from tests.doubles.registered import golden_rows

    registry = new_registry(tmp_path / "registry", write_bundle(tmp_path / "shipped"))
    following = follow(registry.shelf, Normalizer.load, NEVER_S)
    try:
        assert following.normalize(CALL).model.version == "0.0.1"
        digest = registry.add(write_bundle(tmp_path / "new", "0.2.0"), ANALYST).digest
        golden = Golden.read([golden_rows(tmp_path / "golden.jsonl", n=16)])
        registry.promote(digest, APPROVER, judge(registry.shelf.load(digest), registry.shelf.load(registry.shelf.current()), golden))
        (registry.shelf.directory / digest / "arrays.npz").write_bytes(b"altered")
        following.look()
        assert (following.normalize(CALL).model.version, "bundle_corrupt" in following.fault) == ("0.0.1", True)
        registry.roll_back(APPROVER)
        following.look()
        assert (following.normalize(CALL).model.version, following.fault) == ("0.0.1", "")
    finally:
        following.close()
