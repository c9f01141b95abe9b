"""Lesson 01's exercises against right, wrong, empty and raising answers; its solutions and its trap, live."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace as Box
from typing import Any

import ollama
import pytest

import labkit
from labkit.engines.ollama_engine import serving
from labkit.lessons import BLANK
from labkit.lessons.desk import grade
from labkit.lessons.lesson_01 import EXERCISES
from tests.lessons.graded import Graded
from tests.lessons.saved import Broken

BY_ID = {each.id: each for each in EXERCISES}
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(90)).decode()
CHOICE = {"RTX 3090": "Q4_K_M", "L40S": "Q8_0", "H100": "fp16"}
TAG = "mistral-small3.1:24b-instruct-2503"


def timed(tokens_per_s: Any = 50.0, **change: Any) -> dict[str, Any]:
    """100 tokens written in 2 s, 2.5 s in all."""
    record = {"eval_count": 100, "eval_duration": 2_000_000_000, "total_duration": 2_500_000_000} | change
    answer = ollama.ChatResponse.model_validate({"message": {"role": "assistant"}, **record})
    return {"answer": answer, "tokens_per_s": tokens_per_s}


def sent(*images: Any, said: Any = "A bar chart.") -> dict[str, Any]:
    message = {"role": "user", "content": "Describe this chart.", "images": list(images)}
    return {"body": {"model": "m", "messages": [message]}, "answer": {"message": {"content": said}}}


def loaded(context: int | None = 16_384, minutes: float = 600, *more: Any) -> ollama.ProcessResponse:
    until = datetime.now(UTC) + timedelta(minutes=minutes)
    first = {"model": "m", "context_length": context, "expires_at": until}
    return ollama.ProcessResponse.model_validate({"models": [first, *more]})


RIGHT: dict[str, list[Any]] = {
    "1.1": [
        CHOICE,
        {"RTX 3090": f"{TAG}-q4_K_M", "L40S": f"{TAG}-q8_0", "H100": f"{TAG}-fp16"},
        CHOICE | {"L40S": "q8_0", "RTX 4090": "Q4_K_M"},
    ],
    "1.2": [timed(), timed(49), {**timed(), "answer": dict(timed()["answer"])}],
    "1.3": [sent(PNG), sent(PNG, base64.b64encode(b"\xff\xd8\xff\xe0").decode())],
    "1.4": [loaded(), loaded(32_768, 1000), loaded(16_384, 600, {"model": "small", "context_length": 4096})],
}
WRONG: dict[str, list[tuple[Any, str]]] = {
    "1.1": [
        ("Q4_K_M", "Wanted is `{"),
        ({"RTX 3090": "Q4_K_M", "L40S": "Q8_0"}, "Wanted is `{"),
        (CHOICE | {"L40S": "FP8"}, "`FP8` is none of the table's"),
        (CHOICE | {"RTX 3090": "Q8_0"}, "`Q8_0` does not fit on the RTX 3090"),
        (CHOICE | {"L40S": "fp16"}, "`fp16` does not fit on the L40S"),
        (CHOICE | {"H100": "Q8_0"}, "so does one with more bits"),
    ],
    "1.2": [
        (50.0, "Wanted is `{"),
        ({"answer": Box(usage=Box(completion_tokens=9)), "tokens_per_s": 50}, "has no `eval_duration`"),
        (timed(eval_count=3), "Only 3 tokens"),
        (timed(40), "`total_duration` counts"),
        (timed(5e-8), "are not `5e-08` tokens a second"),
        (timed("50"), "A number was wanted"),
        (timed(float("nan")), "is not between"),
    ],
    "1.3": [
        (PNG, "Wanted is `{"),
        ({"body": "{}", "answer": {}}, "Wanted is `{"),
        (sent(), "no picture in the body"),
        ({"body": {"messages": None}, "answer": {}}, "no picture in the body"),
        (sent("/tmp/chart.png"), "`/tmp/chart.png` is no base64"),
        (sent(PNG, "chart.jpg"), "`chart.jpg` is no base64"),
        (sent(f"data:image/png;base64,{PNG}"), "a data URI"),
        (sent(base64.b64encode(b"chart.png").decode()), "no PNG"),
        (sent(PNG, said=" "), "holds no words"),
        (sent(PNG) | {"answer": {"error": "illegal base64 data"}}, "illegal base64 data"),
    ],
    "1.4": [
        ({"num_ctx": 16_384}, "Hand over `client.ps()`"),
        (ollama.ProcessResponse(models=[]), "Nothing is loaded"),
        (loaded(4096), "The context is 4,096 tokens"),
        (loaded(None), "The context is 0 tokens"),
        (loaded(16_384, 5), "an hour is wanted"),
    ],
}
EMPTY: dict[str, list[Any]] = {
    "1.1": [BLANK, None, {}, dict.fromkeys(CHOICE, BLANK), CHOICE | {"H100": BLANK}],
    "1.2": [BLANK, None, {}, timed(BLANK)],
    "1.3": [BLANK, None, {}, "", sent(BLANK)],
    "1.4": [BLANK, BLANK.ps(), None, []],
}
RAISING: dict[str, list[Any]] = {
    "1.1": [Broken(), CHOICE | {"L40S": Broken()}],
    "1.2": [Broken(), {"answer": Broken(), "tokens_per_s": 1}],
    "1.3": [Broken(), sent(PNG) | {"answer": Broken()}],
    "1.4": [Broken(), Box(models=[Broken()])],
}


class TestLesson01(Graded):
    exercises = EXERCISES
    right, wrong, empty, raising = RIGHT, WRONG, EMPTY, RAISING


def test_an_hour_is_about_an_hour() -> None:
    assert grade(BY_ID["1.4"], loaded(minutes=60))
    assert "It goes in 45 minutes" in grade(BY_ID["1.4"], loaded(minutes=45)).sentence


@pytest.fixture
def live(session: labkit.Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[labkit.Session]:
    """The lesson's session where Ollama is not installed: a stand-in of this test's own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{free.getsockname()[1]}")
    monkeypatch.setattr(serving.shutil, "which", lambda name: None)
    labkit.stop("ollama")
    yield labkit.start("mistral-small3.1", engine="ollama", progress=False)
    labkit.stop("ollama")


