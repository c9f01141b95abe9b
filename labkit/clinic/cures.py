"""Run the command that mends something: a finding's or a symptom's, never what somebody typed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from labkit.clinic.secrets import without_secrets
from labkit.engines import process

SECONDS = 600.0
STOPPED = -1
"""In place of an exit code: it was stopped, or took longer than it may."""


def run(
    command: str, hear: Callable[[str], None], stopping: threading.Event, seconds: float = SECONDS
) -> int:
    """Run a command of the catalog in a shell, and hand over its output line by line, without secrets.

    `labkit` is the one of this Python. stopping ends it, with all that it started in its own session.
    Returns its exit code, or STOPPED.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    child = subprocess.Popen(
        command,
        shell=True,
        env={**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    born = process.born(child.pid)
    over = threading.Event()
    ended: list[bool] = []

    def watch() -> None:
        waited = 0.0
        while not over.wait(0.1):
            waited += 0.1
            if stopping.is_set() or waited > seconds:
                ended.append(True)
                process.end(child.pid, born, grace_s=3)
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    assert child.stdout is not None
    for line in child.stdout:
        hear(without_secrets(line))
    code = child.wait()
    over.set()
    watcher.join()
    return STOPPED if ended else code
