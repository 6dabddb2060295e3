"""A real ONNX encoder of a few kilobytes: seeded word vectors, mean pooling, L2 normalization, and a tokenizer of whole words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

from intent.embedding.onnx import ENCODER_FILE, TOKENIZER_FILE

_WORDS = ("[UNK]", "delete", "read", "send", "rows", "mail", "table", "of", "the", "a")


def write_encoder(directory: Path, dimensions: int = 64, seed: int = 0) -> None:
    """Write ``encoder.onnx`` and ``tokenizer.json``, as an export does."""
    vectors = np.random.default_rng(seed).normal(size=(len(_WORDS), dimensions)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["vectors", "input_ids"], ["words"]),
        helper.make_node("ReduceMean", ["words"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("LpNormalization", ["mean"], ["pooled"], axis=1, p=2),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMin", ["mask"], ["seen"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["pooled", "seen"], ["embedding"]),
    ]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, [1, "tokens"]) for name in ("input_ids", "attention_mask")]
    output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, dimensions])
    graph = helper.make_graph(nodes, "tiny", inputs, [output], [numpy_helper.from_array(vectors, "vectors")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), directory / ENCODER_FILE)
    tokenizer = Tokenizer(models.WordLevel({word: k for k, word in enumerate(_WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(directory / TOKENIZER_FILE))
