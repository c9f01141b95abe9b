"""Where a drill plays: a folder and processes of its own, of which nothing is left afterwards."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from labkit import home, session, starting
from labkit.display import Progress
from labkit.engines import ports, process, vllm
from labkit.engines.recipe import Recipe, recipe_for_variant
from labkit.errors import LabkitError
from labkit.hardware import machine
from labkit.server import ping, tail
from labkit.session import Session

TEXT = {
    "no_vllm": "This drill starts a server, and vLLM is not installed in this Python. Run ./setup.sh, then "
    "use the kernel that it prepares.",
    "no_room": "This drill starts a second, tiny server, and the GPU has only {free:.1f} GiB free of the "
    "{need:.0f} that it takes. Stop yours first with labkit.stop() (or `labkit down`).",
    "no_port": "No port from {first} to {last} is free for the drill.",
    "slow": "The drill's server is not ready after {seconds:.0f} s. Its log: {log}",
    "starting": "the drill's server: {stage}",
    "healthy": "a server with the right flags",
}
FIRST_PORT, LAST_PORT = 8060, 8099
_READY_S = 240.0
_SMALL: tuple[str, ...] = ("--distributed-executor-backend", "uni", "--skip-mm-profiling")
_SMALL += ("--max-num-seqs", "4", "--max-num-batched-tokens", "2048")
"""A process less, and no warm-up for more than a drill asks: 34 s to start in place of 59, on two cores."""
_WRITTEN_S = 60.0
_GPU_GIB = 4.0
"""Of a GPU's memory, for the twin: weights, cache and CUDA's own."""


@dataclass(frozen=True)
class Playing:
    """A server that a drill started. session is None where it ended before it answered."""

    session: Session | None
    pid: int
    born: float
    log: Path

    @property
    def said(self) -> str:
        """The end of its log."""
        return tail(str(self.log))


class Stage:
    """The folder, the processes and the mounts of one drill. `close` removes them all; so does the end of the
    program, and `sweep` where the program was killed."""

    def __init__(self, name: str, show: Progress | None = None) -> None:
        sweep()
        self.show = show or Progress(on=False)
        self.folder = _folder() / f"{name}-{os.getpid()}-{time.time_ns() % 10**9}"
        self.folder.mkdir(parents=True)
        self._owner = (os.getpid(), process.born(os.getpid()))
        self._started: list[tuple[int, float]] = []
        self._mounts: list[str] = []
        self._write()
        self._closing = weakref.finalize(self, _clear, self.folder)

    def serve(self, change: Callable[[Recipe], Recipe] = lambda recipe: recipe, *without: str) -> Playing:
        """Start the twin with a changed recipe and without some flags, and wait until it answers or is dead.

        without: flags to leave out of the command, with their values.
        """
        argv, env, port, holder = self._command(change, without)
        log = self.folder / f"server-{len(self._started)}.log"
        pid, born = self.spawn(argv, env, log)
        server = home.Server(pid, born, port, env["VLLM_API_KEY"], starting.POCKET_NAME, "drill", str(log))
        deadline = time.monotonic() + _READY_S
        with holder:
            while process.alive(pid, born):
                self.show.update(TEXT["starting"].format(stage=vllm.stage(tail(str(log)))))
                if vllm.listens(tail(str(log))) and ping(server, 30) is None:
                    live = Session(server.url, server.key, server.model, engine="vllm")
                    return Playing(live, pid, born, log)
                if time.monotonic() > deadline:
                    raise LabkitError(TEXT["slow"].format(seconds=_READY_S, log=log))
                time.sleep(0.25)
        process.end(pid, born)
        return Playing(None, pid, born, log)

    def healthy(self) -> Session:
        """A session on the twin as it should be: the one that runs already, or one of the drill's own."""
        running = home.read()
        usual = running is not None and running.source == starting.POCKET and not running.flags
        if (
            running
            and usual
            and process.alive(running.pid, running.create_time)
            and ping(running, 30) is None
        ):
            return session.connect(running.url)
        self.show.update(TEXT["healthy"])
        played = self.serve()
        if played.session is None:
            raise LabkitError(vllm.last_words(played.said))
        return played.session

    def spawn(self, argv: tuple[str, ...], env: dict[str, str], log: Path) -> tuple[int, float]:
        """Start a process that ends with the stage; returns its pid and its time of birth."""
        pid, born = process.spawn(argv, env, log, self.folder)
        self._started.append((pid, born))
        self._write()
        return pid, born

    def small_disk(self, size_mib: int = 1) -> Path | None:
        """A folder on a file system of `size_mib`, or None where this user may mount nothing."""
        folder = self.folder / "small-disk"
        folder.mkdir()
        self._mounts.append(str(folder))
        self._write()
        argv = ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "none", str(folder)]
        done = subprocess.run(argv, capture_output=True) if shutil.which("mount") else None
        return folder if done and done.returncode == 0 else None

    def port(self) -> int:
        """A port that nothing uses."""
        port, holder = self._held()
        holder.close()
        return port

    def close(self) -> None:
        """End what was started, unmount what was mounted, remove the folder."""
        self._closing()

    def _command(
        self, change: Callable[[Recipe], Recipe], without: tuple[str, ...]
    ) -> tuple[tuple[str, ...], dict[str, str], int, socket.socket]:
        device = vllm.build()
        if device is None:
            raise LabkitError(TEXT["no_vllm"])
        recipe = recipe_for_variant(starting.POCKET, device=device, folder=starting.pocket(self.show))
        recipe = replace(recipe, served_name=starting.POCKET_NAME)
        if device == "cuda":
            gpu = machine().gpus[0]
            if gpu.free_gib < _GPU_GIB:
                raise LabkitError(TEXT["no_room"].format(free=gpu.free_gib, need=_GPU_GIB))
            recipe = replace(recipe, gpu_memory_utilization=_GPU_GIB / gpu.memory_gib)
        port, holder = self._held()
        changed = change(recipe)
        composed = vllm.command(replace(changed, extra_flags=(*_SMALL, *changed.extra_flags)), port)
        argv = tuple(_without(composed.argv, without))
        return argv, vllm.environment(composed, home.key()), port, holder

    def _held(self) -> tuple[int, socket.socket]:
        for port in range(FIRST_PORT, LAST_PORT + 1):
            if holder := ports.hold(port):
                return port, holder
        raise LabkitError(TEXT["no_port"].format(first=FIRST_PORT, last=LAST_PORT))

    def _write(self) -> None:
        record = {"owner": self._owner, "started": self._started, "mounts": self._mounts}
        draft = self.folder / ".stage.json"
        draft.write_text(json.dumps(record), "utf-8")
        draft.replace(self.folder / "stage.json")


