"""One recipe on given cards: its memory, whether it fits, its ceiling, its price. Pure arithmetic."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace

from labkit import catalog
from labkit.catalog.schema import Model, RecipeEntry, ShareOfCard
from labkit.planner.cards import Cards
from labkit.planner.prices import shared_by_tokens
from labkit.planner.working import graphs, prompt_bytes, step_bytes

GIB = 2**30
BLOCK = 16
"""vLLM hands out its cache in blocks of this many tokens."""
_MOST_BLOCKS = 2**18

TEXT = {
    "no_gpu": "there is no GPU here",
    "ram": "it needs {need:.1f} GiB of memory, and {free:.1f} GiB are free",
    "heads": "{engine} gives each card as many heads, and {heads} KV heads do not divide by {count}",
    "weights": "its weights are {weights:.1f} GiB, and {engine} can take {budget:.1f} of the "
    "{total:.1f} GiB of {cards}",
    "nothing_left": "weights, vision, graphs and overhead are {fixed:.1f} GiB, more than the "
    "{budget:.1f} GiB that {engine} can take of {cards}",
    "kv": "the KV cache wants {kv:.1f} GiB for {tokens:,} tokens, and {room:.1f} GiB are left for it",
}


@dataclass(frozen=True)
class Memory:
    """GiB on all cards together."""

    weights: float
    """The text's."""
    kv_cache: float
    vision: float
    """The vision tower's weights, and what it computes with where `overhead` does not say it."""
    graphs: float
    overhead: float
    """CUDA's libraries, and for vLLM the largest step at work."""

    @property
    def total(self) -> float:
        return self.weights + self.kv_cache + self.vision + self.graphs + self.overhead


@dataclass(frozen=True)
class Need:
    """What is asked of a recipe: tokens of context for each of `users`, images in a request, vision."""

    context: int = 32768
    users: int = 1
    images: int = 0
    vision: bool = True


@dataclass(frozen=True)
class Told:
    """What an engine was told beside the recipe, where it is not the catalog's default (None)."""

    share: float | None = None
    """Of a card's memory."""
    step_tokens: int | None = None
    sequences: int | None = None
    graphs: bool = True
    kv_bytes: float = 2
    """Of one number in the KV cache."""


@dataclass(frozen=True)
class Row:
    """A recipe on given cards."""

    variant: str
    engine: str
    title: str
    """Engine and variant, as people say it."""
    source: str
    format: str
    device: str
    flags: str
    """What the engine's command needs for this variant and these cards."""
    memory: Memory
    budget_gib: float | None
    """What the engine may take of all cards together; None for a CPU whose memory is not known."""
    fits: bool
    why: str | None
    """Why it does not fit: a clause without its full stop. None where it fits."""
    kv_tokens: int
    """Tokens of KV cache that the cards have room for."""
    longest_context: int
    """The longest context for each user that fits, in tokens; 0 for none."""
    decode_ceiling: float | None
    """Tokens a second for one stream, at most: bandwidth over the text's weights; None: not known."""
    dollars_a_million: tuple[float, float] | None
    """US dollars for a million tokens, at least: every user's stream at the ceiling, all day."""
    measured: bool
    """Whether graphs and overhead come from a measured run (one card); else they are estimates."""


