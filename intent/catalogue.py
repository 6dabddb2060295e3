"""Reviewed tools: a definition pinned by its digest takes its reviewed intent; a changed one is denied until somebody looks again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from intent.errors import CatalogueError, IntentError, first_fault
from intent.strict_json import loads
from intent.vocabulary import Vocabulary

MAX_BYTES = 64 << 20


class Pin(BaseModel):
    """One reviewed definition."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server: str | None = Field(description="The server that offers the tool; null for callers that name none.")
    name: str
    digest: str = Field(pattern=r"^[0-9a-f]{64}$", description="`intent.views.tool_digest` of the reviewed definition.")
    intent: str = Field(description="The reviewed capability.")
    polymorphic: bool = Field(default=False, description="Whether the arguments decide; they then may lower the reviewed intent.")


class Standing(StrEnum):
    """How a definition stands to the catalogue."""

    UNKNOWN = "unknown"
    REVIEWED = "reviewed"
    CHANGED = "changed"


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    tools: tuple[Pin, ...] = ()


@dataclass(frozen=True)
class Catalogue:
    """Pins by server and tool name."""

    pins: dict[tuple[str | None, str], Pin]

    @classmethod
    def empty(cls) -> Catalogue:
        """No tool is pinned."""
        return cls({})

    @classmethod
    def load(cls, path: Path, vocabulary: Vocabulary) -> Catalogue:
        """Read ``{"tools": [{server, name, digest, intent, polymorphic}]}``.

        Raises
        ------
        CatalogueError
            If the file cannot be read, pins one tool twice, or names a label that the vocabulary does not have.
        """
        try:
            document = _Document.model_validate(loads(path.read_bytes(), max_bytes=MAX_BYTES))
        except (OSError, IntentError) as error:
            raise CatalogueError(f"cannot read the catalogue {path}: {error}") from error
        except ValidationError as error:
            raise CatalogueError(f"cannot read the catalogue {path}: {': '.join(first_fault(error, 'it'))}") from error
        pins: dict[tuple[str | None, str], Pin] = {}
        for pin in document.tools:
            if pin.intent not in vocabulary.labels:
                raise CatalogueError(f"{pin.name} must have a label of {vocabulary.name} {vocabulary.version}, got {pin.intent!r}")
            if pins.setdefault((pin.server, pin.name), pin) is not pin:
                raise CatalogueError(f"{pin.name} of server {pin.server} must be pinned once")
        return cls(pins)

    def look_up(self, server: str | None, name: str, digest: str) -> tuple[Standing, Pin | None]:
        """The pin of a tool, and whether the definition is still the reviewed one."""
        pin = self.pins.get((server, name))
        if pin is None:
            return Standing.UNKNOWN, None
        return (Standing.REVIEWED if pin.digest == digest else Standing.CHANGED), pin
