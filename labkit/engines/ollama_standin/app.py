"""The stand-in's routes: Ollama's native API, and `/v1` beside it."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from labkit.engines.ollama_standin import answers, completions
from labkit.engines.ollama_standin import translate as words
from labkit.engines.ollama_standin.creating import Blobs, create
from labkit.engines.ollama_standin.models import Models
from labkit.engines.ollama_standin.translate import ApiError
from labkit.engines.ollama_standin.upstream import Upstream

NOTE = "labkit's stand-in for Ollama, not Ollama itself: another server answers, and a pull downloads nothing"
_NO_EMBEDDINGS = "This server does not support embeddings. Start it with `--embeddings`"
_UNKNOWN = "labkit's stand-in for Ollama cannot do this; a real Ollama can"


def make_app(
    upstream: str, key: str, models: Models | None = None, *, parallel: int = 1, queue: int = 512
) -> Starlette:
    """The stand-in in front of `upstream`, the address of an OpenAI API (ending in /v1), and its key.

    models: what is pulled, what it can do, and what goes wrong on purpose; by default nothing is pulled yet.
    parallel, queue: how many requests are answered at once, and how many more may wait before a 503.
    """
    server = _Server(models or Models(), upstream, key, parallel, queue)
    routes = [
        Route("/", server.root),
        Route("/api/version", server.version),
        Route("/api/tags", server.tags),
        Route("/api/ps", server.ps),
        Route("/api/chat", server.chat, methods=["POST"]),
        Route("/api/generate", server.generate, methods=["POST"]),
        Route("/api/pull", server.pull, methods=["POST"]),
        Route("/api/show", server.show, methods=["POST"]),
        Route("/api/delete", server.delete, methods=["DELETE"]),
        Route("/api/blobs/{digest}", server.blob, methods=["HEAD", "POST"]),
        Route("/api/create", server.create, methods=["POST"]),
        Route("/api/embed", server.embed, methods=["POST"]),
        Route("/api/{other}", server.other, methods=["POST"]),
        Route("/v1/models", server.v1_models),
        Route("/v1/chat/completions", server.v1_chat, methods=["POST"]),
        Route("/v1/completions", server.v1_completions, methods=["POST"]),
        Route("/v1/embeddings", server.embed, methods=["POST"]),
    ]
    return Starlette(
        routes=routes,
        lifespan=server.lifespan,
        middleware=[Middleware(_Named)],
        exception_handlers={ApiError: _refused},
    )


class _Named:
    """Says in a header of every answer that this is a stand-in."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-labkit-standin", NOTE.encode())]
            await send(message)

        await self.app(scope, receive, named)


