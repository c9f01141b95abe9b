"""A real hub and a server as a class has it, with three learners and a teacher."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import labkit
from labkit import starting
from labkit.display import Progress
from labkit.errors import LabkitError
from labkit.workshop import opening, people, proxy, room
from labkit.workshop.room import Room
from tests.workshop.classroom import NAMES, Class


@pytest.fixture(scope="package")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Class]:
    """Learners are system users where LABKIT_TEST_USERS says that this machine may have some (CI does)."""
    separate = os.geteuid() == 0 and bool(os.environ.get("LABKIT_TEST_USERS"))
    homes = Path(tempfile.mkdtemp(prefix="labkit-class-"))
    homes.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        state = tmp_path_factory.mktemp("class")
        patch.setenv("LABKIT_HOME", str(state))
        patch.setattr(starting, "FIRST_PORT", 18400)
        patch.setattr(starting, "LAST_PORT", 18490)
        patch.delenv("LABKIT_URL", raising=False)
        try:
            proxy.install()
        except LabkitError as error:
            pytest.skip(str(error))
        here = opening.describe(NAMES, None if separate else "shared", free_ports(), str(homes), 3600)
        here = Room(**{**here.__dict__, "separate": separate})
        if separate:
            people.remove(here)  # of a run that was cut off
        try:
            with way_opened(people.needed(here) if separate else ()):
                opened = opening.up(here, Progress(on=False))
                yield Class(here, opened.passwords or _shared(opened), state)
        finally:
            opening.down()
            labkit.stop()
            if separate:
                people.remove(here)
            shutil.rmtree(homes)


def _shared(opened: opening.Opened) -> dict[str, str]:
    known = dict.fromkeys(NAMES, opened.secrets.learner_password)
    return known | {room.TEACHER: opened.secrets.teacher_password}


@contextmanager
def way_opened(paths: Iterable[Path]) -> Iterator[None]:
    """While the block runs, other users pass through the folders that close `paths` to them."""
    before = {}
    for path in paths:
        for folder in [path, *path.parents]:
            mode = stat.S_IMODE(folder.stat().st_mode)
            if not mode & 0o001:
                before[folder] = mode
                folder.chmod(mode | 0o001)
    try:
        yield
    finally:
        for folder, mode in before.items():
            folder.chmod(mode)


def free_ports() -> int:
    """The first of five free ports in a row."""
    for first in range(21000, 30000, 10):
        try:
            for port in range(first, first + 5):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
    raise RuntimeError("no free ports")
