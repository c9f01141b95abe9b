"""The folder that remembers the running server: `$LABKIT_HOME`, by default `~/.labkit`.

It holds `server.json` (the server, or what is left of one), `key` (the API key, the same for every server of
this home, so that an old session works again after a restart), `lock`, and `logs/`.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

KEPT_LOGS = 10


@dataclass(frozen=True)
class Replica:
    """One of several equal processes of an engine that answer behind a router."""

    pid: int
    create_time: float
    port: int
    log: str

    @property
    def url(self) -> str:
        return _url(self.port)


@dataclass(frozen=True)
class Server:
    """What answers, as written in `server.json`: a process of an engine, or a router before its replicas."""

    pid: int
    create_time: float
    """When the process was born (engines/process.py counts): tells it from a later one with the same pid."""
    port: int
    key: str
    model: str
    """The name that requests use."""
    source: str
    """The folder or Hugging Face name that it was started with."""
    log: str
    flags: tuple[str, ...] = ()
    ready: bool = False
    """Whether it has ever answered a request."""
    replicas: tuple[Replica, ...] = ()
    """The engine's processes where this one is the router before them; empty: it is the engine itself."""

    @property
    def url(self) -> str:
        return _url(self.port)

    @property
    def engines(self) -> tuple[Server | Replica, ...]:
        """The processes that run the model."""
        return self.replicas or (self,)

    @property
    def parts(self) -> tuple[Server | Replica, ...]:
        """All of its processes, what answers first."""
        return (self, *self.replicas)


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}/v1"


def home() -> Path:
    """The folder, made if need be, for its owner alone."""
    folder = Path(os.environ.get("LABKIT_HOME") or Path.home() / ".labkit").expanduser()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def read() -> Server | None:
    """The server that was written down last; None if there is none, or if the file cannot be understood."""
    try:
        values: dict[str, Any] = json.loads((home() / "server.json").read_text("utf-8"))
        replicas = tuple(Replica(**each) for each in values.get("replicas", ()))
        return Server(**{**values, "flags": tuple(values["flags"]), "replicas": replicas})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def write(server: Server) -> None:
    """Remember `server`, all or nothing. Raises OSError for a full disk."""
    write_json("server.json", asdict(server))


def write_json(name: str, values: dict[str, Any]) -> None:
    """Write a file of this home, for its owner alone, all or nothing. Raises OSError for a full disk."""
    _write_private(home() / name, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def forget() -> None:
    """No server any more."""
    (home() / "server.json").unlink(missing_ok=True)


def key() -> str:
    """This home's API key, made on first use."""
    path = home() / "key"
    try:
        if found := path.read_text("utf-8").strip():
            return found
    except FileNotFoundError:
        pass
    made = secrets.token_urlsafe(24)
    _write_private(path, made + "\n")
    return made


def new_log(part: str = "") -> Path:
    """A path for the log of the next server, or of a `part` of it. The oldest over `KEPT_LOGS` go."""
    folder = home() / "logs"
    folder.mkdir(exist_ok=True)
    for old in sorted(folder.glob("*.log"))[: -(KEPT_LOGS - 1)]:
        old.unlink(missing_ok=True)
    return folder / time.strftime(f"%Y%m%d-%H%M%S-{os.getpid()}{part and f'-{part}'}.log")


def _write_private(path: Path, text: str) -> None:
    """Write for the owner alone (0600), so that a reader sees the old file or the new one, never a half."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        made = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(made, "w", encoding="utf-8") as file:
            file.write(text)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