class _Server:
    def __init__(self, models: Models, url: str, key: str, parallel: int, queue: int) -> None:
        self.models = models
        self.blobs = Blobs()
        self.upstream = Upstream(url, key, parallel, queue)

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        logging.getLogger("uvicorn.error").info("%s (in front of %s)", NOTE, self.upstream.url)
        yield
        await self.upstream.client.aclose()

    async def root(self, request: Request) -> Response:
        return PlainTextResponse(NOTE)

    async def version(self, request: Request) -> Response:
        return JSONResponse({"version": words.VERSION, "labkit": NOTE})

    async def tags(self, request: Request) -> Response:
        return JSONResponse({"models": self.models.tags()})

    async def ps(self, request: Request) -> Response:
        return JSONResponse({"models": self.models.ps()})

    async def chat(self, request: Request) -> Response:
        return await self._chat(await _body(request), lambda record: record)

    async def generate(self, request: Request) -> Response:
        body = await _body(request)
        with _understood():
            as_chat = words.chat_of(body)
        return await self._chat(as_chat, answers.generated)

    async def _chat(self, body: dict[str, Any], shape: Callable[[dict[str, Any]], Any]) -> Response:
        with _understood():
            asked = words.upstream_request(body)
        name = self._ready(body)
        keep = body.get("keep_alive")
        self.models.load(name, keep, (body.get("options") or {}).get("num_ctx"))
        if not asked["messages"]:
            reason = "load" if name in self.models.loaded else "unload"
            return JSONResponse(shape(answers.without_words(body["model"], reason)))
        if here := self.models.loaded.get(name):
            asked["num_ctx"] = here.context
        records = answers.chat(self.upstream, body["model"], asked)
        if body.get("stream") is False:
            return JSONResponse(shape(answers.whole([record async for record in records])))
        return await _streamed(records, lambda record: _line(shape(record)), "application/x-ndjson")

    def _ready(self, body: dict[str, Any]) -> str:
        """The full name of a model that is there and can do what is asked."""
        name = self.models.find(body.get("model") or "")
        if body.get("tools"):
            self.models.need(name, "tools")
        if words.has_images(body["messages"]):
            self.models.need(name, "vision")
        return name

    async def pull(self, request: Request) -> Response:
        body = await _body(request)
        return await _progress(self.models.pull(_name(body)), body)

    async def blob(self, request: Request) -> Response:
        digest = request.path_params["digest"]
        here = self.blobs.has(digest)
        if request.method == "HEAD" and not here:
            raise ApiError(404, f'blob "{digest}" not found')
        if request.method == "POST" and not here:
            await self.blobs.put(digest, request.stream())
            return Response(status_code=201)
        return Response()

    async def create(self, request: Request) -> Response:
        body = await _body(request)
        with _understood():
            return await _progress(create(self.models, self.blobs, body), body)

    async def embed(self, request: Request) -> Response:
        self.models.load(self.models.find(_name(await _body(request))))
        raise ApiError(501, _NO_EMBEDDINGS)

    async def show(self, request: Request) -> Response:
        return JSONResponse(self.models.show(self.models.find(_name(await _body(request)))))

    async def delete(self, request: Request) -> Response:
        self.models.delete(self.models.find(_name(await _body(request))))
        return Response()

    async def other(self, request: Request) -> Response:
        raise ApiError(501, _UNKNOWN)

    async def v1_models(self, request: Request) -> Response:
        names = [each["name"] for each in self.models.tags()]
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "library"} for name in names]
        return JSONResponse({"object": "list", "data": data})

    async def v1_chat(self, request: Request) -> Response:
        body = await _body(request)
        with _understood():
            asked = words.v1_request(body)
        if not body.get("messages"):
            raise ApiError(400, "[] is too short - 'messages'")
        self.models.load(self._ready(body))
        lines = answers.v1(self.upstream, body["model"], asked)
        kind = "text/event-stream" if asked.get("stream") else "application/json"
        return await _streamed(lines, str, kind, _v1_event)

    async def v1_completions(self, request: Request) -> Response:
        body = await _body(request)
        with _understood():
            as_chat = words.chat_of(completions.as_generate(body))
            asked = words.upstream_request(as_chat)
        self.models.load(self._ready(as_chat))
        if not asked["messages"]:
            empty = answers.without_words(body["model"], "load")
            return JSONResponse(completions.whole(empty))
        chat = answers.chat(self.upstream, body["model"], asked)
        if not body.get("stream"):
            return JSONResponse(completions.whole(answers.whole([record async for record in chat])))
        with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        return await _streamed(completions.lines(chat, with_usage), str, "text/event-stream", _v1_event)


async def _progress(records: AsyncGenerator[dict[str, Any], None], body: dict[str, Any]) -> Response:
    """The records one by one, or only the last where the body says so."""
    if body.get("stream") is False:
        return JSONResponse([record async for record in records][-1])
    return await _streamed(records, _line, "application/x-ndjson")


async def _streamed(
    items: AsyncGenerator[Any, None],
    written: Callable[[Any], str],
    kind: str,
    failed: Callable[[ApiError], str] = lambda error: _line({"error": str(error)}),
) -> Response:
    """Answer with the items as they come. An error before the first gives a status; a later one is sent."""
    first = await anext(items)

    async def lines() -> AsyncIterator[str]:
        async with aclosing(items):
            yield written(first)
            try:
                async for item in items:
                    yield written(item)
            except ApiError as error:
                yield failed(error)

    return StreamingResponse(lines(), media_type=kind)


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object that was sent, whatever its content type says. Raises ApiError 400."""
    raw = await request.body()
    if not raw:
        raise ApiError(400, "missing request body")
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise ApiError(400, f"invalid JSON: {error}") from None
    if not isinstance(body, dict):
        raise ApiError(400, "json: cannot unmarshal the request: not an object")
    return body


@contextmanager
def _understood() -> Iterator[None]:
    """A body whose parts have the wrong types is the sender's fault."""
    try:
        yield
    except (AttributeError, KeyError, TypeError) as error:
        raise ApiError(400, f"json: cannot unmarshal the request: {error}") from None


def _name(body: dict[str, Any]) -> str:
    """The model's name; `name` is what it was called in older versions."""
    return str(body.get("model") or body.get("name") or "")


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False) + "\n"


def _v1_event(error: ApiError) -> str:
    return f"data: {json.dumps(words.v1_error(error))}\n\n"


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    in_v1 = request.url.path.startswith("/v1/")
    return JSONResponse(words.v1_error(error) if in_v1 else {"error": str(error)}, error.status)
