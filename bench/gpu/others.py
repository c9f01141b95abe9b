"""What others estimate for the same shape: `python -m bench.gpu others` writes others.json beside this file.

`accelerate estimate-memory` and `hf-mem` ask the Hub for the model; here their own arithmetic is fed with the
local description (`shapes.py`): accelerate's sum over an empty model and its divisors for smaller data types,
hf-mem's sum over a checkpoint's tensors and its KV cache. hf-mem comes with the extra `bench`.
"""

from __future__ import annotations

import json
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.gpu import shapes
from labkit.errors import LabkitError

PLACE = Path(__file__).with_name("others.json")
MODEL = "mistral-small-3.1"
TEXT = {"missing": "hf-mem is not installed: .venv/bin/uv pip install -e '.[bench]'"}
DIVISORS = {"BF16": 2, "FP8": 4, "W4A16": 8, "NF4": 8}
"""accelerate's, from 32 bits, for float16, int8 and int4 (accelerate/commands/estimate.py)."""


def write() -> Path:
    """Ask both, and write what they say: bytes. Raises LabkitError where hf-mem is not installed."""
    try:
        from hf_mem.safetensors.kv_cache import compute_safetensors_kv_cache_size
        from hf_mem.safetensors.metadata import parse_safetensors_metadata
    except ImportError:
        raise LabkitError(TEXT["missing"]) from None
    from labkit.engines import cuda_leftovers

    cuda_leftovers.install()
    import torch
    from accelerate.utils import calculate_maximum_sizes
    from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText

    from labkit import catalog

    with tempfile.TemporaryDirectory() as folder:
        described = AutoConfig.from_pretrained(shapes.hf_folder(MODEL, Path(folder)))
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(described, dtype=torch.float32)
        headless = AutoModel.from_config(described, dtype=torch.float32)  # as `estimate-memory` makes it
    total, _ = calculate_maximum_sizes(headless)
    shapes_of = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    weights = {
        name: parse_safetensors_metadata(raw_metadata={"Transformer": header}).bytes_count
        for name, header in (("BF16", _header(shapes_of)), ("W4A16", _packed(shapes_of)))
    }
    text: dict[str, Any] = shapes.config(catalog.model(MODEL))["text_config"]
    said = {
        "versions": {name: version(name) for name in ("accelerate", "hf-mem")},
        "accelerate": {variant: total / divisor for variant, divisor in DIVISORS.items()},
        "hf_mem": {
            "weights": weights,
            "kv_token": compute_safetensors_kv_cache_size(text, "BF16", 4096) / 4096,
            "kv_token_fp8": compute_safetensors_kv_cache_size(text, "F8_E4M3", 4096) / 4096,
        },
    }
    PLACE.write_text(json.dumps(said, indent=1) + "\n", "utf-8")
    return PLACE


def _header(shapes_of: dict[str, list[int]], dtype: str = "BF16") -> dict[str, Any]:
    """A checkpoint's header as safetensors writes it."""
    return {
        name: {"dtype": dtype, "shape": shape, "data_offsets": [0, 0]} for name, shape in shapes_of.items()
    }


def _packed(shapes_of: dict[str, list[int]]) -> dict[str, Any]:
    """The header of a checkpoint in W4A16: eight numbers in 32 bits, and the scales beside them."""
    text = {n: s for n, s in shapes_of.items() if "language_model.layers" in n and len(s) == 2}
    packed = {f"{name}_packed": [rows, columns // 8] for name, (rows, columns) in text.items()}
    scales = {f"{n}_scale": [rows, columns // shapes.GROUP] for n, (rows, columns) in text.items()}
    rest = {name: shape for name, shape in shapes_of.items() if name not in text}
    return _header(packed, "I32") | _header(scales | rest)


def read() -> dict[str, Any] | None:
    """What they said; None where nobody has asked them."""
    return json.loads(PLACE.read_text("utf-8")) if PLACE.exists() else None
