"""A fake pynvml, so that machines with any cards can be looked at: `Driver` answers as nvidia-ml-py does."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

GIB = 2**30


class NVMLError(Exception):
    pass


class NVMLError_LibraryNotFound(NVMLError):
    pass


@dataclass
class Card:
    """What one card tells. `slices`: None where it knows no MIG, [] for a split card without a slice."""

    name: str | bytes = b"NVIDIA GeForce RTX 4090"
    total: float = 24
    free: float = 23
    processes: dict[int, float | None] = field(default_factory=dict)
    slices: list[Card | None] | None = None
    broken: str | None = None
    busy: int | None = None
    watts: float | None = None


class Driver:
    """Stands for the module pynvml. `init` is raised at start, `read` at the first question."""

    NVMLError = NVMLError
    NVMLError_LibraryNotFound = NVMLError_LibraryNotFound

    def __init__(self, *cards: Card, init: Exception | None = None, read: Exception | None = None) -> None:
        self.cards = cards
        self.init, self.read = init, read
        self.shut_down = False

    def nvmlInit(self) -> None:
        if self.init:
            raise self.init

    def nvmlShutdown(self) -> None:
        self.shut_down = True

    def nvmlSystemGetDriverVersion(self) -> str:
        return "580.1"

    def nvmlSystemGetCudaDriverVersion_v2(self) -> int:
        return 12080

    def nvmlDeviceGetCount(self) -> int:
        if self.read:
            raise self.read
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Card:
        card = self.cards[index]
        if card.broken:
            raise NVMLError(card.broken)
        return card

    def nvmlDeviceGetName(self, card: Card) -> str | bytes:
        return card.name

    def nvmlDeviceGetMemoryInfo(self, card: Card) -> SimpleNamespace:
        return SimpleNamespace(total=int(card.total * GIB), free=int(card.free * GIB))

    def nvmlDeviceGetUtilizationRates(self, card: Card) -> SimpleNamespace:
        if card.busy is None:
            raise NVMLError("Not Supported")
        return SimpleNamespace(gpu=card.busy, memory=0)

    def nvmlDeviceGetPowerUsage(self, card: Card) -> int:
        if card.watts is None:
            raise NVMLError("Not Supported")
        return int(card.watts * 1000)

    def nvmlDeviceGetMigMode(self, card: Card) -> list[int]:
        if card.slices is None:
            raise NVMLError("Not Supported")
        return [1, 1]

    def nvmlDeviceGetMaxMigDeviceCount(self, card: Card) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, card: Card, place: int) -> Card:
        found = card.slices[place] if card.slices and place < len(card.slices) else None
        if found is None:
            raise NVMLError("Not Found")
        return found

    def nvmlDeviceGetComputeRunningProcesses(self, card: Card) -> list[SimpleNamespace]:
        return [
            SimpleNamespace(pid=pid, usedGpuMemory=None if used is None else int(used * GIB))
            for pid, used in card.processes.items()
        ]

    def nvmlDeviceGetGraphicsRunningProcesses(self, card: Card) -> list[SimpleNamespace]:
        raise NVMLError("Not Supported")
