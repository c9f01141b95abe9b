"""What this computer has: GPUs, memory, cores, disk. It works without a GPU and with a broken driver."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

TEXT = {
    "gpu": "{name}, {memory:.0f} GiB ({free:.0f} GiB free), driver {driver}",
    "no_gpu": "none: the pocket twin runs here, on the CPU",
    "no_reader": "An NVIDIA driver is here, but nvidia-ml-py is not installed: run ./setup.sh again",
    "broken": "The NVIDIA driver does not answer ({why}): try `nvidia-smi`, and restart the machine or the "
    "container if that fails too",
    "memory": "{total:.0f} GiB ({free:.0f} GiB free)",
    "disk": "{free:.0f} GiB free",
    "title": "**This machine**",
    "container": "**This machine** (a container)",
}
ROWS = ("GPU", "memory", "CPU cores", "disk")

GIB = 2**30


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA card; memory in GiB."""

    name: str
    memory_gib: float
    free_gib: float
    driver: str

    def __str__(self) -> str:
        return TEXT["gpu"].format(
            name=self.name, memory=self.memory_gib, free=self.free_gib, driver=self.driver
        )


@dataclass(frozen=True)
class Machine:
    """This computer as a program in it sees it (a container's limits count); sizes in GiB."""

    gpus: tuple[Gpu, ...]
    gpu_problem: str | None
    """Why the GPUs could not be read, in a sentence; None where they could, or where there are none."""
    ram_gib: float
    ram_free_gib: float
    cores: int
    disk_free_gib: float
    container: bool

    def rows(self) -> list[tuple[str, str]]:
        """What a reader sees: (what, how much)."""
        gpus = "; ".join(str(gpu) for gpu in self.gpus) or self.gpu_problem or TEXT["no_gpu"]
        memory = TEXT["memory"].format(total=self.ram_gib, free=self.ram_free_gib)
        disk = TEXT["disk"].format(free=self.disk_free_gib)
        return list(zip(ROWS, (gpus, memory, str(self.cores), disk), strict=True))

    def __str__(self) -> str:
        return "\n".join(f"{what + ':':<11}{value}" for what, value in self.rows())

    def _repr_markdown_(self) -> str:
        title = TEXT["container" if self.container else "title"]
        return f"{title}\n\n| | |\n|---|---|\n" + "\n".join(f"| {k} | {v} |" for k, v in self.rows())


def machine(folder: Path | None = None) -> Machine:
    """Look at this computer. `folder`: whose disk is meant, by default the current one."""
    gpus, problem = _gpus()
    memory = psutil.virtual_memory()
    total, free = _memory_limit(memory.total, memory.available)
    return Machine(
        gpus=gpus,
        gpu_problem=problem,
        ram_gib=total / GIB,
        ram_free_gib=free / GIB,
        cores=_cores(),
        disk_free_gib=shutil.disk_usage(folder or Path.cwd()).free / GIB,
        container=_in_container(),
    )


def _gpus() -> tuple[tuple[Gpu, ...], str | None]:
    """The cards and, where they cannot be read, the reason."""
    try:
        import pynvml
    except ImportError:
        return (), TEXT["no_reader"] if Path("/proc/driver/nvidia/version").exists() else None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError_LibraryNotFound:
        return (), None
    except pynvml.NVMLError as error:
        return (), TEXT["broken"].format(why=error)
    try:
        driver = _text(pynvml.nvmlSystemGetDriverVersion())
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        cards = []
        for handle in handles:
            memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
            name = _text(pynvml.nvmlDeviceGetName(handle))
            cards.append(Gpu(name, memory.total / GIB, memory.free / GIB, driver))
        return tuple(cards), None
    except pynvml.NVMLError as error:
        return (), TEXT["broken"].format(why=error)
    finally:
        pynvml.nvmlShutdown()


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _cores() -> int:
    """CPU cores that this process may use: its affinity and the container's quota both count."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _read("/sys/fs/cgroup/cpu.max").partition(" ")
    if quota.isdigit() and period.isdigit():
        cores = min(cores, max(1, round(int(quota) / int(period))))
    return cores


def _memory_limit(total: int, free: int) -> tuple[int, int]:
    """Total and free bytes of memory under the container's limit, where there is one."""
    limit, used = _read("/sys/fs/cgroup/memory.max"), _read("/sys/fs/cgroup/memory.current")
    if limit.isdigit() and int(limit) < total:
        total = int(limit)
        free = min(free, max(0, total - int(used or 0)))
    return total, free


def _in_container() -> bool:
    marks = (Path("/.dockerenv"), Path("/run/.containerenv"))
    return any(mark.exists() for mark in marks) or "container" in os.environ


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
