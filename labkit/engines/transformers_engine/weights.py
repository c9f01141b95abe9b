"""What NF4 does to the weights: bytes and errors of each linear layer, against the file they came from."""

from __future__ import annotations

from copy import copy
from pathlib import Path
from typing import Any, NamedTuple

from labkit.engines.transformers_engine.loading import Loaded
from labkit.errors import LabkitError

TEXT = {
    "not_nf4": "{name} is loaded in full, so there is nothing to compare. Load it with quantization='nf4' "
    "(after labkit.stop('transformers')).",
    "missing": "The file of {name}'s weights has nothing under the name {tensor}.",
}
# Names of the loaded modules on the left, those in the files on the right; longer ones first.
_RENAMED = (
    ("model.language_model.", "language_model.model."),
    ("lm_head", "language_model.lm_head"),
    ("model.", ""),
)
_MEAN_BYTES = 4


class Layer(NamedTuple):
    """A linear layer before and after."""

    name: str
    """As in the file of the weights."""
    bytes_before: int
    """In bfloat16."""
    bytes_after: int
    """4 bits a weight, with the scales of its blocks and the scales of those."""
    error: float
    """Relative: the norm of the difference over the norm of the weights (Frobenius)."""


def report(loaded: Loaded) -> list[Layer]:
    """All layers of `loaded` that are in NF4, in the model's order. Reads the files tensor by tensor.

    Raises LabkitError where the model is not in NF4.
    """
    import bitsandbytes

    linear = [(n, m) for n, m in loaded.model.named_modules() if isinstance(m, bitsandbytes.nn.Linear4bit)]
    if not linear:
        raise LabkitError(TEXT["not_nf4"].format(name=loaded.wanted))
    files = _files(_folder(loaded.source))
    with loaded.turn:  # the first answer puts the numbers in another order: see `_as_loaded`
        return [_layer(loaded, _name_in_file(name), module, files) for name, module in linear]


def _layer(loaded: Loaded, name: str, module: Any, files: dict[str, Path]) -> Layer:
    import torch
    from bitsandbytes.functional import dequantize_4bit
    from safetensors import safe_open

    tensor = f"{name}.weight"
    if tensor not in files:
        raise LabkitError(TEXT["missing"].format(name=loaded.wanted, tensor=tensor))
    with safe_open(files[tensor], framework="pt") as file:
        before = file.get_tensor(tensor).to(torch.bfloat16)
    packed, state = _as_loaded(module.weight)
    after = dequantize_4bit(packed, state).to(before.device, torch.float32)
    error = (after - before.float()).norm() / before.float().norm()
    return Layer(name, before.nbytes, packed.nbytes + _scales(state), error.item())


def _as_loaded(weight: Any) -> tuple[Any, Any]:
    """The 4-bit numbers and what is needed to read them.

    At the first answer on a CPU with AVX512-BF16, bitsandbytes puts them in another order, and their scales
    in 16 bits. Its own way back works on a copy here: the model keeps what it computes with.
    """
    from bitsandbytes.functional import _convert_weight_packed_for_cpu_inverse

    state = copy(weight.quant_state)
    if getattr(state, "packing_format_for_cpu", False):
        packed, state = _convert_weight_packed_for_cpu_inverse(weight.data, state)
        return packed, state
    return weight.data, state


def _scales(state: Any) -> int:
    """Bytes of a layer's scales: one for each block of weights in 8 bits, and of these one in 32 for each
    block of theirs, and their mean."""
    return int(state.absmax.nbytes + (state.state2.absmax.nbytes + _MEAN_BYTES if state.nested else 0))


def _name_in_file(name: str) -> str:
    return next((new + name.removeprefix(old) for old, new in _RENAMED if name.startswith(old)), name)


def _folder(source: str) -> Path:
    """Where the files are: the folder itself, or Hugging Face's cache, without asking the network."""
    if Path(source).is_dir():
        return Path(source)
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(source, local_files_only=True))


def _files(folder: Path) -> dict[str, Path]:
    """The file of each tensor."""
    from safetensors import safe_open

    found: dict[str, Path] = {}
    for path in folder.glob("*.safetensors"):
        if not path.name.startswith("consolidated"):
            with safe_open(path, framework="pt") as file:
                found |= dict.fromkeys(file.keys(), path)
    return found
