"""A tiny OpenAI-compatible server for tests of what stands in front of one; and a way to run any such app.

It answers by what the last message says: "tool" calls a tool, "bad tool" with broken arguments, "wait" holds
until `let_go`, "cut" breaks off, "refuse" is a 400; anything else is echoed in three pieces. Or it answers by
a `script`, whatever is said.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from labkit.engines.ports import listens

MODEL, KEY = "fake-model", "fake-key"
LOGPROBS = {"content": [{"token": "You", "logprob": -0.5, "bytes": [89], "top_logprobs": []}]}


@dataclass(frozen=True)
class Answer:
    """One answer of a script."""

    text: str = ""
    calls: tuple[tuple[str, str, str], ...] = ()
    """Each an id, a name and the arguments as written."""
    finish: str = ""
    whole: bool = True
    """False breaks the stream off before its last word."""
    pause: float = 0.0
    """Seconds before each piece."""
    status: int = 200

    def chunks(self) -> Iterator[dict[str, Any]]:
        for letter in self.text:
            yield _chunk(delta={"content": letter})
        for index, (id, name, raw) in enumerate(self.calls):
            head = {"index": index, "id": id, "function": {"name": name, "arguments": ""}}
            yield _chunk(delta={"tool_calls": [head]})
            for piece in (raw[: len(raw) // 2], raw[len(raw) // 2 :]):
                yield _chunk(delta={"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
        if self.whole:
            yield _chunk(self.finish or ("tool_calls" if self.calls else "stop"), delta={})


class FakeOpenAI:
    """`asked` keeps the requests; `running` and `most` count those in work, now and at most."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.script: Iterator[Answer] | None = None
        self.let_go = threading.Event()
        self.running = self.most = 0
        self.app = Starlette(
            routes=[
                Route("/v1/models", self.models),
                Route("/v1/chat/completions", self.chat, methods=["POST"]),
            ]
        )

    async def models(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return JSONResponse({"error": {"message": "Unauthorized"}}, 401)
        return JSONResponse({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    async def chat(self, request: Request) -> Response:
        body = await request.json()
        self.asked.append(body)
        if self.script is not None:
            return self._scripted(next(self.script))
        said = body["messages"][-1]["content"]
        text = said if isinstance(said, str) else said[-1]["text"]
        if body["model"] != MODEL:
            return JSONResponse({"error": {"message": f"The model `{body['model']}` does not exist"}}, 404)
        if text == "refuse":
            return JSONResponse({"error": {"message": "the upstream's own words"}}, 400)
        if body.get("stream"):
            return StreamingResponse(self._lines(text, body), media_type="text/event-stream")
        message = {"role": "assistant", "content": f"You said {text}."}
        return JSONResponse(dict(_chunk(message=message), object="chat.completion", usage=_USAGE))

    def _scripted(self, answer: Answer) -> Response:
        if answer.status != 200:
            return JSONResponse({"error": {"message": "the script's own words"}}, answer.status)

        async def lines() -> AsyncIterator[str]:
            for chunk in answer.chunks():
                await anyio.sleep(answer.pause)
                yield f"data: {json.dumps(chunk)}\n\n"
            if answer.whole:
                yield f"data: {json.dumps(dict(_chunk(), choices=[], usage=_USAGE))}\n\ndata: [DONE]\n\n"

        return StreamingResponse(lines(), media_type="text/event-stream")

    async def _lines(self, text: str, body: dict[str, Any]) -> AsyncIterator[str]:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            for chunk in self._chunks(text, bool(body.get("logprobs"))):
                yield f"data: {json.dumps(chunk)}\n\n"
                while text == "wait" and "You" in str(chunk) and not self.let_go.is_set():
                    await anyio.sleep(0.01)
            if text != "cut":
                yield f"data: {json.dumps(dict(_chunk(), choices=[], usage=_USAGE))}\n\n"
                yield "data: [DONE]\n\n"
        finally:
            self.running -= 1

    def _chunks(self, text: str, logprobs: bool) -> Iterator[dict[str, Any]]:
        if text.endswith("tool"):
            arguments = ['{"city": ', "Bonn" if text == "bad tool" else '"Bonn"}']
            names: list[dict[str, Any]] = [
                {"id": "abcdefgh1", "function": {"name": "weather", "arguments": ""}}
            ]
            for each in [*names, *({"function": {"arguments": piece}} for piece in arguments)]:
                yield _chunk(delta={"tool_calls": [{"index": 0, **each}]})
            yield _chunk("tool_calls", delta={})
            return
        yield _chunk(delta={"role": "assistant", "content": ""})
        for piece in ("You", " said ", f"{text}."):
            yield _chunk(delta={"content": piece}, logprobs=LOGPROBS if logprobs and piece == "You" else None)
        yield _chunk("length" if text == "long" else "stop", delta={})


@contextmanager
def serving(app: Starlette) -> Iterator[str]:
    """Run the app on a free port of 127.0.0.1 in a thread; gives its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@contextmanager
def apart(port: int, fake: str = f"{__name__}:FakeOpenAI()") -> Iterator[subprocess.Popen[bytes]]:
    """The fake in a process of its own, which a test may kill. fake: its module, and what makes it."""
    module, made_by = fake.split(":")
    code = f"import sys, uvicorn\nfrom {module} import *\n"
    code += f"uvicorn.run({made_by}.app, port=int(sys.argv[1]), log_level='error')"
    made = subprocess.Popen([sys.executable, "-c", code, str(port)])
    try:
        until = time.monotonic() + 30
        while not listens(port):
            assert time.monotonic() < until and made.poll() is None, "the fake did not start"
            time.sleep(0.05)
        yield made
    finally:
        made.kill()
        made.wait()


_USAGE: dict[str, int] = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def _chunk(reason: str | None = None, **choice: Any) -> dict[str, Any]:
    choices = [{"index": 0, "finish_reason": reason, **choice}]
    return {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": MODEL, "choices": choices}
