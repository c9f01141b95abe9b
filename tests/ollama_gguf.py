"""What `ollama create` makes of a folder with Mistral 3 weights: its converter, written again for tests.

One GGUF file holds the text model and the vision tower; Ollama's llama-server reads it twice, as the model
and as its projector. Source: Ollama's convert/convert_mistral.go, tokenizer.go, reader_safetensors.go and
fs/ggml/gguf.go (August 2026). GGUF itself: version 3, little-endian, tensors at multiples of 32 bytes.
"""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

_RENAMED = {
    "language_model.model.norm": "output_norm",
    "language_model.model.": "",
    "language_model.": "",
    "layers": "blk",
    "transformer.layers": "blk",
    "vision_tower": "v",
    "ln_pre": "encoder_norm",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "embed_tokens": "token_embd",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.down_proj": "ffn_down",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "attention.q_proj": "attn_q",
    "attention.k_proj": "attn_k",
    "attention.v_proj": "attn_v",
    "attention.o_proj": "attn_output",
    "attention_norm": "attn_norm",
    "feed_forward.gate_proj": "ffn_gate",
    "feed_forward.down_proj": "ffn_down",
    "feed_forward.up_proj": "ffn_up",
    "multi_modal_projector": "mm",
    "lm_head": "output",
}
_F32, _F16, _BF16 = 0, 1, 30
_DTYPES = {_F32: torch.float32, _F16: torch.float16, _BF16: torch.bfloat16}
_ALIGNED = 32
_U32, _I32, _FLOAT, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9


def convert(folder: Path, target: Path) -> Path:
    """Write the GGUF file for an exported folder."""
    config = json.loads((folder / "config.json").read_text("utf-8"))
    shards: dict[str, torch.Tensor] = {}
    for path in sorted(folder.glob("model*.safetensors")):
        shards |= load_file(path)
    old = re.compile("|".join(map(re.escape, _RENAMED)))
    tensors = {}
    for name, tensor in shards.items():
        new = old.sub(lambda found: _RENAMED[found[0]], name)
        tensors[new] = _repacked(new, tensor, config["text_config"])
    _write(target, _metadata(config, folder), tensors)
    return target


