"""Starting the server: find the running one or start one, never two, and watch it until it has answered."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from labkit import catalog, home
from labkit.diagnosis import with_cure
from labkit.display import Progress
from labkit.engines import ports, process, vllm
from labkit.engines.recipe import GUIDE_CONTEXT, Recipe, recipe_for, recipe_for_variant
from labkit.errors import LabkitError, disk_full
from labkit.hardware import machine
from labkit.home import Server
from labkit.server import ping, tail

POCKET = "pocket"
POCKET_NAME = "mistral-small3.1-pocket"

TEXT = {
    "ready": "Ready after {seconds:.0f} s: {model} answers at {url}",
    "found": "Found it running: {model} answers at {url}",
    "weights": "preparing the pocket twin's weights",
    "waiting": "another notebook or terminal is starting it: {stage}",
    "port_moved": "Port {wanted} is taken by something else, so the server uses port {port}.",
    "port_kept": "The running server is on port {port}, so port {wanted} is not used.",
    "port_taken": "Port {port} is taken by something else. Choose another, or leave the port out: "
    "the first free one from {first} on is taken then.",
    "no_port": "No port from {first} to {last} is free. Give one yourself with port=... (or --port).",
    "restarting": "The server is there, but its engine does not answer ({why}), so it is started again.",
    "was_dead": "The server that ran here before is gone, so it is started again.",
    "other": "Another model is running here: {running}. Stop it first with labkit.stop() (or `labkit down`), "
    "then start {wanted}.",
    "other_flags": "The server runs with other flags ({running}). Stop it first with labkit.stop() "
    "(or `labkit down`), then start it again with yours.",
    "no_folder": "There is no folder {path}. Give a folder with weights, a Hugging Face name, or 'pocket'.",
    "no_vllm": "vLLM is not installed in this Python ({python}). Run ./setup.sh, then use the kernel "
    "and the terminal that it prepares.",
    "no_gpu": "The vLLM installed here needs an NVIDIA GPU, and none was found. {problem}"
    "Run ./setup.sh --cpu for the CPU build.",
    "variant_gpu": "The variant {variant} needs an NVIDIA GPU, and none was found. {problem}Rehearse with "
    "labkit.start(), which takes the pocket twin; labkit.plan() says which GPU holds {variant}.",
    "cannot": "The server cannot be started here: {why}.",
    "cannot_more": "(`labkit` keeps its files in ~/.labkit; LABKIT_HOME names another folder.)",
    "died": "The server ended while it was {stage}: {why}.",
    "log": "The whole log: {log}",
    "no_words": "it said nothing",
    "stopped": "The server was stopped while it was loading. Start it again with labkit.start() "
    "(or `labkit up`).",
    "slow": "The server is not ready after {timeout:.0f} s; it is {stage} and goes on loading. "
    "Call labkit.start() again to wait longer, or see `labkit logs`.",
    "slow_turn": "Another notebook or terminal has been starting the server for {timeout:.0f} s. "
    "See `labkit logs`.",
    "left": "The server goes on loading: labkit.start() (or `labkit up`) waits for it again, labkit.stop() "
    "(or `labkit down`) ends it.",
    "refused": "The server refuses a first request ({why}). The whole log: {log}",
}

FIRST_PORT, LAST_PORT = 8000, 8040
_PING_S = 30.0


def up(
    model: str = POCKET,
    *,
    port: int | None = None,
    timeout: float = 300,
    progress: Progress | None = None,
    extra_flags: tuple[str, ...] = (),
    cards: int = 1,
    context: int = GUIDE_CONTEXT,
    vision: bool = True,
) -> Server:
    """The running server if there is one, a new one otherwise; returned once it has answered a request.

    model: "pocket", a variant of the catalog, a Hugging Face name or a folder. cards, context (tokens) and
    vision shape the recipe of "pocket" and of the catalog's variants. Two callers at once: the second waits
    for the first and gets the same server. Raises LabkitError.
    """
    wanted = Wanted(_source(model), tuple(extra_flags), cards, context, vision)
    show = progress or Progress(on=False)
    deadline = time.monotonic() + timeout
    try:
        with _turn(show, timeout), ExitStack() as held:
            server = _attach(wanted, port, show)
            if server and server.ready:
                show.done(TEXT["found"].format(model=server.model, url=server.url))
                return server
            server = server or _launch(wanted, port, show, held)
            server = _wait(server, deadline, timeout, show)
    except KeyboardInterrupt:
        if home.read():
            show.note(TEXT["left"])
        raise
    except OSError as error:
        sentence = with_cure(TEXT["cannot"].format(why=error), error, TEXT["cannot_more"])
        raise disk_full(error, "the server") or LabkitError(sentence) from error
    finally:
        show.close()
    show.done(TEXT["ready"].format(seconds=show.seconds, model=server.model, url=server.url))
    return server


@dataclass(frozen=True)
class Wanted:
    """What is to be served, and how. source: as in `Server.source`."""

    source: str
    extra_flags: tuple[str, ...] = ()
    cards: int = 1
    context: int = GUIDE_CONTEXT
    vision: bool = True

    @property
    def flags(self) -> tuple[str, ...]:
        """What differs from the recipe as it is, to tell one server from another."""
        usual = Wanted(self.source)
        return tuple(s for s in self._shape() if s not in usual._shape()) + self.extra_flags

    def _shape(self) -> list[str]:
        return [f"{name}={getattr(self, name)}" for name in ("cards", "context", "vision")]


def _source(model: str) -> str:
    """What `server.json` calls this model: "pocket", a folder's full path, or a Hugging Face name."""
    if model == POCKET:
        return model
    folder = Path(model).expanduser()
    if model.startswith(("/", ".", "~")) and not folder.is_dir():
        raise LabkitError(TEXT["no_folder"].format(path=folder))
    return str(folder.resolve()) if folder.is_dir() else model


