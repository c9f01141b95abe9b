"""The model's real shape without its weights: a folder with a description and a tokenizer, and no tensors.

Memory and speed depend on shapes, not on what the weights say, so an engine that fills them with random
numbers is measured as the real model would be. The numbers come from the catalog; the three below are not in
it, since no plan depends on them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from labkit import catalog
from labkit.catalog.schema import Model
from pocket.formats import params, tekken

ROPE_THETA, NORM_EPS, VISION_ROPE_THETA = 1e9, 1e-5, 1e4
"""As in params.json of mistralai/Mistral-Small-3.1-24B-Instruct-2503."""
IMAGE_TOKEN = 10
GROUP = 128
"""Weights that share a scale in W4A16, as in the published checkpoint and in the catalog's bits."""


def config(model: Model) -> dict[str, Any]:
    """`config.json` of Hugging Face's format for a model of the catalog, a Pixtral tower included."""
    text, vision = model.text, model.vision
    assert vision is not None
    return {
        "architectures": ["Mistral3ForConditionalGeneration"],
        "model_type": "mistral3",
        "dtype": "bfloat16",
        "image_token_index": IMAGE_TOKEN,
        "multimodal_projector_bias": False,
        "projector_hidden_act": "gelu",
        "spatial_merge_size": vision.merge,
        "tie_word_embeddings": text.tied,
        "vision_feature_layer": -1,
        "text_config": {
            "model_type": "mistral",
            "head_dim": text.head_dim,
            "hidden_act": "silu",
            "hidden_size": text.hidden,
            "intermediate_size": text.ffn,
            "max_position_embeddings": text.context,
            "num_attention_heads": text.heads,
            "num_hidden_layers": text.layers,
            "num_key_value_heads": text.kv_heads,
            "rms_norm_eps": NORM_EPS,
            "rope_parameters": {"rope_theta": ROPE_THETA, "rope_type": "default"},
            "sliding_window": None,
            "tie_word_embeddings": text.tied,
            "vocab_size": text.vocab,
        },
        "vision_config": {
            "model_type": "pixtral",
            "head_dim": vision.hidden // vision.heads,
            "hidden_act": "silu",
            "hidden_size": vision.hidden,
            "image_size": vision.image_size,
            "intermediate_size": vision.ffn,
            "num_attention_heads": vision.heads,
            "num_channels": vision.channels,
            "num_hidden_layers": vision.layers,
            "patch_size": vision.patch,
            # no type: one release of Transformers calls its only one "default", another "axial"
            "rope_parameters": {"rope_theta": VISION_ROPE_THETA},
        },
    }


def w4a16() -> dict[str, Any]:
    """What a checkpoint in W4A16 says of itself: 4-bit integers in the text layers' matrices, a 16-bit scale
    for each group; embeddings, output layer and vision stay in 16 bit."""
    weights = {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": GROUP}
    return {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "quantization_status": "compressed",
        "config_groups": {
            "group_0": {
                "targets": ["Linear"],
                "weights": weights | {"dynamic": False},
                "input_activations": None,
                "output_activations": None,
            }
        },
        "ignore": ["re:.*lm_head.*", "re:.*vision.*", "re:.*patch_merger.*", "re:.*multi_modal.*"],
        "kv_cache_scheme": None,
    }


def mistral_folder(name: str, variant: str, target: Path) -> Path:
    """A folder in Mistral's own format with the shape of a catalog model in `variant`, without weights.

    W4A16 lies in Hugging Face's format on the hub; Mistral's takes the same description of the
    quantization, and its tokenizer needs no processor, so the same matrices are served from it.
    """
    described = config(catalog.model(name))
    shape = params(described)
    if variant == "W4A16":
        shape["quantization"] = w4a16()
    return _write(target, {"params.json": shape}, described)


def hf_folder(name: str, target: Path) -> Path:
    """A folder in Hugging Face's format with the shape of a catalog model, without weights."""
    described = config(catalog.model(name))
    return _write(target, {"config.json": described}, described)


def _write(target: Path, files: dict[str, Any], described: dict[str, Any]) -> Path:
    target.mkdir(parents=True, exist_ok=True)
    for name, values in files.items():
        (target / name).write_text(json.dumps(values, indent=1), "utf-8")
    (target / "tekken.json").write_bytes(tekken(described))
    return target
