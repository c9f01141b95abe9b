"""The gate between the class and the one server: a key for each learner, and a turn for each request.

`python -m labkit.workshop.gate` runs it for the workshop of this home. It passes the paths that the course
uses, byte by byte as they stream, and no other: vLLM has more, some of them behind no key. The server's own
key never leaves it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from labkit.workshop.room import Turns
from labkit.workshop.turns import Refused, Turnstile, weight

TEXT = {
    "key": "This API key is nobody's in the class. labkit.start() takes yours from the environment.",
    "path": "The class's server does not offer {method} {path} to learners.",
    "full": "{queue} of your requests wait already, so this one was refused. Wait until some are done; the "
    "others in the class need the model too.",
    "gone": "The model's server does not answer. Your instructor sees it on the board.",
}
OPEN = {("GET", "/health")}
"""What needs no key: whether the server lives."""
TAKES_A_TURN = {("POST", f"/v1/{each}") for each in ("chat/completions", "completions", "responses")}
"""What the model works for."""
PASSED = {
    *TAKES_A_TURN,
    *(("GET", each) for each in ("/v1/models", "/metrics", "/version")),
    *(("POST", each) for each in ("/tokenize", "/detokenize")),
}
"""What a learner's key opens."""
PRIORITY = ("--scheduling-policy", "priority")
"""vLLM's words for a server that orders what waits in it by rank, not by arrival."""
SHARING = (
    *PRIORITY,
    *("--long-prefill-token-threshold", "256"),
    *("--middleware", "labkit.engines.lock.Lock"),
)
"""The flags of a class's server. It reads a long text in pieces of so many tokens, or every other answer
would stand still until the text is read. And it asks for its key at every path, or learners could go past
the gate: vLLM by itself answers some, `/invocations` among them, to everybody on the machine."""
_DROPPED = {"host", "authorization", "content-length", "connection", "transfer-encoding", "keep-alive"}
_LONGEST_S = 600.0


class Gate:
    """The app, for one upstream server. names: whose each key is. priority: whether it orders by rank."""

    def __init__(
        self, upstream: str, key: str, names: Mapping[str, str], turns: Turns, priority: bool = False
    ) -> None:
        place = urlsplit(upstream)
        self.turnstile, self._priority = Turnstile(turns), priority
        self._key, self._names = key, dict(names)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
        self._client = httpx.AsyncClient(
            base_url=f"{place.scheme}://{place.netloc}",
            timeout=httpx.Timeout(_LONGEST_S, connect=5),
            limits=limits,
            trust_env=place.hostname not in ("127.0.0.1", "localhost"),
        )
        methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        self.app = Starlette(
            routes=[Route("/{path:path}", self._answer, methods=methods)], lifespan=self._lifespan
        )

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with self._client:
            yield

    async def _answer(self, request: Request) -> Response:
        """Until an answer begins, watch whether somebody still waits for it: who has gone keeps no turn."""
        try:
            await request.body()
        except ClientDisconnect:
            return Response(status_code=499)
        work, gone = asyncio.create_task(self._pass(request)), asyncio.create_task(_gone(request))
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            return await work if work.done() else Response(status_code=499)
        finally:
            gone.cancel()
            work.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)

    async def _pass(self, request: Request) -> Response:
        asked = (request.method, request.url.path)
        if asked in OPEN:
            return await self._forward(request, AsyncExitStack())
        name = self._names.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if name is None:
            return _error(401, TEXT["key"], "invalid_api_key")
        if asked not in PASSED:
            return _error(404, TEXT["path"].format(method=asked[0], path=asked[1]), "invalid_request_error")
        held = AsyncExitStack()
        try:
            if asked in TAKES_A_TURN:
                counts = weight(_read(await request.body()), self.turnstile.turns)
                await held.enter_async_context(self.turnstile.turn(name, counts))
                return await self._forward(request, held, self.turnstile.running[name] - counts)
            return await self._forward(request, held)
        except Refused:
            return _error(429, TEXT["full"].format(queue=self.turnstile.turns.queue), "rate_limit_exceeded")
        except BaseException:
            await held.aclose()
            raise

    async def _forward(self, request: Request, held: AsyncExitStack, already: int | None = None) -> Response:
        """Ask upstream. `held` is given back when the last byte has gone, or the asker has.

        already: how much of the learner's is at the server; None for what takes no turn.
        """
        headers = {k: v for k, v in request.headers.items() if k not in _DROPPED}
        headers["authorization"] = f"Bearer {self._key}"
        try:
            body = await request.body()
            if self._priority and already is not None:
                body = _with_priority(body, already)
            asked = self._client.build_request(
                request.method,
                request.url.path,
                params=request.url.query.encode(),
                headers=headers,
                content=body,
            )
            answer = await self._client.send(asked, stream=True)
        except httpx.HTTPError:
            await held.aclose()
            return _error(503, TEXT["gone"], "server_error")
        kept = {k: v for k, v in answer.headers.items() if k not in _DROPPED}
        return StreamingResponse(_bytes(answer, held), answer.status_code, kept)


async def _gone(request: Request) -> None:
    """Returns when the asker has hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None  # the server says what is wrong with it


def _with_priority(body: bytes, priority: int) -> bytes:
    """The request with our word on its rank (vLLM serves the lowest first), whatever the learner's was."""
    asked = _read(body)
    return json.dumps(asked | {"priority": priority}).encode() if isinstance(asked, dict) else body


async def _bytes(answer: httpx.Response, held: AsyncExitStack) -> AsyncIterator[bytes]:
    try:
        async for piece in answer.aiter_raw():
            yield piece
    finally:
        await answer.aclose()
        await held.aclose()


def _error(status: int, sentence: str, kind: str) -> JSONResponse:
    """In the form of OpenAI's errors, which every client reads."""
    body: dict[str, Any] = {"message": sentence, "type": kind, "code": status}
    return JSONResponse({"error": body}, status)


def main() -> None:
    """Run the gate of this home's workshop."""
    import uvicorn

    from labkit import home
    from labkit.workshop import room

    here, secret, server = room.read(), room.read_secrets(), home.read()
    assert here and server  # `labkit workshop up` has written both
    names = {secret.key_of(name): name for name in here.people}
    gate = Gate(server.url, server.key, names, here.turns, set(PRIORITY) <= set(server.flags))
    uvicorn.run(gate.app, host="127.0.0.1", port=here.gate_port, log_level="warning")


if __name__ == "__main__":
    main()