def sweep() -> int:
    """Remove the stages whose program is gone; returns how many there were."""
    count = 0
    for folder in _folder().glob("*") if _folder().is_dir() else ():
        owner = _record(folder).get("owner")
        if process.alive(*owner) if owner else _is_new(folder):
            continue
        _clear(folder)
        count += 1
    return count


def _is_new(folder: Path) -> bool:
    """Whether it may be a stage of which another program is just writing the record."""
    try:
        return time.time() - folder.stat().st_mtime < _WRITTEN_S
    except OSError:
        return True


def _folder() -> Path:
    return home.home() / "drills"


def _record(folder: Path) -> dict[str, list]:
    try:
        return dict(json.loads((folder / "stage.json").read_text("utf-8")))
    except (OSError, ValueError):
        return {}


def _clear(folder: Path) -> None:
    record = _record(folder)
    for pid, born in record.get("started", ()):
        for each in process.family(pid, born):
            _go_on(each)
        process.end(pid, born)
    for mount in record.get("mounts", ()):
        subprocess.run(["umount", mount], capture_output=True)
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # others play there, or have just gone
        _folder().rmdir()


def _go_on(frozen: psutil.Process) -> None:
    """A stopped process hears no request to end."""
    with suppress(psutil.Error):
        frozen.resume()


def _without(argv: tuple[str, ...], flags: tuple[str, ...]) -> Iterator[str]:
    """The arguments without these flags and their values."""
    skipping = False
    for each in argv:
        if each.startswith("--"):
            skipping = each in flags
        if not skipping:
            yield each
