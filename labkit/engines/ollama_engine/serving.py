"""Ollama's server: is one there, can one be started, and which one did we start."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from labkit import home
from labkit.diagnosis import with_cure
from labkit.engines import process
from labkit.errors import LabkitError, disk_full
from labkit.hardware import machine

if TYPE_CHECKING:
    from labkit.display import Progress

TEXT = {
    "start": "starting ollama serve",
    "standin": "starting the stand-in for Ollama",
    "note": "Ollama is not installed here, so labkit's stand-in answers in its place: the same API in front "
    "of {model}, and a pull downloads nothing",
    "missing": "Ollama is not installed here, and nothing answers at {host}. Install it with "
    "`curl -fsSL https://ollama.com/install.sh | sh`: it puts a program into /usr/local, and a service where "
    "systemd runs (in a rented container without it, labkit starts `ollama serve` itself).",
    "not_ollama": "What answers at {host} is not Ollama. Stop it, or name another address with OLLAMA_HOST.",
    "died": "{what} ended while it started: {why}.",
    "log": "The whole log: {log}",
    "slow": "{what} does not answer after {seconds:.0f} s. Its log: {log}",
    "silent": "Ollama did not answer with {model} within {seconds:.0f} s. It may still be loading: call it "
    "again to wait longer, or see its log.",
    "refused": "Ollama could not run {model}: {why}.",
    "cannot": "Ollama cannot be started here: {why}.",
}
PORT = 11434
_LAST_PORT = 11454
_START_S = 60.0


class Upstream(NamedTuple):
    """Who answers behind the stand-in: an OpenAI API (ending in /v1), its key and its model's name."""

    url: str
    key: str
    model: str


class Version(NamedTuple):
    """What `/api/version` says."""

    number: str
    standin: bool


@dataclass(frozen=True)
class Here:
    """A server that answers. host: its address, without a path."""

    host: str
    note: str = ""


@dataclass(frozen=True)
class Own:
    """A server that we started, as written in `ollama.json`. behind: for our stand-in, whom it asks."""

    pid: int
    create_time: float
    host: str
    log: str
    note: str = ""
    behind: str = ""


def default_host() -> str:
    """`$OLLAMA_HOST` as an address to call: with a scheme and a port, and never 0.0.0.0."""
    return address(os.environ.get("OLLAMA_HOST") or "127.0.0.1")


def address(host: str) -> str:
    """ "myhost", "myhost:1234" or "http://myhost" as a full address without a path."""
    parts = urlsplit(host if "//" in host else f"http://{host}")
    name = "127.0.0.1" if parts.hostname in (None, "0.0.0.0", "::") else parts.hostname
    port = parts.port or (443 if parts.scheme == "https" else PORT)
    return f"{parts.scheme}://{name}:{port}"


def version(host: str, timeout_s: float = 2.0) -> Version | None:
    """The version of the Ollama at `host`; None where nothing answers. Raises LabkitError for a stranger."""
    import httpx

    try:
        with httpx.Client(trust_env=False, timeout=timeout_s) as client:
            found = client.get(f"{host}/api/version")
        said = found.json()
        return Version(str(said["version"]), "x-labkit-standin" in found.headers)
    except (httpx.HTTPError, OSError):
        return None
    except (ValueError, KeyError, TypeError):
        raise LabkitError(TEXT["not_ollama"].format(host=host)) from None