def row(
    model: Model,
    recipe: RecipeEntry,
    cards: Cards,
    need: Need,
    ram_gib: float | None = None,
    told: Told | None = None,
) -> Row:
    """`recipe` of `model` on `cards`. `ram_gib`: free memory of the machine, for a recipe on its CPU."""
    engine = catalog.engines()[recipe.engine]
    told = told or Told()
    on_cpu = recipe.device == "cpu"
    count = 1 if on_cpu else max(cards.count, 1)
    size = engine.share_of(cards.memory_gib, cards.name)
    budget = ram_gib if on_cpu else (told.share or size.share) * cards.total_gib
    memory = _memory(model, recipe, count, need, size, told)
    fixed = memory.total - memory.kv_cache
    token_gib = model.text.kv_bytes(told.kv_bytes) / GIB
    room = max(0.0, (budget if budget is not None else memory.total) - fixed)
    why = _why_not(model, recipe, cards, need, memory, budget)
    kv_tokens = int(room / token_gib) // BLOCK * BLOCK
    if engine.whole_prompt and budget is not None:  # a longer prompt needs more than its cache

        def total(blocks: int) -> float:
            return _memory(model, recipe, count, replace(need, context=blocks * BLOCK), size, told).total

        kv_tokens = max(0, bisect_right(range(_MOST_BLOCKS), budget, key=total) - 1) * BLOCK * need.users
    bandwidth = None if on_cpu or not cards.bandwidth_gb_s else cards.bandwidth_gb_s * 1e9
    together = count if engine.splits == "tensor" else 1
    ceiling = bandwidth * together / (memory.weights * GIB) if bandwidth else None
    many = f" {engine.flags_for_cards.format(count=count)}" if count > 1 else ""
    text_only = "" if need.vision or not model.vision else f" {engine.flags_text_only}"
    return Row(
        variant=recipe.variant,
        engine=recipe.engine,
        title=f"{engine.title} {recipe.variant}",
        source=recipe.source,
        format=recipe.format,
        device=recipe.device,
        flags=" ".join(f"{recipe.flags} {'' if on_cpu else size.flags}{many}{text_only}".split()),
        memory=memory,
        budget_gib=budget,
        fits=why is None,
        why=why,
        kv_tokens=kv_tokens,
        longest_context=min(model.text.context, kv_tokens // need.users // BLOCK * BLOCK),
        decode_ceiling=ceiling,
        dollars_a_million=_dollars_a_million(cards, ceiling, need.users),
        measured=engine.measured and count == 1 and not on_cpu,
    )


def _memory(
    model: Model, recipe: RecipeEntry, count: int, need: Need, size: ShareOfCard, told: Told
) -> Memory:
    """The parts. With tensor parallelism each card computes, so what that needs is counted on each."""
    engine = catalog.engines()[recipe.engine]
    on_cpu = recipe.device == "cpu"
    times = count if engine.splits == "tensor" else 1
    loaded = need.vision or not engine.flags_text_only
    vision, working, captured = model.vision_weights(recipe.variant, times) if loaded else 0.0, 0.0, 0
    overhead = engine.overhead_gib + (engine.together_gib if times > 1 else 0.0)
    if size.step_tokens and size.sequences and not on_cpu:
        tokens, sequences = told.step_tokens or size.step_tokens, told.sequences or size.sequences
        held = engine.workspace_gib * GIB
        working = step_bytes(model, tokens, sequences, need.vision, times, held) * times
        captured = graphs(tokens, sequences) if told.graphs else 0
    elif engine.whole_prompt:
        images = max(need.images, 1) if need.vision and model.vision else 0
        working = prompt_bytes(model, need.context, images, model.variants[recipe.variant].bits.linear)
    elif model.vision and need.vision:
        kept = max(need.images, 1) * model.vision.image_tokens * model.text.hidden * 2
        vision += (model.vision.working_bytes + kept) * times
    return Memory(
        weights=(model.weights(recipe.variant) - model.vision_weights(recipe.variant)) / GIB,
        kv_cache=need.users * need.context * model.text.kv_bytes(told.kv_bytes) / GIB,
        vision=vision / GIB,
        graphs=engine.graph_gib * captured * count,
        overhead=overhead * count + working / GIB,
    )


def _why_not(
    model: Model, recipe: RecipeEntry, cards: Cards, need: Need, memory: Memory, budget: float | None
) -> str | None:
    engine = catalog.engines()[recipe.engine]
    if recipe.device == "cpu":
        if budget is None or memory.total <= budget:
            return None
        return TEXT["ram"].format(need=memory.total, free=budget)
    if not cards.count or budget is None:
        return TEXT["no_gpu"]
    if engine.splits == "tensor" and model.text.kv_heads % cards.count:
        return TEXT["heads"].format(engine=engine.title, heads=model.text.kv_heads, count=cards.count)
    fixed = memory.total - memory.kv_cache
    facts = {"engine": engine.title, "cards": cards, "budget": budget, "total": cards.total_gib}
    if memory.weights > budget:
        return TEXT["weights"].format(weights=memory.weights, **facts)
    if fixed >= budget:
        return TEXT["nothing_left"].format(fixed=fixed, **facts)
    if memory.total > budget:
        tokens = need.users * need.context
        return TEXT["kv"].format(kv=memory.kv_cache, tokens=tokens, room=budget - fixed)
    return None


def _dollars_a_million(cards: Cards, ceiling: float | None, users: int) -> tuple[float, float] | None:
    if not ceiling or not cards.dollars_a_day:
        return None
    return shared_by_tokens(cards.dollars_a_day, ceiling * users)
