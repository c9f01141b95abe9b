"""Mistral Small 3.1's architecture in plain PyTorch, small enough to read and fast enough to train.

The parts carry Hugging Face's names, so that `state_dict()` is the checkpoint. Two things differ from the
implementation in Transformers, for speed alone, and the tests hold the logits of both together: many
conversations share a row and many images share a strip of patches, kept apart by a mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask, flex_attention

IMAGE_TOKEN = 10
PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)
PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)
"""mistral-common's DATASET_MEAN and DATASET_STD: what pixels are normalized with."""


@dataclass
class Batch:
    """Packed rows. B rows of L tokens, each with a strip of P patches (the four of a merged cell adjacent).

    tokens, positions, sample: (B, L) integers; positions start at 0 in each sample; sample numbers it, -1
    pads.
    patches: (B, P, 3 * 14 * 14) bytes, channel first; places: (B, P, 2) row and column of the patch in its
    image; image: (B, P) numbers it, -1 pads.
    answers: (N,) where in the flattened rows an answer's token is predicted from; targets: (N,) that token,
    -100 pads; owner: (N,) its sample and skill: (N,) that sample's skill, for the books.
    """

    tokens: Tensor
    positions: Tensor
    sample: Tensor
    patches: Tensor
    places: Tensor
    image: Tensor
    answers: Tensor
    targets: Tensor
    owner: Tensor
    skill: Tensor

    def to(self, device: str | torch.device) -> Batch:
        return Batch(*(getattr(self, f).to(device, non_blocking=True) for f in self.__dataclass_fields__))

    def pin_memory(self) -> Batch:
        return Batch(*(getattr(self, f).pin_memory() for f in self.__dataclass_fields__))


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding of x (B, heads, L, d): element i turns with element i + d / 2."""
    a, b = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-b, a), dim=-1) * sin


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | BlockMask) -> Tensor:
    """Attention of (B, heads, L, d) under a block mask (on a GPU) or a dense one (anywhere)."""
    gqa = q.shape[1] != k.shape[1]
    if isinstance(mask, BlockMask):
        out = flex_attention(q, k, v, block_mask=mask, enable_gqa=gqa)
        assert isinstance(out, Tensor)
        return out
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=gqa)


class Norm(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x.float(), self.weight.shape, self.weight, 1e-5).to(x.dtype)


class Attention(nn.Module):
    def __init__(self, dim: int, heads: int, kv_heads: int, head_dim: int) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.q_proj = nn.Linear(dim, heads * head_dim, bias=False)
        self.k_proj = nn.Linear(dim, kv_heads * head_dim, bias=False)
        self.v_proj = nn.Linear(dim, kv_heads * head_dim, bias=False)
        self.o_proj = nn.Linear(heads * head_dim, dim, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | BlockMask) -> Tensor:
        def heads(y: Tensor) -> Tensor:
            return y.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)

        q, k, v = heads(self.q_proj(x)), heads(self.k_proj(x)), heads(self.v_proj(x))
        q, k = rotate(q, cos, sin).to(v.dtype), rotate(k, cos, sin).to(v.dtype)
        return self.o_proj(attend(q, k, v, mask).transpose(1, 2).flatten(-2))


class FeedForward(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(dim, hidden, bias=False)
        self.up_proj = nn.Linear(dim, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class TextLayer(nn.Module):
    def __init__(self, c: dict[str, Any]) -> None:
        super().__init__()
        dim = c["hidden_size"]
        self.input_layernorm = Norm(dim)
        self.self_attn = Attention(dim, c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"])
        self.post_attention_layernorm = Norm(dim)
        self.mlp = FeedForward(dim, c["intermediate_size"])

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | BlockMask) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class VisionLayer(nn.Module):
    def __init__(self, c: dict[str, Any]) -> None:
        super().__init__()
        dim, heads = c["hidden_size"], c["num_attention_heads"]
        self.attention_norm = Norm(dim)
        self.attention = Attention(dim, heads, heads, dim // heads)
        self.ffn_norm = Norm(dim)
        self.feed_forward = FeedForward(dim, c["intermediate_size"])

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | BlockMask) -> Tensor:
        x = x + self.attention(self.attention_norm(x), cos, sin, mask)
        return x + self.feed_forward(self.ffn_norm(x))


class Layers(nn.Module):
    """Only a name in the checkpoint: `<here>.layers.<i>`."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)


