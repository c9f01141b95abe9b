"""Open a workshop, say how it is, close it. Three processes stay: the model's server, the gate, the hub."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from labkit import home, server, starting
from labkit.display import Progress
from labkit.engines import ports, process
from labkit.errors import LabkitError, disk_full
from labkit.home import Server
from labkit.workshop import hub, people, proxy, room
from labkit.workshop.gate import SHARING
from labkit.workshop.room import Room, Secrets, SignIn

TEXT = {
    "root": "Passwords of their own are checked by the system, which only root may do. Run it as root, or "
    "with one password for all: --sign-in shared",
    "ports": "The port {taken} is taken by something else, and the workshop needs {first} to {last}. Choose "
    "others: --port 9000",
    "other": "A workshop is open already, with {count} learners. `labkit workshop down` closes it; then open "
    "this one.",
    "no_extra": "JupyterHub is not installed here. Install the workshop's packages: "
    "{python} -m uv pip install -e '{course}[workshop]'",
    "stage_proxy": "installing JupyterHub's proxy",
    "stage_people": "making {count} system users",
    "stage_hub": "starting the hub",
    "none": "No workshop is open. Open one with `labkit workshop up --learners 30`.",
    "never": "No workshop has been described here yet. Say who comes: `labkit workshop up --learners 30`.",
    "hub": "Open at {url} for {count} learners; {seats} of them have a server running.",
    "hub_dead": "The hub is down; the learners' {seats} servers go on. `labkit workshop up` brings it back.",
    "gate_dead": "The gate is down: no learner reaches the model. `labkit workshop up` brings it back.",
}
_PATIENCE_S = 90.0
DEFAULT_HOMES = "/home"


@dataclass(frozen=True)
class Opened:
    """A workshop that is open."""

    room: Room
    secrets: Secrets
    passwords: dict[str, str] | None
    """Everybody's own; None where the class shares one."""


def describe(
    learners: tuple[str, ...], sign_in: SignIn | None, port: int, homes: str | None, cull_s: int
) -> Room:
    """The room that is asked for. Raises LabkitError for names that cannot be, and for what needs root."""
    separate = os.geteuid() == 0
    sign_in = sign_in or ("own" if separate else "shared")
    if sign_in == "own" and not separate:
        raise LabkitError(TEXT["root"])
    folder = homes or (DEFAULT_HOMES if separate else str(room.state() / "homes"))
    course = Path(__file__).resolve().parents[2]
    names = room.check_names(learners)
    homes = str(Path(folder).resolve())
    return Room(names, sign_in, separate, homes, str(course), port, cull_s, room.turns_here())


def up(wanted: Room | None, show: Progress, model: str | None = None) -> Opened:
    """Open `wanted`, or bring back what was open before. What runs already is left alone.

    model: as for `labkit up`, served with what a class needs (see the gate's SHARING); where none is named,
    the server that runs is taken as it is. Raises LabkitError. After a hub was killed, the learners' servers
    are found again, kernels and all.
    """
    _check_extra()
    known = room.read()
    if known and wanted and wanted != known and hub.alive("hub"):
        raise LabkitError(TEXT["other"].format(count=len(known.learners)))
    here = wanted or known
    if here is None:
        raise LabkitError(TEXT["never"])
    try:
        return _open(here, show, model)
    except OSError as error:
        raise disk_full(error, "the workshop") or LabkitError(str(error)) from error
    finally:
        show.close()


def _open(here: Room, show: Progress, model: str | None) -> Opened:
    secret = room.read_secrets()
    show.update(TEXT["stage_proxy"])
    proxy.install()
    passwords = None
    if here.separate:
        people.check_reachable(people.needed(here))
        show.update(TEXT["stage_people"].format(count=len(here.people)))
        people.make(here)
        passwords = people.passwords(here) if here.sign_in == "own" else None
    Path(here.homes).mkdir(mode=0o755, parents=True, exist_ok=True)
    serving = serve(model, show)
    if not hub.alive("hub"):
        check_ports(here)
    room.write(here)
    # The gate knows one server: another one (a new port, other flags) needs another gate.
    about = f"{serving.pid} {serving.port} {here.gate_port}"
    hub.start("gate", (sys.executable, "-m", "labkit.workshop.gate"), about)
    hub.wait("gate", f"http://127.0.0.1:{here.gate_port}/health", _PATIENCE_S)
    show.update(TEXT["stage_hub"])
    config = Path(__file__).with_name("hub_config.py")
    hub.start("hub", (sys.executable, "-m", "jupyterhub", "-f", str(config)))
    hub.wait("hub", f"{here.url}/hub/health", _PATIENCE_S)
    return Opened(here, secret, passwords)


def serve(model: str | None, show: Progress) -> Server:
    """The server of the class; see `up`. Raises LabkitError, for one that runs with other flags too."""
    known = home.read()
    if model is None and known and process.alive(known.pid, known.create_time):
        return starting.up(known.source, progress=show)
    model = model or (known.source if known else starting.POCKET)
    return starting.up(model, progress=show, extra_flags=SHARING)


def down() -> int:
    """Close it: hub, gate, board, every learner's server and kernel. Returns how many processes there were.

    The model's server stays (`labkit down` ends it), and so do homes, system users, keys and passwords.
    """
    count = len(list(hub.members()))
    hub.ask_to_end("hub", 30)  # in order: it stops the learners' servers, which save what they have to
    hub.ask_to_end("gate", 5)
    hub.end_all()
    return count


def status() -> tuple[bool, str]:
    """Whether it is open and well, and how it is in a sentence or two."""
    here = room.read()
    seats = sum("jupyterhub.singleuser" in each.cmdline() for each in hub.members())
    if here is None or (not hub.alive("hub") and not hub.alive("gate") and not seats):
        return False, TEXT["none"]
    if not hub.alive("hub"):
        return False, TEXT["hub_dead"].format(seats=seats)
    said = [TEXT["hub"].format(url=here.url, count=len(here.learners), seats=seats)]
    if not hub.alive("gate"):
        said.append(TEXT["gate_dead"])
    model = server.status()
    return hub.alive("gate") and model.state == "ready", " ".join([*said, model.message])


def _check_extra() -> None:
    if find_spec("jupyterhub") is None:
        course = Path(__file__).resolve().parents[2]
        raise LabkitError(TEXT["no_extra"].format(python=sys.executable, course=course))


def check_ports(here: Room) -> None:
    """The hub's own ports must be free. (A gate or a proxy that outlived its hub may hold theirs.)"""
    free = {here.gate_port} if hub.alive("gate") else set()
    for port in (each for each in here.ports if each not in free):
        held = ports.hold(port)
        if held is None and not _ours(port):
            first, last = here.ports[0], here.ports[-1]
            raise LabkitError(TEXT["ports"].format(taken=port, first=first, last=last))
        if held:
            held.close()


def _ours(port: int) -> bool:
    """Whether something of this workshop listens there: a hub ends the proxy that another has left."""
    for each in hub.members():
        if any(to.laddr and to.laddr.port == port for to in each.net_connections("tcp")):
            return True
    return False
