"""The serving encoder: int8 ONNX, one text an inference, so that no text can touch another's embedding.

Dynamic int8 quantization takes its activation ranges over the whole input tensor. In a batch those ranges, and with them every
embedding, depend on the neighbours; alone, they depend on the text only. Throughput on several cores comes from threads over texts,
each inference on one thread.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import onnxruntime  # pyright: ignore[reportMissingTypeStubs] - it ships no stubs; `_Session` says what is used of it
from numpy.typing import NDArray
from tokenizers import Tokenizer

from intent.embedding.base import Floats
from intent.errors import InvalidCall

ENCODER_FILE = "encoder.onnx"
TOKENIZER_FILE = "tokenizer.json"


class _Output(Protocol):
    @property
    def shape(self) -> Sequence[int]: ...


class _Session(Protocol):
    """What is used of `onnxruntime.InferenceSession`, with its types."""

    def get_outputs(self) -> Sequence[_Output]: ...
    def run(self, output_names: None, input_feed: dict[str, NDArray[np.int64]], /) -> Sequence[Floats]: ...


class OnnxEncoder:
    """Sentence encoder over a verified ONNX graph that ends in mean pooling and L2 normalization.

    Parameters
    ----------
    directory
        Holds ``encoder.onnx`` (inputs ``input_ids``, ``attention_mask`` of int64 (1, tokens); output (1, dimensions) float32) and
        ``tokenizer.json``.
    max_tokens
        Longest input in tokens, the two marker tokens included.
    threads
        How many texts are encoded at the same time; the result does not depend on it.
    """

    def __init__(self, directory: Path, *, max_tokens: int, threads: int = 1) -> None:
        model, tokenizer = (directory / ENCODER_FILE).read_bytes(), (directory / TOKENIZER_FILE).read_bytes()
        self._digest = hashlib.sha256(hashlib.sha256(model).digest() + hashlib.sha256(tokenizer).digest()).hexdigest()
        self._session = _session(model)
        self._dimensions = int(self._session.get_outputs()[0].shape[1])
        self._tokenizer = Tokenizer.from_str(tokenizer.decode())
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._max_tokens = max_tokens
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="encoder") if threads > 1 else None

    @property
    def digest(self) -> str:
        """SHA-256 of the graph and the tokenizer."""
        return self._digest

    @property
    def dimensions(self) -> int:
        """Length of an embedding."""
        return self._dimensions

    def split(self, text: str, prefix: str = "") -> list[str]:
        """Cut ``text`` at token borders into pieces that fit behind ``prefix``; nothing is dropped."""
        room = self._max_tokens - len(self._tokenizer.encode(prefix).ids)
        if room < 1:
            raise InvalidCall("prefix", f"leave room for a token within {self._max_tokens}")
        offsets = self._tokenizer.encode(text, add_special_tokens=False).offsets
        if len(offsets) <= room:
            return [text]
        starts = [0, *(offsets[k][0] for k in range(room, len(offsets), room)), len(text)]
        return [part for a, b in pairwise(starts) for part in self._fitting(text[a:b], prefix)]

    def _fitting(self, piece: str, prefix: str) -> list[str]:
        """The piece, halved until it fits: a word that was cut may take more tokens than it had as a whole."""
        if len(piece) < 2 or len(self._tokenizer.encode(prefix + piece).ids) <= self._max_tokens:
            return [piece]
        middle = len(piece) // 2
        return [*self._fitting(piece[:middle], prefix), *self._fitting(piece[middle:], prefix)]

    def encode(self, texts: Sequence[str]) -> Floats:
        """Embed each text alone; see `intent.embedding.base.Encoder.encode`."""
        if not texts:
            return np.empty((0, self._dimensions), np.float32)
        rows = map(self._one, texts) if self._pool is None or len(texts) == 1 else self._pool.map(self._one, texts)
        return np.stack(list(rows))

    def _one(self, text: str) -> Floats:
        ids = self._tokenizer.encode(text).ids
        if len(ids) > self._max_tokens:
            raise InvalidCall("text", f"be at most {self._max_tokens} tokens", f"{len(ids)}")
        tokens = np.asarray([ids], np.int64)
        (embedding,) = self._session.run(None, {"input_ids": tokens, "attention_mask": np.ones_like(tokens)})
        return np.asarray(embedding, np.float32)[0]


def _session(model: bytes) -> _Session:
    options = onnxruntime.SessionOptions()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - no stubs
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])  # pyright: ignore[reportUnknownArgumentType] - no stubs
    return cast("_Session", session)
