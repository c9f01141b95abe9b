"""The probes, against a small server that counts, and once against the real one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import numpy
import pytest
from matplotlib.patches import Rectangle
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

import labkit
from labkit import LabkitError, probes
from labkit.probes.metrics import parse
from labkit.probes.speed import Speed, Stream
from tests.fake_openai import KEY, MODEL, FakeOpenAI, serving

PAGE = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="m",reason="capacity"} 9.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:generation_tokens_total{engine="0",model_name="m"} 1.411e+03
vllm:generation_tokens_created{engine="0",model_name="m"} 1.79e+09
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.5",model_name="m"} 2.0
vllm:time_to_first_token_seconds_count{engine="0",model_name="m"} 4.0
vllm:time_to_first_token_seconds_sum{engine="0",model_name="m"} 3.0
vllm:e2e_request_latency_seconds_count{engine="0",model_name="m"} 0.0
vllm:e2e_request_latency_seconds_sum{engine="0",model_name="m"} 0.0
"""


class Together(FakeOpenAI):
    """Counts words as tokens, and begins to answer a measured request only when `wanted` are there."""

    def __init__(self, wanted: int = 1, fault: str = "") -> None:
        super().__init__()
        self.wanted = wanted
        self.fault = fault
        self.app.routes.append(Route("/metrics", lambda _: PlainTextResponse(PAGE)))

    async def chat(self, request: Request) -> Response:
        body = await request.json()
        if self.fault == "refused" and body["max_tokens"] > 1:
            return JSONResponse({"error": {"message": "too many"}}, 400)
        return await super().chat(request)

    async def _lines(self, text: str, body: dict[str, Any]) -> AsyncIterator[str]:
        measured = body["max_tokens"] > 1
        words = len(text.split())
        self.running += measured
        with anyio.fail_after(10):
            while measured and self.running < self.wanted:
                await anyio.sleep(0.005)
        async for line in super()._lines(text, body):
            if measured and self.fault == "cut" and "said" in line:
                return
            wrote = 0 if self.fault == "nothing" else body["max_tokens"]
            line = line.replace('"prompt_tokens": 7', f'"prompt_tokens": {4 + 2 * words}')
            yield line.replace('"completion_tokens": 3', f'"completion_tokens": {wrote}')


def session_at(url: str) -> labkit.Session:
    return labkit.Session(f"{url}/v1", KEY, MODEL)


@pytest.fixture
def together() -> Iterator[tuple[Together, labkit.Session]]:
    fake = Together(wanted=4)
    with serving(fake.app) as url:
        yield fake, session_at(url)


def made(streams: int, seconds: float, tokens: int = 64, first: float = 0.5) -> Speed:
    return Speed(tuple(Stream(tokens, first, seconds) for _ in range(streams)), seconds, 64)


def test_the_streams_run_at_once_and_each_with_a_question_of_its_own(
    together: tuple[Together, labkit.Session],
) -> None:
    fake, session = together
    speed = probes.speed(session, streams=4, prompt_tokens=100, max_tokens=32)
    measured = [body for body in fake.asked if body["max_tokens"] > 1]
    assert len(measured) == len(speed.streams) == 4 and speed.tokens == 4 * 32
    assert all(body["max_tokens"] == 32 and body["ignore_eos"] is True for body in measured)
    assert len({body["messages"][0]["content"].split()[0] for body in measured}) == 4
    assert abs(speed.prompt_tokens - 100) <= 2  # by the server's own count: 2 tokens a word, 4 around it
    assert 0 < speed.first_token_s <= speed.seconds
    assert speed.tokens_per_s == pytest.approx(128 / speed.seconds)


@pytest.mark.parametrize(
    ("fault", "sentence"), [("cut", "broke off"), ("nothing", "no tokens"), ("refused", "did not accept")]
)
def test_a_measurement_that_fails_is_a_sentence(fault: str, sentence: str) -> None:
    with serving(Together(fault=fault).app) as url, pytest.raises(LabkitError, match=sentence):
        probes.speed(session_at(url), streams=2)


