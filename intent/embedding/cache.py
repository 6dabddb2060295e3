"""Embeddings by content digest: a text is embedded once, in memory and, where a file is given, once in its life."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from intent.embedding.base import Encoder, Floats


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
        SQLite file that outlives the process; None keeps everything in memory.
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
            fresh = dict(zip(missing, self._encoder.encode(list(missing.values())), strict=True))
            found |= fresh
            if self._store:
                self._store.put(fresh)
            self._remember(fresh)
        return np.stack([found[key] for key in keys])

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
    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False)
        with self._lock, self._connection:
            self._connection.execute("CREATE TABLE IF NOT EXISTS embedding (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")

    def get(self, keys: set[bytes], dimensions: int) -> dict[bytes, Floats]:
        found: dict[bytes, Floats] = {}
        with self._lock:
            for key in keys:
                row = self._connection.execute("SELECT value FROM embedding WHERE key = ?", (key,)).fetchone()
                if row and len(row[0]) == 4 * dimensions:
                    found[key] = np.frombuffer(row[0], np.float32)
        return found

    def put(self, embeddings: dict[bytes, Floats]) -> None:
        rows = [(key, value.astype(np.float32).tobytes()) for key, value in embeddings.items()]
        with self._lock, self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO embedding VALUES (?, ?)", rows)
