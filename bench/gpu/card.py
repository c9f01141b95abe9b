"""The card itself: how fast its memory is, and how much of it is in use while something runs.

`python -m bench.gpu.card` prints the measured copy rate as JSON; it is a process of its own, so that what
it takes of the card is gone when it ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from labkit import nvml

_BYTES, _ROUNDS = 8 * 2**30, 20
_LOOK_S = 0.1
_FREE_S = 15.0
"""How long a card may take to get back what an ended process held."""
_SLACK_GIB = 0.1


@dataclass
class Use:
    """Memory of each card in use, GiB: before, and the most that was seen."""

    before: list[float]
    peak: list[float] = field(default_factory=list)

    @property
    def taken(self) -> list[float]:
        """The most that was taken beyond what was in use before."""
        return [most - first for most, first in zip(self.peak, self.before, strict=True)]


def first() -> int:
    """The number of the first card to use: of CUDA_VISIBLE_DEVICES, else 0."""
    return next(iter(nvml.chosen()), 0)


def in_use(cards: int | None = None) -> list[float]:
    """Memory of each of so many cards in use now (None: of all), GiB; empty where there is no card."""
    end = None if cards is None else first() + cards
    return [gpu.memory_gib - gpu.free_gib for gpu in nvml.read()[0][first() : end]]


@contextmanager
def watched(cards: int | None = None) -> Iterator[Use]:
    """Look at the first `cards` (None: at all) ten times a second until the end of the block."""
    before = in_use(cards)
    use, done = Use(before, list(before)), threading.Event()

    def look() -> None:
        while not done.wait(_LOOK_S):
            now = in_use(cards)
            if len(now) == len(use.peak):  # a driver may fail to answer for a moment
                use.peak = list(map(max, use.peak, now))

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield use
    finally:
        done.set()
        looking.join()


def architecture() -> str | None:
    """The card's compute capability ("9.0"), asked of the driver, so that CUDA stays closed; or None."""
    if not nvml.read()[0]:
        return None
    import pynvml

    pynvml.nvmlInit()
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        return "{}.{}".format(*pynvml.nvmlDeviceGetCudaComputeCapability(handle))
    finally:
        pynvml.nvmlShutdown()


def wait_until_free(before: list[float]) -> None:
    """Until the cards hold no more than before, or fifteen seconds have passed."""
    deadline = time.monotonic() + _FREE_S
    while time.monotonic() < deadline:
        if all(now <= then + _SLACK_GIB for now, then in zip(in_use(len(before)), before, strict=True)):
            return
        time.sleep(_LOOK_S)


def copy_gb_s() -> float | None:
    """The measured rate of a copy within the card, 10^9 bytes a second, read and written bytes both counted.

    None where there is no card, or where the copy fails.
    """
    if not nvml.read()[0]:
        return None
    done = subprocess.run([sys.executable, "-m", __name__], capture_output=True, text=True, timeout=120)
    return float(json.loads(done.stdout)) if done.returncode == 0 else None


def _measure() -> float:
    """The median of twenty copies of 8 GiB, timed by the card's own events."""
    import torch

    source = torch.empty(_BYTES, dtype=torch.uint8, device="cuda").random_()
    target = torch.empty_like(source)
    times = []
    for _ in range(_ROUNDS + 3):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        target.copy_(source)
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) / 1000)
    return 2 * _BYTES / sorted(times[3:])[_ROUNDS // 2] / 1e9


if __name__ == "__main__":
    print(json.dumps(_measure()))
