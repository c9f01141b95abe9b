"""Between Ollama's words and OpenAI's: pure functions, both ways. Error words are Ollama's own."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable
from typing import Any

VERSION = "0.0.0-standin"

_SAMPLING = ("temperature", "top_p", "seed", "stop", "presence_penalty", "frequency_penalty")
_OPTIONS = {"num_predict": "max_tokens"} | {name: name for name in _SAMPLING}
_KNOWN_TO_V1 = {"messages", "stream", "stream_options", "max_tokens", "response_format", "tools", *_SAMPLING}
_KNOWN_TO_V1 |= {"logprobs", "top_logprobs"}
"""What Ollama's `/v1/chat/completions` reads. It drops the rest, `tool_choice` and `num_ctx` among it."""
_IMAGE_TYPES = {"/9j/": "jpeg", "iVBO": "png", "UklG": "webp"}
_DATA_URL = re.compile(r"data:(image/(jpeg|jpg|png|webp))?;base64,")


class ApiError(Exception):
    """An error as Ollama says it: an HTTP status and its words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def upstream_request(body: dict[str, Any]) -> dict[str, Any]:
    """The OpenAI request for the body of an `/api/chat`, always streaming. Raises ApiError."""
    request: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
    request["messages"] = _messages(body.get("messages") or [])
    for name, value in (body.get("options") or {}).items():
        if name in _OPTIONS and value is not None and not (name == "num_predict" and value < 0):
            request[_OPTIONS[name]] = value
    if body.get("tools"):
        request["tools"] = body["tools"]
    if shape := body.get("format"):
        request["response_format"] = _format(shape)
    if body.get("logprobs"):
        request |= {"logprobs": True, "top_logprobs": body.get("top_logprobs") or 0}
    return request


def chat_of(body: dict[str, Any]) -> dict[str, Any]:
    """The `/api/chat` body that says the same as the body of an `/api/generate`."""
    if body.get("suffix"):
        raise ApiError(400, f"registry.ollama.ai/library/{body['model']} does not support insert")
    prompt, images, system = (body.get(key) for key in ("prompt", "images", "system"))
    if not prompt and not images:
        return {**body, "messages": []}
    first = [{"role": "system", "content": system}] if system else []
    return {**body, "messages": [*first, {"role": "user", "content": prompt or "", "images": images or []}]}


def v1_request(body: dict[str, Any]) -> dict[str, Any]:
    """What `/v1/chat/completions` makes of a body: temperature 1.0 when unset, data URLs only."""
    for part in _parts(body.get("messages") or [], "image_url"):
        url = part["image_url"]
        url = url.get("url", "") if isinstance(url, dict) else url
        if url.startswith(("http://", "https://")):
            why = "image URLs are not currently supported, please use base64 encoded data instead"
            raise ApiError(400, why)
        if not _DATA_URL.match(url):
            raise ApiError(400, "invalid image input")
    known = {key: value for key, value in body.items() if key in _KNOWN_TO_V1 and value is not None}
    return {"temperature": 1.0, "top_p": 1.0} | known


def v1_error(error: ApiError) -> dict[str, Any]:
    """The error in OpenAI's envelope, as Ollama's `/v1` does it."""
    kind = {400: "invalid_request_error", 404: "not_found_error"}.get(error.status, "api_error")
    return {"error": {"message": str(error), "type": kind, "param": None, "code": None}}


def has_images(messages: list[dict[str, Any]]) -> bool:
    """Whether a message carries an image, in either API's form."""
    return any(each.get("images") for each in messages) or any(True for _ in _parts(messages, "image_url"))


def tool_calls(pieces: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ollama's tool calls from all the pieces of OpenAI's that a stream brought. Raises ApiError."""
    calls: dict[int, dict[str, str]] = {}
    for piece in pieces:
        call = calls.setdefault(piece.get("index", 0), {"id": "", "name": "", "arguments": ""})
        call["id"] = piece.get("id") or call["id"]
        for key in ("name", "arguments"):
            call[key] += (piece.get("function") or {}).get(key) or ""
    found = []
    for index, call in calls.items():
        try:
            arguments = json.loads(call["arguments"] or "{}")
        except ValueError as error:
            raw = call["arguments"]
            raise ApiError(500, f"error parsing tool call: raw='{raw}', err={error}") from None
        function = {"index": index, "name": call["name"], "arguments": arguments}
        found.append({"id": call["id"], "function": function})
    return found


def _messages(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """OpenAI's messages. Ollama's tool results name no call: the calls still open are answered in order."""
    made: list[dict[str, Any]] = []
    open_calls: list[tuple[str, str]] = []
    for message in messages:
        role, content = message.get("role"), message.get("content") or ""
        if images := message.get("images"):
            content = [*map(_image, images), {"type": "text", "text": content}]
        one: dict[str, Any] = {"role": role, "content": content}
        if calls := message.get("tool_calls"):
            one["tool_calls"] = [_call(call, len(made) * 100 + n) for n, call in enumerate(calls)]
            open_calls = [(call["id"], call["function"]["name"]) for call in one["tool_calls"]]
        elif role == "tool":
            one["tool_call_id"] = message.get("tool_call_id") or _take(open_calls, message.get("tool_name"))
        made.append(one)
    return made


def _take(open_calls: list[tuple[str, str]], name: str | None) -> str:
    same = [each for each in open_calls if each[1] == name] or open_calls
    if not same:
        return "000000000"
    open_calls.remove(same[0])
    return same[0][0]


def _call(call: dict[str, Any], number: int) -> dict[str, Any]:
    """The call with the nine letters or digits that Mistral's format wants as its id."""
    function = call["function"]
    arguments = json.dumps(function.get("arguments") or {}, ensure_ascii=False)
    known = {"name": function["name"], "arguments": arguments}
    return {"id": call.get("id") or f"{number:09d}", "type": "function", "function": known}


def _image(data: Any) -> dict[str, Any]:
    """An image part from bare base64. The error is Go's, with the place of the first wrong character."""
    text = data if isinstance(data, str) else ""
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        wrong = re.search(r"[^A-Za-z0-9+/]", text)
        where = wrong.start() if wrong else len(text) - len(text) % 4
        raise ApiError(400, f"illegal base64 data at input byte {where}") from None
    kind = _IMAGE_TYPES.get(text[:4], "png")
    return {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{text}"}}


def _format(shape: Any) -> dict[str, Any]:
    if shape == "json":
        return {"type": "json_object"}
    if isinstance(shape, dict):
        return {"type": "json_schema", "json_schema": {"name": "format", "schema": shape}}
    asked = json.dumps(json.dumps(shape))
    raise ApiError(500, f'invalid format: {asked}; expected "json" or a valid JSON Schema object')


def _parts(messages: list[dict[str, Any]], kind: str) -> Iterable[dict[str, Any]]:
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else []:
            if isinstance(part, dict) and part.get("type") == kind:
                yield part
