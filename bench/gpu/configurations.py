"""What is measured, as data: configurations.yaml (and rehearsal.yaml for a machine without a GPU)."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from labkit import catalog
from labkit.errors import LabkitError

FOLDER = Path(__file__).parent
TEXT = {
    "unknown": "There is no configuration {name!r}. There are: {known}.",
    "twice": "Two configurations are called {name!r}.",
    "baseline": "{name} names the baseline {baseline!r}, which is no configuration.",
}


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Load(_Entry):
    """Requests made at the same time: so many streams, tokens of each question, tokens of each answer."""

    streams: Annotated[int, Field(gt=0)]
    prompt: Annotated[int, Field(gt=0)]
    answer: Annotated[int, Field(gt=0)]


class Configuration(_Entry):
    """One start of an engine, and what is asked of it."""

    name: str
    about: str
    """What it shows, in a clause."""
    engine: Literal["vllm", "transformers"] = "vllm"
    model: str = "mistral-small-3.1"
    variant: str
    context: int = 32768
    """Tokens."""
    vision: bool = True
    images: int = 10
    """Allowed in one request."""
    card: str | None = None
    """The card whose memory is imposed, by the catalog's name; None: all of the card that is here."""
    utilization: float | None = None
    """The share of the card that is here; None: the catalog's for the card."""
    flags: str = ""
    """After the recipe's."""
    gpus: int = 1
    """Cards that share each layer, for each replica."""
    replicas: int = 1
    """Engines side by side, each with cards of its own."""
    loads: tuple[Load, ...] = ()
    """Empty: memory is all that is asked, and the engine is ended as soon as its log has told it."""
    pictures: tuple[int, ...] = ()
    """Requests with so many pictures of the largest size, one after the other."""
    warm: bool = True
    """Whether a Python that has imported the engine already may run the command (ready times are then
    shorter than a user's, and the record says so)."""
    machines: tuple[int, ...] = (1,)
    """Numbers of cards of the machines on which it is measured."""
    baseline: str | None = None
    """The configuration that this one is compared with."""
    priority: int
    """The smaller, the earlier."""
    seconds: float
    """How long it takes, about."""

    @property
    def extra_flags(self) -> tuple[str, ...]:
        return tuple(shlex.split(self.flags))

    @property
    def cards(self) -> int:
        """Cards that it takes in all."""
        return self.gpus * self.replicas

    def share(self, memory_gib: float) -> float:
        """The share of a card with `memory_gib` that the engine gets, so that it has what `card` gives."""
        engine = catalog.engines()[self.engine]
        if self.card is not None:
            imposed = catalog.gpus()[self.card].memory_gib
            share = engine.share_of(imposed).share if self.utilization is None else self.utilization
            return share * imposed / memory_gib
        return engine.share_of(memory_gib).share if self.utilization is None else self.utilization


def read(path: Path) -> list[Configuration]:
    """All configurations of a file, the most valuable first. Raises LabkitError, or pydantic's error."""
    given = yaml.safe_load(path.read_text("utf-8"))
    loads = given.get("loads", {})
    found = []
    for entry in given["configurations"]:
        named = entry.get("loads")
        found.append(Configuration(**(entry | ({"loads": loads[named]} if isinstance(named, str) else {}))))
    names = [each.name for each in found]
    for each in found:
        if names.count(each.name) > 1:
            raise LabkitError(TEXT["twice"].format(name=each.name))
        if each.baseline is not None and each.baseline not in names:
            raise LabkitError(TEXT["baseline"].format(name=each.name, baseline=each.baseline))
    return sorted(found, key=lambda each: each.priority)


def choose(every: list[Configuration], gpus: int, only: tuple[str, ...] = ()) -> list[Configuration]:
    """Those that are measured on a machine with so many cards; or those in `only`, by name."""
    if only:
        by_name = {each.name: each for each in every}
        for name in only:
            if name not in by_name:
                raise LabkitError(TEXT["unknown"].format(name=name, known=", ".join(by_name)))
        return [by_name[name] for name in only]
    return [each for each in every if gpus in each.machines]
