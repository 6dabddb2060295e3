"""The walk along a log that finds every fault; it reads each event once, whatever the log is kept in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from intent.audit.chain import genesis, link
from intent.audit.checkpoint import Checkpoint, SignedNote, Standing, read_note
from intent.audit.fault import Fault, FaultKind, Verification
from intent.audit.merkle import Frontier
from intent.errors import AuditError

MAX_FAULTS = 1000
# Events that are compared with each other's places, to tell a moved event from a changed one.
_MAX_SUSPECTS = 256
_FAULT_OF = {Standing.BAD_SIGNATURE: FaultKind.BAD_SIGNATURE, Standing.WRONG_KEY: FaultKind.WRONG_KEY}


@dataclass(frozen=True, slots=True)
class Link:
    """An event as it is kept: its number, its bytes, and the digests beside it."""

    number: int
    body: bytes
    previous: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class Claims:
    """Signed heads that a log must agree with.

    Attributes
    ----------
    by_size
        Heads with a good signature, each with the name of its place.
    faults
        Of those that have none.
    """

    by_size: dict[int, list[tuple[Checkpoint, str]]] = field(default_factory=dict[int, "list[tuple[Checkpoint, str]]"])
    faults: list[Fault] = field(default_factory=list["Fault"])

    def add(self, text: str | None, where: str, keys: Sequence[Ed25519PublicKey]) -> Checkpoint | None:
        """Take a note in; its head if a key in ``keys`` signed it, else None and a fault."""
        note = _read(text)
        if note is None:
            self.faults.append(Fault(FaultKind.BAD_SIGNATURE, None, f"{where} is no signed note"))
            return None
        found = note.checkpoint
        standing = note.standing(keys)
        if standing is not Standing.GOOD:
            kind = _FAULT_OF[standing]
            self.faults.append(Fault(kind, max(found.size - 1, 0), f"{where} is not signed by a key that was given: {standing.value}"))
            return None
        self.by_size.setdefault(found.size, []).append((found, where))
        return found


class Walk:
    """State of a verification.

    Parameters
    ----------
    origin
        Name of the log, from its signed head.
    claims
        The signed heads of every place.
    """

    def __init__(self, origin: str, claims: Claims) -> None:
        self._origin = origin
        self._claims = claims
        self._expected = 0
        self._last: bytes = genesis(origin)
        # Without a name of the log nothing is known of what its first event must follow.
        self._joined = bool(origin)
        self._frontier: Frontier | None = Frontier()
        self._suspects: list[Link] = []
        self.faults: list[Fault] = []
        self.more = 0
        self.events = 0
        for fault in claims.faults:
            self.report(fault)
        self._compare()

    def report(self, fault: Fault) -> None:
        """Keep a fault, or count it where there are too many."""
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(fault)
        else:
            self.more += 1

    def step(self, row: Link) -> None:
        """Take the next event in."""
        self.events += 1
        if row.number < self._expected:
            self.report(Fault(FaultKind.INSERTED, row.number, "its number stands twice, or before its place"))
            self._joined, self._frontier = False, None
            return
        if row.number > self._expected:
            self._report_gap(row)
        sound = link(row.number, row.previous, row.body) == row.digest
        if sound and row.number == self._expected and self._joined and row.previous != self._last:
            self.report(Fault(FaultKind.INSERTED, row.number, "it does not follow the event before it: one of the two was spliced in"))
            self._frontier = None
        self._joined = sound
        if not sound:
            self._suspect(row)
        self._expected, self._last = row.number + 1, row.digest
        if self._frontier is not None:
            self._frontier = self._frontier.extended(row.digest)
            self._compare()

    def finish(self, head: Checkpoint | None, witnessed: int | None) -> Verification:
        """End the log here, and say what was found."""
        self._report_suspects()
        self._report_end(head)
        compared = sum(map(len, self._claims.by_size.values()))
        return Verification(self._origin, self.events, compared, witnessed, tuple(self.faults), self.more)

    def _report_gap(self, row: Link) -> None:
        first, last = self._expected, row.number - 1
        joins = row.previous == self._last
        kind = FaultKind.GAP if joins else FaultKind.DELETED
        how = "the chain was joined over them" if joins else "the chain is broken there"
        self.report(Fault(kind, first, f"events {first} to {last} are missing, and {how}"))
        self._frontier = None

    def _suspect(self, row: Link) -> None:
        # What follows it may be right, but cannot be compared with what it says of itself.
        self._frontier = None
        if len(self._suspects) < _MAX_SUSPECTS:
            self._suspects.append(row)
        else:
            self.report(Fault(FaultKind.EDITED, row.number, "it differs from its digest"))

    def _report_suspects(self) -> None:
        """A suspect that is right at the place of another one was moved; any other was changed."""
        numbers = [row.number for row in self._suspects]
        for row in self._suspects:
            home = next((number for number in numbers if link(number, row.previous, row.body) == row.digest), None)
            if home is None:
                self.report(Fault(FaultKind.EDITED, row.number, "it differs from its digest"))
            else:
                self.report(Fault(FaultKind.REORDERED, row.number, f"it is event {home}"))

    def _compare(self) -> None:
        """Compare the log so far with every head that was signed at its size; the first difference says where it was rewritten."""
        if self._frontier is None:
            return
        root = self._frontier.root
        for claim, where in self._claims.by_size.get(self._frontier.size, ()):
            if (claim.origin, claim.root, claim.link) != (self._origin, root, self._last):
                number = max(claim.size - 1, 0)
                self.report(Fault(FaultKind.HEAD_MISMATCH, number, f"{where} was signed over another log up to event {number}"))
                self._frontier = None
                return

    def _report_end(self, head: Checkpoint | None) -> None:
        reached = max(self._claims.by_size, default=0)
        if reached > self._expected:
            where = self._claims.by_size[reached][-1][1]
            detail = f"events {self._expected} to {reached - 1} are missing, and {where} was signed over them"
            self.report(Fault(FaultKind.TRUNCATED, self._expected, detail))
        if head is None:
            self.report(Fault(FaultKind.HEAD_MISMATCH, None, "there is no head with a good signature"))
            return
        if head.size < self._expected:
            detail = f"events {head.size} to {self._expected - 1} stand behind the signed head"
            self.report(Fault(FaultKind.INSERTED, head.size, detail))
        if head.size < reached:
            self.report(Fault(FaultKind.TRUNCATED, head.size, f"the signed head has {head.size} events, where {reached} were signed"))
        self._report_strangers()

    def _report_strangers(self) -> None:
        """Heads of other logs are found whatever their size, also behind a place where comparing had to end."""
        if any(fault.kind is FaultKind.HEAD_MISMATCH for fault in self.faults):
            return
        for claims in self._claims.by_size.values():
            for claim, where in claims:
                if claim.origin != self._origin:
                    self.report(Fault(FaultKind.HEAD_MISMATCH, max(claim.size - 1, 0), f"{where} is of another log: {claim.origin}"))
                    return


def _read(text: str | None) -> SignedNote | None:
    try:
        return None if text is None else read_note(text)
    except AuditError:
        return None


def walked(walk: Walk, rows: Iterable[Link]) -> None:
    """Step along rows."""
    for row in rows:
        walk.step(row)
