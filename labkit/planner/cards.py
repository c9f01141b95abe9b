"""The cards that a plan is for: a name that somebody typed, or what this machine has."""

from __future__ import annotations

import re
from dataclasses import dataclass

from labkit import catalog
from labkit.catalog.schema import Card
from labkit.errors import LabkitError
from labkit.hardware import Gpu, Machine

TEXT = {
    "unknown": "There is no GPU {name!r} in the catalog. It knows: {known}; also as 2x4090.",
    "several": "{name!r} is sold in more than one size. Say which: {known}.",
    "twice": "{name!r} already says {inside} cards, and count says {count}. Give the number once.",
    "mixed": "The cards here differ. This plan is for the {name} only.",
    "in_use": "{used:.1f} GiB of it is in use now{by}; the plan is for the free card.",
    "by": " (by {who})",
    "unknown_here": "{name} is not in the catalog: its memory is what the driver says, its bandwidth "
    "is not known.",
}


@dataclass(frozen=True)
class Cards:
    """Cards of one kind in one machine; `memory_gib` is one card's. `count` 0: there is no GPU."""

    name: str
    count: int
    memory_gib: float
    bandwidth_gb_s: float | None = None
    """One card's, in 10^9 bytes a second; None: not known."""
    dollars_a_day: tuple[float, float] | None = None
    """All cards' together, low and high; None: not known."""
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.count}x {self.name}" if self.count > 1 else self.name

    @property
    def total_gib(self) -> float:
        return self.count * self.memory_gib


def of_catalog(name: str, card: Card, count: int, notes: tuple[str, ...] = ()) -> Cards:
    """`count` cards of a kind that the catalog knows."""
    prices = card.dollars_a_day
    total = (prices[0] * count, prices[1] * count) if prices else None
    return Cards(name, count, card.memory_gib, card.bandwidth_gb_s, total, notes)


def named(text: str, count: int = 1) -> Cards:
    """What somebody calls a card: "4090", "2x4090", "RTX 4090", "nvidia-h100". Raises LabkitError."""
    found = re.fullmatch(r"\s*(?:(\d+)\s*[xX*]\s*)?(.*?)\s*", text)
    inside, name = (found[1], found[2]) if found else (None, text)
    if inside and count not in (1, int(inside)):
        raise LabkitError(TEXT["twice"].format(name=text, inside=inside, count=count))
    wanted = _bare(name)
    known = catalog.gpus()
    hits = [key for key, card in known.items() if wanted in {_bare(each) for each in (key, *card.nvml)}]
    hits = hits or [key for key, card in known.items() if wanted in _with_and_without_size(key, card)]
    if not hits or (inside and int(inside) < 1):
        raise LabkitError(TEXT["unknown"].format(name=text, known=", ".join(known)))
    if len(hits) > 1:
        raise LabkitError(TEXT["several"].format(name=text, known=", ".join(hits)))
    return of_catalog(hits[0], known[hits[0]], int(inside or count))


def here(machine: Machine, count: int | None = None) -> Cards:
    """The cards of this machine: those like the first one. A MIG slice stands alone, for engines take one."""
    if not machine.gpus:
        return Cards("", 0, 0.0)
    first = machine.gpus[0]
    alike = [gpu for gpu in machine.gpus if gpu.name == first.name and not first.mig] or [first]
    notes = list(filter(None, [_in_use(alike)]))
    if len(alike) < len(machine.gpus) and not first.mig:
        notes.append(TEXT["mixed"].format(name=first.name))
    count = count or len(alike)
    for key, card in catalog.gpus().items():
        if first.name in card.nvml and not first.mig:
            return of_catalog(key, card, count, tuple(notes))
    notes.append(TEXT["unknown_here"].format(name=first.name))
    return Cards(first.name, count, first.memory_gib, notes=tuple(notes))


def _in_use(gpus: list[Gpu]) -> str | None:
    used = sum(gpu.memory_gib - gpu.free_gib for gpu in gpus)
    if used < 1:
        return None
    who = ", ".join(str(process) for gpu in gpus for process in gpu.processes)
    return TEXT["in_use"].format(used=used, by=TEXT["by"].format(who=who) if who else "")


def _bare(name: str) -> str:
    """The letters and digits that tell cards apart: "NVIDIA GeForce RTX 4090" is "4090"."""
    return re.sub(r"nvidia|geforce|rtx|gb|[^a-z0-9]", "", name.lower())


def _with_and_without_size(key: str, card: Card) -> set[str]:
    """ "h100" is also "h10080"; "a10080" is also "a100"."""
    bare, size = _bare(key), f"{card.memory_gb:g}"
    return {bare + size, bare.removesuffix(size)}
