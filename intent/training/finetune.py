"""Fine-tuning of the base encoder on every head's task at once, so that one embedding serves tools and requests.

Cross-entropy on soft labels for what a tool can do, binary cross-entropy for polymorphic tools and for the intents of a request. Names
alone and descriptions alone take turns with the whole definition, so that neither part is read without the other's check.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from intent.embedding.sentence import load_base
from intent.errors import DependencyMissing
from intent.training.examples import OWN, Examples, soft_labels
from intent.vocabulary import Vocabulary

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

SCALE = 20.0
_POLYMORPHIC_SHARE, _DECLARED_SHARE = 0.3, 0.5


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast.

    Attributes
    ----------
    max_tokens
        Longer texts are cut in training only; serving reads them in pieces of this length.
    name_only, description_only
        Shares of the times that a definition is seen by one of its parts.
    """

    epochs: int = 4
    batch: int = 32
    learning_rate: float = 6e-5
    head_learning_rate: float = 2e-3
    warm_up: float = 0.08
    max_tokens: int = 160
    name_only: float = 0.12
    description_only: float = 0.10
    own_weight: float = 0.5
    seed: int = 0


@dataclass(frozen=True, slots=True)
class _Item:
    """One text with its targets; a target that is not known carries no weight."""

    name: str
    text: str
    capability: tuple[float, ...] | None
    polymorphic: float | None
    declared: tuple[float, ...] | None
    known: tuple[float, ...]
    weight: float


def finetune(
    examples: Examples, vocabulary: Vocabulary, schedule: Schedule, progress: Callable[[int, int, float], None]
) -> tuple[SentenceTransformer, list[float]]:
    """Train the base model on examples; nothing of the calibration groups may be among them.

    Parameters
    ----------
    progress
        Called with (step, steps, loss) after each step.

    Returns
    -------
    tuple
        The encoder, and the mean loss of each epoch.
    """
    try:
        import torch
    except ImportError as error:
        raise DependencyMissing("torch", "train") from error
    torch.manual_seed(schedule.seed)
    rng = np.random.default_rng(schedule.seed)
    items = _items(examples, vocabulary, schedule)
    model = load_base()
    loss_of = _Objective(model, len(vocabulary.labels), len(vocabulary.ids), schedule)
    optimizer = torch.optim.AdamW(
        [{"params": model.parameters(), "lr": schedule.learning_rate}, {"params": loss_of.heads(), "lr": schedule.head_learning_rate}],
        weight_decay=0.01,
    )
    steps = schedule.epochs * math.ceil(len(items) / schedule.batch)
    warm = max(1, round(schedule.warm_up * steps))
    pace = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: min(1.0, (k + 1) / warm) * max(0.0, (steps - k) / steps))
    model.train()
    curve: list[float] = []
    step = 0
    for _ in range(schedule.epochs):
        losses: list[float] = []
        for batch in _batches(items, schedule.batch, rng):
            loss = loss_of(batch, rng)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            pace.step()
            step += 1
            losses.append(float(loss.detach()))
            progress(step, steps, losses[-1])
        curve.append(float(np.mean(losses)))
    model.eval()
    return model, curve


def describe(schedule: Schedule) -> dict[str, float | int]:
    """The schedule as JSON."""
    return asdict(schedule)


def _items(examples: Examples, vocabulary: Vocabulary, schedule: Schedule) -> list[_Item]:
    nothing = (0.0,) * len(vocabulary.ids)
    targets = soft_labels(examples.tools, vocabulary.labels)
    items = [
        _Item(
            name=tool.name,
            text=" ".join(tool.description.split()),
            capability=tuple(target.tolist()),
            polymorphic=None if tool.polymorphic is None else float(tool.polymorphic),
            declared=None,
            known=nothing,
            weight=schedule.own_weight if tool.source == OWN else 1.0,
        )
        for tool, target in zip(examples.tools, targets, strict=True)
    ]
    for request in examples.requests:
        declared = tuple(float(word in request.declared) for word in vocabulary.ids)
        known = tuple(float(word not in request.optional) for word in vocabulary.ids)
        items.append(_Item("", request.text, None, None, declared, known, 1.0))
    return items


def _batches(items: Sequence[_Item], size: int, rng: np.random.Generator) -> list[list[_Item]]:
    """Batches of texts of like length, in random order."""
    order = rng.permutation(len(items)).tolist()
    batches: list[list[_Item]] = []
    for start in range(0, len(order), size * 16):
        near = sorted((items[k] for k in order[start : start + size * 16]), key=lambda item: len(item.text))
        batches += [near[k : k + size] for k in range(0, len(near), size)]
    return [batches[k] for k in rng.permutation(len(batches))]


class _Objective:
    """The sum of the three losses over a batch, with the linear layers that they need and serving does not."""

    def __init__(self, model: SentenceTransformer, labels: int, intents: int, schedule: Schedule) -> None:
        from torch import nn

        width = int(model.get_sentence_embedding_dimension() or 0)
        self._model = model
        self._schedule = schedule
        self._capability = nn.Linear(width, labels)
        self._polymorphic = nn.Linear(width, 1)
        self._declared = nn.Linear(width, intents)

    def heads(self) -> list[torch.nn.Parameter]:
        """Parameters of the linear layers."""
        return [p for layer in (self._capability, self._polymorphic, self._declared) for p in layer.parameters()]

    def __call__(self, batch: Sequence[_Item], rng: np.random.Generator) -> torch.Tensor:
        """Mean loss of an item."""
        import torch

        embeddings = self._embed([_seen(item, self._schedule, rng) for item in batch]) * SCALE
        losses = torch.zeros(len(batch))
        for k in (k for k, item in enumerate(batch) if item.capability is not None):
            target = torch.tensor(batch[k].capability)
            losses[k] = losses[k] - (target * torch.log_softmax(self._capability(embeddings[k]), -1)).sum() * batch[k].weight
        for k in (k for k, item in enumerate(batch) if item.polymorphic is not None):
            target = torch.tensor([batch[k].polymorphic])
            losses[k] = losses[k] + _POLYMORPHIC_SHARE * batch[k].weight * _binary(self._polymorphic(embeddings[k]), target).sum()
        for k in (k for k, item in enumerate(batch) if item.declared is not None):
            loss = _binary(self._declared(embeddings[k]), torch.tensor(batch[k].declared)) * torch.tensor(batch[k].known)
            losses[k] = losses[k] + _DECLARED_SHARE * loss.sum()
        return losses.mean()

    def _embed(self, texts: list[str]) -> torch.Tensor:
        tokens = self._model.tokenizer(texts, padding=True, truncation=True, max_length=self._schedule.max_tokens, return_tensors="pt")
        return self._model(dict(tokens))["sentence_embedding"]


def _binary(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    from torch.nn.functional import binary_cross_entropy_with_logits

    return binary_cross_entropy_with_logits(logits, target, reduction="none")


def _seen(item: _Item, schedule: Schedule, rng: np.random.Generator) -> str:
    """A request as it is; a definition whole or by one of its parts."""
    if item.declared is not None:
        return item.text
    draw = rng.random()
    if not item.text or draw < schedule.name_only:
        return item.name if draw < schedule.name_only / 2 else f"{item.name}."
    if draw < schedule.name_only + schedule.description_only:
        return item.text
    return f"{item.name}. {item.text}"
