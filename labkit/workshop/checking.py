"""The evening before: look at what a workshop needs while there is still time to mend it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from labkit import home
from labkit.clinic.findings import Finding, Report
from labkit.errors import LabkitError
from labkit.hardware import machine
from labkit.server import status as server_status
from labkit.workshop import hub, opening, people, proxy, roll, room
from labkit.workshop.planning import SEAT_GIB
from labkit.workshop.room import TEACHER, Room

TEXT = {
    "no_room": "No workshop has been described yet, so only the machine was looked at.",
    "up": "labkit workshop up --learners 30",
    "disk": "{free:.0f} GiB of disk free where the learners' files lie",
    "disk_low": "{free:.1f} GiB of disk is free for {count} learners, and {need:.0f} are wanted.",
    "disk_why": "When the disk is full, nobody's notebook can be saved.",
    "disk_command": "du -xh --max-depth=2 {homes} | sort -h | tail",
    "memory": "{free:.0f} GiB of memory free for {count} learners",
    "memory_low": "{free:.1f} GiB of memory is free, and {count} learners want about {need:.0f}.",
    "memory_why": "The system kills what is largest: a kernel, or the model.",
    "memory_command": "labkit workshop plan --learners {count}",
    "proxy": "JupyterHub's proxy is installed",
    "proxy_missing": "JupyterHub's proxy is not installed yet.",
    "proxy_why": "It comes from the network; tomorrow's room may have none.",
    "reach": "learners can reach the course and its Python",
    "reach_why": "No learner's server would start.",
    "closed": "every home is closed to the others",
    "open_home": "The homes of {names} can be read by others.",
    "open_home_why": "Learners could copy each other's work.",
    "open_home_command": "chmod 700 {paths}",
    "ports_why": "The hub cannot open its door there.",
    "ports": "the ports {first} to {last} are free",
    "ports_ours": "the ports {first} to {last} are the workshop's",
    "server": "the model answers: {what}",
    "server_bad": "The model does not answer: {what}",
    "server_open": "The model's server answers at some addresses without a key, past the gate.",
    "server_open_why": "It was started by hand; `labkit workshop up --model` closes them all.",
    "server_open_command": "labkit down && labkit workshop up --model {model}",
    "server_why": "Without it there is no lesson.",
    "hub_down": "The workshop is not open, so no sign-in was tried.",
    "gate_bad": "A learner's key does not reach the model (HTTP {status}).",
    "gate": "a learner's key reaches the model",
    "sign_in": "all {count} sign-ins work ({seconds:.1f} s)",
    "sign_in_bad": "{count} of {all} sign-ins do not work: {names}.",
    "sign_in_why": "They would stand before the door.",
    "wrong": "A wrong password is let in.",
    "wrong_why": "Anybody could be anybody.",
    "isolation": "{words}",
}
_DISK_EACH_GIB = 0.5
_ORDER = ("alarm", "wrong", "note", "well")


def check() -> Report:
    """Look at everything; the workshop may be open or not. Signs everybody in, and starts nobody's server."""
    began = time.monotonic()
    here = room.read()
    found = list(_all(here)) if here else [Finding("room", "wrong", TEXT["no_room"], command=TEXT["up"])]
    found += _proxy() if here is None else []
    found.sort(key=lambda each: _ORDER.index(each.level))
    return Report(tuple(found), time.monotonic() - began)


def _all(here: Room) -> Iterator[Finding]:
    yield from _space(here)
    yield from _proxy()
    yield from _reach(here)
    yield from _ports(here)
    model = server_status(15)
    word = "server" if model.state == "ready" else "server_bad"
    level = "well" if model.state == "ready" else "wrong"
    why, command = ("", "") if level == "well" else (TEXT["server_why"], "labkit up")
    yield Finding("server", level, TEXT[word].format(what=model.message), why, command)  # type: ignore[arg-type]
    yield from _past_the_gate()
    if hub.alive("hub"):
        yield from _gate(here)
        yield from _sign_ins(here)
    else:
        yield Finding("sign-in", "wrong", TEXT["hub_down"], TEXT["sign_in_why"], "labkit workshop up")
    yield Finding("isolation", "note", TEXT["isolation"].format(words=here.isolation))


def _space(here: Room) -> Iterator[Finding]:
    Path(here.homes).mkdir(parents=True, exist_ok=True)
    looked, count = machine(Path(here.homes)), len(here.learners)
    facts = {
        "count": count,
        "free": looked.disk_free_gib,
        "need": _DISK_EACH_GIB * count,
        "homes": here.homes,
    }
    if looked.disk_free_gib < facts["need"]:  # type: ignore[operator]
        command = TEXT["disk_command"].format(**facts)
        yield Finding("disk", "wrong", TEXT["disk_low"].format(**facts), TEXT["disk_why"], command)
    else:
        yield Finding("disk", "well", TEXT["disk"].format(**facts))
    facts |= {"free": looked.ram_free_gib, "need": SEAT_GIB * count}
    if looked.ram_free_gib < SEAT_GIB * count:
        command = TEXT["memory_command"].format(**facts)
        yield Finding("memory", "wrong", TEXT["memory_low"].format(**facts), TEXT["memory_why"], command)
    else:
        yield Finding("memory", "well", TEXT["memory"].format(**facts))


