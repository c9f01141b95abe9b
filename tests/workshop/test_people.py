from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path

import pytest

from labkit.errors import LabkitError
from labkit.workshop import people
from labkit.workshop.room import Room


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would be run; nothing is."""
    found: list[list[str]] = []
    monkeypatch.setattr(people, "_run", lambda argv, *_: found.append(argv))
    monkeypatch.setattr(people.shutil, "chown", lambda *_: None)
    return found


def test_a_new_machine_gives_the_homes_their_owners_back(
    tmp_path: Path, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Room(("newann", "newbob"), "own", True, str(tmp_path), "/opt/course")
    for name in here.people:
        (tmp_path / name).mkdir()
    owners = {"newann": 4711, "newbob": 0, "teacher": 4712}
    monkeypatch.setattr(people, "_owner", lambda folder: owners[folder.name])
    known = dict.fromkeys(here.people)
    monkeypatch.setattr(people.pwd, "getpwnam", lambda name: {}[name] if name in known else None)
    people.make(here)
    ann, bob, teacher = asked
    assert ann[ann.index("--uid") + 1] == "4711" and teacher[teacher.index("--uid") + 1] == "4712"
    assert "--uid" not in bob, "a home that root has made is given to a new number"
    assert all("/usr/sbin/nologin" in each for each in asked)


def test_a_name_that_somebody_has_is_left_alone(tmp_path: Path, asked: list[list[str]]) -> None:
    me = pwd.getpwuid(os.getuid())
    with pytest.raises(LabkitError, match="is a user of this machine already"):
        people.make(Room((me.pw_name,), "own", True, str(tmp_path), "/opt/course"))
    assert asked == []


def test_the_folder_in_the_way_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    shut = tmp_path / "shut"
    (shut / "course").mkdir(parents=True)
    shut.chmod(0o700)
    with pytest.raises(LabkitError, match=r"chmod o\+x "):
        people.check_reachable([shut / "course"])
    needed = people.needed(Room(("wsann",), "own", True, "/home", "/opt/course"))
    assert Path(sys.executable).resolve().parent in needed
