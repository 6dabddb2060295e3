"""A policy set is a directory of policies and the cases that they must pass; one that fails a case of its own is never put in force.

::

    policies.cedar, *.cedar     the policies (or *.rego, of another engine)
    schema.cedarschema          every field of the input; the shipped one where the directory has none
    cases.toml                  inputs and the answers that they must get
    *.md, .*, folders           not part of the set
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from intent.errors import EngineError, IntentError, PolicyError
from intent.policy import cases
from intent.policy.engine import Engine
from intent.policy.input import PolicyInput
from intent.policy.outcome import Verdict
from intent.policy.words import in_words_of, permitted_unspoken
from intent.vocabulary import Vocabulary

CASES, SCHEMA = "cases.toml", "schema.cedarschema"
NO_CASES = "the set has no cases"
MAX_BYTES = 16 << 20
# Vocabularies in which calls may still be under way; a call ends within seconds, so one before the present one would do.
_MOST_WORDS = 4
_CEDAR, _REGO = ".cedar", ".rego"
_log = logging.getLogger(__name__)


def default_path() -> Path:
    """The directory of the set that ships with the package."""
    return Path(__file__).parent / "default"


@dataclass(frozen=True, slots=True)
class Failure:
    """A case that a set does not pass; or a word that no case is about, and that the set does not deny."""

    case: str
    why: str


@dataclass(frozen=True)
class PolicySet:
    """The files of one policy set, as they were read at one moment.

    Attributes
    ----------
    files
        Content by name, in order of names.
    """

    files: Mapping[str, bytes]

    @classmethod
    def load(cls, path: Path | None = None) -> PolicySet:
        """Read a directory; the shipped set where none is named.

        Raises
        ------
        PolicyError
            If it cannot be read, holds a file that is no part of a set, or a folder with policies (they would be left out in silence),
            or policies of no engine or of two.
        """
        directory = path or default_path()
        try:
            entries = [entry for entry in sorted(directory.iterdir()) if not _is_beside(entry.name)]
            files = {entry.name: _read(entry) for entry in entries if not entry.is_dir()}
            found = cls(files)
            found._require_form(directory, [entry for entry in entries if entry.is_dir()])
        except OSError as error:
            raise PolicyError(f"cannot read the policy set {directory}: {error.strerror or error}") from error
        return found

    def _require_form(self, directory: Path, folders: Iterable[Path]) -> None:
        known = {CASES, SCHEMA}
        if strange := [name for name in self.files if name not in known and Path(name).suffix not in _ENGINES]:
            raise PolicyError(f"{directory / strange[0]} must be {CASES}, {SCHEMA} or policies ({', '.join(_ENGINES)})")
        if len(self.languages) != 1:
            raise PolicyError(f"{directory} must hold policies of one engine, got {', '.join(self.languages) or 'none'}")
        if hidden := [path for folder in folders for path in folder.rglob(f"*{self.languages[0]}")]:
            raise PolicyError(f"{hidden[0]} must stand in {directory} itself: folders are not read")

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """Suffixes of the policies, sorted."""
        return tuple(sorted({Path(name).suffix for name in self.files} & set(_ENGINES)))

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over names and bytes, each with its length, in order of names."""
        total = hashlib.sha256()
        for name, data in sorted(self.files.items()):
            for part in (name.encode("utf-8", "surrogateescape"), data):
                total.update(len(part).to_bytes(8, "big") + part)
        return total.hexdigest()

    def texts(self, suffix: str) -> dict[str, str]:
        """Texts of the files with a suffix, by name; raises `PolicyError` for one that is not UTF-8."""
        found: dict[str, str] = {}
        for name in (name for name in self.files if Path(name).suffix == suffix):
            try:
                found[name] = self.files[name].decode("utf-8")
            except UnicodeDecodeError as error:
                raise PolicyError(f"{name}: must be UTF-8, got another byte at offset {error.start}") from error
        return found

    def engine(self) -> Engine:
        """An engine that has validated the policies; raises `PolicyError` where they do not validate."""
        return _ENGINES[self.languages[0]](self)

    @cached_property
    def cases(self) -> tuple[cases.Case, ...]:
        """The cases of the set; raises `PolicyError` where they cannot be read."""
        return cases.parse(self.files[CASES], CASES) if CASES in self.files else ()

    def check(self, engine: Engine | None = None, vocabulary: Vocabulary | None = None) -> list[Failure]:
        """Every case that the set does not pass; a set without cases fails, for nothing shows that it does what it should.

        Parameters
        ----------
        vocabulary
            In whose words calls come: the cases are asked in its name, and words that none of them is about must be denied. None: in any.

        Raises
        ------
        PolicyError
            If the policies do not validate or the cases cannot be read.
        """
        judge = engine or self.engine()
        if not self.cases:
            return [Failure(CASES, NO_CASES)]
        asked = self.cases if vocabulary is None else [in_words_of(case, vocabulary) for case in self.cases]
        found = [Failure(case.name, why) for case in asked if (why := case.fault(judge))]
        return found if vocabulary is None else [*found, *(Failure(*told) for told in permitted_unspoken(judge, self.cases, vocabulary))]

    def checked_engine(self, vocabulary: Vocabulary | None = None) -> Engine:
        """An engine that passes `check`; raises `PolicyError` otherwise."""
        engine = self.engine()
        self.require(engine, vocabulary)
        return engine

    def require(self, engine: Engine, vocabulary: Vocabulary | None) -> None:
        """Raise `PolicyError` for the first of what `check` finds."""
        if failures := self.check(engine, vocabulary):
            more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
            raise PolicyError(f"{failures[0].case}: {failures[0].why}{more}")