def _repacked(name: str, tensor: torch.Tensor, text: dict[str, Any]) -> torch.Tensor:
    """Rotary pairs as llama.cpp wants them, and the type that Ollama chooses."""
    vision = name.startswith(("v.", "mm."))
    if not vision and name.endswith((".attn_q.weight", ".attn_k.weight")):
        heads = text["num_attention_heads" if ".attn_q." in name else "num_key_value_heads"]
        rows, width = tensor.shape
        tensor = tensor.view(heads, 2, rows // heads // 2, width).transpose(1, 2).reshape(rows, width)
    if tensor.ndim == 1:
        return tensor.float()
    return tensor.half() if vision else tensor.bfloat16()


def _metadata(config: dict[str, Any], folder: Path) -> dict[str, tuple[int, Any]]:
    text, vision = config["text_config"], config["vision_config"]
    rope = text["rope_parameters"]
    numbers = {
        "vocab_size": text["vocab_size"],
        "block_count": text["num_hidden_layers"],
        "context_length": text["max_position_embeddings"],
        "embedding_length": text["hidden_size"],
        "feed_forward_length": text["intermediate_size"],
        "attention.head_count": text["num_attention_heads"],
        "attention.head_count_kv": text["num_key_value_heads"],
        "attention.key_length": text["head_dim"],
        "attention.value_length": text["head_dim"],
        "rope.dimension_count": text["head_dim"],
        "vision.block_count": vision["num_hidden_layers"],
        "vision.embedding_length": vision["hidden_size"],
        "vision.feed_forward_length": vision["intermediate_size"],
        "vision.attention.head_count": vision["num_attention_heads"],
        "vision.attention.key_length": vision["head_dim"],
        "vision.image_size": vision["image_size"],
        "vision.patch_size": vision["patch_size"],
        "vision.num_channels": vision["num_channels"],
        "image_token_index": config["image_token_index"],
        "spatial_merge_size": config["spatial_merge_size"],
    }
    floats = {
        "attention.layer_norm_rms_epsilon": text["rms_norm_eps"],
        "rope.freq_base": rope["rope_theta"],
        "rope.scaling.factor": rope.get("factor", 0.0),
        "rope.scaling.yarn_beta_fast": 0.0,
        "rope.scaling.yarn_beta_slow": 0.0,
        "vision.rope.freq_base": vision["rope_parameters"]["rope_theta"],
    }
    return {
        "general.architecture": (_STRING, "mistral3"),
        "general.file_type": (_U32, 1),
        "general.quantization_version": (_U32, 2),
        **{f"mistral3.{name}": (_U32, value) for name, value in numbers.items()},
        **{f"mistral3.{name}": (_FLOAT, value) for name, value in floats.items()},
        "mistral3.rope.scaling.type": (_STRING, rope["rope_type"]),
        "mistral3.mm.projector_bias": (_BOOL, config["multimodal_projector_bias"]),
        "mistral3.mm.projector_hidden_act": (_STRING, config["projector_hidden_act"]),
        **_tokenizer(folder),
    }


def _tokenizer(folder: Path) -> dict[str, tuple[int, Any]]:
    whole = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    settings = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    pieces = {number: (piece, 1) for piece, number in whole["model"]["vocab"].items()}
    added = {each["content"]: each["id"] for each in whole["added_tokens"]}
    pieces |= {each["id"]: (each["content"], 3 if each["special"] else 4) for each in whole["added_tokens"]}
    ordered = [pieces[number] for number in sorted(pieces)]
    keys = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}
    return {
        "tokenizer.ggml.pre": (_STRING, "default"),  # its list does not know tekken's; llama-server mends it
        "tokenizer.ggml.model": (_STRING, "gpt2"),
        "tokenizer.ggml.tokens": (_ARRAY, (_STRING, [piece for piece, _ in ordered])),
        "tokenizer.ggml.scores": (_ARRAY, (_FLOAT, [float(number) for number in sorted(pieces)])),
        "tokenizer.ggml.token_type": (_ARRAY, (_I32, [kind for _, kind in ordered])),
        "tokenizer.ggml.merges": (_ARRAY, (_STRING, [" ".join(pair) for pair in whole["model"]["merges"]])),
        "tokenizer.chat_template": (_STRING, settings["chat_template"]),
        **{
            f"tokenizer.ggml.{key}_token_id": (_U32, added[settings[f"{name}_token"]])
            for name, key in keys.items()
        },
    }


def _write(target: Path, metadata: dict[str, tuple[int, Any]], tensors: dict[str, torch.Tensor]) -> None:
    head = bytearray(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata)))
    for name, (kind, value) in sorted(metadata.items()):
        head += _value(_STRING, name) + struct.pack("<I", kind) + _value(kind, value)
    at = 0
    for name, tensor in tensors.items():
        kind = next(number for number, dtype in _DTYPES.items() if dtype == tensor.dtype)
        sizes = list(reversed(tensor.shape))
        head += _value(_STRING, name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, at)
        at += _padded(tensor.nbytes)
    with open(target, "wb") as file:
        file.write(head.ljust(_padded(len(head)), b"\0"))
        for tensor in tensors.values():
            data = tensor.contiguous().view(torch.uint8).numpy().tobytes()
            file.write(data.ljust(_padded(len(data)), b"\0"))


def _value(kind: int, value: Any) -> bytes:
    if kind == _STRING:
        data = value.encode()
        return struct.pack("<Q", len(data)) + data
    if kind == _ARRAY:
        inner, values = value
        return struct.pack("<IQ", inner, len(values)) + b"".join(_value(inner, each) for each in values)
    return struct.pack({_U32: "<I", _I32: "<i", _FLOAT: "<f", _BOOL: "<?"}[kind], value)


def _padded(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED
