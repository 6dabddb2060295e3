"""Fine-tuning of the base encoder on every head's task at once, so that one embedding serves tools and requests.

Cross-entropy on soft labels for what a tool can do, binary cross-entropy for polymorphic tools and for the intents of a request. Names
alone and descriptions alone take turns with the whole definition, so that neither part is read without the other's check. Groups set
aside choose the best epoch. Several runs from the same weights, which see the data in other orders, may be averaged weight by weight: one
encoder with nearly the accuracy of all of them together (Wortsman et al., "Model soups", 2022). A run with a seed can be stopped after any
epoch and goes on from its checkpoint.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from intent.classify.features import definition_text
from intent.embedding.sentence import load_base
from intent.errors import DependencyMissing
from intent.training.examples import WRITTEN, Examples, RequestExample, ToolExample, soft_labels
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
    name_only, description_only, without_parameters
        Shares of the times that a definition is seen by one of its parts, or without the words of its parameters.
    patience
        Epochs after the best validation accuracy at which training stops.
    half
        Whether matrices are multiplied in bfloat16: half the time on processors that have it.
    runs
        Runs whose weights are averaged; each takes as long as one.
    """

    epochs: int = 5
    batch: int = 32
    learning_rate: float = 6e-5
    head_learning_rate: float = 2e-3
    warm_up: float = 0.08
    max_tokens: int = 160
    name_only: float = 0.12
    description_only: float = 0.10
    without_parameters: float = 0.25
    own_weight: float = 0.5
    patience: int = 3
    half: bool = True
    runs: int = 1
    seed: int = 14

    def to_dict(self) -> dict[str, float | int]:
        """JSON form."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of the training curve: mean training loss, and loss and accuracy on the validation tools (None where there are none)."""

    loss: float
    validation_loss: float | None
    validation_accuracy: float | None


@dataclass(frozen=True, slots=True)
class _Item:
    """One text with its targets; a target that is not known carries no weight."""

    name: str
    text: str
    parameters: str
    capability: tuple[float, ...] | None
    polymorphic: float | None
    declared: tuple[float, ...]
    known: tuple[float, ...]
    weight: float


@dataclass(frozen=True, slots=True)
class FineTuned:
    """What fine-tuning made.

    Attributes
    ----------
    encoder
        In evaluation mode.
    curves
        The training curve of each run.
    average
        Validation loss and accuracy of the average of all runs; None where there was one run, or nothing to validate with.
    averaged
        Whether the encoder is that average: its validation loss is no higher than that of the best run.
    """

    encoder: SentenceTransformer
    curves: list[list[Epoch]]
    average: tuple[float, float] | None = None
    averaged: bool = False

    def to_dict(self) -> dict[str, Any]:
        """JSON form, without the encoder."""
        return {
            "curves": [[asdict(epoch) for epoch in curve] for curve in self.curves],
            "average": list(self.average) if self.average else None,
            "averaged": self.averaged,
        }


def finetune(
    examples: Examples,
    validation: Sequence[ToolExample],
    vocabulary: Vocabulary,
    schedule: Schedule,
    progress: Callable[[int, int, float], None],
    checkpoint: Path | None = None,
) -> FineTuned:
    """Train the base model on examples.

    Parameters
    ----------
    validation
        Tools of groups that are not among the examples; they choose the best epoch. Without any, the last epoch is taken.
    progress
        Called with (step, steps, loss) after each step.
    checkpoint
        File that is written after each epoch, and from which a run with the same schedule goes on where it stopped; runs after the first
        have their number in its name.
    """
    try:
        import torch
    except ImportError as error:
        raise DependencyMissing("torch", "train") from error
    items = _items(examples, vocabulary, schedule)
    runs: list[_Run] = []
    for number in range(schedule.runs):
        torch.manual_seed(schedule.seed)  # pyright: ignore[reportUnknownMemberType] - torch leaves it untyped
        run = _Run(load_base(), vocabulary, schedule, math.ceil(len(items) / schedule.batch), number)
        run.resume(checkpoint)
        while not run.finished:
            # Later runs differ in the order of the data and in what is dropped, and start from the same weights.
            rng = np.random.default_rng([schedule.seed, len(run.curve), *([number] if number else [])])
            torch.manual_seed(schedule.seed + len(run.curve) + 1000 * number)  # pyright: ignore[reportUnknownMemberType] - as above
            loss = run.epoch(_batches(items, schedule.batch, rng), rng, progress)
            run.note(loss, validation, vocabulary)
            run.save(checkpoint)
        runs.append(run)
    return _joined(runs, validation, vocabulary)


