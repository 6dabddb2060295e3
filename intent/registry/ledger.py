"""What the registry writes down: models, promotions and what training runs report; only ever added to. `WorkbenchStore` is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from intent.workbench.records import Actor, ModelEntry, Promotion, RunEvent


class Models(Protocol):
    """Models and their promotions, oldest first; what the role of the actor does not allow is refused."""

    def add_model(self, actor: Actor, entry: ModelEntry) -> ModelEntry: ...  # noqa: D102 - the class says it
    def models(self) -> Sequence[ModelEntry]: ...  # noqa: D102 - the class says it
    def add_promotion(self, actor: Actor, promotion: Promotion) -> Promotion: ...  # noqa: D102 - the class says it
    def promotions(self) -> Sequence[Promotion]: ...  # noqa: D102 - the class says it


class Runs(Protocol):
    """What training runs reported; a run that has ended takes no more reports."""

    def add_run_event(self, actor: Actor, event: RunEvent) -> RunEvent: ...  # noqa: D102 - the class says it
    def run_events(self, run: str) -> Sequence[RunEvent]: ...  # noqa: D102 - the class says it
    def runs(self) -> Sequence[RunEvent]: ...  # noqa: D102 - the class says it
