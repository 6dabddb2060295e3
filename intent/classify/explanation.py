"""A decision with the canonical texts that it was made from, so that a person sees what the model saw."""

from __future__ import annotations

from dataclasses import dataclass

from intent.schema import Decision
from intent.text import CanonicalText
from intent.views import Capability, EffectView


@dataclass(frozen=True, slots=True)
class Views:
    """The canonical texts of a call, and what was done to make them canonical."""

    declared: CanonicalText | None
    capability: Capability | None
    effect: EffectView | None

    @property
    def changes(self) -> tuple[str, ...]:
        """Names of the changes, sorted."""
        parts = (v.changes for v in (self.declared, self.capability, self.effect) if v is not None)
        return tuple(sorted({str(change) for changes in parts for change in changes}))


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision with the texts it was made from; a view that is not there, or could not be read, is None."""

    decision: Decision
    declared: str | None
    capability: str | None
    effect: str | None
    changes: tuple[str, ...]

    @classmethod
    def of(cls, decision: Decision, views: Views | None) -> Explanation:
        """The texts of the views of a call; None: it could not be read."""
        if views is None:
            return cls(decision, None, None, None, ())
        return cls(
            decision,
            views.declared.text if views.declared else None,
            None if views.capability is None else _shown(views.capability),
            views.effect.text if views.effect else None,
            views.changes,
        )


def _shown(view: Capability) -> str:
    parts = (view.name.text, view.description.text, view.parameters.text and f"parameters: {view.parameters.text}")
    return "\n".join(part for part in parts if part)
