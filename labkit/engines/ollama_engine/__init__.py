"""Ollama, through its own client and its `/v1`: find its server or start it, pull, watch, unload, stop.

Where Ollama is not installed, labkit's stand-in answers in front of another server, and says so wherever it
shows. What labkit started is remembered in `LABKIT_HOME/ollama.json`; only that is ever stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from labkit import home
from labkit.engines import process
from labkit.engines.contract import Endpoint, Status
from labkit.engines.ollama_engine import serving
from labkit.engines.ollama_engine.export import POCKET, export, outdated
from labkit.engines.ollama_engine.models import Running, create, names, ps, pull, show, tag_of, unload
from labkit.engines.ollama_engine.serving import Upstream
from labkit.hardware import GIB

if TYPE_CHECKING:
    from labkit.display import Progress

__all__ = [
    "Running",
    "Upstream",
    "create",
    "export",
    "logs",
    "names",
    "ps",
    "pull",
    "show",
    "start",
    "status",
    "stop",
    "unload",
]

TEXT = {
    "export": "writing the pocket twin for Ollama",
    "load": "loading {model}",
    "ready": "Ready after {seconds:.0f} s: {model} answers at {url}",
    "none": "No Ollama server answers at {host}. Start one with labkit.start(engine='ollama').",
    "up": "Ollama answers at {host}{models}{standin}.",
    "loaded": ", with {names} loaded",
    "idle": ", with no model loaded",
    "standin": " (labkit's stand-in)",
    "silent": "The server that labkit started at {host} does not answer (yet). `labkit logs --engine ollama` "
    "shows its log; labkit.start(engine='ollama') starts it again.",
}


def start(
    variant: str,
    *,
    show: Progress,
    timeout: float,
    host: str | None = None,
    standin: bool | None = None,
    upstream: Callable[[], Upstream] | None = None,
) -> Endpoint:
    """A model in Ollama: its server is found or started, the model pulled where it is missing, and loaded.

    variant: Q4_K_M, Q8_0 or fp16 of the catalog, "pocket", or any tag of Ollama's. host: by default
    `$OLLAMA_HOST`, then 127.0.0.1:11434. standin: False never takes the stand-in, True always; by default it
    is taken where Ollama is not installed. upstream: gives the address, key and model of the server that
    shall answer behind the stand-in. timeout: seconds to wait for the first answer. Raises LabkitError.
    """
    tag = tag_of(variant)
    here = serving.find_or_start(host, tag, standin, upstream, show)
    folder = home.home() / "ollama-pocket"
    if tag not in names(here.host) or (variant == POCKET and outdated(folder)):
        if variant == POCKET:
            show.update(TEXT["export"])
            create(tag, export(folder), here.host, show)
        else:
            pull(tag, here.host, show)
    show.update(TEXT["load"].format(model=tag))
    serving.ping(here, tag, timeout)
    url = f"{here.host}/v1"
    show.done(TEXT["ready"].format(seconds=show.seconds, model=tag, url=url))
    return Endpoint("ollama", tag, url, "ollama", note=here.note)


def status(ping_s: float = 5.0) -> Status:
    """How Ollama's server is, and what it has loaded. One that labkit did not start counts too."""
    own = serving.read()
    host = own.host if own else serving.default_host()
    version = serving.version(host, ping_s)
    if version is None and own is None:
        return Status("none", TEXT["none"].format(host=host))
    rows = ps(host) if version else []
    models = TEXT["loaded"].format(names=", ".join(row.name for row in rows)) if rows else TEXT["idle"]
    standin = TEXT["standin"] if version and version.standin else ""
    message = TEXT["up" if version else "silent"].format(host=host, models=models, standin=standin)
    name = rows[0].name if rows else None
    if own is None:
        return Status("ready", message, name, f"{host}/v1")
    memory = process.memory_bytes(own.pid, own.create_time) / GIB
    uptime = process.uptime_s(own.pid)
    state = "ready" if version else "broken"
    return Status(state, message, name, f"{host}/v1", own.pid, uptime, memory, own.log)


def logs(lines: int = 40) -> str:
    """The end of the log of a server that labkit started; "" for any other."""
    own = serving.read()
    if own is None:
        return ""
    try:
        with open(own.log, encoding="utf-8", errors="replace") as file:
            return "\n".join(file.read().splitlines()[-lines:])
    except OSError:
        return ""


def stop() -> bool:
    """End the Ollama server, or the stand-in, that labkit started, and no other."""
    return serving.stop()
