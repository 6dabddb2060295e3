"""Intent normalization: one word of a closed vocabulary for each tool call of an agent, with a calibrated probability, or a refusal."""

from intent.errors import IntentError
from intent.normalizer import Normalizer
from intent.schema import Decision, Tool, ToolCall
from intent.vocabulary import Vocabulary

__all__ = ["Decision", "IntentError", "Normalizer", "Tool", "ToolCall", "Vocabulary"]