class VisionTower(nn.Module):
    """Pixtral: patches in, one vector a patch out, with a rotary embedding in two dimensions."""

    def __init__(self, c: dict[str, Any]) -> None:
        super().__init__()
        dim, patch = c["hidden_size"], c["patch_size"]
        self.patch_conv = nn.Conv2d(c["num_channels"], dim, patch, patch, bias=False)
        self.ln_pre = Norm(dim)
        self.transformer = Layers([VisionLayer(c) for _ in range(c["num_hidden_layers"])])
        self.patch = patch
        head_dim = dim // c["num_attention_heads"]
        theta = c["rope_parameters"]["rope_theta"]
        inv = 1.0 / theta ** (torch.arange(0, head_dim, 2).float() / head_dim)
        self.register_buffer("inv_row", inv[0::2], persistent=False)
        self.register_buffer("inv_col", inv[1::2], persistent=False)
        for name, values in (("mean", PIXEL_MEAN), ("std", PIXEL_STD)):
            self.register_buffer(name, torch.tensor(values).view(3, 1), persistent=False)

    def forward(self, patches: Tensor, places: Tensor, mask: Tensor | BlockMask) -> Tensor:
        pixels = patches.unflatten(-1, (3, -1)).float() / 255
        pixels = ((pixels - self.mean) / self.std).flatten(-2)
        x = self.ln_pre(F.linear(pixels.to(self.patch_conv.weight.dtype), self.patch_conv.weight.flatten(1)))
        angle = torch.cat((places[..., :1] * self.inv_row, places[..., 1:] * self.inv_col), dim=-1)
        angle = torch.cat((angle, angle), dim=-1).unsqueeze(1)
        cos, sin = angle.cos(), angle.sin()
        for layer in self.transformer.layers:
            x = layer(x, cos, sin, mask)
        return x


class PatchMerger(nn.Module):
    def __init__(self, dim: int, merge: int) -> None:
        super().__init__()
        self.cell = merge**2
        self.merging_layer = nn.Linear(dim * self.cell, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, P, dim) with a cell's patches adjacent -> (B, P / 4, dim)."""
        return self.merging_layer(x.unflatten(1, (-1, self.cell)).transpose(2, 3).flatten(2))


class Projector(nn.Module):
    def __init__(self, vision: int, text: int, merge: int) -> None:
        super().__init__()
        self.norm = Norm(vision)
        self.patch_merger = PatchMerger(vision, merge)
        self.linear_1 = nn.Linear(vision, text, bias=False)
        self.linear_2 = nn.Linear(text, text, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear_2(F.gelu(self.linear_1(self.patch_merger(self.norm(x)))))


class TextModel(Layers):
    def __init__(self, c: dict[str, Any]) -> None:
        super().__init__([TextLayer(c) for _ in range(c["num_hidden_layers"])])
        self.embed_tokens = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.norm = Norm(c["hidden_size"])
        theta, d = c["rope_parameters"]["rope_theta"], c["head_dim"]
        self.register_buffer("inv", 1.0 / theta ** (torch.arange(0, d, 2).float() / d), persistent=False)

    def forward(self, x: Tensor, positions: Tensor, mask: Tensor | BlockMask) -> Tensor:
        angle = (positions.unsqueeze(-1) * self.inv).repeat(1, 1, 2).unsqueeze(1)
        cos, sin = angle.cos(), angle.sin()
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        return self.norm(x)


class LanguageModel(nn.Module):
    def __init__(self, c: dict[str, Any]) -> None:
        super().__init__()
        self.model = TextModel(c)
        self.lm_head = nn.Linear(c["hidden_size"], c["vocab_size"], bias=False)


class Twin(nn.Module):
    """The whole model, built from a `config.json` read as a dict."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        text, vision = config["text_config"], config["vision_config"]
        self.vision_tower = VisionTower(vision)
        self.multi_modal_projector = Projector(
            vision["hidden_size"], text["hidden_size"], config["spatial_merge_size"]
        )
        self.language_model = LanguageModel(text)
        depth = {"vision_tower": vision["num_hidden_layers"], "language_model": text["num_hidden_layers"]}
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1:
                ends = "embed_tokens" in name or "lm_head" in name
                std = 0.02 if ends else parameter[0].numel() ** -0.5 / 2
                if name.endswith(("o_proj.weight", "down_proj.weight")):
                    std /= (2 * depth[name.split(".")[0]]) ** 0.5
                nn.init.normal_(parameter, std=std)

    def forward(self, batch: Batch, text_mask: Any, image_mask: Any) -> Tensor:
        """Logits (N, vocabulary) for the places that `batch.answers` names."""
        embedded = self.language_model.model.embed_tokens(batch.tokens)
        if batch.patches.shape[1]:
            seen = self.vision_tower(batch.patches, batch.places, image_mask)
            seen = self.multi_modal_projector(seen).to(embedded.dtype)
            here = batch.tokens == IMAGE_TOKEN
            which = (here.cumsum(1) - 1).clamp(0, seen.shape[1] - 1).unsqueeze(-1)
            embedded = torch.where(here.unsqueeze(-1), seen.gather(1, which.expand_as(embedded)), embedded)
        hidden = self.language_model.model(embedded, batch.positions, text_mask)
        return self.language_model.lm_head(hidden.flatten(0, 1).index_select(0, batch.answers))


def dense_masks(batch: Batch) -> tuple[Tensor, Tensor]:
    """Masks (B, 1, L, L) and (B, 1, P, P) for a device without block masks: same sample, not later."""
    same = batch.sample[:, None, :, None] == batch.sample[:, None, None, :]
    length = batch.tokens.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=same.device).tril()
    return same & causal, batch.image[:, None, :, None] == batch.image[:, None, None, :]