@pytest.mark.engine
def test_the_oldest_messages_are_forgotten_as_the_lesson_shows(live: labkit.Session) -> None:
    client = ollama.Client(host=live.url.removesuffix("/v1"))
    talk = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "My name is Zoe."}]
    talk += [{"role": "assistant", "content": "Nice to meet you, Zoe."}]
    for place in ("Oslo", "Rome", "Paris"):
        talk += [{"role": "user", "content": f"I live in {place}."}]
        talk += [{"role": "assistant", "content": f"Noted: your city is {place}."}]
    talk += [{"role": "user", "content": "What is my name?"}]

    def asked(context: int) -> tuple[int, str]:
        options = {"num_ctx": context, "temperature": 0.15}
        answer = client.chat(live.model, talk, options=options)
        return answer.prompt_eval_count or 0, answer.message.content or ""

    (whole, knows), (cut, forgot), (least, _) = asked(4096), asked(48), asked(1)
    assert "Zoe" in knows and whole > 64
    assert "Zoe" not in forgot and cut <= 48
    system_and_last = live.count([talk[0], talk[-1]])
    assert least == system_and_last


@pytest.mark.engine
def test_the_standin_says_what_it_is_and_where_it_computes(live: labkit.Session) -> None:
    assert "stand-in" in live.note and "downloads nothing" in live.note
    client = ollama.Client(host=live.url.removesuffix("/v1"))
    on_a_card = bool(labkit.machine().gpus)
    assert [row.size_vram == row.size for row in client.ps().models] == [on_a_card]
