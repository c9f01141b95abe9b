"""What this computer has: GPUs, memory, cores, disk. It works without a GPU and with a broken driver."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

from labkit import nvml
from labkit.nvml import Gpu

TEXT = {
    "no_gpu": "none: the pocket twin runs here, on the CPU",
    "memory": "{total:.0f} GiB ({free:.0f} GiB free)",
    "disk": "{free:.0f} GiB free",
    "shm": "{total:.2g} GiB",
    "no_shm": "none",
    "small_shm": " (small: vLLM on several GPUs wants 1 GiB or more; start the container with `--ipc=host` "
    "or `--shm-size 8g`)",
    "title": "**This machine**",
    "container": "**This machine** (a container)",
}
ROWS = ("GPU", "memory", "CPU cores", "disk", "/dev/shm")

GIB = 2**30
SHM = Path("/dev/shm")
_SMALL_SHM_GIB = 1


@dataclass(frozen=True)
class Machine:
    """This computer as a program in it sees it (a container's limits count); sizes in GiB."""

    gpus: tuple[Gpu, ...]
    gpu_problem: str | None
    """Why some or all GPUs could not be read, in a sentence; else None."""
    ram_gib: float
    ram_free_gib: float
    cores: int
    disk_free_gib: float
    container: bool
    shm_gib: float | None = None
    """Size of /dev/shm, through which the workers of several GPUs talk; None: there is none."""

    def rows(self) -> list[tuple[str, str]]:
        """What a reader sees: (what, how much)."""
        gpus = "; ".join(filter(None, [*map(str, self.gpus), self.gpu_problem])) or TEXT["no_gpu"]
        memory = TEXT["memory"].format(total=self.ram_gib, free=self.ram_free_gib)
        disk = TEXT["disk"].format(free=self.disk_free_gib)
        return list(zip(ROWS, (gpus, memory, str(self.cores), disk, self._shm()), strict=True))

    def _shm(self) -> str:
        if self.shm_gib is None:
            return TEXT["no_shm"]
        small = len(self.gpus) > 1 and self.shm_gib < _SMALL_SHM_GIB
        return TEXT["shm"].format(total=self.shm_gib) + (TEXT["small_shm"] if small else "")

    def __str__(self) -> str:
        return "\n".join(f"{what + ':':<11}{value}" for what, value in self.rows())

    def _repr_markdown_(self) -> str:
        title = TEXT["container" if self.container else "title"]
        return f"{title}\n\n| | |\n|---|---|\n" + "\n".join(f"| {k} | {v} |" for k, v in self.rows())


def machine(folder: Path | None = None) -> Machine:
    """Look at this computer. `folder`: whose disk is meant, by default the current one."""
    gpus, problem = nvml.read()
    memory = psutil.virtual_memory()
    total, free = _memory_limit(memory.total, memory.available)
    return Machine(
        gpus=gpus,
        gpu_problem=problem,
        ram_gib=total / GIB,
        ram_free_gib=free / GIB,
        cores=_cores(),
        disk_free_gib=shutil.disk_usage(folder or Path.cwd()).free / GIB,
        container=in_container(),
        shm_gib=shutil.disk_usage(SHM).total / GIB if SHM.is_dir() else None,
    )


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


def in_container() -> bool:
    """Whether this is a container, as rented machines mostly are."""
    marks = (Path("/.dockerenv"), Path("/run/.containerenv"))
    return any(mark.exists() for mark in marks) or "container" in os.environ


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
