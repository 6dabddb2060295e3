"""Label Studio's JSON out and in: tasks with the model's answer as a prediction and labels as annotations, all of the type ``choices``.

The project there needs `CONFIG` as its labelling interface. What the model said of an item of the audit stream is not written: it is
labelled blind, there as here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from intent.errors import InvalidCall, WorkbenchError, first_fault
from intent.strict_json import loads
from intent.vocabulary import Vocabulary
from intent.workbench.interchange.json_lines import MAX_FAULTS, imported_note
from intent.workbench.interchange.records import MAX_FILE_BYTES, MAX_ITEMS, Given, Read, agreed, call_of
from intent.workbench.labelling import Judgement, opinions, said
from intent.workbench.labels import Judged
from intent.workbench.records import Item, Label
from intent.workbench.streams import is_blind

INTENT, ALSO, DECLARED, POLYMORPHIC, TEXT = "intent", "also", "declared", "polymorphic", "text"
_TRUTH = {"yes": True, "no": False}


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    from_name: str
    value: dict[str, JsonValue]


class _Annotation(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    result: list[_Result]
    was_cancelled: bool = False
    completed_by: int | str | dict[str, JsonValue] | None = None


class _Task(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    data: dict[str, JsonValue]
    annotations: list[_Annotation] = []


def config(vocabulary: Vocabulary) -> str:
    """The labelling interface of a project, with the words of a vocabulary."""
    labels = "".join(f'<Choice value="{escape(word)}"/>' for word in vocabulary.labels)
    intents = "".join(f'<Choice value="{escape(word)}"/>' for word in vocabulary.ids)
    return (
        f'<View><Text name="{TEXT}" value="${TEXT}"/>'
        f'<Choices name="{INTENT}" toName="{TEXT}" choice="single" required="true">{labels}</Choices>'
        f'<Choices name="{ALSO}" toName="{TEXT}" choice="multiple">{labels}</Choices>'
        f'<Choices name="{DECLARED}" toName="{TEXT}" choice="multiple">{intents}</Choices>'
        f'<Choices name="{POLYMORPHIC}" toName="{TEXT}" choice="single"><Choice value="yes"/><Choice value="no"/></Choices></View>'
    )


def written(judged: Iterable[Judged], vocabulary: Vocabulary) -> Iterator[bytes]:
    """A JSON array of tasks, in pieces."""
    yield b"["
    for number, one in enumerate(judged):
        separator = b"," if number else b""
        yield separator + b"\n" + json.dumps(_task(one, vocabulary), ensure_ascii=False).encode("utf-8", "replace")
    yield b"\n]\n"


def read(content: bytes, *, group: str = "") -> Read:
    """Read an export of Label Studio; a task that does not fit is left out and named, and so is the label of one whose annotators differ.

    Raises
    ------
    WorkbenchError
        If it is no JSON array of at most `MAX_ITEMS` tasks, or has more than `MAX_FAULTS` faults.
    """
    try:
        tasks: Any = loads(content, max_bytes=MAX_FILE_BYTES, where="file")
    except InvalidCall as error:
        raise WorkbenchError(f"an export of Label Studio must be JSON: {error}") from error
    if not isinstance(tasks, list) or len(cast("list[object]", tasks)) > MAX_ITEMS:
        raise WorkbenchError(f"an export of Label Studio must be an array of at most {MAX_ITEMS} tasks")
    given: list[Given] = []
    faults: list[str] = []
    for number, task in enumerate(cast("list[object]", tasks), 1):
        try:
            found, fault = _given(_Task.model_validate(task), group)
            given.append(found)
            faults += [f"task {number}: {fault}"] if fault else []
        except (InvalidCall, ValidationError) as error:
            told = ": ".join(first_fault(error, "task")) if isinstance(error, ValidationError) else str(error)
            faults.append(f"task {number}: {told}")
        if len(faults) > MAX_FAULTS:
            raise WorkbenchError(f"an export must have at most {MAX_FAULTS} faults")
    return Read(tuple(given), tuple(faults))


def _task(one: Judged, vocabulary: Vocabulary) -> dict[str, Any]:
    item = one.item
    data = {"item": item.id, "group": item.group, "stream": item.stream.value, TEXT: rendered(item), **item.call}
    labels = opinions(one.acts, vocabulary)
    return {
        "data": data,
        "predictions": _predictions(item, vocabulary),
        "annotations": [_annotation(labels[name]) for name in sorted(labels)],
    }


def _predictions(item: Item, vocabulary: Vocabulary) -> list[dict[str, Any]]:
    word = said(item.decision)
    if item.decision is None or is_blind(item) or word not in vocabulary.labels:
        return []
    model = item.decision.get("model")
    version = str(model.get("version", "")) if isinstance(model, dict) else ""
    return [{"model_version": version, "score": item.decision.get("confidence"), "result": [_choices(INTENT, [word])]}]


def _annotation(label: Label) -> dict[str, Any]:
    result = [_choices(INTENT, [label.intent])]
    result += [_choices(ALSO, list(label.also))] if label.also else []
    result += [] if label.declared is None else [_choices(DECLARED, list(label.declared))]
    result += [] if label.polymorphic is None else [_choices(POLYMORPHIC, ["yes" if label.polymorphic else "no"])]
    return {"completed_by": {"email": label.by}, "created_at": label.at.isoformat(), "was_cancelled": False, "result": result}


def _choices(name: str, words: list[str]) -> dict[str, Any]:
    return {"from_name": name, "to_name": TEXT, "type": "choices", "value": {"choices": words}}


def rendered(item: Item) -> str:
    """A call as a text that a person can read."""
    call = item.call
    parts = [f"request: {call['request']}"] if call.get("request") else []
    parts += [f"{name}: {json.dumps(call[name], ensure_ascii=False, indent=1)}" for name in ("tool", "arguments") if name in call]
    return "\n".join(parts)


def _given(task: _Task, group: str) -> tuple[Given, str]:
    named = task.data.get("group")
    call, place = call_of(task.data), named if isinstance(named, str) and named else group
    judgements = [found for one in task.annotations if not one.was_cancelled and (found := _judgement(one))]
    chosen = agreed(judgements) if judgements else None
    return Given(call, place, chosen), "its annotators differ, and none of their labels is taken" if judgements and not chosen else ""


def _judgement(annotation: _Annotation) -> Judgement | None:
    choices = {one.from_name: _words(one.value.get("choices")) for one in annotation.result}
    primary = choices.get(INTENT, ())
    if len(primary) != 1:
        return None
    declared, told = choices.get(DECLARED), choices.get(POLYMORPHIC, ())
    also = tuple(word for word in choices.get(ALSO, ()) if word != primary[0])
    polymorphic = _TRUTH.get(told[0]) if len(told) == 1 else None
    return Judgement(primary[0], also, polymorphic, declared, imported_note([_who(annotation)]))


def _who(annotation: _Annotation) -> str:
    found = annotation.completed_by
    return str(found.get("email") or found.get("id") or "") if isinstance(found, dict) else str(found or "")


def _words(value: JsonValue) -> tuple[str, ...]:
    return tuple(word for word in value if isinstance(word, str)) if isinstance(value, list) else ()
