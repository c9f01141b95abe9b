"""One start of vLLM as a configuration asks for it: labkit composes the command, watches it and ends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from bench.gpu import card, engine_log
from bench.gpu.configurations import Configuration
from labkit.engines import ports, process, router, vllm
from labkit.engines.recipe import Command, Device, recipe_for_variant
from labkit.errors import LabkitError
from labkit.home import Server
from labkit.server import ping
from labkit.session import Session

KEY = "measured"
_LOOK_S = 0.2
_GRACE_S = 4.0
DUMMY = ("--load-format", "dummy")
"""After the recipe's own `--load-format mistral`: the last one counts."""

TEXT = {
    "died": "vLLM ended while it was {stage}: {why}",
    "slow": "not ready after {seconds:.0f} s: it was {stage}",
    "refused": "the first request was refused: {why}",
    "not_warm": "the Python with imports cannot be used: {why}",
    "no_port": "no port from {low} to {high} is free",
    "no_address": "the router before the replicas does not answer after {seconds:.0f} s",
}


@dataclass(frozen=True)
class Started:
    """A process of vLLM's."""

    server: Server
    command: Command
    began: float
    warm: bool

    @property
    def log(self) -> str:
        return Path(self.server.log).read_text("utf-8", "replace")

    @property
    def session(self) -> Session:
        return Session(self.server.url, self.server.key, self.server.model, engine="vllm")

    def end(self) -> None:
        process.end(self.server.pid, self.server.create_time, grace_s=_GRACE_S)


class Warm:
    """The Python of warm.py. It imports while other things are measured."""

    def __init__(self, log: Path, env: dict[str, str]) -> None:
        env = env | {"VLLM_WORKER_MULTIPROC_METHOD": "fork", "HF_HUB_OFFLINE": "1"}
        env["OMP_NUM_THREADS"] = "1"  # a fork of a process that has computed with more would wait for them
        if (
            found := card.architecture()
        ):  # else flashinfer opens CUDA to ask for it, and forks cannot use that
            env["FLASHINFER_CUDA_ARCH_LIST"] = found
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bench.gpu.warm"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                env=env,
                start_new_session=True,
            )
        self._ready: bool | None = None

    def usable(self) -> bool:
        """Whether its forks can use the card; waits until it has imported."""
        if self._ready is None:
            assert self._process.stdout is not None
            line = self._process.stdout.readline()
            self._ready = bool(line) and json.loads(line)["usable"]
        return self._ready

    def run(self, command: Command, log: Path) -> tuple[int, float]:
        """The pid and the time of birth of a fork that runs the command. Raises LabkitError."""
        assert self._process.stdin is not None and self._process.stdout is not None
        order = {"argv": command.argv, "env": dict(command.env), "log": str(log)}
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            pid = json.loads(self._process.stdout.readline())["pid"]
            return pid, psutil.Process(pid).create_time()
        except (OSError, ValueError, psutil.Error) as error:
            self._ready = False
            raise LabkitError(TEXT["not_warm"].format(why=error)) from None

    def close(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def composed(
    asked: Configuration, folder: Path, memory_gib: float | None, device: Device, place: int = 0
) -> tuple[Command, int]:
    """The command of a configuration, and the port that it takes. place: which of its replicas this is."""
    dummy = () if (folder / "consolidated.safetensors").exists() else DUMMY
    recipe = recipe_for_variant(
        asked.variant,
        cards=asked.gpus,
        context=asked.context,
        vision=asked.vision,
        images=asked.images,
        device=device,
        folder=str(folder),
        extra_flags=(*dummy, *asked.extra_flags),
    )
    share = asked.share(memory_gib) if memory_gib else recipe.gpu_memory_utilization
    port = _free_port(place)
    command = vllm.command(replace(recipe, gpu_memory_utilization=share), port)
    first = card.first() + place * asked.gpus
    seen = ",".join(str(first + number) for number in range(asked.gpus))
    visible = (("CUDA_VISIBLE_DEVICES", seen),) if device == "cuda" else ()
    return replace(command, env=(*command.env, *visible)), port


def start(asked: Configuration, command: Command, port: int, log: Path, warm: Warm | None) -> Started:
    """Start the command; it is not ready yet. With `warm`, in a fork of that Python."""
    began = time.monotonic()
    name = command.argv[command.argv.index("--served-model-name") + 1]
    if warm is not None:
        pid, born = warm.run(command, log)
    else:
        pid, born = process.spawn(command.argv, environment(command), log, log.parent)
    server = Server(pid, born, port, KEY, name, asked.variant, str(log), asked.extra_flags)
    return Started(server, command, began, warm is not None)


def environment(command: Command) -> dict[str, str]:
    """Of a server's process: labkit's own, and a log that tells how the memory was split."""
    told = {"VLLM_LOGGING_CONFIG_PATH": str(Path(__file__).with_name("logging.json"))}
    return vllm.environment(command, KEY) | told


def wait(started: Started, memory_only: bool, deadline: float) -> float:
    """Until it has answered one token, or where memory is all that is asked, until its log has told it.

    Returns the seconds since its start. deadline: of time.monotonic(). Raises LabkitError.
    """
    done: Callable[[str], bool] = engine_log.told if memory_only else vllm.listens
    while True:
        log = started.log
        if done(log):
            break
        if not process.alive(started.server.pid, started.server.create_time):
            log = started.log
            raise LabkitError(TEXT["died"].format(stage=vllm.stage(log), why=engine_log.failure(log)))
        if time.monotonic() > deadline:
            seconds = time.monotonic() - started.began
            raise LabkitError(TEXT["slow"].format(seconds=seconds, stage=vllm.stage(log)))
        time.sleep(_LOOK_S)
    if not memory_only and (why := ping(started.server, max(1.0, deadline - time.monotonic()))) is not None:
        raise LabkitError(TEXT["refused"].format(why=why))
    return time.monotonic() - started.began


@contextmanager
def one_address(replicas: list[Started], log: Path, deadline: float) -> Iterator[Session]:
    """vLLM's router before them, as labkit runs it, until the block ends. Raises LabkitError.

    Once it answers it has seen all of them well: it waits for that itself when it starts.
    """
    began, first = time.monotonic(), replicas[0].server
    port, counts = _free_port(len(replicas)), _free_port(len(replicas) + 1)
    composed = router.command(port, counts, [each.server.url for each in replicas])
    pid, born = process.spawn(composed.argv, router.environment(composed), log, log.parent)
    front = replace(first, pid=pid, create_time=born, port=port, log=str(log))
    try:
        while ping(front, 5) is not None:
            if time.monotonic() > deadline or not process.alive(pid, born):
                raise LabkitError(TEXT["no_address"].format(seconds=time.monotonic() - began))
            time.sleep(_LOOK_S)
        yield Session(front.url, front.key, front.model, engine="vllm")
    finally:
        process.end(pid, born, grace_s=_GRACE_S)


def _free_port(place: int) -> int:
    """A server takes its port only some seconds after its start: each place looks among its own five."""
    low = 8100 + 50 * card.first() + 5 * place
    for port in range(low, low + 5):
        if holder := ports.hold(port):
            holder.close()
            return port
    raise LabkitError(TEXT["no_port"].format(low=low, high=low + 4))
