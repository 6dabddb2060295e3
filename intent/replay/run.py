"""Walks along a log and counts; what it holds does not grow with the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import islice

from intent.audit.encoding import canonical
from intent.audit.event import Event, EventKind
from intent.errors import AuditError
from intent.replay.judge import Judge
from intent.replay.record import Answer, Change, ChangeKind, Counted, Skip, Tally, Why
from intent.replay.source import Chosen, Entry
from intent.schema import Version

MOST_CHANGES = 1000
MOST_SKIPS = 1000
MOST_NAMES = 1000
# No tool and no principal has this name: a tool is `server/tool`, and names are not empty.
REST = "(others)"
_ALL = "all"


def replay(
    entries: Iterable[Entry],
    judge: Judge | Callable[[Event], Answer | Why],
    chosen: Chosen | None = None,
    *,
    most_changes: int = MOST_CHANGES,
    tick: Callable[[int], None] = lambda _: None,
) -> Counted:
    """Decide every chosen decision of a log anew.

    Parameters
    ----------
    entries
        Numbers and events, as `intent.replay.source` gives them.
    judge
        Gives the answer of now, or why there is none.
    most_changes
        Most decisions of each kind of change that are listed; all are counted.
    tick
        Told how many entries were read so far.
    """
    walk, wanted = _Walk(most_changes), chosen or Chosen()
    for done, (number, event) in enumerate(entries, 1):
        if event is None or number is None:
            walk.skip(Skip(number, "", Why.UNREADABLE))
        elif event.kind is not EventKind.DECISION:
            walk.beside += wanted.takes(event)
        elif wanted.takes(event):
            walk.step(number, event, judge(event))
        tick(done)
    return walk.finish()


def change_of(then: Answer, now: Answer) -> ChangeKind | None:
    """How two answers to one call differ; None where they are the same but for their reasons."""
    if now.allowed != then.allowed:
        return ChangeKind.GAINED if now.allowed else ChangeKind.LOST
    if not _same(then, now):
        return ChangeKind.OBLIGATIONS
    return ChangeKind.INTENT if now.intent != then.intent else None


class _Names:
    """Counts by name, of which no more than `MOST_NAMES` are told apart."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}

    def add(self, name: str, kind: ChangeKind | None) -> None:
        known = name if name in self._counts or len(self._counts) < MOST_NAMES else REST
        counts = self._counts.setdefault(known, Counter())
        counts[_ALL] += 1
        if kind is not None:
            counts[kind.value] += 1

    def tallies(self) -> dict[str, Tally]:
        """What changed most comes first."""
        found = {name: _tally(counts) for name, counts in self._counts.items()}
        return dict(sorted(found.items(), key=lambda item: (-item[1].gained, -item[1].lost, -item[1].changed, -item[1].n, item[0])))


class _Walk:
    def __init__(self, most_changes: int) -> None:
        self._most = most_changes
        self._total: Counter[str] = Counter()
        self._by = {"intent": _Names(), "tool": _Names(), "principal": _Names()}
        self._versions = {"policy": _Names(), "model": _Names(), "vocabulary": _Names()}
        self._words: Counter[tuple[str, str]] = Counter()
        self._changes: list[Change] = []
        self._skips: list[Skip] = []
        self._skipped: Counter[Why] = Counter()
        self._faults = 0
        self.beside = 0

    def skip(self, found: Skip) -> None:
        self._skipped[found.why] += 1
        if len(self._skips) < MOST_SKIPS:
            self._skips.append(found)

    def step(self, number: int, event: Event, now: Answer | Why) -> None:
        if isinstance(now, Why):
            self.skip(Skip(number, event.decision_id, now))
            return
        then = _then(event)
        kind = change_of(then, now)
        tool = f"{event.call.server}/{event.call.tool}" if event.call else ""
        self._faults += bool(now.fault)
        self._total[_ALL] += 1
        for by, name in (("intent", then.intent), ("tool", tool), ("principal", event.subject)):
            self._by[by].add(name, kind)
        for of, version in _versions(event).items():
            self._versions[of].add(version, None)
        self._count_words(then.intent, now.intent)
        if kind is None:
            return
        self._total[kind.value] += 1
        if self._total[kind.value] <= self._most:
            at, who = event.at, event.subject
            self._changes.append(Change(kind, number, event.decision_id, at, who, event.agent, tool, then, now))

    def finish(self) -> Counted:
        replayed = self._total[_ALL]
        order = list(ChangeKind)
        return Counted(
            decisions=replayed + self._skipped.total(),
            replayed=replayed,
            beside=self.beside,
            faults=self._faults,
            total=_tally(self._total),
            by_intent=self._by["intent"].tallies(),
            by_tool=self._by["tool"].tallies(),
            by_principal=self._by["principal"].tallies(),
            words=dict(sorted(self._words.items(), key=lambda item: (-item[1], item[0]))),
            policies=_numbers(self._versions["policy"]),
            models=_numbers(self._versions["model"]),
            vocabularies=_numbers(self._versions["vocabulary"]),
            changes=tuple(sorted(self._changes, key=lambda change: (order.index(change.kind), change.number))),
            more={kind: more for kind in order if (more := self._total[kind.value] - self._most) > 0},
            skipped={why: self._skipped[why] for why in Why if self._skipped[why]},
            skips=tuple(self._skips),
        )

    def _count_words(self, then: str, now: str) -> None:
        pair = (then, now)
        self._words[pair if pair in self._words or len(self._words) < MOST_NAMES else (REST, REST)] += 1


def _then(event: Event) -> Answer:
    word = event.judgement.intent if event.judgement else ""
    return Answer(event.allowed, word, event.reasons, event.policy.determining if event.policy else (), event.obligations)


def _versions(event: Event) -> Mapping[str, str]:
    if event.policy is None or event.judgement is None:
        return {}
    judged = event.judgement
    return {"policy": f"{event.policy.engine} {event.policy.digest}", "model": named(judged.model), "vocabulary": named(judged.vocabulary)}


def named(version: Version) -> str:
    """A version in one line.

    >>> named(Version(name="default", version="1.0.0", digest="ab"))
    'default 1.0.0 ab'
    """
    return f"{version.name} {version.version} {version.digest}"


def _same(then: Answer, now: Answer) -> bool:
    """Whether the duties are the same ones; a record spells some numbers in another way than an engine does."""
    if then.obligations == now.obligations:
        return True
    try:
        return sorted(map(canonical, then.obligations)) == sorted(map(canonical, now.obligations))
    except AuditError:
        return False


def _tally(counts: Counter[str]) -> Tally:
    return Tally(counts[_ALL], *(counts[kind.value] for kind in ChangeKind))


def _numbers(names: _Names) -> dict[str, int]:
    return {name: tally.n for name, tally in islice(names.tallies().items(), MOST_NAMES + 1)}
