"""The one vLLM server of this home, or the router and its replicas: say how it is, ask it, stop it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from labkit import home
from labkit.engines import process, vllm
from labkit.engines.contract import Status
from labkit.hardware import GIB
from labkit.home import Replica, Server

if TYPE_CHECKING:
    import httpx

TEXT = {
    "none": "No server is running. Start one with labkit.start() (or `labkit up`).",
    "loading": "{model} is {stage} ({uptime} so far).",
    "ready": "{model} answers at {url}. Up for {uptime}, {memory:.1f} GiB of memory.",
    "broken": "{model} at {url} does not answer ({why}). Start it again with labkit.start() "
    "(or `labkit up`).",
    "replicas": " {answering} of {count} replicas {answer}",
    "answers": "answers",
    "answer": "answer",
    "well": ".",
    "mend": ": {faults}. Start it again with labkit.start(replicas={count}) "
    "(or `labkit up --replicas {count}`).",
    "fault": "replica {number} (port {port}) {why}",
    "gone": "is gone",
    "mute": "gives no answer ({why})",
    "silent": "nothing came within {seconds:.0f} s",
    "no_connection": "no connection",
    "left_out": "the router has not yet seen all replicas well",
}

_LOG_TAIL_BYTES = 60_000


def status(ping_s: float = 5.0) -> Status:
    """How the server is, asked now; `ping_s` is how long it may take to answer a one-token request."""
    server = home.read()
    if server is None or not lives(server):
        return Status("none", TEXT["none"])
    why = ping(server, ping_s)
    silent = faults(server, ping_s) if why is None and server.replicas else {}
    state = "ready" if why is None else "broken" if server.ready else "loading"
    uptime = process.uptime_s(server.pid)
    memory = sum(process.memory_bytes(each.pid, each.create_time) for each in server.parts) / GIB
    message = TEXT[state].format(
        model=server.model,
        url=server.url,
        uptime=_duration(uptime),
        memory=memory,
        why=why,
        stage=stage(server),
    )
    found = Status(state, message, server.model, server.url, server.pid, uptime, memory, server.log)
    if why is not None or not server.replicas:
        return replace(found, replicas=len(server.engines))
    count, answering = len(server.replicas), len(server.replicas) - len(silent)
    return replace(found, message=message + told(server, silent), replicas=count, answering=answering)


def faults(server: Server, ping_s: float) -> dict[int, str]:
    """The engines that do not answer, by their number from 1 on, and why not; all are asked at once."""

    def why(each: Server | Replica) -> str | None:
        if not lives(each):
            return TEXT["gone"]
        return ping(server, ping_s, each)

    with ThreadPoolExecutor(len(server.engines)) as pool:
        said = enumerate(pool.map(why, server.engines), 1)
        return {number: words for number, words in said if words is not None}


def unanswered(server: Server, ping_s: float) -> str | None:
    """Why one of its replicas, or the router before them, does not answer; None where all do.

    A router that has seen a replica fail sends it nothing until it has looked once more.
    """
    return (
        next(iter(faults(server, ping_s).values()), None) or ping(server, ping_s) or _left_out(server, ping_s)
    )


def _left_out(server: Server, timeout_s: float) -> str | None:
    import httpx

    try:
        with _client(server, timeout_s) as client:
            workers = client.get(f"{server.url.removesuffix('/v1')}/workers").json()["workers"]
    except (httpx.HTTPError, ValueError, LookupError, TypeError):
        return None  # another router than vLLM's
    return None if all(each.get("is_healthy", True) for each in workers) else TEXT["left_out"]


def _client(server: Server, timeout_s: float) -> httpx.Client:
    """For questions to a server of this machine; a connection may take 2 s."""
    import httpx

    headers = {"Authorization": f"Bearer {server.key}"}
    return httpx.Client(trust_env=False, timeout=httpx.Timeout(timeout_s, connect=2), headers=headers)


def told(server: Server, silent: dict[int, str]) -> str:
    """How many replicas answer, and what mends it, in a sentence that follows another."""
    count = len(server.replicas)
    verb = TEXT["answers" if count - len(silent) == 1 else "answer"]
    words = TEXT["replicas"].format(answering=count - len(silent), count=count, answer=verb)
    if not silent:
        return words + TEXT["well"]
    each = ", ".join(fault(server, number, why) for number, why in silent.items())
    return words + TEXT["mend"].format(faults=each, count=count)


def fault(server: Server, number: int, why: str) -> str:
    """What is wrong with one replica, in words."""
    words = why if why == TEXT["gone"] else TEXT["mute"].format(why=why)
    return TEXT["fault"].format(number=number, port=server.replicas[number - 1].port, why=words)


def stage(server: Server) -> str:
    """What it is doing now, in words; of several replicas, the one that is furthest behind."""
    logs = [tail(each.log) for each in server.engines]
    loading = [log for log in logs if len(log) < _LOG_TAIL_BYTES // 2]  # a long one has answered many
    return vllm.stage(vllm.behind(loading or logs))


def lives(part: Server | Replica) -> bool:
    """Whether this very process still runs."""
    return process.alive(part.pid, part.create_time)


def stop() -> bool:
    """End the server, every process that it started included. Returns whether there was one."""
    server = home.read()
    if server is None:
        return False
    home.forget()
    return end(server) > 0


def end(server: Server) -> int:
    """End all of its processes, and what they started; returns how many there were."""
    with ThreadPoolExecutor(len(server.parts)) as pool:
        return sum(pool.map(lambda each: process.end(each.pid, each.create_time), server.parts))


def ping(server: Server, timeout_s: float, at: Server | Replica | None = None) -> str | None:
    """Ask for one token, at one of its replicas if one is given. None if it came, otherwise why not.

    (/health outlives the engine.)
    """
    import httpx

    question = {"model": server.model, "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]}
    try:
        with _client(server, timeout_s) as client:
            reply = client.post(f"{(at or server).url}/chat/completions", json=question)
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
