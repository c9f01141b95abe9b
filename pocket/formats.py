"""The twin's two formats: Hugging Face's (committed) and Mistral's own (made from it at set-up).

The official repository of Mistral Small 3.1 carries both: `config.json` with `model-*.safetensors` for
Transformers, and `params.json` with `consolidated.safetensors` for vLLM's `--load-format mistral`. They hold
the same numbers under other names, and with the rotary pairs of the query and key rows in another order.
`tekken.json`, the tokenizer, belongs to both. It is cut here from the file that mistral-common carries.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pocket import WEIGHTS

if TYPE_CHECKING:
    import torch

SPECIAL_TOKENS = 1000
"""Tekken keeps its first 1,000 ids for control tokens, most of them unused."""

SUMS = "SHA256SUMS"

TEXT = {
    "damaged": "The pocket twin's file {name} is damaged or missing (its checksum differs). "
    "Bring it back with: git checkout -- pocket/weights",
    "no_tokenizer": "mistral-common does not carry tekken_240911.json here. "
    "Install the pinned version with: ./setup.sh",
}

# Hugging Face's names on the left, Mistral's on the right; longer ones first where one holds the other.
_RENAMED = [
    ("language_model.model.embed_tokens.", "tok_embeddings."),
    ("language_model.model.norm.", "norm."),
    ("language_model.model.layers.", "layers."),
    ("language_model.lm_head.", "output."),
    ("vision_tower.", "vision_encoder."),
    ("multi_modal_projector.norm.", "pre_mm_projector_norm."),
    ("multi_modal_projector.patch_merger.", "patch_merger."),
    ("multi_modal_projector.linear_1.", "vision_language_adapter.w_in."),
    ("multi_modal_projector.linear_2.", "vision_language_adapter.w_out."),
    ("self_attn.", "attention."),
    ("q_proj.", "wq."),
    ("k_proj.", "wk."),
    ("v_proj.", "wv."),
    ("o_proj.", "wo."),
    ("mlp.", "feed_forward."),
    ("gate_proj.", "w1."),
    ("down_proj.", "w2."),
    ("up_proj.", "w3."),
    ("input_layernorm.", "attention_norm."),
    ("post_attention_layernorm.", "ffn_norm."),
]


class DamagedWeights(RuntimeError):
    """A committed weight file is missing or not what its checksum says. The message is for the learner."""


def mistral_name(name: str) -> str:
    """The name that Mistral's own format gives to a tensor of Hugging Face's format."""
    for theirs, ours in _RENAMED:
        name = name.replace(theirs, ours)
    return name


def interleave(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Reorder the rows of a query or key projection, (heads * head_dim, dim), for Mistral's rotary pairs.

    Hugging Face rotates row i of a head with row i + head_dim / 2; Mistral rotates neighbours.
    """
    rows, dim = weight.shape
    return weight.view(heads, 2, rows // heads // 2, dim).transpose(1, 2).reshape(rows, dim)


def to_mistral(tensors: dict[str, torch.Tensor], config: dict[str, Any]) -> dict[str, torch.Tensor]:
    """All tensors of the Hugging Face format, renamed and reordered for `consolidated.safetensors`."""
    text, vision = config["text_config"], config["vision_config"]
    out = {}
    for name, tensor in tensors.items():
        new = mistral_name(name)
        if new.endswith((".wq.weight", ".wk.weight")):
            if new.startswith("vision_encoder."):
                heads = vision["num_attention_heads"]
            else:
                heads = text["num_attention_heads" if ".wq." in new else "num_key_value_heads"]
            tensor = interleave(tensor, heads)
        out[new] = tensor.contiguous()
    return out


def params(config: dict[str, Any]) -> dict[str, Any]:
    """`params.json` for a `config.json`, in the shape of the official repository's."""
    text, vision = config["text_config"], config["vision_config"]
    return {
        "dim": text["hidden_size"],
        "n_layers": text["num_hidden_layers"],
        "head_dim": text["head_dim"],
        "hidden_dim": text["intermediate_size"],
        "n_heads": text["num_attention_heads"],
        "n_kv_heads": text["num_key_value_heads"],
        "rope_theta": text["rope_parameters"]["rope_theta"],
        "norm_eps": text["rms_norm_eps"],
        "vocab_size": text["vocab_size"],
        "max_position_embeddings": text["max_position_embeddings"],
        "vision_encoder": {
            "hidden_size": vision["hidden_size"],
            "num_channels": vision["num_channels"],
            "image_size": vision["image_size"],
            "max_image_size": vision["image_size"],
            "patch_size": vision["patch_size"],
            "rope_theta": vision["rope_parameters"]["rope_theta"],
            "intermediate_size": vision["intermediate_size"],
            "num_hidden_layers": vision["num_hidden_layers"],
            "num_attention_heads": vision["num_attention_heads"],
            "adapter_bias": config["multimodal_projector_bias"],
            "mm_projector_id": "patch_merge",
            "spatial_merge_size": config["spatial_merge_size"],
            "add_pre_mm_projector_layer_norm": True,
            "image_token_id": config["image_token_index"],
            "image_break_token_id": 12,
            "image_end_token_id": 13,
        },
    }


def tekken(config: dict[str, Any]) -> bytes:
    """`tekken.json` cut to the twin's vocabulary: the first ranks of Mistral's own file, as version v7.

    A byte-pair tokenizer cut to its first ranks is still one: it only merges less. Source: the file
    `tekken_240911.json` in the installed mistral-common.
    """
    import mistral_common

    path = Path(mistral_common.__file__).parent / "data" / "tekken_240911.json"
    if not path.exists():
        raise DamagedWeights(TEXT["no_tokenizer"])
    whole = json.loads(path.read_text("utf-8"))
    size = config["text_config"]["vocab_size"]
    cut = {
        "config": whole["config"]
        | {
            "version": "v7",
            "num_vocab_tokens": size - SPECIAL_TOKENS,
            "default_vocab_size": size,
            "default_num_special_tokens": SPECIAL_TOKENS,
        },
        "vocab": whole["vocab"][: size - SPECIAL_TOKENS],
        "image": {
            "image_patch_size": config["vision_config"]["patch_size"],
            "max_image_size": config["vision_config"]["image_size"],
            "spatial_merge_size": config["spatial_merge_size"],
        },
    }
    return json.dumps(cut, ensure_ascii=False).encode()


def checked_files(weights: Path = WEIGHTS) -> dict[str, str]:
    """Name to SHA-256 of every committed weight file, each compared with `SHA256SUMS`.

    Raises DamagedWeights for the first file that is missing or differs.
    """
    sums = weights / SUMS
    if not sums.exists():
        raise DamagedWeights(TEXT["damaged"].format(name=SUMS))
    wanted = {name: digest for digest, name in (line.split() for line in sums.read_text().splitlines())}
    for name, digest in wanted.items():
        path = weights / name
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise DamagedWeights(TEXT["damaged"].format(name=name))
    return wanted


def _default_home() -> Path:
    return Path(os.environ.get("LABKIT_HOME") or Path.home() / ".labkit")


def prepare(target: Path | None = None, weights: Path = WEIGHTS) -> Path:
    """Make the folder that the engines load, with both formats in it, and return it. About 2 s, then cached.

    target: where to put it; by default `$LABKIT_HOME/pocket/<hash of the weights>`.
    Raises DamagedWeights for a damaged file, OSError where the disk is full (no half-made folder stays).
    """
    sums = checked_files(weights)
    recipe = Path(__file__).read_bytes() + json.dumps(sums, sort_keys=True).encode()
    digest = hashlib.sha256(recipe).hexdigest()[:12]
    target = target or _default_home() / "pocket" / digest
    if (target / "consolidated.safetensors").exists():
        return target
    from safetensors import SafetensorError
    from safetensors.torch import load_file, save_file

    target.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(dir=target.parent, prefix=".making-"))
    try:
        tensors: dict[str, Any] = {}
        for name in sums:
            shutil.copyfile(weights / name, making / name)
            if name.endswith(".safetensors"):
                tensors |= load_file(weights / name)
        config = json.loads((weights / "config.json").read_text())
        (making / "params.json").write_text(json.dumps(params(config), indent=2) + "\n")
        (making / "tekken.json").write_bytes(tekken(config))
        save_file(to_mistral(tensors, config), making / "consolidated.safetensors", {"format": "pt"})
        try:
            making.rename(target)
        except OSError:  # somebody else made it meanwhile
            if not (target / "consolidated.safetensors").exists():
                raise
    except SafetensorError as error:  # it tells a full disk in words only
        full = os.strerror(errno.ENOSPC)
        raise OSError(errno.ENOSPC, full, str(target)) if full in str(error) else error from None
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return target
