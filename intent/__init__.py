"""Intent normalization: one word of a closed vocabulary for each tool call of an agent, with a calibrated probability, or a refusal."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from intent.errors import IntentError
    from intent.normalizer import Normalizer
    from intent.schema import Decision, Tool, ToolCall
    from intent.vocabulary import Vocabulary

__all__ = ["Decision", "IntentError", "Normalizer", "Tool", "ToolCall", "Vocabulary", "__version__"]

_HOMES = {
    "Decision": "intent.schema",
    "IntentError": "intent.errors",
    "Normalizer": "intent.normalizer",
    "Tool": "intent.schema",
    "ToolCall": "intent.schema",
    "Vocabulary": "intent.vocabulary",
}

try:
    __version__ = version("intent-normalizer")
except PackageNotFoundError:  # a checkout that was put on the path and never installed
    __version__ = "0.0.0"


def __getattr__(name: str) -> object:
    # On first use: help texts and the service's start must neither wait for the model's runtime nor fail with it.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