def find_or_start(
    host: str | None,
    model: str,
    standin: bool | None,
    upstream: Callable[[], Upstream] | None,
    show: Progress,
) -> Here:
    """The server to use; see `start` of this package.

    Where standin is None, `LABKIT_OLLAMA=stand-in` in the environment decides for the stand-in: tests set it.
    """
    if standin is None and os.environ.get("LABKIT_OLLAMA") == "stand-in":
        standin = True
    own = read()
    wanted = address(host) if host else default_host()
    for each in dict.fromkeys([own.host, wanted] if own and not host else [wanted]):
        found = version(each)
        if found and standin in (None, found.standin):
            ours = own if own and own.host == each else None
            # What answers behind our stand-in may have died since, and come back on another port.
            if ours and ours.behind and upstream and upstream().url != ours.behind:
                stop()
                continue
            return Here(each, ours.note if ours else "")
    if standin is not True and (program := shutil.which("ollama")):
        return _spawn((program, "serve"), {"OLLAMA_HOST": urlsplit(wanted).netloc}, wanted, "", show)
    if standin is False or upstream is None:
        raise LabkitError(TEXT["missing"].format(host=wanted))
    behind = upstream()
    address_ = f"http://127.0.0.1:{_free_port()}"
    argv = [sys.executable, "-m", "labkit.engines.ollama_standin", "--upstream", behind.url]
    argv += ["--port", str(urlsplit(address_).port), "--pulled", "mistral-small3.1-pocket"]
    argv += ["--vram-share", "1" if machine().gpus else "0"]  # what is true of the server behind it
    note = TEXT["note"].format(model=behind.model)
    return _spawn(tuple(argv), {"LABKIT_API_KEY": behind.key}, address_, note, show, behind.url)


def _spawn(
    argv: tuple[str, ...], env: dict[str, str], host: str, note: str, show: Progress, behind: str = ""
) -> Here:
    what = "The stand-in for Ollama" if note else "ollama serve"
    show.update(TEXT["standin" if note else "start"])
    stop()  # one that hangs, or one of the other kind: only the new one is remembered
    try:
        log = home.new_log()
        pid, born = process.spawn(argv, {**os.environ, **env, **_python_path()}, log, home.home())
        own = Own(pid, born, host, str(log), note, behind)
        home.write_json("ollama.json", asdict(own))
    except OSError as error:
        raise disk_full(error, what) or LabkitError(TEXT["cannot"].format(why=error)) from None
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if version(host):
            return Here(host, note)
        if not process.alive(pid, born):
            stop()
            said = log.read_text("utf-8", "replace").strip()
            words = said.splitlines() or ["it said nothing"]
            sentence = TEXT["died"].format(what=what, why=words[-1].rstrip("."))
            raise LabkitError(f"{with_cure(sentence, said)} {TEXT['log'].format(log=log)}")
        time.sleep(0.1)
    stop()
    raise LabkitError(TEXT["slow"].format(what=what, seconds=_START_S, log=log))


def _python_path() -> dict[str, str]:
    """So that a child finds the same labkit as we."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _free_port() -> int:
    for port in range(PORT, _LAST_PORT):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise LabkitError(TEXT["cannot"].format(why=f"no port from {PORT} to {_LAST_PORT - 1} is free"))


def ping(here: Here, model: str, timeout_s: float) -> None:
    """Ask for one token, which loads the model. Raises LabkitError where it does not come."""
    import httpx

    question = {"model": model, "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]}
    try:
        with httpx.Client(trust_env=False, timeout=timeout_s) as client:
            reply = client.post(f"{here.host}/v1/chat/completions", json=question)
    except httpx.HTTPError:
        raise LabkitError(TEXT["silent"].format(model=model, seconds=timeout_s)) from None
    if reply.status_code != 200:
        try:
            why = str(reply.json()["error"]["message"])
        except (ValueError, KeyError, TypeError):
            why = f"HTTP {reply.status_code}"
        raise LabkitError(with_cure(TEXT["refused"].format(model=model, why=why.rstrip(".")), why))


def read() -> Own | None:
    """The server that we started, if it lives."""
    try:
        own = Own(**json.loads((home.home() / "ollama.json").read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return own if process.alive(own.pid, own.create_time) else None


def stop() -> bool:
    """End it with all that it started, and forget it. Returns whether there was one."""
    own = read()
    (home.home() / "ollama.json").unlink(missing_ok=True)
    return own is not None and process.end(own.pid, own.create_time) > 0
