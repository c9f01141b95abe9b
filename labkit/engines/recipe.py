"""A recipe: one variant, one engine, and the flags for one kind of machine. Commands are composed from it."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from labkit import catalog
from labkit.catalog.schema import Model, RecipeEntry
from labkit.errors import LabkitError

Device = Literal["cpu", "cuda"]

TEXT = {
    "variant": "vLLM does not run the variant {variant!r}. It runs: {known}.",
    "cards": "{title} cannot be split over {cards} cards: its {heads} heads and {kv_heads} KV heads must "
    "divide by them. Take {possible}.",
    "cores": "{cards} ranks need a processor core each, and {cores} may be used here. Take fewer cards.",
    "replicas": "{count} replicas need {need} {places}, and {have} may be used here. Take fewer.",
    "processor cores": "processor cores",
    "GPUs": "GPUs",
    "context": "{title} reads 1 to {longest:,} tokens, and context asks for {context!r}.",
}
GUIDE_CONTEXT = 32768
"""The guide's context for one GPU, in tokens."""


@dataclass(frozen=True)
class Recipe:
    """What to serve and how. The numbers are the guide's, where the guide names them."""

    model: str
    """A folder, or a Hugging Face name."""
    served_name: str
    """The name that requests use."""
    device: Device = "cuda"
    format: Literal["mistral", "hf"] = "mistral"
    """Which of the two formats is in the folder: Mistral's own needs three flags, Hugging Face's none."""
    max_model_len: int = GUIDE_CONTEXT
    """Context, in tokens."""
    images: int = 10
    """Images allowed in one request."""
    gpu_memory_utilization: float = 0.90
    """Share of the GPU's memory that the engine may take."""
    kv_cache_gib: int = 1
    """Key-value cache on a CPU, in GiB."""
    offline: bool = False
    """Whether the engine must not look for files on the Hugging Face hub."""
    extra_flags: tuple[str, ...] = ()
    vision: bool = True
    """Whether the vision tower is loaded."""
    cards: int = 1
    """Cards that share each layer (tensor parallel); on a CPU, processes that rehearse it."""
    cores: tuple[int, ...] = ()
    """The processor cores that the processes of a rehearsal share; empty: the first `cards` ones."""
    gpus: tuple[int, ...] = ()
    """The GPUs that it may see, by their number; empty: all."""


@dataclass(frozen=True)
class Command:
    """A command line, and the environment variables that it needs beside the present ones."""

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return shlex.join(self.argv)


def recipe_for(model: str, device: Device, extra_flags: tuple[str, ...] = ()) -> Recipe:
    """The recipe for a folder or a Hugging Face name.

    A folder with `params.json` is in Mistral's own format; so are the repositories of `mistralai/`, which the
    guide means. Everything else is taken as Hugging Face's.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        format_: Literal["mistral", "hf"] = "mistral" if (folder / "params.json").exists() else "hf"
        path = str(folder.resolve())
        return Recipe(path, folder.resolve().name, device, format_, offline=True, extra_flags=extra_flags)
    format_ = "mistral" if model.startswith("mistralai/") else "hf"
    return Recipe(model, model, device, format_, extra_flags=extra_flags)


def recipe_for_variant(
    variant: str,
    *,
    cards: int = 1,
    context: int = GUIDE_CONTEXT,
    vision: bool = True,
    images: int = 10,
    memory_gib: float | None = None,
    device: Device | None = None,
    folder: str | None = None,
    extra_flags: tuple[str, ...] = (),
) -> Recipe:
    """The recipe for a variant that the catalog has for vLLM ("W4A16", "FP8", "BF16", "pocket").

    cards: how many share each layer. context: in tokens. memory_gib: of one card, from which the catalog says
    what share vLLM may take; without it the guide's 0.90. device: by default the catalog's for this variant.
    folder: where its weights lie, in place of the catalog's name (the twin has no other source); what lies in
    it says which format they have. Raises LabkitError for an unknown variant, a context that the model cannot
    read, and cards that cannot share it.
    """
    model, entry = _in_catalog(variant)
    _check_split(model, cards)
    if not isinstance(context, int) or not 0 < context <= model.text.context:
        raise LabkitError(
            TEXT["context"].format(title=model.title, longest=model.text.context, context=context)
        )
    base = recipe_for(folder or entry.source, device or entry.device)
    share = base.gpu_memory_utilization
    if memory_gib is not None:
        share = catalog.engines()["vllm"].share_of(memory_gib).share
    return replace(
        base,
        format=base.format if folder else "mistral" if entry.format == "mistral" else "hf",
        max_model_len=context,
        images=images,
        gpu_memory_utilization=share,
        vision=vision and model.vision is not None,
        cards=cards,
        cores=_cores(cards) if base.device == "cpu" and cards > 1 else (),
        extra_flags=(*shlex.split(entry.flags), *extra_flags),
    )


def replicas_of(recipe: Recipe, count: int, places: tuple[int, ...]) -> tuple[Recipe, ...]:
    """`count` recipes like this one, each with cores (on a CPU) or GPUs of its own; one is left as it is.

    places: the numbers of the cores or GPUs that may be used. Raises LabkitError where they are too few.
    """
    if count == 1:
        return (recipe,)
    on_cpu = recipe.device == "cpu"
    if not isinstance(count, int) or count < 1 or len(places) < count * recipe.cards:
        kind = TEXT["processor cores" if on_cpu else "GPUs"]
        need = count * recipe.cards
        raise LabkitError(TEXT["replicas"].format(count=count, need=need, places=kind, have=len(places)))
    each = len(places) // count if on_cpu else recipe.cards
    shares = [places[number * each : (number + 1) * each] for number in range(count)]
    return tuple(replace(recipe, cores=share) if on_cpu else replace(recipe, gpus=share) for share in shares)


def _in_catalog(variant: str) -> tuple[Model, RecipeEntry]:
    found = {
        entry.variant: (model, entry)
        for model in map(catalog.model, catalog.models())
        for entry in model.recipes
        if entry.engine == "vllm"
    }
    if variant not in found:
        raise LabkitError(TEXT["variant"].format(variant=variant, known=", ".join(found)))
    return found[variant]


def _check_split(model: Model, cards: int) -> None:
    """Refuse a number of cards that the heads cannot be dealt out to."""
    heads, kv_heads = model.text.heads, model.text.kv_heads
    possible = [count for count in range(1, kv_heads + 1) if heads % count == 0 and kv_heads % count == 0]
    if cards not in possible:
        words = " or ".join(map(str, possible))
        raise LabkitError(
            TEXT["cards"].format(
                title=model.title, cards=cards, heads=heads, kv_heads=kv_heads, possible=words
            )
        )


def _cores(cards: int) -> tuple[int, ...]:
    """The cores that this process may use: at least one for each of `cards`."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < cards:
        raise LabkitError(TEXT["cores"].format(cards=cards, cores=len(cores)))
    return tuple(cores)
