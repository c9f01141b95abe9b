"""An OpenAI API without a network: what the openai client sends is answered in this process."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import httpx2

from labkit.engines.transformers_engine.answering import Answer
from labkit.engines.transformers_engine.asking import request
from labkit.engines.transformers_engine.generating import Generation
from labkit.engines.transformers_engine.loading import Loaded, first_line
from labkit.errors import LabkitError

TEXT = {
    "path": "There is no {method} {path} in this engine: it answers GET /v1/models and POST "
    "/v1/chat/completions.",
    "model": "The model `{name}` does not exist. This process has `{known}`.",
    "body": "The request is no JSON object.",
    "memory": "There is not enough memory for this request. Ask with fewer tokens or smaller images",
    "failed": "Transformers failed: {why}",
}
_TYPES = {400: "invalid_request_error", 404: "not_found_error"}


class InProcess(httpx2.BaseTransport):
    """Carries requests to the loaded model instead of a server.

    current: gives the model of the moment, and raises LabkitError where there is none; so a session works
    again after stop and start, as it does with a server.
    """

    def __init__(self, current: Callable[[], Loaded]) -> None:
        self._current = current

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request; what is wrong becomes an OpenAI error: 400, 404, 503 without a model, 500."""
        try:
            return self._answer(request)
        except Refused as error:
            return _error(error.status, str(error))

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        loaded = _or(503, self._current)
        name, path = loaded.wanted.name, request.url.path.rstrip("/")
        if (request.method, path) == ("GET", "/v1/models"):
            return httpx2.Response(200, json={"object": "list", "data": [_card(name)]})
        if request.method == "GET" and path.startswith("/v1/models/"):
            _same(path.removeprefix("/v1/models/"), name)
            return httpx2.Response(200, json=_card(name))
        if (request.method, path) != ("POST", "/v1/chat/completions"):
            raise Refused(404, TEXT["path"].format(method=request.method, path=path))
        try:
            body = json.loads(request.read())
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise Refused(400, TEXT["body"])
        _same(body.get("model"), name)
        return _chat(loaded, body)


class Refused(Exception):
    """A request that is answered with an error. status: of HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _chat(loaded: Loaded, body: dict[str, Any]) -> httpx2.Response:
    asked = _or(400, lambda: request(loaded, body))
    loaded.note(f"chat: {asked.prompt_tokens} tokens in, at most {asked.max_tokens} out")
    answer = Answer(loaded.wanted.name, asked, loaded.tokenizer)
    generation = Generation(loaded, asked)
    choices = answer.choices(generation)
    if body.get("stream"):
        usage = bool((body.get("stream_options") or {}).get("include_usage"))
        events = _Events(choices, answer, generation, loaded, usage)
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=events)
    try:
        return httpx2.Response(200, json=_whole(choices, answer))
    except Exception as error:
        raise _explained(error, loaded) from None


def _whole(choices: Iterator[dict[str, Any]], answer: Answer) -> dict[str, Any]:
    """The answer in one record."""
    text, calls, scores = "", [], []
    for choice in choices:
        text += choice["delta"].get("content", "")
        calls += choice["delta"].get("tool_calls", [])
        scores += (choice["logprobs"] or {"content": []})["content"]
    message: dict[str, Any] = {"role": "assistant", "content": None if calls and not text else text}
    if calls:
        message["tool_calls"] = [{key: call[key] for key in ("id", "type", "function")} for call in calls]
    told = {"content": scores, "refusal": None} if answer.asked.top_logprobs is not None else None
    only = {"index": 0, "message": message, "logprobs": told, "finish_reason": answer.finish_reason}
    return answer.head("chat.completion") | {"choices": [only], "usage": answer.usage}


class _Events(httpx2.SyncByteStream):
    """The deltas as server-sent events. Closing it, or forgetting it, ends the generation."""

    def __init__(
        self,
        choices: Iterator[dict[str, Any]],
        answer: Answer,
        generation: Generation,
        loaded: Loaded,
        usage: bool,
    ) -> None:
        self._choices, self._answer, self._loaded, self._usage = choices, answer, loaded, usage
        self.close = weakref.finalize(self, generation.cancel)  # type: ignore[method-assign]

    def __iter__(self) -> Iterator[bytes]:
        yield self._event({"delta": {"role": "assistant", "content": ""}, "logprobs": None})
        try:
            for choice in self._choices:
                yield self._event(choice)
        except Exception as error:
            yield _line({"error": _envelope(500, str(_explained(error, self._loaded)))})
            return
        yield self._event({"delta": {}, "logprobs": None}, self._answer.finish_reason)
        if self._usage:
            yield _line(self._head | {"choices": [], "usage": self._answer.usage})
        yield b"data: [DONE]\n\n"

    @property
    def _head(self) -> dict[str, Any]:
        return self._answer.head("chat.completion.chunk")

    def _event(self, choice: dict[str, Any], finish_reason: str | None = None) -> bytes:
        return _line(self._head | {"choices": [{"index": 0, **choice, "finish_reason": finish_reason}]})


def _or(status: int, ask: Callable[[], Any]) -> Any:
    """What `ask` returns; its LabkitError becomes an answer with `status`."""
    try:
        return ask()
    except LabkitError as error:
        raise Refused(status, str(error)) from None


def _same(asked: object, known: str) -> None:
    if asked != known:
        raise Refused(404, TEXT["model"].format(name=asked, known=known))


def _explained(error: Exception, loaded: Loaded) -> Refused:
    """What a generation broke off with, in a sentence; the log has its own words."""
    import torch

    if isinstance(error, LabkitError):
        return Refused(503, str(error))
    loaded.note(f"{type(error).__name__}: {error}")
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return Refused(500, TEXT["memory"])
    return Refused(500, TEXT["failed"].format(why=first_line(error)))


def _card(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "labkit"}


def _line(record: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(record, ensure_ascii=False)}\n\n".encode()


def _envelope(status: int, message: str) -> dict[str, Any]:
    return {"message": message, "type": _TYPES.get(status, "server_error"), "param": None, "code": status}


def _error(status: int, message: str) -> httpx2.Response:
    return httpx2.Response(status, json={"error": _envelope(status, message)})
