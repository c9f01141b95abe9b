"""How the machine and the server are at this moment: GPUs, memory, cores, and what vLLM counts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from labkit import hardware
from labkit.errors import LabkitError
from labkit.probes.metrics import metrics

if TYPE_CHECKING:
    from labkit.hardware import Machine
    from labkit.session import Session

TEXT = {
    "gpu": "{name}: {used:.1f} of {all:.1f} GiB{busy}{watts}",
    "busy": ", {share:.0%} busy",
    "watts": ", {watts:.0f} W",
    "no_gpu": "no GPU: the model runs on the CPU",
    "host": "CPU {cpu:.0%} busy, {used:.1f} of {all:.1f} GiB of memory in use",
    "server": "server: {running:.0f} running, {waiting:.0f} waiting, {cache:.1%} of the KV cache in use",
}


@dataclass(frozen=True)
class Vitals:
    """One moment of the machine and the server; memory in GiB, shares from 0 to 1."""

    at: float
    """Seconds, on a clock that never goes back."""
    machine: Machine
    cpu: float
    """How busy all cores were since the last look."""
    counts: dict[str, float]
    """vLLM's own counts, as `probes.metrics` names them; empty where there are none."""
    no_counts: str | None = None
    """Why there are none, in a sentence."""

    @property
    def ram_used_gib(self) -> float:
        return self.machine.ram_gib - self.machine.ram_free_gib

    def tokens_per_s(self, before: Vitals) -> float | None:
        """Tokens written a second since an earlier moment; None where the server counts none."""
        now, then = (each.counts.get("generation_tokens") for each in (self, before))
        if now is None or then is None or self.at <= before.at or now < then:
            return None
        return (now - then) / (self.at - before.at)

    def lines(self) -> list[str]:
        """What a reader sees, a line for each thing."""
        cards = [
            TEXT["gpu"].format(
                name=each.name,
                used=each.memory_gib - each.free_gib,
                all=each.memory_gib,
                busy="" if each.busy is None else TEXT["busy"].format(share=each.busy),
                watts="" if each.watts is None else TEXT["watts"].format(watts=each.watts),
            )
            for each in self.machine.gpus
        ]
        problem = [self.machine.gpu_problem] if self.machine.gpu_problem else []
        host = TEXT["host"].format(cpu=self.cpu, used=self.ram_used_gib, all=self.machine.ram_gib)
        return [*(cards or problem or [TEXT["no_gpu"]]), host, self._server()]

    def __str__(self) -> str:
        return "\n".join(self.lines())

    __repr__ = __str__

    def _server(self) -> str:
        if self.no_counts:
            return self.no_counts
        names = ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc")
        running, waiting, cache = (self.counts.get(each, 0.0) for each in names)
        return TEXT["server"].format(running=running, waiting=waiting, cache=cache)


def vitals(session: Session | None = None) -> Vitals:
    """Look now. Without a session, or on an engine without counts, the machine alone is told of."""
    counts: dict[str, float] = {}
    why = None
    if session is not None:
        try:
            counts = metrics(session)
        except LabkitError as error:
            why = str(error)
    return Vitals(time.monotonic(), hardware.machine(), psutil.cpu_percent() / 100, counts, why)
