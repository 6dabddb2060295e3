import pytest

from intent.evaluation.baselines import annotated_effect, baselines, substring_effect
from intent.schema import Outcome, Tool, ToolCall
from intent.vocabulary import UNKNOWN, Effect, Vocabulary, default_path

VOCABULARY = Vocabulary.load(default_path())


@pytest.mark.parametrize(
    ("name", "effect"),
    [("createUser", Effect.CHANGE), ("get_address", Effect.CHANGE), ("purge_queue", Effect.READ), ("list", Effect.READ)],
)
def test_the_substring_rule_looks_at_the_name_alone(name: str, effect: Effect) -> None:
    assert substring_effect(ToolCall(tool=Tool(name=name, description="Deletes everything"))) is effect


@pytest.mark.parametrize(
    ("annotations", "effect"),
    [(None, Effect.CHANGE), ({}, Effect.CHANGE), ({"readOnlyHint": True}, Effect.READ), ({"readOnlyHint": "true"}, Effect.CHANGE)],
)
def test_what_an_author_does_not_say_changes(annotations: dict[str, bool | str] | None, effect: Effect) -> None:
    tool = Tool.model_validate({"name": "x", "annotations": annotations})
    assert annotated_effect(ToolCall(tool=tool)) is effect


def test_rules_answer_like_a_model() -> None:
    for judge in baselines(VOCABULARY).values():
        decision = judge(ToolCall(tool=Tool(name="create_x")))
        assert (decision.intent, decision.outcome) == (VOCABULARY.effects[Effect.CHANGE], Outcome.FORWARD)
        assert decision.probabilities == {}
        refused = judge(ToolCall(request="hello"))
        assert (refused.intent, refused.outcome) == (UNKNOWN, Outcome.DENY)
