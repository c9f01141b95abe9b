"""Write trained weights as the repository carries them: bf16 safetensors in shards, with checksums."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from pocket.formats import SUMS
from pocket.recipe.model import Twin

SHARD_BYTES = 15 * 2**20
"""A shard stays under 16 MB, so that each file is easy to keep in a repository."""

GENERATION = {
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 11,
    "do_sample": True,
    "temperature": 0.15,
}
"""As the official model's generation_config.json: sampling at temperature 0.15 unless told otherwise."""


def export(model: Twin, config: dict[str, Any], out: Path) -> None:
    """Hugging Face's format into `out`: config, generation config, shards, their index, SHA256SUMS."""
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("model*"):
        old.unlink()
    shards: list[dict[str, torch.Tensor]] = [{}]
    size = 0
    for name, tensor in model.state_dict().items():
        half = tensor.detach().to("cpu", torch.bfloat16).contiguous()
        if size + half.nbytes > SHARD_BYTES:
            shards.append({})
            size = 0
        shards[-1][name] = half
        size += half.nbytes
    names = [f"model-{i + 1:05}-of-{len(shards):05}.safetensors" for i in range(len(shards))]
    for name, shard in zip(names, shards, strict=True):
        save_file(shard, out / name, {"format": "pt"})
    total = sum(t.nbytes for shard in shards for t in shard.values())
    where = {key: name for name, shard in zip(names, shards, strict=True) for key in shard}
    _write(out / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": where})
    _write(out / "config.json", config)
    _write(out / "generation_config.json", GENERATION)
    files = sorted(p for p in out.iterdir() if p.name != SUMS)
    lines = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in files]
    (out / SUMS).write_text("".join(lines))


def _write(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=2) + "\n")