def _proxy() -> Iterator[Finding]:
    try:
        missing = not Path(proxy.command()[1]).exists()
    except LabkitError as error:
        yield Finding("proxy", "wrong", str(error), TEXT["proxy_why"])
        return
    if missing:
        yield Finding("proxy", "wrong", TEXT["proxy_missing"], TEXT["proxy_why"], TEXT["up"])
    else:
        yield Finding("proxy", "well", TEXT["proxy"])


def _reach(here: Room) -> Iterator[Finding]:
    if not here.separate or os.geteuid() != 0:
        return
    try:
        people.check_reachable(people.needed(here))
        yield Finding("reach", "well", TEXT["reach"])
    except LabkitError as error:
        yield Finding("reach", "wrong", str(error), TEXT["reach_why"])
    if names := roll.homes_are_closed(here):
        paths = " ".join(str(here.home_of(name)) for name in names)
        what, command = TEXT["open_home"].format(names=", ".join(names)), TEXT["open_home_command"]
        yield Finding("homes", "alarm", what, TEXT["open_home_why"], command.format(paths=paths))
    else:
        yield Finding("homes", "well", TEXT["closed"])


def _ports(here: Room) -> Iterator[Finding]:
    facts = {"first": here.ports[0], "last": here.ports[-1]}
    if hub.alive("hub"):
        yield Finding("ports", "well", TEXT["ports_ours"].format(**facts))
        return
    try:
        opening.check_ports(here)
        yield Finding("ports", "well", TEXT["ports"].format(**facts))
    except LabkitError as error:
        yield Finding("ports", "wrong", str(error), TEXT["ports_why"])


def _past_the_gate() -> Iterator[Finding]:
    server = home.read()
    try:
        if server and httpx.get(server.url.replace("/v1", "/metrics"), trust_env=False).status_code == 200:
            command = TEXT["server_open_command"].format(model=server.source)
            yield Finding("server", "note", TEXT["server_open"], TEXT["server_open_why"], command)
    except httpx.HTTPError:
        return  # that it does not answer is said already


def _gate(here: Room) -> Iterator[Finding]:
    key = room.read_secrets().key_of(here.learners[0])
    try:
        answer = httpx.get(
            f"{here.gate}/models", headers={"Authorization": f"Bearer {key}"}, timeout=15, trust_env=False
        )
        status = answer.status_code
    except httpx.HTTPError:
        status = 0
    if status == 200:
        yield Finding("gate", "well", TEXT["gate"])
    else:
        what = TEXT["gate_bad"].format(status=status or "none")
        yield Finding("gate", "wrong", what, TEXT["server_why"], "labkit workshop up")


def _sign_ins(here: Room) -> Iterator[Finding]:
    began = time.monotonic()
    passwords = _passwords(here)
    shut = [name for name in here.people if not sign_in(here.url, name, passwords[name])]
    if shut:
        what = TEXT["sign_in_bad"].format(count=len(shut), all=len(here.people), names=", ".join(shut))
        yield Finding("sign-in", "wrong", what, TEXT["sign_in_why"], "labkit workshop up")
    else:
        seconds = time.monotonic() - began
        yield Finding("sign-in", "well", TEXT["sign_in"].format(count=len(here.people), seconds=seconds))
    if sign_in(here.url, here.learners[0], "no password of anybody"):
        yield Finding("sign-in", "alarm", TEXT["wrong"], TEXT["wrong_why"], "labkit workshop down")


def _passwords(here: Room) -> dict[str, str]:
    if here.sign_in == "own":
        return people.known_passwords()
    secret = room.read_secrets()
    shared = dict.fromkeys(here.learners, secret.learner_password)
    return shared | {TEACHER: secret.teacher_password}


def sign_in(hub_url: str, name: str, password: str) -> bool:
    """Whether the hub lets this person in; asked as a browser asks."""
    try:
        with httpx.Client(base_url=hub_url, timeout=30, trust_env=False) as client:
            client.get("/hub/login")
            form = {"username": name, "password": password, "_xsrf": client.cookies.get("_xsrf") or ""}
            answer = client.post("/hub/login", params={"next": "/hub/home"}, data=form)
    except httpx.HTTPError:
        return False
    return answer.status_code == 302 and "jupyterhub-hub-login" in " ".join(
        answer.headers.get_list("set-cookie")
    )