@pytest.mark.parametrize("wrong", [{"streams": 0}, {"max_tokens": 1.5}, {"prompt_tokens": -1}])
def test_numbers_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(LabkitError, match="whole number"):
        probes.speed(session_at("http://127.0.0.1:9"), **wrong)


def test_a_speed_adds_its_streams_up() -> None:
    speed = Speed((Stream(60, 0.1, 1.0), Stream(60, 0.3, 2.0), Stream(60, 0.9, 3.0)), 4.0, 64)
    assert (speed.tokens, speed.tokens_per_s, speed.tokens_per_s_each) == (180, 45, 30)
    assert speed.first_token_s == 0.3
    assert str(speed) == "3 streams: 45 tokens/s in total, 30 tokens/s each, first token after 0.30 s"
    assert str(made(1, 2.0)).startswith("1 stream: 32 tokens/s")


def test_a_comparison_is_a_table_a_sentence_and_a_plot() -> None:
    comparison = probes.compare(made(16, 4.0, first=2.0), made(1, 1.0), made(4, 2.0))
    assert [len(each.streams) for each in comparison.speeds] == [1, 4, 16]
    assert comparison.gain == 4
    table = comparison._repr_markdown_()
    assert "| 16 | 256 | 16 | 2.00 | 4.00 |" in table
    assert "16 streams gave **4.0 times** the tokens of 1. The middle one of them waited 2.00 s" in table
    assert "4.0 times" in str(comparison) and "*" not in str(comparison)
    rate, wait = comparison.chart().get_axes()
    assert [bar.get_bbox().height for bar in rate.patches if isinstance(bar, Rectangle)] == [64, 128, 256]
    assert sum(len(numpy.asarray(line.get_ydata())) for line in wait.lines) == (1 + 4 + 16) + 3


def test_one_measurement_is_no_comparison() -> None:
    with pytest.raises(LabkitError, match="nothing to compare"):
        probes.compare(made(4, 1.0), made(4, 2.0))


def test_the_page_as_numbers() -> None:
    assert parse(PAGE) == {
        "num_requests_running": 3,
        "kv_cache_usage_perc": 0.25,
        "generation_tokens": 1411,
        "time_to_first_token_seconds": 0.75,
    }


@pytest.mark.parametrize("key", ["wrong", ""])
def test_metrics_need_no_key(together: tuple[Together, labkit.Session], key: str) -> None:
    _, session = together
    assert probes.metrics(labkit.Session(session.url, key, MODEL))["generation_tokens"] == 1411


def test_a_server_without_metrics_is_a_sentence() -> None:
    with serving(FakeOpenAI().app) as url, pytest.raises(LabkitError, match=r"no metrics.*HTTP 404"):
        probes.metrics(session_at(url))
    other = Starlette(routes=[Route("/metrics", lambda _: PlainTextResponse("python_info 1.0\n"))])
    with serving(other) as url, pytest.raises(LabkitError, match="holds none of them"):
        probes.metrics(session_at(url))
    with pytest.raises(LabkitError, match="nothing answers"):
        probes.metrics(session_at("http://127.0.0.1:9"))


@pytest.mark.engine
def test_the_real_server_agrees_with_what_was_measured(session: labkit.Session) -> None:
    before = probes.metrics(session)
    speed = probes.speed(session, streams=4, prompt_tokens=80, max_tokens=32)
    after = probes.metrics(session)
    assert {"num_requests_waiting", "kv_cache_usage_perc", "time_to_first_token_seconds"} <= after.keys()
    assert [each.tokens for each in speed.streams] == [32] * 4  # ignore_eos is obeyed
    assert abs(speed.prompt_tokens - 80) <= 16
    counting = 3  # one token each: two requests to count the question, one to warm up
    assert after["generation_tokens"] - before["generation_tokens"] == 4 * 32 + counting
