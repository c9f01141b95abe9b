"""What is to be served: from a caller's words to recipes, one for each process that runs the model."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from labkit import catalog, nvml
from labkit.display import Progress
from labkit.engines import vllm
from labkit.engines.recipe import GUIDE_CONTEXT, Device, Recipe, recipe_for, recipe_for_variant, replicas_of
from labkit.engines.twin import pocket as pocket
from labkit.errors import LabkitError
from labkit.hardware import Machine, machine

POCKET = "pocket"
POCKET_NAME = "mistral-small3.1-pocket"

TEXT = {
    "no_folder": "There is no folder {path}. Give a folder with weights, a Hugging Face name, or 'pocket'.",
    "no_vllm": "vLLM is not installed in this Python ({python}). Run ./setup.sh, then use the kernel "
    "and the terminal that it prepares.",
    "no_gpu": "The vLLM installed here needs an NVIDIA GPU, and none was found. {problem}"
    "Run ./setup.sh --cpu for the CPU build.",
    "variant_gpu": "The variant {variant} needs an NVIDIA GPU, and none was found. {problem}Rehearse with "
    "labkit.start(), which takes the pocket twin; labkit.plan() says which GPU holds {variant}.",
}


@dataclass(frozen=True)
class Wanted:
    """What is to be served, and how. source: as in `Server.source`."""

    source: str
    extra_flags: tuple[str, ...] = ()
    cards: int = 1
    context: int = GUIDE_CONTEXT
    vision: bool = True
    replicas: int = 1
    ray: tuple[int, int] | None = None
    """The least and the most replicas under Ray Serve; None: vLLM by itself."""

    @property
    def flags(self) -> tuple[str, ...]:
        """What differs from the recipe as it is, to tell one server from another."""
        usual = Wanted(self.source)
        return tuple(s for s in self._shape() if s not in usual._shape()) + self.extra_flags

    def _shape(self) -> list[str]:
        return [f"{name}={getattr(self, name)}" for name in ("cards", "context", "vision", "replicas", "ray")]

    def recipes(self, show: Progress) -> tuple[Recipe, ...]:
        """One for each replica. Raises LabkitError where it cannot be served on this machine."""
        build = vllm.build()
        if build is None:
            raise LabkitError(TEXT["no_vllm"].format(python=sys.executable))
        here = machine()
        if build == "cuda" and not here.gpus:
            problem = f"{here.gpu_problem}. " if here.gpu_problem else ""
            raise LabkitError(TEXT["no_gpu"].format(problem=problem))
        recipe = self._recipe(build, here, show)
        return replicas_of(recipe, self.replicas, _places(recipe.device, here))

    def _recipe(self, build: Device, here: Machine, show: Progress) -> Recipe:
        shape: dict[str, Any] = {"cards": self.cards, "context": self.context, "vision": self.vision}
        if self.source == POCKET:
            folder = pocket(show)
            recipe = recipe_for_variant(
                POCKET, device=build, folder=folder, extra_flags=self.extra_flags, **shape
            )
            return replace(recipe, served_name=POCKET_NAME)
        if self.source not in catalog.variants("vllm"):
            return recipe_for(self.source, build, self.extra_flags)
        if not here.gpus:
            problem = f"{here.gpu_problem}. " if here.gpu_problem else ""
            raise LabkitError(TEXT["variant_gpu"].format(variant=self.source, problem=problem))
        memory = here.gpus[0].memory_gib
        return recipe_for_variant(self.source, memory_gib=memory, extra_flags=self.extra_flags, **shape)


def source(model: str) -> str:
    """What `server.json` calls this model: "pocket", a folder's full path, or a Hugging Face name."""
    if model == POCKET:
        return model
    folder = Path(model).expanduser()
    if model.startswith(("/", ".", "~")) and not folder.is_dir():
        raise LabkitError(TEXT["no_folder"].format(path=folder))
    return str(folder.resolve()) if folder.is_dir() else model


def _places(device: Device, here: Machine) -> tuple[int, ...]:
    """The numbers of the processor cores or GPUs that may be used."""
    if device == "cpu":
        return tuple(sorted(os.sched_getaffinity(0)))
    return nvml.chosen() or tuple(range(len(here.gpus)))
