"""`labkit logs`"""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from pathlib import Path

import click

from labkit.errors import LabkitError

TEXT = {
    "none": "There is no log yet: no server has been started here. Start one with `labkit up`.",
    "no_engine": "{engine} has no log here: labkit has not started it, or it has stopped. "
    "`labkit logs --list` names the logs that are kept.",
    "no_name": "There is no log {name!r}. `labkit logs --list` names the logs that are kept.",
    "two": "Name a log, an engine or a replica: one of them.",
    "no_replica": "There is no replica {number} here: {count} run behind a router. "
    "`labkit up --replicas N` starts N.",
    "inside": "Transformers runs inside a Python program and keeps no log file.",
}


@click.command()
@click.argument("name", required=False)
@click.option("--engine", help="vllm or ollama: the log of the one that runs.")
@click.option("--replica", type=click.IntRange(1), help="The log of this one of several, from 1 on.")
@click.option("--list", "listed", is_flag=True, help="Name the logs that are kept, the newest last.")
@click.option("-f", "--follow", is_flag=True, help="Go on showing what is added, until Ctrl-C.")
@click.option("-n", "--lines", type=click.IntRange(0), default=40, show_default=True, help="The last lines.")
def logs(
    name: str | None, engine: str | None, replica: int | None, listed: bool, follow: bool, lines: int
) -> None:
    """Show the log of the server, or of the last one that ran.

    NAME is a log of the list, or how its name begins.
    """
    if sum(map(bool, (name, engine, replica))) > 1:
        raise click.UsageError(TEXT["two"])
    if listed:
        _list()
        return
    if replica:
        path = _of_replica(replica)
    else:
        path = _of_engine(engine) if engine else _named(name) if name else _newest()
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in deque(file, maxlen=lines):
            click.echo(line, nl=False)
        with suppress(KeyboardInterrupt):
            while follow:
                added = file.read()
                click.echo(added, nl=False)
                if not added:
                    time.sleep(0.3)


def _list() -> None:
    running = _running()
    for path in _kept():
        owner = f"  {running[path]}, running" if path in running else ""
        click.echo(f"{path.stem}{owner}")


def _kept() -> list[Path]:
    """The logs of this home, the newest last. Raises LabkitError where there is none."""
    from labkit import home

    if not (found := sorted((home.home() / "logs").glob("*.log"))):
        raise LabkitError(TEXT["none"])
    return found


def _running() -> dict[Path, str]:
    """The log of each server that runs, and its engine."""
    from labkit import running

    found = {name: running.status(name, ping_s=1).log for name in running.NAMES}
    return {Path(log): name for name, log in found.items() if log}


def _of_engine(engine: str) -> Path:
    from labkit import running

    running.engine(engine)  # an unknown name is its own sentence
    if engine == "transformers":
        raise LabkitError(TEXT["inside"])
    for path, name in _running().items():
        if name == engine:
            return path
    raise LabkitError(TEXT["no_engine"].format(engine=engine))


def _of_replica(number: int) -> Path:
    from labkit import home

    server = home.read()
    replicas = server.replicas if server else ()
    if number > len(replicas):
        raise LabkitError(TEXT["no_replica"].format(number=number, count=len(replicas)))
    return Path(replicas[number - 1].log)


def _named(name: str) -> Path:
    for path in reversed(_kept()):
        if path.name.startswith(name):
            return path
    raise LabkitError(TEXT["no_name"].format(name=name))


def _newest() -> Path:
    """Of a server that runs, or else of the last one."""
    kept = _kept()
    running = [path for path in kept if path in _running()]
    return (running or kept)[-1]
