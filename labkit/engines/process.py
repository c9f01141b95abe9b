"""A server's processes: start them apart from ours, tell whether they live, end them all."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path

import psutil

_BORN_TOLERANCE_S = 1.0


def spawn(argv: tuple[str, ...], env: dict[str, str], log: Path, folder: Path) -> tuple[int, float]:
    """Start a process in a session of its own, which outlives ours; its output goes to `log`.

    Returns its pid and its birth (see `born`). Raises OSError if the log cannot be written.
    """
    with open(log, "ab") as output:
        process = subprocess.Popen(
            argv,
            env=env,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    birth = born(process.pid)
    # Whoever started a process must wait for it, or it stays a zombie after its end.
    threading.Thread(target=process.wait, daemon=True).start()
    return process.pid, birth


def born(pid: int) -> float:
    """When a process was born, in seconds since the machine started; since 1970 where only that is told.

    Since 1970 is reckoned with the present clock: a clock that was put right (as rented machines do after
    they wake) makes a living server look like somebody else. Raises psutil.Error for a pid of nobody.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return float(psutil.Process(pid).create_time())


def alive(pid: int, create_time: float) -> bool:
    """Whether the very process that was born at `create_time` still runs."""
    try:
        return _is_same(pid, create_time) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def uptime_s(pid: int) -> float:
    """For how many seconds a process has run; 0 for a pid of nobody."""
    try:
        return max(0.0, time.time() - psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0


def family(pid: int, create_time: float) -> list[psutil.Process]:
    """The process and all that it started, orphans included; empty if the pid belongs to somebody else now.

    Orphans are found by their session id: the kernel gives no new process a pid that a session still uses.
    """
    try:
        head = psutil.Process(pid)
        if not _is_same(pid, create_time):
            return []
        found = {head, *head.children(recursive=True)}
    except psutil.Error:
        found = set()
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == pid:
                found.add(process)
        except OSError:
            continue
    return [process for process in found if _running(process)]


def end(pid: int, create_time: float, grace_s: float = 10) -> int:
    """End the whole family: ask first, then force after `grace_s` seconds. Returns how many it had."""
    processes = family(pid, create_time)
    for process in processes:
        if process.pid == pid:  # a server that is asked ends its own workers in order
            _signal(process, force=False)
    deadline = time.monotonic() + grace_s
    while family(pid, create_time) and time.monotonic() < deadline:
        if not alive(pid, create_time):  # orphans have nobody left to ask them
            for process in family(pid, create_time):
                _signal(process, force=False)
            deadline = min(deadline, time.monotonic() + grace_s / 3)
        time.sleep(0.1)
    left = [*family(pid, create_time), *filter(_running, processes)]
    for process in left:
        _signal(process, force=True)
    psutil.wait_procs(left, timeout=grace_s)
    return len(processes)


def memory_bytes(pid: int, create_time: float) -> int:
    """Memory of the whole family, in bytes. What its forks share counts once on Linux, which tells."""
    total = 0
    for process in family(pid, create_time):
        try:
            total += _memory(process)
        except psutil.Error:
            continue
    return total


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (AttributeError, psutil.AccessDenied):  # only Linux shares out, and only our own
        return int(process.memory_info().rss)


def _is_same(pid: int, create_time: float) -> bool:
    """create_time: by either count, so that records of other programs are understood."""
    births = (born(pid), psutil.Process(pid).create_time())
    return any(abs(each - create_time) < _BORN_TOLERANCE_S for each in births)


def _running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _signal(process: psutil.Process, *, force: bool) -> None:
    try:
        if force:
            process.kill()
        else:
            process.terminate()
    except psutil.Error:
        pass