def _joined(runs: Sequence[_Run], validation: Sequence[ToolExample], vocabulary: Vocabulary) -> FineTuned:
    """The average of all runs where it is no worse than the best of them, else that one."""
    curves = [run.curve for run in runs]
    found = [run.chosen(validation, vocabulary) for run in runs]
    best = min(range(len(runs)), key=lambda k: found[k][0])
    if len(runs) == 1:
        return FineTuned(runs[0].encoder, curves)
    single = copy.deepcopy(runs[best].weights)
    runs[0].take([run.weights for run in runs])
    average = runs[0].validated(validation, vocabulary)
    if validation and average[0] > found[best][0]:
        runs[0].take([single])
        return FineTuned(runs[0].encoder, curves, average)
    return FineTuned(runs[0].encoder, curves, average if validation else None, averaged=True)


def _items(examples: Examples, vocabulary: Vocabulary, schedule: Schedule) -> list[_Item]:
    targets = soft_labels(examples.tools, vocabulary.labels)
    tools = (_tool_item(tool, target.tolist(), vocabulary, schedule) for tool, target in zip(examples.tools, targets, strict=True))
    return [*tools, *(_request_item(request, vocabulary) for request in examples.requests)]


def _tool_item(tool: ToolExample, target: list[float], vocabulary: Vocabulary, schedule: Schedule) -> _Item:
    nothing = (0.0,) * len(vocabulary.ids)
    weight = schedule.own_weight if tool.source in WRITTEN else 1.0
    polymorphic = None if tool.polymorphic is None else float(tool.polymorphic)
    return _Item(tool.name, tool.description, tool.parameters, tuple(target), polymorphic, nothing, nothing, weight)


def _request_item(request: RequestExample, vocabulary: Vocabulary) -> _Item:
    declared = tuple(float(word in request.declared) for word in vocabulary.ids)
    known = tuple(float(word not in request.optional) for word in vocabulary.ids)
    return _Item("", request.text, "", None, None, declared, known, 1.0)


def _batches(items: Sequence[_Item], size: int, rng: np.random.Generator) -> list[list[_Item]]:
    """Batches of texts of like length, in random order."""
    order: list[int] = rng.permutation(len(items)).tolist()
    batches: list[list[_Item]] = []
    for start in range(0, len(order), size * 16):
        near = sorted((items[k] for k in order[start : start + size * 16]), key=lambda item: len(item.text))
        batches += [near[k : k + size] for k in range(0, len(near), size)]
    return [batches[k] for k in rng.permutation(len(batches))]


def _seen(item: _Item, schedule: Schedule, rng: np.random.Generator) -> str:
    """A request as it is; a definition whole, or by one of its parts."""
    if item.capability is None:
        return item.text
    draw = rng.random()
    if draw < schedule.name_only:
        return item.name if draw < schedule.name_only / 2 else f"{item.name}."
    if draw < schedule.name_only + schedule.description_only and item.text:
        return " ".join(item.text.split())
    return definition_text(item.name, item.text, "" if rng.random() < schedule.without_parameters else item.parameters)


