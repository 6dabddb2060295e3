"""A sentence-transformers model as an int8 ONNX graph that serves without torch."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from intent.embedding.onnx import ENCODER_FILE, TOKENIZER_FILE
from intent.errors import DependencyMissing

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from sentence_transformers import SentenceTransformer

_INPUTS, _OUTPUT = ("input_ids", "attention_mask"), "embedding"


def export_encoder(model: SentenceTransformer, directory: Path, *, quantize: bool = True) -> None:
    """Write ``encoder.onnx`` and ``tokenizer.json`` for `intent.embedding.onnx.OnnxEncoder`.

    Mean pooling and L2 normalization are part of the graph. Weights are quantized per channel to seven bits (``reduce_range``): eight
    bits saturate on processors without VNNI, and the same text would then read differently from machine to machine.

    Raises
    ------
    DependencyMissing
        If torch or onnx is not installed.
    """
    try:
        from onnxruntime import quantization  # pyright: ignore[reportMissingTypeStubs] - it ships no stubs

        pooled = _pooled(model)
    except ImportError as error:
        raise DependencyMissing("torch and onnx", "train") from error
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        full = Path(scratch) / "full.onnx"
        _write_graph(pooled, full)
        if quantize:
            quantized = cast("Callable[..., None]", quantization.quantize_dynamic)  # pyright: ignore[reportUnknownMemberType] - no stubs
            quantized(full, directory / ENCODER_FILE, weight_type=quantization.QuantType.QInt8, per_channel=True, reduce_range=True)
        else:
            shutil.copyfile(full, directory / ENCODER_FILE)
    model.tokenizer.backend_tokenizer.save(str(directory / TOKENIZER_FILE))


def _pooled(model: SentenceTransformer) -> torch.nn.Module:
    """The transformer with mean pooling and L2 normalization behind it, in evaluation mode."""
    import torch

    bert: torch.nn.Module = cast("Any", model[0]).auto_model.eval()

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert = bert

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            hidden: torch.Tensor = self.bert(input_ids=input_ids, attention_mask=attention_mask, return_dict=False)[0]
            weight = attention_mask.unsqueeze(-1).to(hidden.dtype)
            mean = (hidden * weight).sum(1) / weight.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(mean, p=2, dim=1)

    return Pooled().eval()


def _write_graph(module: torch.nn.Module, path: Path) -> None:
    import torch

    example = torch.ones((1, 8), dtype=torch.int64)
    axes = {**{name: {0: "batch", 1: "tokens"} for name in _INPUTS}, _OUTPUT: {0: "batch"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the TorchScript exporter is deprecated, and is the one whose graph quantizes
        export = cast("Callable[..., object]", torch.onnx.export)  # pyright: ignore[reportUnknownMemberType] - its options are not typed
        export(
            module,
            (example, example),
            str(path),
            input_names=list(_INPUTS),
            output_names=[_OUTPUT],
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )
