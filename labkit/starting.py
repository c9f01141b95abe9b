"""Starting the server: find the running one or start one, never two, and watch it until it has answered."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib.util import find_spec

from labkit import home
from labkit.diagnosis import with_cure
from labkit.display import Progress
from labkit.engines import ports, process, ray_serve, router, vllm
from labkit.engines.recipe import GUIDE_CONTEXT, Command, Recipe
from labkit.engines.twin import TEXT as TWIN
from labkit.errors import LabkitError, disk_full
from labkit.home import Replica, Server
from labkit.loading import PING_S, wait
from labkit.server import end, fault, faults, lives, stage, told
from labkit.wanted import POCKET as POCKET
from labkit.wanted import POCKET_NAME as POCKET_NAME
from labkit.wanted import Wanted, source
from labkit.wanted import pocket as pocket

TEXT = {
    "ready": "Ready after {seconds:.0f} s: {model} answers at {url}",
    "found": "Found it running: {model} answers at {url}",
    "waiting": "another notebook or terminal is starting it: {stage}",
    "port_moved": "Port {wanted} is taken by something else, so the server uses port {port}.",
    "port_kept": "The running server is on port {port}, so port {wanted} is not used.",
    "port_taken": "Port {port} is taken by something else. Choose another, or leave the port out: "
    "the first free one from {first} on is taken then.",
    "no_port": "No port from {first} to {last} is free. Give one yourself with port=... (or --port).",
    "restarting": "The server is there, but its engine does not answer ({why}), so it is started again.",
    "no_router": "The router is not installed in this Python. Run ./setup.sh again: it brings it.",
    "was_dead": "The server that ran here before is gone, so it is started again.",
    "mending": "Starting it again: {fault}.",
    "router_gone": "The router before the replicas is gone, so it is started again.",
    "no_ray": "Ray is not installed in this Python. In the course's folder: "
    ".venv/bin/uv pip install --python .venv/bin/python -e '.[scale]'",
    "other": "Another model is running here: {running}. Stop it first with labkit.stop() (or `labkit down`), "
    "then start {wanted}.",
    "other_flags": "The server runs with other flags ({running}). Stop it first with labkit.stop() "
    "(or `labkit down`), then start it again with yours.",
    "cannot": "The server cannot be started here: {why}.",
    "cannot_more": "(`labkit` keeps its files in ~/.labkit; LABKIT_HOME names another folder.)",
    "slow_turn": "Another notebook or terminal has been starting the server for {timeout:.0f} s. "
    "See `labkit logs`.",
    "left": "The server goes on loading: labkit.start() (or `labkit up`) waits for it again, labkit.stop() "
    "(or `labkit down`) ends it.",
}

FIRST_PORT, LAST_PORT = 8000, 8040
_RAY_CONFIG = "ray.json"
_QUIET = Progress(on=False)


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
    replicas: int = 1,
    ray: tuple[int, int] | None = None,
) -> Server:
    """The running server if there is one, a new one otherwise; returned once it has answered a request.

    model: "pocket", a variant of the catalog, a Hugging Face name or a folder. cards, context (tokens) and
    vision shape the recipe of "pocket" and of the catalog's variants. replicas: equal servers behind one
    router, each with cores or GPUs of its own; where they run and one of them is dead, it is started again
    (without `replicas` the others are taken as they are). ray: the least and the most replicas under Ray
    Serve, in place of a router. Two callers at once: the second waits for the first and gets the same server.
    Raises LabkitError.
    """
    wanted = Wanted(source(model), tuple(extra_flags), cards, context, vision, replicas, ray)
    show = progress or Progress(on=False)
    deadline = time.monotonic() + timeout
    try:
        with _turn(show, timeout), ExitStack() as held:
            server = _attach(wanted, port, show)
            if server and server.ready and server.replicas:
                server = _mend(server, wanted, show, held)
            if server and server.ready:
                show.done(TEXT["found"].format(model=server.model, url=server.url))
                return server
            server = server or _launch(wanted, port, show, held)
            server = wait(server, deadline, timeout, show)
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
            doing = stage(server) if server else TWIN["weights"]
            show.update(TEXT["waiting"].format(stage=doing))
    try:
        yield
    finally:
        lock.release()


def _attach(wanted: Wanted, port: int | None, show: Progress) -> Server | None:
    """The server of this home if it lives and is the one that is wanted. What is left of a dead one goes."""
    server = home.read()
    if server is None:
        return None
    if not any(map(lives, server.engines)):
        end(server)
        show.note(TEXT["was_dead"])
        return None
    if server.source != wanted.source:
        raise LabkitError(TEXT["other"].format(running=server.model, wanted=wanted.source))
    if wanted.flags and wanted.flags != server.flags:
        raise LabkitError(TEXT["other_flags"].format(running=" ".join(server.flags) or "none"))
    silent = faults(server, PING_S) if server.ready else {}
    # A router that starts waits for all of its replicas: it cannot be started beside a dead one.
    if len(silent) == len(server.engines) or (silent and not lives(server)):
        show.note(TEXT["restarting"].format(why=next(iter(silent.values()))))
        end(server)
        return None
    if port not in (None, server.port):
        show.note(TEXT["port_kept"].format(port=server.port, wanted=port))
    return server


def _launch(wanted: Wanted, port: int | None, show: Progress, held: ExitStack) -> Server:
    """Start a server and write it down. A dead one's port is taken again, so that old sessions work on.

    held: keeps the ports from others until it is closed.
    """
    before = home.read()
    free = _held(port, before.port if before else FIRST_PORT, show, held)
    recipes, started = wanted.recipes(show), list[Replica]()
    try:
        for number, recipe in enumerate(recipes, 1):
            alone = len(recipes) == 1
            its_port = free if alone else _held(None, FIRST_PORT, _QUIET, held)
            composed, env = _composed(wanted, recipe, its_port)
            started.append(_spawn(composed, env, its_port, "" if alone else f"replica-{number}"))
        replicas = tuple(started) if len(started) > 1 else ()
        if replicas:
            started.append(_router(free, replicas, held))
        front = started[-1]
        key, name = home.key(), recipes[0].served_name
        server = Server(front.pid, front.create_time, free, key, name, wanted.source, front.log, wanted.flags)
        server = replace(server, replicas=replicas)
        home.write(server)
    except BaseException:
        for each in started:  # a server that nobody remembers must not stay
            process.end(each.pid, each.create_time)
        raise
    return server


def _composed(wanted: Wanted, recipe: Recipe, port: int) -> tuple[Command, dict[str, str]]:
    """The command of a process that runs the model, and its environment."""
    if wanted.ray is None:
        composed = vllm.command(recipe, port)
        return composed, vllm.environment(composed, home.key())
    if find_spec("ray") is None:
        raise LabkitError(TEXT["no_ray"])
    home.write_json(_RAY_CONFIG, ray_serve.config(recipe, port, *wanted.ray))
    composed = ray_serve.command(home.home() / _RAY_CONFIG, recipe, wanted.ray[1])
    return composed, ray_serve.environment(composed, home.key())


def _mend(server: Server, wanted: Wanted, show: Progress, held: ExitStack) -> Server:
    """Start again what is dead among the router and, where they were asked for, its replicas."""
    silent = faults(server, PING_S)
    if silent and wanted.replicas == 1:
        show.note(told(server, silent).strip())
        silent = {}
    replicas = list(server.replicas)
    for number, why in silent.items():
        show.note(TEXT["mending"].format(fault=fault(server, number, why)))
        old = replicas[number - 1]
        process.end(old.pid, old.create_time)
        recipe, port = wanted.recipes(show)[number - 1], _held(old.port, old.port, _QUIET, held)
        composed, env = _composed(wanted, recipe, port)
        replicas[number - 1] = _spawn(composed, env, old.port, f"replica-{number}")
        server = replace(server, replicas=tuple(replicas), ready=False)
        home.write(server)
    if not lives(server):
        show.note(TEXT["router_gone"])
        process.end(server.pid, server.create_time)
        new = _router(_held(server.port, server.port, show, held), server.replicas, held)
        server = replace(server, pid=new.pid, create_time=new.create_time, log=new.log, ready=False)
        home.write(server)
    return server


def _router(port: int, replicas: tuple[Replica, ...], held: ExitStack) -> Replica:
    if find_spec("vllm_router") is None:
        raise LabkitError(TEXT["no_router"])
    counts = _held(None, FIRST_PORT, _QUIET, held)
    composed = router.command(port, counts, [each.url for each in replicas])
    return _spawn(composed, router.environment(composed), port, "router")


def _spawn(composed: Command, env: dict[str, str], port: int, part: str) -> Replica:
    log = home.new_log(part)
    pid, born = process.spawn(composed.argv, env, log, home.home())
    return Replica(pid, born, port, str(log))


def _held(wanted: int | None, first: int, show: Progress, held: ExitStack) -> int:
    """A port as `_port` finds it, kept until `held` is closed."""
    port, holder = _port(wanted, first, show)
    held.enter_context(holder)
    return port


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
