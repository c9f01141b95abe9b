"""`/v1/completions`: a prompt asked as `/api/generate` would, chat template included, in OpenAI's form."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from labkit.engines.ollama_standin.answers import generated
from labkit.engines.ollama_standin.translate import ApiError

_OPTIONS = ("seed", "frequency_penalty", "presence_penalty")


def as_generate(body: dict[str, Any]) -> dict[str, Any]:
    """The `/api/generate` body that says the same: temperature and top_p are 1.0 when unset. Raises ApiError
    for a list of prompts, which Ollama does not take."""
    prompt = body.get("prompt", "")
    if not isinstance(prompt, str):
        kind = "array" if isinstance(prompt, list) else type(prompt).__name__
        where = "Go struct field CompletionRequest.prompt of type string"
        raise ApiError(400, f"json: cannot unmarshal {kind} into {where}")
    stop = body.get("stop")
    options = {
        "temperature": 1.0 if body.get("temperature") is None else body["temperature"],
        "top_p": body.get("top_p") or 1.0,
        "num_predict": body.get("max_tokens"),
        "stop": [stop] if isinstance(stop, str) else stop,
        **{name: body.get(name) for name in _OPTIONS},
    }
    known = {name: value for name, value in options.items() if value is not None}
    return {
        "model": body.get("model"),
        "prompt": prompt,
        "suffix": body.get("suffix"),
        "stream": bool(body.get("stream")),
        "options": known,
    }


def whole(record: dict[str, Any]) -> dict[str, Any]:
    """A whole `/api/chat` answer as a text completion."""
    return _completion(generated(record)) | {"usage": _usage(record)}


async def lines(records: AsyncGenerator[dict[str, Any], None], with_usage: bool) -> AsyncGenerator[str, None]:
    """The server-sent events of the records of an `/api/chat`."""
    async with aclosing(records):
        async for record in records:
            completion = _completion(generated(record))
            yield _event(completion)
            if record["done"] and with_usage:
                yield _event(completion | {"choices": [], "usage": _usage(record)})
    yield "data: [DONE]\n\n"


def _completion(record: dict[str, Any]) -> dict[str, Any]:
    choice = {"text": record["response"], "index": 0, "finish_reason": record.get("done_reason")}
    return {
        "id": "cmpl-standin",
        "object": "text_completion",
        "created": int(time.time()),
        "model": record["model"],
        "system_fingerprint": "labkit-standin",
        "choices": [choice],
    }


def _usage(record: dict[str, Any]) -> dict[str, int]:
    asked, said = record.get("prompt_eval_count", 0), record.get("eval_count", 0)
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data)}\n\n"
