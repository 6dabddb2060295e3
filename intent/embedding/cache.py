"""Embeddings by content digest: a text is embedded once, in memory and, where a file is given, once in its life."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from intent.embedding.base import Encoder, Floats

_AT_ONCE = 256
_PATIENCE_S = 0.5
_log = logging.getLogger("intent.embedding")


class CachedEncoder:
    """An encoder behind a bounded least-recently-used cache and an optional SQLite file.

    The key is the digest of the encoder and of the text, so that another model never finds this one's embeddings. A cached embedding is
    the encoder's own, to the bit: what a text alone determines can be stored.

    Parameters
    ----------
    encoder
        Asked for what is not stored.
    capacity
        Most embeddings held in memory.
    path
        SQLite file that outlives the process, and that several processes may share: what one of them embedded, no other does again. What it
        cannot give or take is embedded anew. None keeps everything in memory.
    """

    def __init__(self, encoder: Encoder, *, capacity: int = 20_000, path: Path | None = None) -> None:
        self._encoder = encoder
        self._capacity = capacity
        self._memory: OrderedDict[bytes, Floats] = OrderedDict()
        self._lock = threading.Lock()
        self._store = _Store(path) if path else None

    @property
    def digest(self) -> str:
        """The digest of the encoder behind."""
        return self._encoder.digest

    @property
    def dimensions(self) -> int:
        """Length of an embedding."""
        return self._encoder.dimensions

    def split(self, text: str, prefix: str = "") -> list[str]:
        """Cut as the encoder behind does."""
        return self._encoder.split(text, prefix)

    def encode(self, texts: Sequence[str]) -> Floats:
        """Embeddings of shape (n, dimensions); only texts not seen before reach the encoder."""
        if not texts:
            return np.empty((0, self.dimensions), np.float32)
        keys = [self._key(text) for text in texts]
        found = self._known(set(keys))
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        if missing:
            found |= self._embedded(list(missing.items()))
        return np.stack([found[key] for key in keys])

    def _embedded(self, missing: Sequence[tuple[bytes, str]]) -> dict[bytes, Floats]:
        """Embed, and store as it goes: a long run that is stopped has lost little."""
        found: dict[bytes, Floats] = {}
        for part in (missing[k : k + _AT_ONCE] for k in range(0, len(missing), _AT_ONCE)):
            fresh = dict(zip((key for key, _ in part), self._encoder.encode([text for _, text in part]), strict=True))
            found |= fresh
            if self._store:
                self._store.put(fresh)
        self._remember(found)
        return found

    def _key(self, text: str) -> bytes:
        return hashlib.sha256(f"{self._encoder.digest}\n{text}".encode()).digest()

    def _known(self, keys: set[bytes]) -> dict[bytes, Floats]:
        with self._lock:
            found = {key: self._memory[key] for key in keys if key in self._memory}
            for key in found:
                self._memory.move_to_end(key)
        if self._store and len(found) < len(keys):
            stored = self._store.get(keys - found.keys(), self.dimensions)
            self._remember(stored)
            found |= stored
        return found

    def _remember(self, embeddings: dict[bytes, Floats]) -> None:
        with self._lock:
            self._memory.update(embeddings)
            while len(self._memory) > self._capacity:
                self._memory.popitem(last=False)


class _Store:
    """The file. It only ever saves time, so that a fault of it is a line in the log and never one of the encoder's."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, timeout=_PATIENCE_S, check_same_thread=False)
        with self._lock, _unharmed("shared"):
            # Readers do not wait for a writer: a training run and a service may share the file.
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
        with self._lock, self._connection:
            self._connection.execute("CREATE TABLE IF NOT EXISTS embedding (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")

    def get(self, keys: set[bytes], dimensions: int) -> dict[bytes, Floats]:
        found: dict[bytes, Floats] = {}
        with self._lock, _unharmed("read"):
            for key in keys:
                row = self._connection.execute("SELECT value FROM embedding WHERE key = ?", (key,)).fetchone()
                if row and len(row[0]) == 4 * dimensions:
                    found[key] = np.frombuffer(row[0], np.float32)
        return found

    def put(self, embeddings: dict[bytes, Floats]) -> None:
        rows = [(key, value.astype(np.float32).tobytes()) for key, value in embeddings.items()]
        with self._lock, _unharmed("written"), self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO embedding VALUES (?, ?)", rows)


@contextmanager
def _unharmed(done: str) -> Generator[None]:
    try:
        yield
    except sqlite3.Error as error:
        _log.warning("the file of embeddings could not be %s: %s", done, error)
