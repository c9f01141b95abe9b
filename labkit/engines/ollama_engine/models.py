"""Ollama's models: which are there, pull one, make one, see what is loaded, through the `ollama` client."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit import catalog
from labkit.diagnosis import with_cure
from labkit.engines.ollama_engine.export import PARAMETERS, POCKET, POCKET_NAME
from labkit.errors import LabkitError

if TYPE_CHECKING:
    import ollama

    from labkit.display import Progress

TEXT = {
    "pull": "pulling {part}: {share:.0f} %, {have:.1f} of {total:.1f} GB{left}",
    "left": ", about {minutes:.0f} min left",
    "again": "the pull broke off ({why}); it goes on where it stopped",
    "broken": "The pull of {tag} broke off: {why}. What has come is kept, and the same command goes on from "
    "there.",
    "unknown": "Ollama's library has no model {tag}. The guide's is mistral-small3.1; labkit.plan() names "
    "the variants that fit.",
    "disk": "Ollama's disk is full: there is no room for {tag}. Set OLLAMA_MODELS to a folder on a larger "
    "disk, or free some room; what has come is kept.",
    "gone": "No Ollama server answers at {host}. Start one with labkit.start(engine='ollama').",
    "failed": "Ollama says: {why}.",
    "send": "sending {name} to Ollama",
    "create": "making the model {tag} in Ollama",
}
_TRIES = 3
_GB = 1e9


@dataclass(frozen=True)
class Running:
    """A loaded model. size, on_gpu: bytes, and the share of them on the GPU, from 0 to 1."""

    name: str
    size: int
    on_gpu: float
    context: int | None
    expires_at: datetime | None

    @property
    def processor(self) -> str:
        """As `ollama ps` has it: "100% GPU", "48%/52% CPU/GPU"."""
        if self.on_gpu >= 0.999:
            return "100% GPU"
        if self.on_gpu <= 0.001:
            return "100% CPU"
        return f"{100 - round(100 * self.on_gpu)}%/{round(100 * self.on_gpu)}% CPU/GPU"


def tag_of(variant: str) -> str:
    """What Ollama calls a variant: a catalog variant's tag, the twin's name, or the tag itself."""
    if variant == POCKET:
        return POCKET_NAME
    for name in catalog.models():
        for recipe in catalog.model(name).recipes:
            if (recipe.engine, recipe.variant) == ("ollama", variant):
                return recipe.source
    return variant


def client(host: str) -> ollama.Client:
    """The plain client; a proxy set for the way out does not get in the way."""
    import ollama

    return ollama.Client(host=host, trust_env=False)


def names(host: str) -> list[str]:
    """The models that are there, with and without ":latest"."""
    with _explained(host):
        found = [str(model.model) for model in client(host).list().models]
    return [*found, *(name.removesuffix(":latest") for name in found if name.endswith(":latest"))]


def pull(tag: str, host: str, show: Progress) -> None:
    """Download a model, with its progress shown; broken off, it is tried again from where it stopped."""
    for left in reversed(range(_TRIES)):
        try:
            return _pull_once(tag, host, show)
        except _BrokenOff as error:
            if not left:
                raise LabkitError(TEXT["broken"].format(tag=tag, why=error)) from None
            show.note(TEXT["again"].format(why=error))
            time.sleep(1)


class _BrokenOff(Exception):
    pass


def _pull_once(tag: str, host: str, show: Progress) -> None:
    import httpx
    import ollama

    began, first = time.monotonic(), None
    try:
        for record in client(host).pull(tag, stream=True):
            if not record.total or not record.completed:
                show.update(record.status or "")
                continue
            first = record.completed if first is None else first
            speed = (record.completed - first) / max(time.monotonic() - began, 1e-3)
            minutes = (record.total - record.completed) / speed / 60 if speed > 0 else 0
            show.update(
                TEXT["pull"].format(
                    part=(record.digest or "").removeprefix("sha256:")[:12],
                    share=100 * record.completed / record.total,
                    have=record.completed / _GB,
                    total=record.total / _GB,
                    left=TEXT["left"].format(minutes=minutes) if minutes >= 1 else "",
                )
            )
    except ollama.ResponseError as error:
        why = str(error.error).rstrip(".")
        if "file does not exist" in why or "not found" in why:
            raise LabkitError(TEXT["unknown"].format(tag=tag)) from None
        if "no space left" in why.lower():
            raise LabkitError(TEXT["disk"].format(tag=tag)) from None
        raise _BrokenOff(why) from None
    except (ConnectionError, httpx.ConnectError):
        raise LabkitError(TEXT["gone"].format(host=host)) from None
    except httpx.HTTPError as error:
        raise _BrokenOff(str(error) or type(error).__name__) from None


def show(tag: str, host: str) -> dict[str, Any]:
    """What Ollama knows of a model: capabilities, quantization, parameters, longest context."""
    with _explained(host):
        found = client(host).show(tag)
    info = dict(found.modelinfo or {})
    context = next((value for key, value in info.items() if key.endswith(".context_length")), None)
    return {
        "capabilities": list(found.capabilities or []),
        "quantization": found.details.quantization_level if found.details else None,
        "parameters": found.details.parameter_size if found.details else None,
        "context": context,
    }


def ps(host: str) -> list[Running]:
    """What is loaded now, and how much of it on the GPU: below 1 it has spilled to the CPU and is slow."""
    with _explained(host):
        found = client(host).ps().models
    return [
        Running(
            str(each.model),
            int(each.size or 0),
            int(each.size_vram or 0) / max(int(each.size or 0), 1),
            each.context_length,
            each.expires_at,
        )
        for each in found
    ]


def unload(tag: str, host: str) -> None:
    """Free its memory now, instead of five minutes after the last request."""
    with _explained(host):
        client(host).generate(tag, keep_alive=0)


def create(tag: str, folder: Path, host: str, show: Progress) -> None:
    """Make a model from a folder that `export` wrote. Its files go through Ollama's API, as `ollama create`
    sends them, so the server may be in a container or on another machine. Raises LabkitError.
    """
    with _explained(host, tag):
        here, files = client(host), {}
        for path in sorted([*folder.glob("*.json"), *folder.glob("*.safetensors")]):
            show.update(TEXT["send"].format(name=path.name))
            files[path.name] = here.create_blob(path)
        show.update(TEXT["create"].format(tag=tag))
        for record in here.create(tag, files=files, parameters=PARAMETERS, stream=True):
            show.update(record.status or "")


@contextmanager
def _explained(host: str, tag: str = "a model") -> Iterator[None]:
    import httpx
    import ollama

    try:
        yield
    except ollama.ResponseError as error:
        if "no space left" in str(error.error).lower():
            raise LabkitError(TEXT["disk"].format(tag=tag)) from None
        sentence = TEXT["failed"].format(why=str(error.error).rstrip("."))
        raise LabkitError(with_cure(sentence, error)) from None
    except (ConnectionError, httpx.HTTPError):
        raise LabkitError(TEXT["gone"].format(host=host)) from None
