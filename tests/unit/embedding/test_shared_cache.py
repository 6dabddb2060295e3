"""The file of embeddings between processes: what one embedded, no other does again, and a fault of the file is none of the encoder's."""

import sqlite3

import numpy as np
import pytest

from intent.embedding import cache
from intent.embedding.cache import CachedEncoder
from intent.embedding.hashing import HashingEncoder

TEXTS = [f"text {k}" for k in range(600)]


class Counting(HashingEncoder):
    """Counts what reaches it, and may give up."""

    def __init__(self, least=None):
        super().__init__(dimensions=8, max_tokens=60)
        self.seen, self.least = 0, least

    def encode(self, texts):
        self.seen += len(texts)
        if self.least is not None and self.seen > self.least:
            raise RuntimeError("stopped")
        return super().encode(texts)


def test_what_one_embedded_no_other_does_again(tmp_path):
    first, second = Counting(), Counting()
    one = CachedEncoder(first, path=tmp_path / "e.sqlite")
    other = CachedEncoder(second, path=tmp_path / "e.sqlite")
    told = one.encode(TEXTS)
    assert np.array_equal(other.encode(TEXTS), told)
    assert np.array_equal(told, Counting().encode(TEXTS))
    assert (first.seen, second.seen) == (600, 0)


def test_a_run_that_is_stopped_keeps_what_it_had(tmp_path):
    with pytest.raises(RuntimeError, match="stopped"):
        CachedEncoder(Counting(least=512), path=tmp_path / "e.sqlite").encode(TEXTS)
    again = Counting()
    CachedEncoder(again, path=tmp_path / "e.sqlite").encode(TEXTS)
    assert again.seen == 600 - 512


def test_a_file_that_another_one_holds_costs_no_answer(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(cache, "_PATIENCE_S", 0.01)
    encoder = CachedEncoder(Counting(), path=tmp_path / "e.sqlite")
    with sqlite3.connect(tmp_path / "e.sqlite") as holder:
        holder.execute("BEGIN EXCLUSIVE")
        assert np.array_equal(encoder.encode(TEXTS[:3]), Counting().encode(TEXTS[:3]))
        holder.rollback()
    holder.close()
    assert "could not be written: database is locked" in caplog.text


def test_a_file_that_is_broken_later_costs_no_answer(tmp_path, caplog):
    encoder = CachedEncoder(Counting(), path=tmp_path / "e.sqlite", capacity=1)
    encoder.encode(TEXTS[:2])
    with sqlite3.connect(tmp_path / "e.sqlite") as other:
        other.execute("DROP TABLE embedding")
    other.close()
    assert np.array_equal(encoder.encode(TEXTS[:3]), Counting().encode(TEXTS[:3]))
    assert "could not be read: no such table" in caplog.text