@contextmanager
def _turn(show: Progress, timeout: float) -> Iterator[None]:
    """Wait for our turn: only one caller at a time may start a server. The lock dies with its process."""
    from filelock import FileLock, Timeout

    lock = FileLock(home.home() / "lock")
    deadline = time.monotonic() + timeout
    while True:
        try:
            lock.acquire(timeout=0.5)
            break
        except Timeout:
            if time.monotonic() > deadline:
                raise LabkitError(TEXT["slow_turn"].format(timeout=timeout)) from None
            server = home.read()
            stage = vllm.stage(tail(server.log)) if server else TEXT["weights"]
            show.update(TEXT["waiting"].format(stage=stage))
    try:
        yield
    finally:
        lock.release()


def _attach(wanted: Wanted, port: int | None, show: Progress) -> Server | None:
    """The server of this home if it lives and is the one that is wanted. What is left of a dead one goes."""
    server = home.read()
    if server is None:
        return None
    if not process.alive(server.pid, server.create_time):
        process.end(server.pid, server.create_time)
        show.note(TEXT["was_dead"])
        return None
    if server.source != wanted.source:
        raise LabkitError(TEXT["other"].format(running=server.model, wanted=wanted.source))
    if wanted.flags and wanted.flags != server.flags:
        raise LabkitError(TEXT["other_flags"].format(running=" ".join(server.flags) or "none"))
    if server.ready and (why := ping(server, _PING_S)) is not None:
        show.note(TEXT["restarting"].format(why=why))
        process.end(server.pid, server.create_time)
        return None
    if port not in (None, server.port):
        show.note(TEXT["port_kept"].format(port=server.port, wanted=port))
    return server


def _launch(wanted: Wanted, port: int | None, show: Progress, held: ExitStack) -> Server:
    """Start a server and write it down. A dead one's port is taken again, so that old sessions work on.

    held: keeps the port from others until it is closed.
    """
    before = home.read()
    free, holder = _port(port, before.port if before else FIRST_PORT, show)
    held.enter_context(holder)
    recipe = _recipe(wanted, show)
    composed = vllm.command(recipe, free)
    key, log = home.key(), home.new_log()
    pid, born = process.spawn(composed.argv, vllm.environment(composed, key), log, home.home())
    server = Server(pid, born, free, key, recipe.served_name, wanted.source, str(log), wanted.flags)
    try:
        home.write(server)
    except OSError:
        process.end(pid, born)  # a server that nobody remembers must not stay
        raise
    return server


