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

    from sentence_transformers import SentenceTransformer


def export_encoder(model: SentenceTransformer, directory: Path, *, quantize: bool = True) -> None:
    """Write ``encoder.onnx`` and ``tokenizer.json`` for `intent.embedding.onnx.OnnxEncoder`.

    Mean pooling and L2 normalization are part of the graph. Weights are quantized per channel to seven bits (``reduce_range``): eight
    bits saturate on processors without VNNI, and the same text would then read differently from machine to machine.
    """
    try:
        import torch
        from onnxruntime import quantization  # pyright: ignore[reportMissingTypeStubs] - it ships no stubs
    except ImportError as error:
        raise DependencyMissing("torch and onnx", "train") from error

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

    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        full = Path(scratch) / "full.onnx"
        example = torch.ones((1, 8), dtype=torch.int64)
        axes = {"input_ids": {0: "batch", 1: "tokens"}, "attention_mask": {0: "batch", 1: "tokens"}, "embedding": {0: "batch"}}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the TorchScript exporter is deprecated, and is the one whose graph quantizes
            export = cast("Callable[..., object]", torch.onnx.export)  # pyright: ignore[reportUnknownMemberType] - its options are not typed
            export(
                Pooled().eval(),
                (example, example),
                str(full),
                input_names=["input_ids", "attention_mask"],
                output_names=["embedding"],
                dynamic_axes=axes,
                opset_version=17,
                dynamo=False,
            )
        if quantize:
            quantized = cast("Callable[..., None]", quantization.quantize_dynamic)  # pyright: ignore[reportUnknownMemberType] - no stubs
            quantized(full, directory / ENCODER_FILE, weight_type=quantization.QuantType.QInt8, per_channel=True, reduce_range=True)
        else:
            shutil.copyfile(full, directory / ENCODER_FILE)
    model.tokenizer.backend_tokenizer.save(str(directory / TOKENIZER_FILE))
