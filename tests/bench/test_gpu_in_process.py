"""The model that bench/gpu builds with random weights is the one that Transformers would load."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.gpu import in_process, shapes
from labkit.engines import cuda_leftovers
from labkit.engines.transformers_engine.loading import nf4
from pocket.formats import prepare


@pytest.mark.parametrize("quantized", [True, False])
def test_as_many_bytes_in_the_same_layers_as_transformers_loads(quantized: bool, tmp_path: Path) -> None:
    cuda_leftovers.install()
    import torch
    from transformers import AutoModelForImageTextToText

    ours = in_process.build(shapes.hf_folder("pocket", tmp_path), quantized, "cpu")
    options = {"quantization_config": nf4()} if quantized else {}
    theirs = AutoModelForImageTextToText.from_pretrained(prepare(), dtype=torch.bfloat16, **options)
    assert ours.get_memory_footprint() == theirs.get_memory_footprint()
    kinds = [{name: type(each).__name__ for name, each in model.named_modules()} for model in (ours, theirs)]
    assert kinds[0] == kinds[1]
    assert not any(each.device.type == "meta" for each in [*ours.parameters(), *ours.buffers()])
