"""What a catalog file may say. Unknown keys and wrong types are refused, with the file's name."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Count = Annotated[int, Field(gt=0)]
Size = Annotated[float, Field(gt=0)]
EngineName = Literal["ollama", "vllm", "transformers"]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Card(_Entry):
    """A GPU that people rent: one card of it."""

    memory_gb: Size
    """As sold."""
    memory_gib: Size
    """What a program can have of it, in GiB."""
    bandwidth_gb_s: Size
    """Memory bandwidth by the data sheet, in 10^9 bytes a second."""
    dollars_a_day: tuple[Size, Size] | None
    """Low and high price of one card, US dollars; None where no source gives one."""
    nvml: tuple[str, ...]
    """What the driver calls it."""
    data_sheet: str


class ShareOfCard(_Entry):
    """How much of a card an engine takes, and how large its steps are by default."""

    up_to_gib: Size | None = None
    """For cards up to this size; None: any."""
    cards: tuple[str, ...] = ()
    """For these cards alone, by the catalog's names; empty: all of that size."""
    share: Annotated[float, Field(gt=0, le=1)]
    flags: str = ""
    step_tokens: Count | None = None
    """The most tokens that are computed at once; None: not known, `overhead_gib` is for all of it."""
    sequences: Count | None = None
    """The most requests that are served at once."""


class Engine(_Entry):
    """What an engine needs on each card, beside weights and KV cache; GiB."""

    title: str
    splits: Literal["tensor", "layers"]
    """How it spreads over several cards: all at the same time, or one after the other."""
    flags_for_cards: str = ""
    """What the command needs for several cards; `{count}` is their number."""
    flags_text_only: str = ""
    """What leaves the vision tower out; "" where the engine always loads it."""
    sizes: tuple[ShareOfCard, ...]
    graph_gib: Annotated[float, Field(ge=0)] = 0.0
    """What each CUDA graph takes that it captures."""
    overhead_gib: Annotated[float, Field(ge=0)]
    """CUDA's libraries."""
    together_gib: Annotated[float, Field(ge=0)] = 0.0
    """More of that on each card where cards share each layer (NCCL)."""
    workspace_gib: Annotated[float, Field(ge=0)] = 0.0
    """What the libraries hold of torch's memory while the text model computes a step."""
    start_with: tuple[str, ...] = ()
    """Variants to take where nothing speaks against it: the first that fits."""
    whole_prompt: bool = False
    """Whether it reads a prompt and its images all at once, and not in steps."""
    measured: bool
    """Whether the figures were measured; estimates are marked in the plan."""
    source: str

    @model_validator(mode="after")
    def _last_is_for_any_card(self) -> Self:
        if not self.sizes or self.sizes[-1].up_to_gib is not None or self.sizes[-1].cards:
            raise ValueError("the last of `sizes` must be for any card: no up_to_gib, no cards")
        return self

    def share_of(self, memory_gib: float, name: str = "") -> ShareOfCard:
        """The line of `sizes` for a card with `memory_gib` that the catalog calls `name`."""
        return next(
            size
            for size in self.sizes
            if (size.up_to_gib is None or memory_gib <= size.up_to_gib)
            and (not size.cards or name in size.cards)
        )


class TextShape(_Entry):
    """A dense decoder: grouped attention, a gated feed-forward layer, no biases."""

    layers: Count
    hidden: Count
    heads: Count
    kv_heads: Count
    head_dim: Count
    ffn: Count
    vocab: Count
    context: Count
    """The longest context it was made for, in tokens."""
    tied: bool = False
    """Whether the output layer is the embedding."""

    @property
    def matrices(self) -> int:
        """Weights in the layers' matrices: attention (q, o; k, v) and feed-forward (gate, up, down)."""
        attention = 2 * self.hidden * self.head_dim * (self.heads + self.kv_heads)
        return self.layers * (attention + 3 * self.hidden * self.ffn)

    @property
    def embeddings(self) -> int:
        """Weights in the embedding and the output layer."""
        return self.vocab * self.hidden * (1 if self.tied else 2)

    @property
    def norms(self) -> int:
        return self.hidden * (2 * self.layers + 1)

    def kv_bytes(self, bytes_each: float = 2) -> float:
        """Bytes of KV cache for one token: a key and a value for each layer and KV head."""
        return self.layers * 2 * self.kv_heads * self.head_dim * bytes_each


