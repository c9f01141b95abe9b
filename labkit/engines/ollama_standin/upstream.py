"""The OpenAI-compatible server behind the stand-in: one request at a time unless told otherwise."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx

from labkit.engines.ollama_standin.translate import ApiError

TEXT = {
    "gone": "the server behind the stand-in, {url}, does not answer: is it running?",
    "key": "the server behind the stand-in, {url}, refuses the key: set LABKIT_API_KEY and start it again",
    "wrong": "the server behind the stand-in, {url}, answers HTTP {status}: {why}",
    "none": "the server behind the stand-in, {url}, serves no model",
    "cut": "the server behind the stand-in broke off in the middle of its answer",
}
_BUSY = "server busy, please try again.  maximum pending requests exceeded"
_NO_IMAGES = "At most 0 image(s) may be provided"


class Upstream:
    """`parallel` requests at once (OLLAMA_NUM_PARALLEL); `queue` more may wait (OLLAMA_MAX_QUEUE)."""

    def __init__(self, url: str, key: str, parallel: int = 1, queue: int = 512) -> None:
        self.url = url.rstrip("/")
        self._gate = asyncio.Semaphore(parallel)
        self._room = parallel + queue
        here = urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
        # A proxy set for the way out must not get in the way of our own machine.
        self.client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {key}"},
            timeout=httpx.Timeout(None, connect=10),
            trust_env=not here,
        )
        self._model = ""

    @asynccontextmanager
    async def answer(self, request: dict[str, Any]) -> AsyncIterator[httpx.Response]:
        """An answered chat request, its body not yet read. Raises ApiError: busy, gone, or refused.

        "num_ctx" in the request is the context in tokens that its messages are cut to.
        """
        if self._room == 0:
            raise ApiError(503, _BUSY)
        self._room -= 1
        try:
            async with self._gate:
                request = {**request, "model": await self._name()}
                if context := request.pop("num_ctx", None):
                    request["messages"] = await self._fitting(request, context)
                async with self.client.stream(
                    "POST", f"{self.url}/chat/completions", json=request
                ) as response:
                    await self._accept(response)
                    yield response
        except httpx.ConnectError:
            raise ApiError(500, TEXT["gone"].format(url=self.url)) from None
        except httpx.TransportError:
            raise ApiError(500, TEXT["cut"]) from None
        finally:
            self._room += 1

    async def _fitting(self, request: dict[str, Any], context: int) -> list[dict[str, Any]]:
        """What Ollama would send: the oldest messages go until all fits; the system's and the last one stay.

        Counted by vLLM's `/tokenize`; in front of a server without it, none goes.
        """
        messages = kept = request["messages"]
        for first in range(len(messages)):
            kept = [each for each in messages[:first] if each["role"] == "system"] + messages[first:]
            question = {"model": request["model"], "messages": kept}
            counted = await self.client.post(f"{self.url.removesuffix('/v1')}/tokenize", json=question)
            if not counted.is_success or counted.json()["count"] <= context:
                break
        return kept

    async def _name(self) -> str:
        """What the server calls its (first) model; asked once."""
        if not self._model:
            response = await self.client.get(f"{self.url}/models")
            await self._accept(response)
            if not (found := response.json().get("data")):
                raise ApiError(500, TEXT["none"].format(url=self.url))
            self._model = found[0]["id"]
        return self._model

    async def _accept(self, response: httpx.Response) -> None:
        """Raise ApiError for a refusal: a bad request keeps its status and words."""
        if response.status_code < 400:
            return
        await response.aread()
        if response.status_code in (401, 403):
            raise ApiError(500, TEXT["key"].format(url=self.url))
        try:
            why = response.json()["error"]["message"]
        except (ValueError, KeyError, TypeError):
            why = response.reason_phrase
        if _NO_IMAGES in why:
            raise ApiError(500, f"image input is not supported - {why}")
        if response.status_code in (400, 422):
            raise ApiError(400, why)
        raise ApiError(500, TEXT["wrong"].format(url=self.url, status=response.status_code, why=why))


async def chunks(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """The chunks of a streamed answer. Raises ApiError for an error in it, or if its end is missing."""
    async for line in response.aiter_lines():
        if line == "data: [DONE]":
            return
        if line.startswith("data: "):
            chunk = json.loads(line[6:])
            if error := chunk.get("error"):
                raise ApiError(500, str(error.get("message") if isinstance(error, dict) else error))
            yield chunk
    raise ApiError(500, TEXT["cut"])
