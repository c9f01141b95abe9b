"""With real processes: a server of three generations that prints its pids."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from labkit.engines import process

FAMILY = """
import os, subprocess, sys, time
child = "import subprocess as s, sys, time; s.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
subprocess.Popen([sys.executable, "-c", child + "; print('up', flush=True); time.sleep(60)"])
time.sleep(60)
"""
FORKS = """
import os, time
held = bytearray(os.urandom(1 << 20)) * 200
for _ in range(3):
    if os.fork() == 0:
        break
else:
    print("up", flush=True)
time.sleep(60)
"""
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(60)
"""


def start(code: str, folder: Path) -> tuple[int, float]:
    log = folder / "log"
    pid, born = process.spawn((sys.executable, "-c", code), dict(os.environ), log, folder)
    deadline = time.monotonic() + 20
    while "up" not in log.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    return pid, born


@pytest.fixture
def family(tmp_path: Path) -> Iterator[tuple[int, float]]:
    pid, born = start(FAMILY, tmp_path)
    yield pid, born
    process.end(pid, born, grace_s=0.1)


def test_it_lives_in_a_session_of_its_own(family: tuple[int, float]) -> None:
    pid, born = family
    assert process.alive(pid, born) and os.getsid(pid) == pid != os.getsid(0)
    assert process.memory_bytes(pid, born) > 3_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does not share it out")
def test_memory_that_forks_share_counts_once(tmp_path: Path) -> None:
    pid, born = start(FORKS, tmp_path)
    try:
        assert 200 < process.memory_bytes(pid, born) / 2**20 < 300
    finally:
        assert process.end(pid, born, grace_s=0.1) == 4


def test_the_end_takes_all_generations(family: tuple[int, float]) -> None:
    pid, born = family
    assert process.end(pid, born) == 3
    assert process.family(pid, born) == [] and not process.alive(pid, born)


def test_orphans_of_a_killed_head_go_too(family: tuple[int, float]) -> None:
    pid, born = family
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=5)
    assert not process.alive(pid, born) and len(process.family(pid, born)) == 2
    process.end(pid, born)
    assert process.family(pid, born) == []


def test_one_who_does_not_listen_is_forced(tmp_path: Path) -> None:
    pid, born = start(DEAF, tmp_path)
    process.end(pid, born, grace_s=0.5)
    assert not process.alive(pid, born)


def test_a_pid_that_belongs_to_somebody_else_now_is_left_alone() -> None:
    """Our own pid, with another birthday."""
    pid, born = os.getpid(), psutil.Process().create_time() - 3600
    assert not process.alive(pid, born) and process.family(pid, born) == []
    assert process.end(pid, born) == 0


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc here")
def test_a_clock_that_jumps_changes_nothing(
    family: tuple[int, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel reckons the moment of its own start anew, with the clock as it is now."""
    import psutil._pslinux

    now, then = time.time, psutil._pslinux.boot_time()
    monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: then + 7200)
    monkeypatch.setattr(time, "time", lambda: now() + 7200)
    assert process.alive(*family)
    assert len(process.family(*family)) > 1
    assert process.uptime_s(family[0]) < 3600


def test_a_birth_by_the_calendar_is_understood() -> None:
    me = psutil.Process()
    assert process.alive(me.pid, me.create_time())


def test_a_pid_of_nobody() -> None:
    assert not process.alive(2**22 + 1, 0.0) and process.end(2**22 + 1, 0.0) == 0