@dataclass(frozen=True, slots=True)
class _Version:
    """A set with an engine that was checked."""

    files: PolicySet
    engine: Engine


class HotPolicySet:
    """An engine that follows a directory: a new version answers from the moment it validates and passes its own cases, and not before.

    Parameters
    ----------
    path
        The directory; the shipped set where it is None.
    interval_s
        Least time between two looks at the directory.
    clock
        Seconds that never go back, such as `time.monotonic`.
    vocabulary
        Whose words calls come in, until `admit` names another; None: in any, and none of them is looked at.

    Raises
    ------
    PolicyError
        If the first version does not validate or pass: there is nothing older to keep.

    Notes
    -----
    One thread looks; the others go on with what is in force, and no call sees half of a version. A call is judged by a version that was
    checked with the very words that it is read in: one that began in the words before a change ends with the version of that time.
    """

    def __init__(self, path: Path | None, interval_s: float, clock: Callable[[], float], vocabulary: Vocabulary | None = None) -> None:
        self._path, self._interval_s, self._clock, self._vocabulary = path, interval_s, clock, vocabulary
        first = PolicySet.load(path)
        self._in_force = _Version(first, first.checked_engine(vocabulary))
        # By digest of a vocabulary, the present one last; replaced as a whole.
        self._by_words: Mapping[str, _Version] = {vocabulary.digest: self._in_force} if vocabulary else {}
        self._looking = threading.Lock()
        self._next_look = clock() + interval_s
        self._refused = ""
        self._fault, self._swaps, self._refusals = "", 0, 0

    @property
    def name(self) -> str:
        """Of the engine in force."""
        return self._in_force.engine.name

    @property
    def digest(self) -> str:
        """Of the set in force."""
        return self._in_force.files.digest

    @property
    def fault(self) -> str:
        """Why what is in the directory now is not in force; empty where it is."""
        return self._fault

    @property
    def swaps(self) -> int:
        """How often a new version came into force since the start."""
        return self._swaps

    @property
    def refusals(self) -> int:
        """How many versions were refused since the start."""
        return self._refusals

    def evaluate(self, given: PolicyInput) -> Verdict:
        """Answer with the version in force for the words of the call, which the verdict names.

        Raises
        ------
        EngineError
            As the engine, and for words that the set was never checked with.
        """
        self.look()
        version = self._by_words.get(given.vocabulary.digest) if self._by_words else self._in_force
        if version is None:
            raise EngineError(f"the policy set must have been checked with the vocabulary {given.vocabulary.digest[:12]}, and was not")
        return replace(version.engine.evaluate(given), policy=version.files.digest)

    def check_words(self, vocabulary: Vocabulary) -> None:
        """Raise `PolicyError` where the set in force must not judge calls in these words; nothing is changed."""
        self._in_force.files.require(self._in_force.engine, vocabulary)

    def admit(self, vocabulary: Vocabulary) -> None:
        """Judge calls in these words from now on, beside those that are under way in others; raises `PolicyError` as `check_words`."""
        with self._looking:
            self.check_words(vocabulary)
            # What is in the directory may be refused for the words before: it is looked at again.
            self._vocabulary, self._refused = vocabulary, ""
            self._by_words = self._with(vocabulary, self._in_force)

    def look(self) -> None:
        """Look at the directory, if it is time and no other thread does."""
        if self._clock() < self._next_look or not self._looking.acquire(blocking=False):
            return
        try:
            if self._clock() >= self._next_look:
                self._follow()
                self._next_look = self._clock() + self._interval_s
        finally:
            self._looking.release()

    def _follow(self) -> None:
        found = ""
        try:
            now = PolicySet.load(self._path)
            found = now.digest
            if found == self.digest:
                self._fault = self._refused = ""
            elif found != self._refused:
                self._put_in_force(now)
        except IntentError as error:
            self._refuse(found, str(error))
        except Exception as error:  # noqa: BLE001 - whatever a new version does, the one in force goes on
            self._refuse(found, type(error).__name__)

    def _put_in_force(self, now: PolicySet) -> None:
        engine = now.checked_engine(self._vocabulary)
        if PolicySet.load(self._path).digest != now.digest:
            return  # somebody is still writing: what was read may be half of a version
        self._in_force = _Version(now, engine)
        if self._vocabulary is not None:
            self._by_words = self._with(self._vocabulary, self._in_force)
        self._fault, self._refused, self._swaps = "", "", self._swaps + 1
        _log.info("policy set %s is in force", now.digest[:12])

    def _with(self, vocabulary: Vocabulary, version: _Version) -> dict[str, _Version]:
        earlier = [(digest, kept) for digest, kept in self._by_words.items() if digest != vocabulary.digest]
        return dict([*earlier[-(_MOST_WORDS - 1) :], (vocabulary.digest, version)])

    def _refuse(self, digest: str, why: str) -> None:
        if (digest, why) != (self._refused, self._fault):
            self._refusals += 1
            _log.error("policy set %s stays in force, the new one is refused: %s", self.digest[:12], why)
        self._fault, self._refused = why, digest


def _is_beside(name: str) -> bool:
    return name.startswith(".") or name.endswith(".md")


def _read(entry: Path) -> bytes:
    if not entry.is_file():
        raise PolicyError(f"{entry} must be a regular file")
    with entry.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise PolicyError(f"{entry} must be at most {MAX_BYTES} bytes, got more")
    return data


def _cedar(found: PolicySet) -> Engine:
    from intent.policy.cedar import CedarEngine

    schema = found.files.get(SCHEMA)
    text = found.texts(Path(SCHEMA).suffix)[SCHEMA] if schema is not None else (default_path() / SCHEMA).read_text("utf-8")
    return CedarEngine("\n".join(found.texts(_CEDAR).values()), text, digest=found.digest)


def _rego(found: PolicySet) -> Engine:
    from intent.policy.rego import RegoEngine

    return RegoEngine(found.texts(_REGO))


_ENGINES: Mapping[str, Callable[[PolicySet], Engine]] = {_CEDAR: _cedar, _REGO: _rego}