def _recipe(wanted: Wanted, show: Progress) -> Recipe:
    build = vllm.build()
    if build is None:
        raise LabkitError(TEXT["no_vllm"].format(python=sys.executable))
    here = machine()
    if build == "cuda" and not here.gpus:
        problem = f"{here.gpu_problem}. " if here.gpu_problem else ""
        raise LabkitError(TEXT["no_gpu"].format(problem=problem))
    shape: dict[str, Any] = {"cards": wanted.cards, "context": wanted.context, "vision": wanted.vision}
    if wanted.source == POCKET:
        folder = pocket(show)
        recipe = recipe_for_variant(
            POCKET, device=build, folder=folder, extra_flags=wanted.extra_flags, **shape
        )
        return replace(recipe, served_name=POCKET_NAME)
    if wanted.source not in catalog.variants("vllm"):
        return recipe_for(wanted.source, build, wanted.extra_flags)
    if not here.gpus:
        problem = f"{here.gpu_problem}. " if here.gpu_problem else ""
        raise LabkitError(TEXT["variant_gpu"].format(variant=wanted.source, problem=problem))
    memory = here.gpus[0].memory_gib
    return recipe_for_variant(wanted.source, memory_gib=memory, extra_flags=wanted.extra_flags, **shape)


def pocket(show: Progress) -> str:
    """The folder with the twin's prepared weights."""
    from pocket.formats import DamagedWeights, prepare

    show.update(TEXT["weights"])
    try:
        return str(prepare())
    except DamagedWeights as error:
        raise LabkitError(str(error)) from None
    except Exception as error:
        if told := disk_full(error, TEXT["weights"]):
            raise told from None
        raise


def _port(wanted: int | None, first: int, show: Progress) -> tuple[int, socket.socket]:
    """`wanted`, which must be free, or else the first free one from `first` on; and what holds it."""
    for port in (wanted,) if wanted is not None else (first, *range(FIRST_PORT, LAST_PORT + 1)):
        if holder := ports.hold(port):
            if port not in (wanted, first):
                show.note(TEXT["port_moved"].format(wanted=first, port=port))
            return port, holder
    if wanted is not None:
        raise LabkitError(TEXT["port_taken"].format(port=wanted, first=FIRST_PORT))
    raise LabkitError(TEXT["no_port"].format(first=FIRST_PORT, last=LAST_PORT))


def _wait(server: Server, deadline: float, timeout: float, show: Progress) -> Server:
    """Watch a loading server until it has answered; remember then that it is ready."""
    while time.monotonic() < deadline:
        log = tail(server.log)
        show.update(vllm.stage(log))
        if not process.alive(server.pid, server.create_time):
            raise _died(server)
        why = ping(server, _PING_S) if vllm.listens(log) else "loading"
        if why is None:
            server = replace(server, ready=True)
            home.write(server)
            return server
        if why.startswith("HTTP 4"):
            raise LabkitError(TEXT["refused"].format(why=why, log=server.log))
        time.sleep(0.25)
    raise LabkitError(TEXT["slow"].format(timeout=timeout, stage=vllm.stage(tail(server.log))))


def _died(server: Server) -> LabkitError:
    """Clean up after a server that ended while loading, and say why it did."""
    process.end(server.pid, server.create_time)
    if home.read() is None:  # labkit.stop() in another window
        return LabkitError(TEXT["stopped"])
    home.forget()
    log = tail(server.log)
    why = vllm.last_words(log) or TEXT["no_words"]
    sentence = TEXT["died"].format(stage=vllm.stage(log), why=why.rstrip("."))
    return LabkitError(f"{with_cure(sentence, log)} {TEXT['log'].format(log=server.log)}")
