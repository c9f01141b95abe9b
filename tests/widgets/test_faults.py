"""Faults under the widgets that ask the model: each ends in a sentence, and goes on once the fault is gone.

The playground's are in its own file; pictures of fifty megapixels and long texts are with their widgets.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from labkit.session import Session
from labkit.widgets.context import Context
from labkit.widgets.frame import Instrument
from labkit.widgets.speed import Speed
from labkit.widgets.temperature import Temperature
from labkit.widgets.tokens import Tokens
from labkit.widgets.tracer import Tracer
from labkit.widgets.vision import Vision
from tests.browser.lab import free_port
from tests.fake_openai import KEY, MODEL, FakeOpenAI, apart, serving

SCORED = {"content": [{"token": "w", "logprob": -0.5, "bytes": [119], "top_logprobs": []}]}
LONGEST = 90_000
TOO_LONG = "This model's maximum context length is 4096 tokens. However, your request has 20010 input tokens."


class Holding(FakeOpenAI):
    """Counts words as tokens, takes no long question. With `hold`, an answer stops after its first word."""

    def __init__(self, hold: bool) -> None:
        super().__init__()
        self.hold, self.held = hold, 0
        self.app.routes.append(Route("/held", self.how_many))

    async def how_many(self, request: Request) -> Response:
        return JSONResponse(self.held)

    async def chat(self, request: Request) -> Response:
        if len(await request.body()) > LONGEST:
            return JSONResponse({"error": {"message": TOO_LONG}}, 400)
        return await super().chat(request)

    async def _lines(self, text: str, body: dict[str, Any]) -> AsyncIterator[str]:
        def line(**rest: Any) -> str:
            chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": MODEL}
            return f"data: {json.dumps(chunk | rest)}\n\n"

        for _ in range(3):
            choice = {"index": 0, "delta": {"content": "w"}, "finish_reason": None}
            yield line(choices=[choice | ({"logprobs": SCORED} if body.get("logprobs") else {})])
            if self.hold and body.get("max_tokens") != 1:
                self.held += 1
                await anyio.sleep_forever()
        yield line(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
        words = len(text.split()) + 4
        usage = {"prompt_tokens": words, "completion_tokens": 3, "total_tokens": words + 3}
        yield line(choices=[], usage=usage) + "data: [DONE]\n\n"


def context(session: Session) -> Context:
    widget = Context(session)
    widget.lengths.value = (500,)
    return widget


def speed(session: Session) -> Speed:
    widget = Speed(session)
    widget.streams.value = 2
    return widget


WIDGETS: dict[str, Callable[[Session], Any]] = {
    "tokens": Tokens,
    "temperature": Temperature,
    "vision": Vision,
    "tracer": Tracer,
    "speed": speed,
    "context": context,
}


def until(true: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


@pytest.mark.parametrize("name", WIDGETS)
def test_a_server_killed_in_mid_answer_is_a_sentence_and_the_next_one_is_asked(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    widget: Instrument = WIDGETS[name](Session(f"http://127.0.0.1:{port}/v1", KEY, MODEL))
    start = getattr(widget, "start", None) or widget.ask  # type: ignore[attr-defined]
    with apart(port, f"{__name__}:Holding(hold=True)") as server:
        start.click()
        until(lambda: httpx.get(f"http://127.0.0.1:{port}/held", trust_env=False).json())
        assert widget.busy and start.disabled
        server.kill()
        server.wait()
        widget.wait(30)
    assert widget.words.kind == "fault" and not widget.busy and not start.disabled
    said = widget.words.text
    assert ". " in f"{said} " and "Traceback" not in said and "Error" not in said, said
    assert capsys.readouterr() == ("", ""), "said twice"
    start.click()
    widget.wait(30)
    assert widget.words.kind == "fault" and "not running" in widget.words.text, widget.words.text
    with apart(port, f"{__name__}:Holding(hold=False)"):
        start.click()
        widget.wait(30)
    assert widget.words.kind == "note" and not start.disabled, widget.words.text


@pytest.mark.parametrize("name", ["tokens", "temperature", "vision", "tracer"])
def test_a_question_of_100_000_characters_is_refused_in_a_sentence(name: str) -> None:
    with serving(Holding(hold=False).app) as url:
        widget: Any = WIDGETS[name](Session(f"{url}/v1", KEY, MODEL))
        start = getattr(widget, "start", None) or widget.ask
        widget.prompt.value, short = "word " * 20_000, widget.prompt.value
        start.click()
        widget.wait(30)
        assert widget.words.kind == "fault" and "maximum context length" in widget.words.text
        widget.prompt.value = short
        start.click()
        widget.wait(30)
        assert widget.words.kind == "note" and not start.disabled, widget.words.text
