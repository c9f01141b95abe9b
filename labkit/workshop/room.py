"""The one description of a workshop, kept in `$LABKIT_HOME/workshop`, and what is derived from it."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from labkit import home
from labkit.engines import vllm
from labkit.errors import LabkitError

SignIn = Literal["own", "shared"]

TEXT = {
    "name": "{name!r} cannot be a learner's name: 1 to 31 small letters, digits, - and _, a letter first.",
    "twice": "{name!r} stands twice in the class. Give everybody a name of their own.",
    "nobody": "The class is empty. Say who comes: --learners 30, or --names FILE with a name on each line.",
    "damaged": "{path} cannot be read, so it is not known which workshop this is. Move the file away, then "
    "run `labkit workshop up` again with its options.",
    "separate": "Every learner is a system user of this machine: nobody can read another's files, stop "
    "another's programs, or write another's progress.",
    "together": "All learners run as the same system user ({user}), since labkit does not run as root here: "
    "whoever wants to can read and change the files of the others, and finds the instructor's password. "
    "Trust each other, or run it as root in a container.",
    "shared": "One password opens every learner's place: whoever knows it can sign in under another's name.",
}
TEACHER = "teacher"
MARK = "LABKIT_WORKSHOP"
"""Environment variable of all that a workshop starts; its value is the state's folder."""
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")


@dataclass(frozen=True)
class Turns:
    """How the class shares the server; what `labkit.workshop.turns` holds to."""

    slots: int = 64
    """Requests at the server at the same time, all learners together. A long one counts as several."""
    most: int = 16
    """Of these, one learner's at most."""
    letters: int = 4000
    """Of text, about a thousand tokens: a request counts once more for each time that it holds so many."""
    queue: int = 64
    """Requests of one learner that may wait. What comes on top is refused, in a sentence."""


def turns_here() -> Turns:
    """For this machine. A CPU works for the notebooks too, so a learner has a quarter of a GPU's turns."""
    return Turns(most=4) if vllm.build() == "cpu" else Turns()


@dataclass(frozen=True)
class Room:
    """A workshop: who comes, how they sign in, and on which ports of 127.0.0.1 it runs."""

    learners: tuple[str, ...]
    sign_in: SignIn
    separate: bool
    """Whether every learner is a system user."""
    homes: str
    """The folder with the learners' homes."""
    course: str
    """The course's folder: notebooks, and JupyterLab's configuration."""
    port: int = 8000
    """Where people sign in. The next ones are used inside: hub, proxy, board, gate."""
    cull_s: int = 3600
    """A learner's server is stopped after so many idle seconds; the files stay."""
    turns: Turns = field(default_factory=Turns)

    @property
    def people(self) -> tuple[str, ...]:
        """The learners, and the teacher."""
        return (*self.learners, TEACHER)

    @property
    def hub_port(self) -> int:
        return self.port + 1

    @property
    def proxy_port(self) -> int:
        return self.port + 2

    @property
    def board_port(self) -> int:
        return self.port + 3

    @property
    def gate_port(self) -> int:
        return self.port + 4

    @property
    def ports(self) -> tuple[int, ...]:
        """All of them."""
        return (self.port, self.hub_port, self.proxy_port, self.board_port, self.gate_port)

    @property
    def url(self) -> str:
        """Where people sign in."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def gate(self) -> str:
        """The model's address for the learners."""
        return f"http://127.0.0.1:{self.gate_port}/v1"

    def home_of(self, name: str) -> Path:
        return Path(self.homes) / name

    @property
    def isolation(self) -> str:
        """What keeps the learners apart, in plain words."""
        words = TEXT["separate"] if self.separate else TEXT["together"].format(user=_user())
        return words + (f" {TEXT['shared']}" if self.sign_in == "shared" else "")


@dataclass(frozen=True)
class Secrets:
    """What nobody but the hub knows. Made once, so that a restart keeps sessions and keys."""

    keys: str
    """The learners' API keys are made from it."""
    cookies: str
    """Hexadecimal, as JupyterHub wants it."""
    proxy: str
    learner_password: str
    """The class's, where it shares one."""
    teacher_password: str

    def key_of(self, name: str) -> str:
        """A learner's API key: nobody can make another's from it."""
        return "lab-" + hmac.new(self.keys.encode(), name.encode(), hashlib.sha256).hexdigest()[:40]


def state() -> Path:
    """The folder with all that outlives a workshop's processes, made if need be, for its owner alone."""
    folder = home.home() / "workshop"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def check_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, if they can be names of a class. Raises LabkitError."""
    if not names:
        raise LabkitError(TEXT["nobody"])
    for name in names:
        if not _NAME.fullmatch(name):
            raise LabkitError(TEXT["name"].format(name=name))
        if names.count(name) > 1 or name == TEACHER:
            raise LabkitError(TEXT["twice"].format(name=name))
    return names


def numbered(count: int) -> tuple[str, ...]:
    """learner01, learner02, ..."""
    return tuple(f"learner{number:02}" for number in range(1, count + 1))


def read() -> Room | None:
    """The workshop of this home; None if there has been none. Raises LabkitError for a damaged file."""
    path = state() / "room.json"
    try:
        values = json.loads(path.read_text("utf-8"))
        turns = Turns(**values.pop("turns"))
        return Room(**{**values, "learners": tuple(values["learners"]), "turns": turns})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError):
        raise LabkitError(TEXT["damaged"].format(path=path)) from None


def write(room: Room) -> None:
    """Remember it, all or nothing. Raises OSError for a full disk."""
    state()
    home.write_json("workshop/room.json", asdict(room))


def read_secrets() -> Secrets:
    """The secrets of this home, made on first use. Raises OSError for a full disk."""
    path = state() / "secrets.json"
    try:
        values: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return Secrets(**values)
    except FileNotFoundError:
        pass
    made = Secrets(
        keys=secrets.token_hex(32),
        cookies=secrets.token_hex(32),
        proxy=secrets.token_hex(32),
        learner_password=secrets.token_urlsafe(9),
        teacher_password=secrets.token_urlsafe(24),
    )
    home.write_json("workshop/secrets.json", asdict(made))
    return made


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except OSError:
        return f"number {os.getuid()}"
