"""The class as system users: made where they are missing, with the uid that their home already has."""

from __future__ import annotations

import json
import pwd
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from labkit import home
from labkit.errors import LabkitError
from labkit.workshop.room import Room, state

TEXT = {
    "failed": "The system user {name} could not be made: {why}",
    "taken": "{name} is a user of this machine already, with the home {home}. Choose other names for the "
    "class, or remove that user (the home stays): userdel {name}",
    "unreadable": "Learners cannot read {path}: the folder above it is closed to them. Let them "
    "pass through (they cannot list it): chmod o+x {folder}. Or set the course up elsewhere, in /opt say.",
    "no_tool": "{tool} is missing, which makes system users (Debian, Ubuntu: apt-get install passwd). "
    "Install it, or start the workshop as an ordinary user.",
}
_MARK = "labkit workshop"
"""In the comment field of those that we made."""
_FIRST_UID = 1000
"""Below are the system's own."""


def make(room: Room) -> None:
    """Every system user of the class. After a pre-emption, homes on a kept disk find their owners again.

    Raises LabkitError for a name that belongs to somebody else.
    """
    Path(room.homes).mkdir(mode=0o755, parents=True, exist_ok=True)
    for name in room.people:
        folder = room.home_of(name)
        try:
            known = pwd.getpwnam(name)
        except KeyError:
            _add(name, folder)
            continue
        if known.pw_gecos.split(",")[0] != _MARK or Path(known.pw_dir) != folder:
            raise LabkitError(TEXT["taken"].format(name=name, home=known.pw_dir))
        folder.mkdir(mode=0o700, exist_ok=True)


def _add(name: str, folder: Path) -> None:
    # No shell: the account is for JupyterHub, not for a way in over SSH. Its terminals are given bash.
    shell = "/usr/sbin/nologin"
    argv = ["useradd", "--comment", _MARK, "--home-dir", str(folder), "--shell", shell, "--user-group"]
    if folder.exists():
        owner = _owner(folder)
        argv += ["--no-create-home", *(["--uid", str(owner)] if owner >= _FIRST_UID else [])]
    else:
        argv += ["--create-home", "--key", "HOME_MODE=0700"]
    _run([*argv, name], name)
    shutil.chown(folder, name, name)
    folder.chmod(0o700)


def _owner(folder: Path) -> int:
    return folder.stat().st_uid


def remove(room: Room) -> int:
    """Remove the class's system users; their homes stay. Returns how many there were."""
    ours = [each.pw_name for each in pwd.getpwall() if each.pw_gecos.split(",")[0] == _MARK]
    found = [name for name in room.people if name in ours]
    for name in found:
        _run(["userdel", name], name)
    return len(found)


def passwords(room: Room) -> dict[str, str]:
    """Everybody's own password, set in the system. Made once, kept in the state's `passwords.json`."""
    known = known_passwords()
    known |= {name: secrets.token_urlsafe(9) for name in room.people if name not in known}
    home.write_json("workshop/passwords.json", known)
    lines = "".join(f"{name}:{known[name]}\n" for name in room.people)
    _run(["chpasswd"], "the class", lines)
    return {name: known[name] for name in room.people}


def known_passwords() -> dict[str, str]:
    """What has been given out so far, by name."""
    path = state() / "passwords.json"
    found: dict[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return found


def check_reachable(paths: Iterable[Path]) -> None:
    """Raise LabkitError where other users cannot come to one of `paths`, naming the folder in the way."""
    for path in paths:
        for folder in reversed([path, *path.parents]):
            if folder.is_dir() and not folder.stat().st_mode & 0o001:
                raise LabkitError(TEXT["unreadable"].format(path=path, folder=folder))


def needed(room: Room) -> tuple[Path, ...]:
    """What the learners' servers read: the course, the environment, and the Python behind it."""
    python = Path(sys.executable)
    return (Path(room.course), python.parent, python.resolve().parent, Path(room.homes))


def _run(argv: list[str], name: str, given: str | None = None) -> None:
    try:
        done = subprocess.run(argv, input=given, capture_output=True, text=True)
    except FileNotFoundError:
        raise LabkitError(TEXT["no_tool"].format(tool=argv[0])) from None
    if done.returncode:
        raise LabkitError(TEXT["failed"].format(name=name, why=done.stderr.strip() or f"{argv[0]} failed"))
