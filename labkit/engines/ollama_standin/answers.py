"""Ollama's records from the upstream's chunks: an answer that streams, or the same in one piece."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

from labkit.engines.ollama_standin.translate import tool_calls
from labkit.engines.ollama_standin.upstream import Upstream, chunks


async def chat(
    upstream: Upstream, name: str, request: dict[str, Any]
) -> AsyncGenerator[dict[str, Any], None]:
    """The records of `/api/chat`; the last one has the counts, and the durations in nanoseconds."""
    asked_at = time.perf_counter_ns()
    pieces: list[dict[str, Any]] = []
    usage: dict[str, int] = {}
    reason, first_at = "stop", 0
    async with upstream.answer(request) as response:
        begun_at = time.perf_counter_ns()
        async for chunk in chunks(response):
            usage = chunk.get("usage") or usage
            for choice in chunk.get("choices", []):
                delta = choice.get("delta") or {}
                reason = choice.get("finish_reason") or reason
                pieces += delta.get("tool_calls") or []
                if delta.get("content"):
                    first_at = first_at or time.perf_counter_ns()
                    logprobs = (choice.get("logprobs") or {}).get("content")
                    yield _record(name, delta["content"]) | ({"logprobs": logprobs} if logprobs else {})
    if pieces:
        yield _record(name, "", tool_calls=tool_calls(pieces))
    ended_at = time.perf_counter_ns()
    first_at = first_at or ended_at
    yield _record(name, "") | {
        "done": True,
        "done_reason": "length" if reason == "length" else "stop",
        "total_duration": ended_at - asked_at,
        "load_duration": begun_at - asked_at,
        "prompt_eval_count": usage.get("prompt_tokens", 0),
        "prompt_eval_duration": first_at - begun_at,
        "eval_count": usage.get("completion_tokens", 0),
        "eval_duration": ended_at - first_at,
    }


def without_words(name: str, reason: str) -> dict[str, Any]:
    """The answer to a request without messages: it only loads or unloads the model."""
    return _record(name, "") | {"done": True, "done_reason": reason}


def whole(records: list[dict[str, Any]]) -> dict[str, Any]:
    """A streamed answer as one record."""
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    logprobs: list[dict[str, Any]] = []
    for record in records:
        message["content"] += record["message"]["content"]
        message |= {key: value for key, value in record["message"].items() if key == "tool_calls"}
        logprobs += record.get("logprobs", [])
    return records[-1] | {"message": message} | ({"logprobs": logprobs} if logprobs else {})


def generated(record: dict[str, Any]) -> dict[str, Any]:
    """A record of `/api/chat` as one of `/api/generate`."""
    return {key: value for key, value in record.items() if key != "message"} | {
        "response": record["message"]["content"]
    }


async def v1(upstream: Upstream, name: str, request: dict[str, Any]) -> AsyncGenerator[str, None]:
    """The lines of a `/v1` answer: one JSON text, or server-sent events, under the name asked for."""
    renamed = {"model": name, "system_fingerprint": "labkit-standin"}
    async with upstream.answer(request) as response:
        if not request.get("stream"):
            await response.aread()
            # Ollama leaves out what is not there; vLLM sends a score of nulls.
            said = json.loads(response.text, object_hook=_without_nulls)
            yield json.dumps(said | renamed)
            return
        async for chunk in chunks(response):
            yield f"data: {json.dumps(chunk | renamed)}\n\n"
        yield "data: [DONE]\n\n"


def _without_nulls(found: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if value is not None}


def _record(name: str, content: str, **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, **more}
    return {"model": name, "created_at": datetime.now(UTC).isoformat(), "message": message, "done": False}
