"""A recipe: one variant, one engine, and the flags for one kind of machine. Commands are composed from it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Device = Literal["cpu", "cuda"]


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
    max_model_len: int = 32768
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
