"""What the doctor looks at in the servers: do they answer, see, and call tools; who can reach them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil

from labkit import catalog, home
from labkit.clinic.checks_environment import too_old
from labkit.clinic.drills.serving import QUESTION, WEATHER
from labkit.clinic.findings import Finding
from labkit.engines import ollama_engine, process
from labkit.engines.ollama_engine import serving
from labkit.home import Server
from labkit.images import chunks
from labkit.server import fault, faults

TEXT = {
    "none": "no server of labkit's runs: labkit.start() (or `labkit up`) starts one",
    "gone": "The server of {model} is gone.",
    "gone_why": "It was killed or has crashed; a session of before gets no answer.",
    "log": "labkit logs",
    "up": "labkit up",
    "answers": "{model} answers at {url}",
    "loading": "{model} is still loading",
    "silent": "{model} at {url} gives no answer ({why}), though its process lives.",
    "silent_why": "Its engine is dead or stuck; /health may still say 200.",
    "again": "labkit down && labkit up",
    "other": "The server at {url} serves {serves}, and labkit asks for {model}.",
    "other_why": "Every request would be refused with a 404.",
    "replicas": "all of its {count} replicas answer",
    "replica_why": "The others answer in its place, more slowly when many ask.",
    "replica_command": "labkit up --replicas {count}",
    "vision": "it sees pictures",
    "no_vision": "It does not take a picture ({why}).",
    "no_vision_why": "Lesson 04 needs one; it was started without its vision tower.",
    "tools": "it calls tools",
    "no_tools": "It answers a question that needs a tool without a call ({why}).",
    "no_tools_why": "Without the parser its calls come as text, and programs never see them.",
    "no_text": "no call came",
    "ollama": "Ollama {version} answers at {host}",
    "spilled": "In Ollama, {name} lies on the GPU to {share:.0%} only.",
    "spilled_why": "The rest is computed on the CPU, ten times slower, and nothing else says so.",
    "spilled_command": "ask for a smaller context (num_ctx), or a smaller variant: labkit plan",
    "ollama_command": "curl -fsSL https://ollama.com/install.sh | sh",
    "open_key": "Anybody who reaches this machine can use {program} on port {port}: it asks for no key.",
    "open_why": "It listens on all addresses. Others can spend your GPU's hours and read along.",
    "open_command": "start it with --host 127.0.0.1; reach it by ssh -L {port}:127.0.0.1:{port} USER@HOST",
    "public": "{program} listens on all addresses, port {port}; it asks for a key.",
    "public_why": "On a rented machine the key is all that guards it, and it travels without encryption.",
    "inside": "no server can be reached from outside",
    "unknown": "Other programs' ports cannot be seen by this user.",
}
_PROGRAMS = {"vllm": "vLLM", "ollama": "Ollama", "jupyter": "Jupyter", "llama-server": "llama-server"}
_ASK_S = 20.0


def servers() -> Iterator[Finding]:
    """All findings about the servers of this machine."""
    yield from own()
    yield from _ollama()
    yield from _exposed()


def own() -> Iterator[Finding]:
    """The server of this home: whether it is there, answers, sees and calls, and each of its replicas."""
    server = home.read()
    if server is None:
        yield Finding("server", "well", TEXT["none"])
    elif not process.alive(server.pid, server.create_time):
        yield Finding(
            "server", "wrong", TEXT["gone"].format(model=server.model), TEXT["gone_why"], TEXT["up"], True
        )
    elif not server.ready:
        yield Finding("server", "note", TEXT["loading"].format(model=server.model))
    else:
        yield from _examined(server)


def _examined(server: Server) -> Iterator[Finding]:
    """Three questions at once: a word, a picture, a tool."""
    with ThreadPoolExecutor(3) as pool:
        word, sees, calls = pool.map(lambda body: _post(server, body), (_WORD, _picture(), _TOOL))
    if word.error == "HTTP 404":
        values = {"url": server.url, "serves": _serves(server), "model": server.model}
        yield Finding("server", "wrong", TEXT["other"].format(**values), TEXT["other_why"], TEXT["again"])
        return
    if word.error:
        what = TEXT["silent"].format(model=server.model, url=server.url, why=word.error)
        yield Finding("server", "wrong", what, TEXT["silent_why"], TEXT["again"], runs=True)
        return
    yield Finding("server", "well", TEXT["answers"].format(model=server.model, url=server.url))
    yield from _replicas(server)
    if sees.error:
        what = TEXT["no_vision"].format(why=sees.error)
        yield Finding("vision", "wrong", what, TEXT["no_vision_why"], TEXT["again"])
    else:
        yield Finding("vision", "well", TEXT["vision"])
    if calls.error or not calls.message.get("tool_calls"):
        what = TEXT["no_tools"].format(why=calls.error or TEXT["no_text"])
        yield Finding("tools", "wrong", what, TEXT["no_tools_why"], TEXT["again"])
    else:
        yield Finding("tools", "well", TEXT["tools"])


def _replicas(server: Server) -> Iterator[Finding]:
    """A dead replica is no dead service: the others answer in its place."""
    silent = faults(server, _ASK_S) if server.replicas else {}
    for number, why in silent.items():
        what, command = fault(server, number, why), TEXT["replica_command"].format(count=len(server.replicas))
        yield Finding("server", "wrong", what, TEXT["replica_why"], command, runs=True)
    if server.replicas and not silent:
        yield Finding("server", "well", TEXT["replicas"].format(count=len(server.replicas)))


class _Answer:
    """What came: a message, or why none did."""

    def __init__(self, message: dict[str, Any] | None = None, error: str = "") -> None:
        self.message = message or {}
        self.error = error


_WORD: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
_TOOL: dict[str, Any] = {
    "messages": [{"role": "user", "content": QUESTION}],
    "tools": [WEATHER],
    "temperature": 0,
    "max_tokens": 64,
}


def _picture() -> dict[str, Any]:
    from PIL import Image

    square = chunks(Image.new("RGB", (56, 56), "white"))
    content = [*square, {"type": "text", "text": "?"}]
    return {"messages": [{"role": "user", "content": content}], "max_tokens": 1}


def _post(server: Server, body: dict[str, Any]) -> _Answer:
    headers = {"Authorization": f"Bearer {server.key}"}
    try:
        with httpx.Client(
            trust_env=False, timeout=httpx.Timeout(_ASK_S, connect=2), headers=headers
        ) as client:
            reply = client.post(f"{server.url}/chat/completions", json={"model": server.model, **body})
            if reply.status_code != 200:
                return _Answer(error=f"HTTP {reply.status_code}")
            return _Answer(reply.json()["choices"][0]["message"])
    except httpx.TimeoutException:
        return _Answer(error=f"nothing came within {_ASK_S:.0f} s")
    except httpx.HTTPError:
        return _Answer(error="no connection")
    except (ValueError, LookupError, TypeError):
        return _Answer(error="no OpenAI answer")


def _serves(server: Server) -> str:
    try:
        headers = {"Authorization": f"Bearer {server.key}"}
        reply = httpx.get(f"{server.url}/models", headers=headers, timeout=5, trust_env=False)
        return ", ".join(each["id"] for each in reply.json()["data"])
    except (httpx.HTTPError, ValueError, LookupError, TypeError):
        return "something else"


def _ollama() -> Iterator[Finding]:
    host = serving.default_host()
    found = serving.version(host, 1.0)
    if found is None:
        return
    if not found.standin and _older(found.number, floor := catalog.load("floors")["ollama"]):
        yield too_old("Ollama", found.number, floor, TEXT["ollama_command"])
    else:
        yield Finding("ollama", "well", TEXT["ollama"].format(version=found.number, host=host))
    for row in ollama_engine.ps(host):
        if row.on_gpu < 0.999:
            what = TEXT["spilled"].format(name=row.name, share=row.on_gpu)
            yield Finding("ollama", "wrong", what, TEXT["spilled_why"], TEXT["spilled_command"])


def _older(has: str, floor: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(has) < Version(floor)
    except InvalidVersion:
        return False


def _exposed() -> Iterator[Finding]:
    """Servers of models and notebooks that listen on all addresses."""
    found = 0
    try:
        every: list[Any] = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        yield Finding("exposure", "note", TEXT["unknown"])
        return
    listening = {(each.laddr.port, each.pid) for each in every if _listens_outside(each)}
    for port, pid in sorted((port, pid) for port, pid in listening if pid):
        if (program := _program(pid)) is None:
            continue
        found += 1
        values = {"program": program, "port": port}
        if _open(program, port):
            command = TEXT["open_command"].format(**values)
            yield Finding("exposure", "alarm", TEXT["open_key"].format(**values), TEXT["open_why"], command)
        else:
            command = TEXT["open_command"].format(**values)
            yield Finding("exposure", "note", TEXT["public"].format(**values), TEXT["public_why"], command)
    if not found:
        yield Finding("exposure", "well", TEXT["inside"])


def _listens_outside(connection: Any) -> bool:
    return connection.status == psutil.CONN_LISTEN and connection.laddr.ip in ("0.0.0.0", "::")


def _program(pid: int) -> str | None:
    """Which of the programs that serve models or notebooks a process is."""
    try:
        words = [Path(word).name.lower() for word in psutil.Process(pid).cmdline()[:4]]
    except psutil.Error:
        return None
    named = (title for name, title in _PROGRAMS.items() if any(word.startswith(name) for word in words))
    return next(named, None)


def _open(program: str, port: int) -> bool:
    """Whether it lets in who has no key."""
    path = {"Ollama": "/api/tags", "Jupyter": "/api/contents"}.get(program, "/v1/models")
    try:
        reply = httpx.get(
            f"http://127.0.0.1:{port}{path}", timeout=2, trust_env=False, follow_redirects=False
        )
        return reply.status_code == 200
    except (OSError, httpx.HTTPError):
        return False