class VisionShape(_Entry):
    """A Pixtral tower with its projector (patches merged `merge` by `merge`, then two matrices)."""

    layers: Count
    hidden: Count
    heads: Count
    ffn: Count
    patch: Count
    merge: Count
    image_size: Count
    """The longest edge of an image, in pixels."""
    channels: Count = 3

    def parameters(self, text_hidden: int) -> int:
        """All weights: patches, layers, norms, merger, projector."""
        layer = 4 * self.hidden**2 + 3 * self.hidden * self.ffn + 2 * self.hidden
        return self.layers * layer + self.around_the_layers(text_hidden)

    def around_the_layers(self, text_hidden: int) -> int:
        """Weights of patches, merger and projector. Cards that share the layers hold these whole, each."""
        patches = self.channels * self.patch**2 * self.hidden + self.hidden
        merger = self.hidden + self.merge**2 * self.hidden**2
        return patches + merger + self.hidden * text_hidden + text_hidden**2

    @property
    def patches(self) -> int:
        """Patches of the largest square image."""
        return (self.image_size // self.patch) ** 2

    @property
    def working_bytes(self) -> int:
        """Bytes that the tower needs at work on one image: two rows of its feed-forward layer and four of
        its width for each patch, in 16 bit. A computed figure, not a measured one."""
        return self.patches * (2 * self.ffn + 4 * self.hidden) * 2

    @property
    def image_tokens(self) -> int:
        """Tokens of the largest square image: merged patches, and a row break (or the end) after each row."""
        edge = self.image_size // self.patch // self.merge
        return edge * edge + edge


class Bits(_Entry):
    """Bits for one weight, scales included."""

    linear: Size
    embeddings: Size
    vision: Size


class Variant(_Entry):
    """One set of weights."""

    bits: Bits
    weights_gib: Size | None = None
    """Measured or published size in GiB, vision included; None: computed from the shape and the bits."""
    source: str


class RecipeEntry(_Entry):
    """A variant, the engine that runs it, and what that engine is given."""

    variant: str
    engine: EngineName
    format: Literal["gguf", "mistral", "hf"]
    source: str
    """A Hugging Face or an Ollama name."""
    device: Literal["cuda", "cpu"] = "cuda"
    flags: str = ""


class Model(_Entry):
    """A model: its shape, the variants of its weights, and the recipes that run them."""

    title: str
    name: str
    license: str
    source: str
    """Where the shape is from."""
    twin: str | None = None
    """The model to rehearse with, by its file's name."""
    text: TextShape
    vision: VisionShape | None = None
    variants: dict[str, Variant]
    recipes: tuple[RecipeEntry, ...]

    @model_validator(mode="after")
    def _recipes_name_variants(self) -> Self:
        for recipe in self.recipes:
            if recipe.variant not in self.variants:
                raise ValueError(f"a recipe names the variant {recipe.variant!r}, which is not in `variants`")
        return self

    @property
    def vision_parameters(self) -> int:
        return self.vision.parameters(self.text.hidden) if self.vision else 0

    @property
    def parameters(self) -> int:
        """All weights, computed from the shape."""
        return self.text.matrices + self.text.embeddings + self.text.norms + self.vision_parameters

    def vision_weights(self, variant: str, cards: int = 1) -> float:
        """Bytes of the vision tower's weights in `variant`, on all of `cards` that share its layers."""
        if not self.vision:
            return 0.0
        again = (cards - 1) * self.vision.around_the_layers(self.text.hidden)
        return (self.vision_parameters + again) * self.variants[variant].bits.vision / 8

    def weights(self, variant: str) -> float:
        """Bytes of all weights in `variant`: as measured or published, else computed (norms in 16 bit)."""
        found = self.variants[variant]
        if found.weights_gib is not None:
            return found.weights_gib * 2**30
        text = self.text
        bits = text.matrices * found.bits.linear + text.embeddings * found.bits.embeddings + text.norms * 16
        return bits / 8 + self.vision_weights(variant)
