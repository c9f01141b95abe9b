"""The sweep over streams and its ceiling, against a small server that counts who asks at once."""

from __future__ import annotations

import math
import sys
from collections.abc import AsyncIterator, Iterator
from threading import Event
from typing import Any

import anyio
import numpy
import pytest
from matplotlib.lines import Line2D

import labkit
from labkit import LabkitError, catalog
from labkit.probes.speed import FORMULAS, Speed, Stream
from labkit.probes.sweep import TEXT, Ceiling, Sweep, ceiling, sweep
from labkit.session import Session
from tests.fake_openai import KEY, MODEL, FakeOpenAI, serving
from tests.test_probes import Together

W4A16 = "RedHatAI/Mistral-Small-3.1-24B-Instruct-2503-quantized.w4a16"
TWO = Sweep(
    (
        Speed((Stream(11, 0.1, 1.1),), 1.1, 64),
        Speed((Stream(11, 0.2, 2.2), Stream(21, 0.4, 1.4)), 2.2, 64),
    ),
    Ceiling(100.0, "By the sheet."),
)


@pytest.fixture
def small() -> Iterator[Session]:
    with serving(Together().app) as url:
        yield Session(f"{url}/v1", KEY, MODEL)


def test_every_number_of_streams_is_measured_once_the_least_first(small: Session) -> None:
    seen: list[Sweep] = []
    found = sweep(small, streams=(4, 1, 4), max_tokens=8, watch=seen.append)
    assert [each.at_once for each in found.speeds] == [1, 4]
    assert [len(each.streams) for each in found.speeds] == [4, 8]  # two rounds, and four requests at least
    assert [len(each.speeds) for each in seen if each.now is None] == [1, 2]


class Meeting(FakeOpenAI):
    """Holds measured answers back until three are asked for at once."""

    async def _lines(self, text: str, body: dict[str, Any]) -> AsyncIterator[str]:
        async for line in super()._lines(text, body):
            with anyio.fail_after(10):
                while body["max_tokens"] > 1 and self.most < 3:
                    await anyio.sleep(0.005)
            yield line


def test_so_many_really_ask_at_once() -> None:
    fake = Meeting()
    with serving(fake.app) as url:
        found = sweep(Session(f"{url}/v1", KEY, MODEL), streams=(3,), rounds=2, max_tokens=8)
    assert fake.most == 3 and len(found.speeds[0].streams) == 6


def test_a_stop_keeps_what_was_measured(small: Session) -> None:
    stopping = Event()

    def watch(found: Sweep) -> None:
        if found.speeds:
            stopping.set()

    found = sweep(small, streams=(1, 2, 4), max_tokens=8, watch=watch, stopping=stopping)
    assert [each.at_once for each in found.speeds] == [1]


@pytest.mark.parametrize(
    ("streams", "words"), [((), TEXT["none"]), ((0,), "not one: 0"), ((1, 2.5), "not one: 2.5")]
)
def test_numbers_that_are_none(small: Session, streams: tuple[int, ...], words: str) -> None:
    with pytest.raises(LabkitError, match=words):
        sweep(small, streams=streams)


def test_the_ceiling_is_bandwidth_over_the_bytes_of_the_weights() -> None:
    session = Session("https://rented.example/v1", KEY, W4A16)
    found = ceiling(session, "RTX 4090")
    text = catalog.model("mistral-small-3.1").text
    parameters = text.matrices + text.embeddings
    assert found.tokens_per_s is not None
    weights = catalog.gpus()["RTX 4090"].bandwidth_gb_s * 1e9 / found.tokens_per_s
    assert 0.5 * parameters < weights < 0.7 * parameters  # four bits, and the head in sixteen
    assert found.at(4) == 4 * found.tokens_per_s
    assert all(each in found.why for each in ("RTX 4090", "W4A16", f"{found.tokens_per_s:.0f} tokens"))
    twice = ceiling(session, "2x RTX 4090").tokens_per_s
    assert twice is not None and twice > found.tokens_per_s


def test_no_ceiling_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ceiling(Session("https://rented.example/v1", KEY, W4A16)).why == TEXT["elsewhere"]
    here = ceiling(Session("http://127.0.0.1:9/v1", KEY, W4A16), "RTX 4090")
    assert here.tokens_per_s is not None
    unknown = ceiling(Session("http://127.0.0.1:9/v1", KEY, "somebody/else"), "RTX 4090")
    assert (unknown.tokens_per_s, unknown.at(4)) == (None, None) and "somebody/else" in unknown.why
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert ceiling(Session("http://127.0.0.1:9/v1", KEY, W4A16)).why == TEXT["no_gpu"]


def test_it_shows_the_numbers_the_ceiling_and_the_formulas() -> None:
    shown = TWO._repr_markdown_()
    # Two streams: 32 tokens in 2.2 s; waits of 200 and 400 ms; (2.2 - 0.2) / 10 and (1.4 - 0.4) / 20 a token.
    assert "| 2 | 15 | 200 (reached: 7%) | 300 | 390 | 125.0 | 192.5 |" in shown
    assert "By the sheet." in shown and all(name in shown for name in FORMULAS)
    assert (
        str(TWO).splitlines()[0].startswith("1 at once: 10 tokens/s, first token after 100 ms, then 100.0 ms")
    )
    assert TWO.first_token(50) == pytest.approx([0.1, 0.3])


def drawn(line: Line2D) -> list[float]:
    return [float(each) for each in numpy.asarray(line.get_ydata(), dtype=float)]


def test_the_chart_draws_the_ceiling_where_it_is_known() -> None:
    rate, first, each = TWO.chart().axes
    measured, top = rate.get_lines()
    assert drawn(top) == [100, 200] and drawn(measured) == pytest.approx([10, 14.5], abs=0.05)
    assert drawn(first.get_lines()[0]) == pytest.approx([100, 300])
    assert drawn(each.get_lines()[1]) == pytest.approx([100, 192.5])
    unknown = Sweep((Speed((Stream(1, 0.1, 0.1),), 0.1, 64),), Ceiling(None, "None known."))
    rate, _, each = unknown.chart().axes
    assert len(rate.get_lines()) == 1 and math.isnan(drawn(each.get_lines()[0])[0])


@pytest.mark.engine
def test_more_streams_of_the_twin_give_more_tokens(session: labkit.Session) -> None:
    found = sweep(session, streams=(1, 8), prompt_tokens=64, max_tokens=32)
    one, many = found.speeds
    assert many.tokens == 16 * 32 and many.tokens_per_s > 1.3 * one.tokens_per_s
    assert many.first_token_s > one.first_token_s