class _Run:
    """The state of one training run: model, linear layers, optimizer, curve, best weights so far."""

    def __init__(
        self, model: SentenceTransformer, vocabulary: Vocabulary, schedule: Schedule, steps_an_epoch: int, number: int = 0
    ) -> None:
        import torch
        from torch import nn

        self.curve: list[Epoch] = []
        self._model = model
        self._schedule = schedule
        self._number = number
        self._steps = schedule.epochs * steps_an_epoch
        self._step = 0
        self._validated = 0
        self._best: dict[str, dict[str, torch.Tensor]] = {}
        self._nothing = (0.0,) * len(vocabulary.labels)
        width = int(model.get_embedding_dimension() or 0)
        outputs = {"capability": len(vocabulary.labels), "polymorphic": 1, "declared": len(vocabulary.ids)}
        self._heads = nn.ModuleDict({name: nn.Linear(width, count) for name, count in outputs.items()})
        self._optimizer = torch.optim.AdamW(
            [
                {"params": list(model.parameters()), "lr": schedule.learning_rate},
                {"params": list(self._heads.parameters()), "lr": schedule.head_learning_rate},
            ],
            weight_decay=0.01,
        )
        self._rates = [group["lr"] for group in self._optimizer.param_groups]

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or ``patience`` of them have passed since the best."""
        return len(self.curve) >= self._schedule.epochs or len(self.curve) - 1 - self._best_epoch >= self._schedule.patience

    @property
    def _best_epoch(self) -> int:
        """The last epoch that is no worse than chance explains: within two standard errors of the highest validation accuracy.

        The learning rate falls to zero at the end of the schedule, so a later epoch is better where the few validation tools cannot tell.
        """
        accuracies = [e.validation_accuracy for e in self.curve if e.validation_accuracy is not None]
        if not accuracies:
            return len(self.curve) - 1
        highest = max(accuracies)
        slack = 2 * math.sqrt(highest * (1 - highest) / max(self._validated, 1))
        return max(k for k, accuracy in enumerate(accuracies) if accuracy >= highest - slack)

    def epoch(self, batches: Sequence[Sequence[_Item]], rng: np.random.Generator, progress: Callable[[int, int, float], None]) -> float:
        """Train on every batch once; the mean loss."""
        import torch

        self._model.train()
        losses: list[float] = []
        for batch in batches:
            self._pace()
            loss = self._loss(batch, self._embed([_seen(item, self._schedule, rng) for item in batch]) * SCALE)
            self._optimizer.zero_grad()
            loss.backward()  # pyright: ignore[reportUnknownMemberType] - torch leaves it untyped
            torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
            self._optimizer.step()  # pyright: ignore[reportUnknownMemberType] - as above
            losses.append(float(loss.detach()))
            progress(self._step, self._steps, losses[-1])
        return float(np.mean(losses))

    def _pace(self) -> None:
        """A linear rise, then a linear fall to zero."""
        self._step += 1
        warm = max(1, round(self._schedule.warm_up * self._steps))
        share = min(1.0, self._step / warm) * max(0.0, (self._steps - self._step) / self._steps)
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * share

    def _embed(self, texts: list[str]) -> torch.Tensor:
        import torch

        tokens = self._model.tokenizer(texts, padding=True, truncation=True, max_length=self._schedule.max_tokens, return_tensors="pt")
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self._schedule.half):
            embeddings: torch.Tensor = self._model(dict(tokens))["sentence_embedding"]
        return embeddings.float()

    def _loss(self, batch: Sequence[_Item], embeddings: torch.Tensor) -> torch.Tensor:
        """Mean over the items of the sum of their tasks' losses."""
        import torch
        from torch.nn.functional import binary_cross_entropy_with_logits as binary

        weight = torch.tensor([item.weight for item in batch])
        target = torch.tensor([item.capability or self._nothing for item in batch])
        loss = -(target * torch.log_softmax(self._heads["capability"](embeddings), -1)).sum(1) * weight
        marked = torch.tensor([float(item.polymorphic is not None) for item in batch])
        polymorphic = torch.tensor([item.polymorphic or 0.0 for item in batch])
        loss = loss + _POLYMORPHIC_SHARE * weight * marked * binary(
            self._heads["polymorphic"](embeddings)[:, 0], polymorphic, reduction="none"
        )
        declared, known = torch.tensor([item.declared for item in batch]), torch.tensor([item.known for item in batch])
        loss = loss + _DECLARED_SHARE * (binary(self._heads["declared"](embeddings), declared, reduction="none") * known).sum(1)
        return loss.mean()

    def note(self, loss: float, validation: Sequence[ToolExample], vocabulary: Vocabulary) -> None:
        """Add an epoch to the curve, and keep its weights if it is the best."""
        self._validated = len(validation)
        self.curve.append(Epoch(loss, *(self.validated(validation, vocabulary) if validation else (None, None))))
        if self._best_epoch == len(self.curve) - 1:
            self._best = copy.deepcopy(self.weights)

    @property
    def weights(self) -> dict[str, dict[str, torch.Tensor]]:
        """The weights of the encoder and of the linear layers."""
        return {"model": self._model.state_dict(), "heads": self._heads.state_dict()}

    @property
    def encoder(self) -> SentenceTransformer:
        """The encoder, in evaluation mode."""
        return self._model.eval()

    def chosen(self, validation: Sequence[ToolExample], vocabulary: Vocabulary) -> tuple[float, float]:
        """Take the weights of the best epoch; their validation loss and accuracy, both 0 where there is nothing to validate with."""
        self.take([self._best])
        return self.validated(validation, vocabulary) if validation else (0.0, 0.0)

    def take(self, weights: Sequence[dict[str, dict[str, torch.Tensor]]]) -> None:
        """Take the mean of the weights of several runs; counters, which are whole numbers, from the first."""
        for part, module in (("model", self._model), ("heads", self._heads)):
            first = weights[0][part]
            mean = {name: sum(w[part][name] for w in weights) / len(weights) if t.is_floating_point() else t for name, t in first.items()}
            module.load_state_dict(mean)

    def validated(self, validation: Sequence[ToolExample], vocabulary: Vocabulary) -> tuple[float, float]:
        """Loss and accuracy on the validation tools."""
        import torch

        self._model.eval()
        logs: list[torch.Tensor] = []
        with torch.no_grad():
            for k in range(0, len(validation), self._schedule.batch):
                texts = [definition_text(e.name, e.description, e.parameters) for e in validation[k : k + self._schedule.batch]]
                logs.append(torch.log_softmax(self._heads["capability"](self._embed(texts) * SCALE), -1))
        log = torch.cat(logs).numpy()
        target = soft_labels(validation, vocabulary.labels)
        right = target[np.arange(len(target)), log.argmax(axis=1)] > 0
        return float(-(target * log).sum(axis=1).mean()), float(right.mean())

    def save(self, checkpoint: Path | None) -> None:
        """Write the state, if there is a file for it."""
        import torch

        if checkpoint is None:
            return
        state = {
            "schedule": self._schedule.to_dict(),
            "number": self._number,
            "step": self._step,
            "curve": [asdict(epoch) for epoch in self.curve],
            "model": self._model.state_dict(),
            "best": self._best,
            "heads": self._heads.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        own = self._file(checkpoint)
        beside = own.with_suffix(".new")
        torch.save(state, beside)
        beside.replace(own)

    def _file(self, checkpoint: Path) -> Path:
        return checkpoint.with_stem(f"{checkpoint.stem}-{self._number}") if self._number else checkpoint

    def resume(self, checkpoint: Path | None) -> None:
        """Take the state of a file that a run with the same schedule left; any other file is left alone."""
        import torch

        if checkpoint is None or not self._file(checkpoint).is_file():
            return
        state = torch.load(self._file(checkpoint), weights_only=True)
        if (state["schedule"], state.get("number")) != (self._schedule.to_dict(), self._number):
            return
        self._step, self._best = state["step"], state["best"]
        self.curve = [Epoch(**epoch) for epoch in state["curve"]]
        self._model.load_state_dict(state["model"])
        self._heads.load_state_dict(state["heads"])
        self._optimizer.load_state_dict(state["optimizer"])
