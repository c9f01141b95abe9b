"""The processes that a workshop keeps: start one, find it again, wait until it answers, end them all."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from labkit import home
from labkit.engines import process
from labkit.errors import LabkitError
from labkit.server import tail
from labkit.workshop import room

TEXT = {
    "died": "The {what} of the workshop did not start ({why}). The whole log: {log}",
    "slow": "The {what} of the workshop is not there after {seconds:.0f} s. Its log: {log}",
}


def log_of(what: str) -> Path:
    """The log of "hub" or "gate"."""
    return room.state() / f"{what}.log"


def alive(what: str) -> bool:
    """Whether the process runs that was started last under this name."""
    known = _read(what)
    return known is not None and process.alive(known["pid"], known["born"])


def pid_of(what: str) -> int | None:
    """Its process id; None where it does not run."""
    known = _read(what)
    return int(known["pid"]) if known and alive(what) else None


def start(what: str, argv: tuple[str, ...], about: str = "") -> None:
    """Start it in a session of its own, unless it runs. Raises OSError where the log cannot be written.

    about: what it was started for; one that runs for something else is ended first.
    """
    known = _read(what)
    if known and alive(what):
        if known.get("about", "") == about:
            return
        ask_to_end(what, 5)
    state = room.state()
    environment = {
        **os.environ,
        room.MARK: str(state),
        "LABKIT_HOME": str(home.home()),
        "PYTHONUNBUFFERED": "1",
        "DO_NOT_TRACK": "1",
    }
    log_of(what).unlink(missing_ok=True)
    pid, born = process.spawn(argv, environment, log_of(what), state)
    home.write_json(f"workshop/{what}.json", {"pid": pid, "born": born, "about": about})


def wait(what: str, url: str, seconds: float) -> None:
    """Wait until `url` answers. Raises LabkitError if the process ends before, or time does."""
    import httpx

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if httpx.get(url, timeout=2, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        if not alive(what):
            why = last_words(what) or "it said nothing"
            raise LabkitError(TEXT["died"].format(what=what, why=why, log=log_of(what)))
        time.sleep(0.2)
    raise LabkitError(TEXT["slow"].format(what=what, seconds=seconds, log=log_of(what)))


def last_words(what: str) -> str:
    """The last line of its log that is not empty."""
    lines = [line.strip() for line in tail(str(log_of(what))).splitlines() if line.strip()]
    return lines[-1] if lines else ""


def ask_to_end(what: str, seconds: float) -> bool:
    """Ask it to end in order, and wait. Returns whether it ran. (A hub stops its learners' servers then.)"""
    known = _read(what)
    if known is None or not process.alive(known["pid"], known["born"]):
        return False
    psutil.Process(known["pid"]).terminate()
    deadline = time.monotonic() + seconds
    while alive(what) and time.monotonic() < deadline:
        time.sleep(0.1)
    return True


def members() -> Iterator[psutil.Process]:
    """Everything that runs for the workshop of this home, whoever started it: it carries the mark."""
    mark, own = str(room.state()), os.getpid()
    for each in psutil.process_iter():
        try:
            if each.pid != own and each.environ().get(room.MARK) == mark:
                yield each
        except (psutil.Error, OSError):
            continue


def end_all() -> int:
    """End what is left of it, kernels included. Returns how many processes there were."""
    left = list(members())
    for force in (False, True):
        for each in left:
            try:
                each.kill() if force else each.terminate()
            except psutil.Error:
                continue
        if not psutil.wait_procs(left, timeout=5)[1]:
            break
    return len(left)


def _read(what: str) -> dict[str, Any] | None:
    try:
        known: dict[str, Any] = json.loads((room.state() / f"{what}.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return known
