"""A real hub on the tests' one server, with three learners and a teacher."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import labkit
from labkit.display import Progress
from labkit.errors import LabkitError
from labkit.workshop import opening, people, proxy, room
from labkit.workshop.room import Room
from tests.workshop.classroom import NAMES, Class


@pytest.fixture(scope="module")
def workshop(first_start: tuple[Path, object, int]) -> Iterator[Class]:
    """Learners are system users where LABKIT_TEST_USERS says that this machine may have some (CI does)."""
    separate = os.geteuid() == 0 and bool(os.environ.get("LABKIT_TEST_USERS"))
    homes = Path(tempfile.mkdtemp(prefix="labkit-class-"))
    homes.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABKIT_HOME", str(first_start[0]))
        patch.delenv("LABKIT_URL", raising=False)
        try:
            proxy.install()
        except LabkitError as error:
            pytest.skip(str(error))
        labkit.start(progress=False)
        here = opening.describe(NAMES, None if separate else "shared", _ports(), str(homes), 3600)
        here = Room(**{**here.__dict__, "separate": separate})
        opened_for = _open_the_way(here) if separate else {}
        try:
            opened = opening.up(here, Progress(on=False))
            yield Class(here, opened.passwords or _shared(opened))
        finally:
            opening.down()
            if separate:
                people.remove(here)
            for folder, mode in opened_for.items():
                folder.chmod(mode)
            shutil.rmtree(homes)


def _shared(opened: opening.Opened) -> dict[str, str]:
    known = dict.fromkeys(NAMES, opened.secrets.learner_password)
    return known | {room.TEACHER: opened.secrets.teacher_password}


def _open_the_way(here: Room) -> dict[Path, int]:
    """Let learners pass through the folders that close the course to them; gives what to set back."""
    before = {}
    for path in people.needed(here):
        for folder in [path, *path.parents]:
            mode = stat.S_IMODE(folder.stat().st_mode)
            if not mode & 0o001:
                before[folder] = mode
                folder.chmod(mode | 0o001)
    return before


def _ports() -> int:
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
