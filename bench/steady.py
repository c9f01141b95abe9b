"""A server that answers by the clock: what two load generators see of it differs by their errors alone."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

MODEL = "a-steady-server"
FIRST_S, EACH_S = 0.05, 0.006
"""The first token after 50 ms, each other 6 ms later: about the twin's own pace on two cores."""


def app(tokenizer: str) -> Starlette:
    """Its API. tokenizer: the folder that it says its model was loaded from."""

    async def models(request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": MODEL, "object": "model", "root": tokenizer}]})

    async def chat(request: Request) -> Response:
        began = time.perf_counter()
        body = await request.json()
        wanted: int = body.get("max_tokens") or body.get("max_completion_tokens") or 1
        read = len(str(body["messages"][-1]["content"]).split())

        async def lines() -> AsyncIterator[str]:
            for number in range(wanted):
                await asyncio.sleep(max(0.0, began + FIRST_S + number * EACH_S - time.perf_counter()))
                last = "length" if number == wanted - 1 else None
                yield _line([{"index": 0, "delta": {"content": " word"}, "finish_reason": last}])
            usage = {"prompt_tokens": read, "completion_tokens": wanted, "total_tokens": read + wanted}
            yield _line([], usage=usage) + "data: [DONE]\n\n"

        return StreamingResponse(lines(), media_type="text/event-stream")

    routes = [Route("/v1/models", models), Route("/v1/chat/completions", chat, methods=["POST"])]
    return Starlette(routes=routes)


def _line(choices: list[dict[str, Any]], **rest: Any) -> str:
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": MODEL, "choices": choices}
    return f"data: {json.dumps(chunk | rest)}\n\n"


@contextmanager
def running(tokenizer: str) -> Iterator[str]:
    """It in a process of its own, on a free port of 127.0.0.1; gives its address."""
    code = "import sys, uvicorn\nfrom bench.steady import app\n"
    code += "uvicorn.run(app(sys.argv[2]), fd=int(sys.argv[1]), log_level='error')"
    with socket.create_server(("127.0.0.1", 0)) as door:
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(door.fileno()), tokenizer], pass_fds=[door.fileno()]
        )
        try:
            yield f"http://127.0.0.1:{door.getsockname()[1]}/v1"  # the door is open: who comes early, waits
        finally:
            child.kill()
            child.wait()
