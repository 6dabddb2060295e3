"""What the workbench keeps: items to label, labels, reviewed definitions, vocabularies, training runs, models; all of them only ever added to."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Role(StrEnum):
    """What a person may do; each role may do what the ones before it may."""

    VIEWER = "viewer"
    ANALYST = "analyst"
    APPROVER = "approver"
    ADMIN = "admin"

    def includes(self, needed: Role) -> bool:
        """Whether this role may do what ``needed`` may.

        >>> Role.APPROVER.includes(Role.ANALYST)
        True
        """
        order = list(Role)
        return order.index(self) >= order.index(needed)


class Actor(_Record):
    """Who does something: a person who signed in, or the command line's user."""

    name: str = Field(min_length=1, max_length=256)
    role: Role


class Stream(StrEnum):
    """Why an item is there; the two are drawn apart before anything is known of the item, and never mix."""

    PICKED = "picked"
    AUDIT = "audit"


class Origin(StrEnum):
    """Where an item came from."""

    DECISION = "decision"
    HARVEST = "harvest"
    IMPORT = "import"
    EXAMPLE = "example"


class Item(_Record):
    """One call, tool or request that somebody may label."""

    id: str = Field(description="Digest of the canonical call: the same call is one item, however often it came.")
    at: datetime
    origin: Origin
    stream: Stream
    group: str = Field(description="Server or domain; a split never cuts through a group.")
    call: dict[str, JsonValue] = Field(description="The call as `ToolCall` reads it, without its context.")
    decision: dict[str, JsonValue] | None = Field(description="What the normalizer said of it when it came; null where it was not asked.")
    decision_id: str = Field(default="", description="Of the audited decision; empty where there is none.")


class Action(StrEnum):
    """What a person did to an item."""

    LABEL = "label"
    SKIP = "skip"
    UNDO = "undo"


class Label(_Record):
    """One act of one person on one item; an undo is an act as well."""

    id: int = Field(ge=0, description="Rising in the order of the acts; 0 before it is kept.")
    item: str
    at: datetime
    by: str
    role: Role = Field(default=Role.ANALYST, description="What the person might do at the time of the act.")
    action: Action
    intent: str = Field(default="", description="A label of the vocabulary; empty unless the action is `label`.")
    also: tuple[str, ...] = ()
    polymorphic: bool | None = None
    declared: tuple[str, ...] | None = None
    vocabulary: str = Field(default="", description="Digest of the vocabulary that the label is a word of.")
    note: str = Field(default="", max_length=2000)
    batch: str = Field(default="", description="One for all labels of one act on a group of near-duplicates; undo takes back the batch.")


class Standing(StrEnum):
    """What the acts on an item add up to."""

    OPEN = "open"
    SKIPPED = "skipped"
    PENDING = "pending"
    SETTLED = "settled"
    DISPUTED = "disputed"


class Verdict(_Record):
    """The label that an item has now.

    ``pending``: the label lowers the privilege that the model or an earlier label gave, and waits for a second person. ``disputed``: two
    people said different things, and neither label is used before somebody with the right to decide has.
    """

    item: str
    standing: Standing
    intent: str = ""
    also: tuple[str, ...] = ()
    polymorphic: bool | None = None
    declared: tuple[str, ...] | None = None
    by: tuple[str, ...] = ()


class Account(_Record):
    """A person who may sign in; the latest version of a name is in force."""

    id: int = Field(default=0, ge=0, description="Rising in the order of the versions; 0 before it is kept.")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._@+-]{0,127}$", description="One spelling for one person, so that nobody is two.")
    hash: str = Field(max_length=512, description="Of the password (argon2, PHC form); empty where nobody may sign in with one.")
    role: Role
    disabled: bool = False
    at: datetime
    by: str


class Definition(_Record):
    """A tool definition as a server listed it at some time."""

    server: str
    name: str
    digest: str = Field(description="`intent.views.tool_digest`.")
    definition: dict[str, JsonValue]
    at: datetime
    by: str


class Review(_Record):
    """A person's word on a definition; the latest one on a (server, name) that is not only proposed is in force, a withdrawal among them."""

    id: int = Field(ge=0)
    server: str
    name: str
    digest: str
    intent: str
    polymorphic: bool = False
    withdrawn: bool = False
    proposed: bool = Field(default=False, description="Whether it lowers what was given, and waits for another person; the store says it.")
    approves: int = Field(default=0, ge=0, description="Number of the proposal that it puts in force; 0 for none.")
    at: datetime
    by: str
    note: str = ""


class Change(StrEnum):
    """How far a vocabulary differs from the one before it (semantic versioning)."""

    MAJOR = "major"
    MINOR = "minor"
    PATCH = "patch"


class VocabularyVersion(_Record):
    """A vocabulary that was drafted or released."""

    id: int = Field(ge=0)
    version: str
    digest: str
    document: str = Field(description="The TOML of it.")
    base: str = Field(description="Digest of the one that it was made from; empty for the first.")
    change: Change
    released: bool
    at: datetime
    by: str
    note: str = ""


class RunState(StrEnum):
    """Where a training run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


class RunEvent(_Record):
    """One thing that a training run reported; the latest state is its state."""

    id: int = Field(ge=0)
    run: str
    at: datetime
    state: RunState
    step: int = Field(default=0, ge=0)
    steps: int = Field(default=0, ge=0)
    message: str = ""
    detail: dict[str, JsonValue] = Field(default_factory=dict)


class ModelEntry(_Record):
    """A model directory in the registry."""

    digest: str = Field(description="Digest of the bundle's manifest.")
    name: str
    version: str
    directory: str = Field(description="Name of its directory within the registry.")
    parent: str = Field(default="", description="Digest of the model that it was made from; empty for the first.")
    run: str = Field(default="", description="The training run that made it; empty where it came from elsewhere.")
    vocabulary: str
    at: datetime
    by: str


class PromotionKind(StrEnum):
    """Forward, or back."""

    PROMOTE = "promote"
    ROLL_BACK = "roll_back"


class Promotion(_Record):
    """A change of the model that serves; the latest one names it."""

    id: int = Field(ge=0)
    kind: PromotionKind
    digest: str
    previous: str
    at: datetime
    by: str
    gate: dict[str, JsonValue] = Field(default_factory=dict, description="Every check of the gate with its figure and whether it passed.")
    note: str = ""
