"""One start of Transformers as a configuration asks for it, in a process of its own.

`python -m bench.gpu.in_process CONFIGURATION(JSON) FOLDER OUT SECONDS` builds the model of the folder's shape
layer by layer with random weights (in NF4 as bitsandbytes would while loading), then asks it through labkit's
own engine. Nothing larger than one matrix exists in 16 bit, so a card is filled by what stays.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from bench.gpu.configurations import Configuration
from bench.gpu.loading import ask
from labkit.engines import cuda_leftovers
from labkit.engines.transformers_engine import URL, api
from labkit.engines.transformers_engine.loading import Loaded, Wanted, nf4
from labkit.session import Session

GIB = 2**30
_STD = 0.02
_STAYS = ("lm_head",)
"""Linear layers that Transformers leaves in 16 bit."""


def build(folder: Path, quantized: bool, device: str) -> Any:
    """The model of `folder`'s config.json with random weights in bfloat16; in NF4 where `quantized`."""
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText

    torch.manual_seed(0)
    described = AutoConfig.from_pretrained(folder)
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(described, dtype=torch.bfloat16)
    for name, module in list(model.named_modules()):
        if quantized and isinstance(module, torch.nn.Linear) and not name.endswith(_STAYS):
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, _four_bits(module, device))
            continue
        for key, value in list(module.named_parameters(recurse=False)):
            setattr(module, key, torch.nn.Parameter(_random(value.shape, device), requires_grad=False))
        if list(module.buffers(recurse=False)):  # the rotary tables, which are computed and not loaded
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, type(module)(module.config).to(device))
    return model.eval()


def _random(shape: Any, device: str) -> Any:
    import torch

    return torch.empty(shape, dtype=torch.bfloat16, device=device).normal_(0, _STD)


def _four_bits(linear: Any, device: str) -> Any:
    """The layer as bitsandbytes makes it under labkit's own settings, from random numbers."""
    import bitsandbytes as bnb

    settings = nf4()
    kind, double = settings.bnb_4bit_quant_type, settings.bnb_4bit_use_double_quant
    shape = linear.weight.shape
    made = bnb.nn.Linear4bit(
        linear.in_features,
        linear.out_features,
        bias=linear.bias is not None,
        compute_dtype=settings.bnb_4bit_compute_dtype,
        compress_statistics=double,
        quant_type=kind,
        device="meta",
    )
    weight = bnb.nn.Params4bit(
        _random(shape, device), requires_grad=False, compress_statistics=double, quant_type=kind, module=made
    )
    made.weight = weight.to(device)
    return made


def session_on(model: Any, folder: Path, name: str) -> Session:
    """labkit's session on a model that is in this process already."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    loaded = Loaded(Wanted(name, str(folder)), str(folder), model, tokenizer, lambda _: None)
    return Session(URL, "EMPTY", name, engine="transformers", transport=api.InProcess(lambda: loaded))


def measure(asked: Configuration, folder: Path, seconds: float) -> dict[str, Any]:
    """Build, ask, and say what it took; memory in GiB as torch counts it."""
    began = time.monotonic()
    cuda_leftovers.install()
    import torch

    on_gpu = torch.cuda.is_available()
    device = "cuda" if on_gpu else "cpu"
    if on_gpu:
        total = torch.cuda.get_device_properties(0).total_memory / GIB
        torch.cuda.set_per_process_memory_fraction(min(1.0, asked.share(total)))
    memory: dict[str, float] = {}
    found: dict[str, Any] = {"memory": memory}
    try:
        model = build(folder, asked.variant == "NF4", device)
        found["ready_s"] = time.monotonic() - began
        memory["footprint_gib"] = model.get_memory_footprint() / GIB
        if on_gpu:
            memory["weights_gib"] = torch.cuda.memory_allocated() / GIB
            memory["limit_gib"] = asked.share(total) * total
        found |= ask(session_on(model, folder, asked.variant), asked, began + seconds, found)
    except torch.OutOfMemoryError as error:
        found["why"] = str(error).splitlines()[0]
    if on_gpu:
        memory["peak_allocated_gib"] = torch.cuda.max_memory_allocated() / GIB
        memory["peak_reserved_gib"] = torch.cuda.max_memory_reserved() / GIB
    return found


def main() -> None:
    """See the module's docstring."""
    given, folder, out, seconds = sys.argv[1:]
    found = measure(Configuration.model_validate_json(given), Path(folder), float(seconds))
    Path(out).write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    main()
