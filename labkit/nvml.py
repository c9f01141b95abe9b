"""The NVIDIA cards of this machine, read from the driver (NVML). What a driver will not tell is left out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

TEXT = {
    "gpu": "{name}, {memory:.0f} GiB ({free:.0f} GiB free), driver {driver}",
    "cuda": ", CUDA {cuda}",
    "used": "; in use by {who}",
    "process": "{name} (pid {pid}, {memory:.1f} GiB)",
    "process_unknown_size": "{name} (pid {pid})",
    "no_name": "a process outside this container",
    "no_reader": "An NVIDIA driver is here, but nvidia-ml-py is not installed: run ./setup.sh again",
    "broken": "The NVIDIA driver does not answer ({why}): try `nvidia-smi`, and restart the machine or the "
    "container if that fails too",
    "one_broken": "GPU {index} does not answer ({why}); the plan and the engines leave it out",
    "no_slices": "GPU {index} is split (MIG is on) and has no slice yet: make one, or switch MIG off",
}
GIB = 2**30
PROC = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True)
class GpuProcess:
    """A process that holds memory of a card; GiB, or None where the driver does not say."""

    pid: int
    name: str
    memory_gib: float | None

    def __str__(self) -> str:
        if self.memory_gib is None:
            return TEXT["process_unknown_size"].format(name=self.name, pid=self.pid)
        return TEXT["process"].format(name=self.name, pid=self.pid, memory=self.memory_gib)


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA card, or one slice of a split card (MIG); memory in GiB."""

    name: str
    memory_gib: float
    free_gib: float
    driver: str
    cuda: str | None = None
    """The newest CUDA that the driver can run, such as "13.0"."""
    mig: bool = False
    processes: tuple[GpuProcess, ...] = ()
    busy: float | None = None
    """The share of the last moment in which it computed, from 0 to 1; None where the driver does not say."""
    watts: float | None = None

    def __str__(self) -> str:
        words = TEXT["gpu"].format(
            name=self.name, memory=self.memory_gib, free=self.free_gib, driver=self.driver
        )
        words += TEXT["cuda"].format(cuda=self.cuda) if self.cuda else ""
        who = ", ".join(map(str, self.processes))
        return words + (TEXT["used"].format(who=who) if who else "")


def chosen() -> tuple[int, ...]:
    """The numbers of the cards in CUDA_VISIBLE_DEVICES; empty where none are named by number."""
    words = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return tuple(int(each) for each in words if each.strip().isdigit())


def read() -> tuple[tuple[Gpu, ...], str | None]:
    """The cards and, where some or all of them cannot be read, the reason in a sentence."""
    try:
        import pynvml
    except ImportError:
        return (), TEXT["no_reader"] if PROC.exists() else None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError_LibraryNotFound:
        return (), None
    except pynvml.NVMLError as error:
        return (), TEXT["broken"].format(why=error)
    try:
        return _cards(pynvml)
    except pynvml.NVMLError as error:
        return (), TEXT["broken"].format(why=error)
    finally:
        pynvml.nvmlShutdown()


def _cards(nvml: Any) -> tuple[tuple[Gpu, ...], str | None]:
    """Every card that answers. One that fell off the bus does not hide the others."""
    driver = _text(nvml.nvmlSystemGetDriverVersion())
    version = _or_none(nvml, nvml.nvmlSystemGetCudaDriverVersion_v2)
    cuda = f"{version // 1000}.{version % 1000 // 10}" if version else None
    cards: list[Gpu] = []
    problems: list[str] = []
    count = nvml.nvmlDeviceGetCount()
    for index in range(count):
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            mode = _or_none(nvml, nvml.nvmlDeviceGetMigMode, handle)
            if not (mode and mode[0]):
                cards.append(_card(nvml, handle, driver, cuda, mig=False))
                continue
            slices = [_card(nvml, each, driver, cuda, mig=True) for each in _slices(nvml, handle)]
            cards += slices
            problems += [] if slices else [TEXT["no_slices"].format(index=index)]
        except nvml.NVMLError as error:
            problems.append(TEXT["one_broken" if count > 1 else "broken"].format(index=index, why=error))
    return tuple(cards), "; ".join(problems) or None


def _slices(nvml: Any, handle: Any) -> Iterator[Any]:
    """The handles of a split card's slices; a place without one is passed over."""
    for place in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
        found = _or_none(nvml, nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, place)
        if found is not None:
            yield found


def _card(nvml: Any, handle: Any, driver: str, cuda: str | None, mig: bool) -> Gpu:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    name = _text(nvml.nvmlDeviceGetName(handle))
    total, free = memory.total / GIB, memory.free / GIB
    rates = _or_none(nvml, nvml.nvmlDeviceGetUtilizationRates, handle)
    milliwatts = _or_none(nvml, nvml.nvmlDeviceGetPowerUsage, handle)
    busy = None if rates is None else rates.gpu / 100
    watts = None if milliwatts is None else milliwatts / 1000
    return Gpu(name, total, free, driver, cuda, mig, _processes(nvml, handle), busy, watts)


def _processes(nvml: Any, handle: Any) -> tuple[GpuProcess, ...]:
    """Who holds memory: each process once, though it may both compute and draw."""
    found: dict[int, int | None] = {}
    for ask in (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses):
        found |= {process.pid: process.usedGpuMemory for process in _or_none(nvml, ask, handle) or ()}
    return tuple(
        GpuProcess(pid, _name(pid), None if used is None else used / GIB)
        for pid, used in sorted(found.items())
    )


def _name(pid: int) -> str:
    try:
        return psutil.Process(pid).name()
    except psutil.Error:
        return TEXT["no_name"]


def _or_none(nvml: Any, ask: Callable[..., Any], *arguments: Any) -> Any:
    """What the driver answers, or None: many cards know no MIG, and many containers no processes."""
    try:
        return ask(*arguments)
    except nvml.NVMLError:
        return None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
