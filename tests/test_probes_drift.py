"""How far answers drift apart: the measures, a server whose answers are known, faults, and the live twin."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Iterator
from itertools import repeat
from typing import Any

import anyio
import numpy
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

import labkit
from labkit import LabkitError
from labkit.probes.drift import Drift, Sample, difference, drift
from labkit.session import Session
from tests.fake_openai import KEY, MODEL, Answer, FakeOpenAI, serving


class Warm(FakeOpenAI):
    """Says the same at temperature 0; above it, every answer of a temperature has a word of its own."""

    def __init__(self, pause: float = 0.0, fault_at: float | None = None) -> None:
        super().__init__()
        self.pause, self.fault_at = pause, fault_at
        self.said = 0

    async def chat(self, request: Request) -> Response:
        if (await request.json())["temperature"] == self.fault_at:
            return JSONResponse({"error": {"message": "too hot"}}, 400)
        return await super().chat(request)

    async def _lines(self, text: str, body: dict[str, Any]) -> AsyncIterator[str]:
        self.said += 1
        own = f"word{self.said}" if body["temperature"] else "word"
        async for line in super()._lines(f"one two {own}", body):
            await anyio.sleep(self.pause)
            yield line


@pytest.fixture
def warm() -> Iterator[tuple[Warm, Session]]:
    fake = Warm()
    with serving(fake.app) as url:
        yield fake, Session(f"{url}/v1", KEY, MODEL)


def test_difference_is_the_share_of_words_that_do_not_match() -> None:
    assert difference("a b c", "a b c") == difference("", "") == 0.0
    assert difference("a b", "c d") == 1.0
    # Of eight words together, six match: a, b and c on both sides.
    assert difference("a b c d", "a b x c") == pytest.approx(1 - 6 / 8)
    assert difference("one two", "two one") == pytest.approx(0.5)  # the order counts


def test_the_measures_of_known_answers() -> None:
    said = {0.0: ["a b", "a b"], 1.0: ["a b", "a c", "x y"]}
    cold, hot = Drift(tuple(Sample(at, text) for at, texts in said.items() for text in texts)).rows
    assert (cold.distinct, cold.same, cold.apart, cold.away) == (1, 2, 0.0, (0.0, 0.0))
    assert (hot.distinct, hot.same, hot.away) == (3, 1, (0.0, 0.5, 1.0))
    assert hot.apart == pytest.approx((0.5 + 1.0 + 1.0) / 3)
    assert cold.counted == [("a b", 2)]


def test_before_the_greedy_answer_is_there_nothing_is_compared_with_it() -> None:
    (row,) = Drift((Sample(1.0, "a"),)).rows
    assert row.greedy is None and row.away == () and row.apart is None
    assert "| 1 | 1 | - | -" in str(Drift((Sample(1.0, "a"),)))


def test_every_temperature_is_asked_so_many_times_and_zero_always(warm: tuple[Warm, Session]) -> None:
    fake, session = warm
    seen: list[Sample] = []
    found = drift(session, "Hello", temperatures=(1, 0.15), n=3, max_tokens=9, watch=seen.append)
    asked = sorted(each["temperature"] for each in fake.asked)
    assert asked == [0, 0, 0, 0.15, 0.15, 0.15, 1, 1, 1]
    assert {each["max_tokens"] for each in fake.asked} == {9}
    assert tuple(seen) == found.samples and len(seen) == 9
    assert [(row.temperature, row.distinct, row.same) for row in found.rows] == [
        (0, 1, 3),
        (0.15, 3, 0),
        (1, 3, 0),
    ]
    # "You said one two word." against the same with another last word: one of five words differs.
    assert found.rows[1].away == pytest.approx([0.2] * 3) and found.rows[1].apart == pytest.approx(0.2)
    assert "Of your answers at 0.15, 0 of 3 were the greedy one" in found.why()
    assert "<td>0.20</td>" in found._repr_html_() and "Mistral recommends" in found._repr_html_()
    assert numpy.shape(found.chart().axes[0].collections[0].get_offsets()) == (9, 2)


def test_so_many_at_once_and_no_more() -> None:
    fake = Warm(pause=0.02)
    with serving(fake.app) as url:
        drift(Session(f"{url}/v1", KEY, MODEL), "Hello", temperatures=(0, 1), n=6, streams=3)
    assert fake.most == 3


def test_stopped_it_has_what_was_done() -> None:
    fake, stop = Warm(pause=0.02), threading.Event()
    with serving(fake.app) as url:
        session = Session(f"{url}/v1", KEY, MODEL)
        found = drift(session, "Hello", n=20, streams=2, watch=lambda _: stop.set(), stopping=stop)
    assert 1 <= len(found.samples) <= 2 and len(fake.asked) <= 4


def test_an_interrupt_keeps_what_was_done(warm: tuple[Warm, Session]) -> None:
    def interrupted(sample: Sample) -> None:
        raise KeyboardInterrupt

    found = drift(warm[1], "Hello", n=3, watch=interrupted)
    assert len(found.samples) == 1 and "Stopped after 1 of 15 answers." in str(found)
    assert "Stopped after 1 of 15" in found._repr_html_()


def test_a_server_that_hangs_does_not_keep_the_one_who_says_stop() -> None:
    fake, stop = FakeOpenAI(), threading.Event()
    with serving(fake.app) as url:
        threading.Timer(0.5, stop.set).start()
        began = time.monotonic()
        found = drift(Session(f"{url}/v1", KEY, MODEL), "wait", n=2, stopping=stop)
        assert time.monotonic() - began < 5 and found.samples == ()
        fake.let_go.set()


def test_each_pair_of_answers_is_compared_once() -> None:
    samples = [Sample(1.0, f"answer number {number}") for number in range(30)]
    before = difference.cache_info().misses
    for count in range(1, 31):  # as a widget does while the answers come
        (row,) = Drift(tuple(samples[:count])).rows
        assert row.apart is None or row.apart > 0
    assert difference.cache_info().misses - before == 30 * 29 / 2


def test_answers_that_were_cut_off_are_told() -> None:
    table = Drift((Sample(0.0, "a b", "length"), Sample(0.0, "a b c"))).table()
    assert "1 of 2 answers were cut off at max_tokens" in table
    assert "cut off" not in Drift((Sample(0.0, "a b"),)).table()


def test_a_refusal_ends_it_with_a_sentence() -> None:
    fake = Warm(fault_at=1.0)
    with serving(fake.app) as url, pytest.raises(LabkitError, match="too hot"):
        drift(Session(f"{url}/v1", KEY, MODEL), "Hello", n=20, streams=1)
    assert len(fake.asked) == 3, "the others were asked all the same"


def test_an_answer_that_breaks_off_is_a_sentence() -> None:
    fake = FakeOpenAI()
    fake.script = repeat(Answer("Hel", whole=False))
    with serving(fake.app) as url, pytest.raises(LabkitError, match="ended too early"):
        drift(Session(f"{url}/v1", KEY, MODEL), "Hello", n=1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temperatures": [3]}, "from 0 to 2"),
        ({"temperatures": ["warm"]}, "from 0 to 2"),
        ({"n": 0}, "n must be"),
        ({"streams": 0}, "streams must be"),
    ],
)
def test_what_cannot_be_asked_is_said(options: dict[str, Any], words: str) -> None:
    with pytest.raises(LabkitError, match=words):
        drift(Session("http://127.0.0.1:9/v1", KEY, MODEL), "Hello", **options)


@pytest.mark.engine
def test_the_twin_drifts_with_the_temperature(session: labkit.Session) -> None:
    found = drift(session, "Tell me something about GPUs.", temperatures=(0, 1.5), n=6, max_tokens=40)
    cold, hot = found.rows
    assert cold.same >= 5 and cold.apart is not None and cold.apart < 0.4
    assert hot.distinct >= 4 and hot.apart is not None and hot.apart > cold.apart + 0.3
