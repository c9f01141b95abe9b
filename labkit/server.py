"""The one vLLM server of this home: say how it is, ask it for one token, stop it."""

from __future__ import annotations

from pathlib import Path

from labkit import home
from labkit.engines import process, vllm
from labkit.engines.contract import Status
from labkit.hardware import GIB
from labkit.home import Server

TEXT = {
    "none": "No server is running. Start one with labkit.start() (or `labkit up`).",
    "loading": "{model} is {stage} ({uptime} so far).",
    "ready": "{model} answers at {url}. Up for {uptime}, {memory:.1f} GiB of memory.",
    "broken": "{model} at {url} does not answer ({why}). Start it again with labkit.start() "
    "(or `labkit up`).",
    "silent": "nothing came within {seconds:.0f} s",
    "no_connection": "no connection",
}

_LOG_TAIL_BYTES = 60_000


def status(ping_s: float = 5.0) -> Status:
    """How the server is, asked now; `ping_s` is how long it may take to answer a one-token request."""
    server = home.read()
    if server is None or not process.alive(server.pid, server.create_time):
        return Status("none", TEXT["none"])
    why = ping(server, ping_s)
    state = "ready" if why is None else "broken" if server.ready else "loading"
    uptime = process.uptime_s(server.pid)
    memory = process.memory_bytes(server.pid, server.create_time) / GIB
    message = TEXT[state].format(
        model=server.model,
        url=server.url,
        uptime=_duration(uptime),
        memory=memory,
        why=why,
        stage=vllm.stage(tail(server.log)),
    )
    return Status(state, message, server.model, server.url, server.pid, uptime, memory, server.log)


def stop() -> bool:
    """End the server, every process that it started included. Returns whether there was one."""
    server = home.read()
    if server is None:
        return False
    home.forget()
    return process.end(server.pid, server.create_time) > 0


def ping(server: Server, timeout_s: float) -> str | None:
    """Ask for one token. None if it came, otherwise why not. (/health outlives the engine.)"""
    import httpx

    question = {"model": server.model, "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]}
    headers = {"Authorization": f"Bearer {server.key}"}
    limit = httpx.Timeout(timeout_s, connect=2)
    try:
        with httpx.Client(trust_env=False, timeout=limit, headers=headers) as client:
            reply = client.post(f"{server.url}/chat/completions", json=question)
    except httpx.TimeoutException:
        return TEXT["silent"].format(seconds=timeout_s)
    except httpx.HTTPError:
        return TEXT["no_connection"]
    return None if reply.status_code == 200 else f"HTTP {reply.status_code}"


def tail(log: str) -> str:
    """The last 60 kB of a log; "" where there is none yet."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, Path(log).stat().st_size - _LOG_TAIL_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
