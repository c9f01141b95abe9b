"""What an engine needs while it computes, from shapes.

vLLM works in steps, and measures the largest one before it takes what is left for the KV cache
(`determine_available_memory` in vllm/v1/worker/gpu_worker.py): it runs the vision tower on as many of the
largest images as fit into one step, then the text model on a full step, then chooses a token for as many
requests as it serves at once. The three follow one another, so the largest counts. Transformers reads a whole
prompt at once. All figures are bytes in 16 bit unless they say otherwise.
"""

from __future__ import annotations

from labkit.catalog.schema import Model, VisionShape

_HALF, _FLOAT = 2, 4


def step_bytes(
    model: Model, tokens: int, sequences: int, vision: bool, cards: int = 1, workspace: float = 0.0
) -> float:
    """Bytes on each of `cards` that share the layers: for steps of at most `tokens`, `sequences` at once.

    `workspace`: bytes that the libraries hold while the text model computes.
    """
    images = images_in_a_step(model.vision, tokens) if vision and model.vision else 0
    kept = images * (model.vision.image_tokens if model.vision else 0) * model.text.hidden * _HALF + workspace
    phases = [kept + text_bytes(model, tokens, cards), kept + choosing_bytes(model, tokens, sequences)]
    if images and model.vision:
        phases.append(vision_bytes(model.vision, images, cards))
    return max(phases)


def graphs(tokens: int, sequences: int) -> int:
    """CUDA graphs that vLLM captures (`_set_cudagraph_sizes` in vllm/config/vllm.py).

    One for each of these sizes of a step, up to twice the requests that it serves at once: 1, 2, 4, every
    8th to 248, every 16th from 256 to 512. In pieces for steps that read a prompt, and once more whole for
    steps that only answer, which are no larger than the requests.
    """
    sizes = (1, 2, 4, *range(8, 256, 8), *range(256, 513, 16))
    return sum((size <= min(2 * sequences, tokens)) + (size <= min(sequences, tokens)) for size in sizes)


def images_in_a_step(vision: VisionShape, tokens: int) -> int:
    """Images of the largest size that are looked at together: as many as fit into a step, at least one."""
    return max(1, tokens // (vision.image_tokens - vision.image_size // vision.patch // vision.merge))


def text_bytes(model: Model, tokens: int, cards: int = 1) -> float:
    """In a layer's feed-forward part: gate and up, their product, what goes past them, and what went in."""
    text = model.text
    return tokens * (3 * text.ffn / cards + 2 * text.hidden) * _HALF


def choosing_bytes(model: Model, tokens: int, sequences: int) -> float:
    """A score for each word of the vocabulary and each request: in 16 bit, in 32, as shares, and a draw."""
    scores = min(sequences, tokens) * model.text.vocab
    return scores * (_HALF + 3 * _FLOAT) + tokens * model.text.hidden * _HALF


def vision_bytes(vision: VisionShape, images: int, cards: int = 1) -> float:
    """The tower on so many images at once, in the larger of its two halves of a layer.

    The images stand in one sequence, and a square mask of all their patches keeps them apart; attention
    takes it in rows of eight, so another copy is made where the patches do not divide by that. Beside the
    mask, each patch has: its pixels twice in 32 bit and its turn (the rotary embedding); six rows of the
    tower's width on the way into the feed-forward part, or four and those of attention (query, key and value
    before and after the turn, and the answer). What the layers share among the cards is divided.
    """
    patches = images * vision.patches
    row = -(-patches // 8) * 8
    mask = patches * patches * _HALF
    again = patches * row * _HALF if row != patches else 0
    beside = 2 * _FLOAT * vision.channels * vision.patch**2 + _FLOAT * vision.hidden // vision.heads
    attention = (4 + 6 / cards) * vision.hidden * _HALF + beside
    forward = (6 * vision.hidden + 3 * vision.ffn / cards) * _HALF + beside
    return mask + max(again + patches * attention, patches * forward)


def prompt_bytes(model: Model, tokens: int, images: int, linear_bits: float) -> float:
    """Bytes that Transformers needs to read a prompt of `tokens` with `images` in one go.

    In 4 bits a matrix is unpacked before it is used; the largest one counts. The tower keeps what each of its
    layers saw (`output_hidden_states` in Mistral3Model.get_image_features).
    """
    text, vision = model.text, model.vision
    unpacked = text.ffn * text.hidden * _HALF if linear_bits < 8 else 0
    reading = text_bytes(model, tokens)
    phases = [reading, reading - tokens * text.ffn * _HALF + unpacked]
    if images and vision:
        seen = (vision.layers + 1) * images * vision.patches * vision.hidden * _HALF
        phases.append(vision_bytes(vision, images) + seen)
    return max(phases)
