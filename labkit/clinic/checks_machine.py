"""What the doctor looks at in the machine: GPUs, driver, memory, disk, shared memory, clock."""

from __future__ import annotations

import importlib.metadata
import re
import time
from collections.abc import Iterator
from pathlib import Path

import labkit
from labkit import home
from labkit.clinic.findings import Finding
from labkit.engines import process
from labkit.hardware import Machine

TEXT = {
    "gpus": "{names}",
    "no_gpu": "no GPU: the pocket twin runs on the CPU",
    "gpu_broken": "The GPUs cannot be read: {why}.",
    "gpu_broken_why": "No engine can use a GPU whose driver does not answer.",
    "driver": "The driver runs CUDA {has} at most, and this torch is built for {needs}.",
    "driver_why": 'Its first kernel ends in "PTX compiled with an unsupported toolchain".',
    "driver_command": "rent a machine with a newer driver, or install a torch for CUDA {has}",
    "driver_well": "the driver's CUDA {has} runs torch's {needs}",
    "held": "{who} holds {gib:.1f} GiB of {gpu}, and labkit did not start it.",
    "held_why": "A model gets what is free: an engine may find too little, and end while it starts.",
    "held_command": "kill {pid}   # if it is yours",
    "memory": "{free:.1f} GiB of memory free",
    "memory_low": "{free:.1f} GiB of memory is free.",
    "memory_why": "The twin's server takes about 3 GiB; below that the system kills it without a word.",
    "memory_command": "ps aux --sort=-rss | head",
    "disk": "{free:.0f} GiB of disk free",
    "disk_low": "{free:.1f} GiB of disk is free in {folder}.",
    "disk_why": "A log, a notebook or a download that cannot be written is lost.",
    "disk_command": "du -xh --max-depth=2 ~ | sort -h | tail",
    "shm": "/dev/shm has {size:.2g} GiB",
    "shm_low": "/dev/shm has {size:.2g} GiB, and there are {count} GPUs.",
    "shm_none": "There is no /dev/shm.",
    "shm_why": "The processes of several GPUs talk through it; too small, they end with a bus error.",
    "shm_command": "start the container with --ipc=host or --shm-size 8g",
    "clock": "the clock is plausible",
    "clock_behind": "The clock says {now}, and this course was written later ({then}).",
    "clock_why": "Certificates look as if they were not valid yet, so downloads fail.",
    "clock_command": "date -u   # then set it: timedatectl set-ntp true",
}
_LEAST_MEMORY_GIB = 3.0
_LEAST_DISK_GIB = 2.0
_LEAST_SHM_GIB = 1.0
_MUCH_GIB = 0.5


def machine(here: Machine) -> Iterator[Finding]:
    """All findings about this machine."""
    yield from _gpus(here)
    yield from _room(here)
    yield from _shared_memory(here)
    yield from _clock()


def _gpus(here: Machine) -> Iterator[Finding]:
    if here.gpu_problem:
        what = TEXT["gpu_broken"].format(why=here.gpu_problem.rstrip("."))
        yield Finding("gpu", "wrong", what, TEXT["gpu_broken_why"], "nvidia-smi")
    elif not here.gpus:
        yield Finding("gpu", "well", TEXT["no_gpu"])
    else:
        yield Finding("gpu", "well", TEXT["gpus"].format(names=", ".join(gpu.name for gpu in here.gpus)))
        yield from _driver(here)
    ours = _ours()
    for gpu in here.gpus:
        for each in gpu.processes:
            if each.pid not in ours and (each.memory_gib or 0) > _MUCH_GIB:
                what = TEXT["held"].format(who=each.name, gib=each.memory_gib, gpu=gpu.name)
                yield Finding(
                    "vram", "wrong", what, TEXT["held_why"], TEXT["held_command"].format(pid=each.pid)
                )


def _driver(here: Machine) -> Iterator[Finding]:
    needs, has = torch_cuda(), here.gpus[0].cuda
    if needs is None or has is None:
        return
    values = {"has": has, "needs": needs}
    # CUDA runs on a driver of its own major version, whatever the minor one.
    if int(needs.split(".")[0]) > int(has.split(".")[0]):
        command = TEXT["driver_command"].format(**values)
        yield Finding("driver", "wrong", TEXT["driver"].format(**values), TEXT["driver_why"], command)
    else:
        yield Finding("driver", "well", TEXT["driver_well"].format(**values))


def torch_cuda() -> str | None:
    """The CUDA that the installed torch is built for, such as "13.0"; None for a CPU build or no torch."""
    try:
        version = importlib.metadata.version("torch")
        needs = importlib.metadata.requires("torch") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    if local := re.search(r"\+cu(\d+)(\d)$", version):
        return f"{local[1]}.{local[2]}"
    runtime = next((each for each in needs if "+cpu" not in version and "cuda-toolkit" in each), "")
    found = re.search(r"==(\d+)\.(\d+)", runtime)
    return f"{found[1]}.{found[2]}" if found else None


def _ours() -> set[int]:
    """The processes of the server that labkit started."""
    server = home.read()
    parts = server.parts if server else ()
    return {each.pid for part in parts for each in process.family(part.pid, part.create_time)}


def _room(here: Machine) -> Iterator[Finding]:
    if here.ram_free_gib < _LEAST_MEMORY_GIB and not _ours():
        what = TEXT["memory_low"].format(free=here.ram_free_gib)
        yield Finding("memory", "wrong", what, TEXT["memory_why"], TEXT["memory_command"], runs=True)
    else:
        yield Finding("memory", "well", TEXT["memory"].format(free=here.ram_free_gib))
    if here.disk_free_gib < _LEAST_DISK_GIB:
        what = TEXT["disk_low"].format(free=here.disk_free_gib, folder=Path.cwd())
        yield Finding("disk", "wrong", what, TEXT["disk_why"], TEXT["disk_command"], runs=True)
    else:
        yield Finding("disk", "well", TEXT["disk"].format(free=here.disk_free_gib))


def _shared_memory(here: Machine) -> Iterator[Finding]:
    size = here.shm_gib
    if size is None:
        yield Finding("shm", "wrong", TEXT["shm_none"], TEXT["shm_why"], TEXT["shm_command"])
    elif len(here.gpus) > 1 and size < _LEAST_SHM_GIB:
        what = TEXT["shm_low"].format(size=size, count=len(here.gpus))
        yield Finding("shm", "wrong", what, TEXT["shm_why"], TEXT["shm_command"])
    else:
        yield Finding("shm", "well", TEXT["shm"].format(size=size))


def _clock() -> Iterator[Finding]:
    """A clock behind the newest file of this package is wrong."""
    then = max(path.stat().st_mtime for path in Path(labkit.__file__).parent.glob("*.py"))
    now = time.time()
    if now < then - 24 * 3600:
        days = {"now": _day(now), "then": _day(then)}
        yield Finding(
            "clock", "wrong", TEXT["clock_behind"].format(**days), TEXT["clock_why"], TEXT["clock_command"]
        )
    else:
        yield Finding("clock", "well", TEXT["clock"])


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
