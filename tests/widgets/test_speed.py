"""The speed widget, without a browser: it fills while it measures, draws the ceiling, and can be stopped."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import pytest

import labkit
from labkit.engines import vllm
from labkit.engines.recipe import Command
from labkit.probes.quoted import TEXT as QUOTING
from labkit.probes.quoted import Quoted, Times
from labkit.probes.speed import Now
from labkit.probes.sweep import TEXT as SWEEP
from labkit.probes.sweep import Ceiling, Sweep
from labkit.session import Session
from labkit.widgets import speed as module
from labkit.widgets.frame import TEXT as FRAME
from labkit.widgets.speed import Speed
from tests.fake_openai import KEY, MODEL, FakeOpenAI, serving
from tests.test_probes import Together

QUOTED = Quoted(
    Command(("vllm", "bench", "serve")), 4, 16, 64, 32, 2.0, 256.0, Times(9, 8, 12), Times(4, 3, 6)
)


@pytest.fixture
def widget() -> Iterator[Speed]:
    with serving(Together().app) as url:
        found = Speed(Session(f"{url}/v1", KEY, MODEL))
        found.streams.value, found.prompt.value, found.answer.value = 4, 16, 16
        yield found


def test_a_sweep_fills_figures_table_and_words(widget: Speed) -> None:
    widget.start.click()
    widget.wait(60)
    measured, ceiling, now, bench = widget.rate.data
    assert measured.x == (1, 2, 4) and all(each > 0 for each in measured.y)
    assert measured.y == tuple(each.tokens_per_s for each in widget.sweep.speeds)
    assert ceiling.x == now.x == bench.x == ()
    half, most = widget.first.data[:2]
    assert half.x == (1, 2, 4) and all(p50 <= p95 for p50, p95 in zip(half.y, most.y, strict=True))
    assert half.y[0] == pytest.approx(1000 * widget.sweep.speeds[0].first_token(50))
    steps = widget.each.data[0].y
    assert steps[2] == pytest.approx(1000 * (widget.sweep.speeds[2].per_token(50) or 0))
    assert widget.table.value.count("<tr>") == 4 and "4 at once gave" in widget.words.text
    assert SWEEP["no_gpu"] in widget.words.text and SWEEP["no_gpu"] in widget.still_html()
    assert "Time to first" not in repr(widget) and "4 at once:" in repr(widget)
    assert not widget.start.disabled and widget.halt.disabled


def test_it_fills_while_it_measures() -> None:
    fake = FakeOpenAI()
    with serving(fake.app) as url:
        widget, seen = Speed(Session(f"{url}/v1", KEY, MODEL)), []
        widget.streams.value = 2
        widget.table.observe(lambda change: seen.append(change["new"].count("<tr>") - 1), "value")
        widget.start.click()
        widget.wait(30)
    assert [rows for rows in seen if rows > 0] == [1, 2]


def test_the_ceiling_is_drawn_where_it_is_known(widget: Speed, monkeypatch: pytest.MonkeyPatch) -> None:
    cards: list[str | None] = []

    def known(session: Session, gpu: str | None) -> Ceiling:
        cards.append(gpu)
        return Ceiling(50.0, "By the sheet.")

    monkeypatch.setattr(import_module("labkit.probes.sweep"), "ceiling", known)
    widget.gpu.value, widget.streams.value = "RTX 4090", 2
    widget.start.click()
    widget.wait(30)
    ceiling = widget.rate.data[1]
    assert cards == ["RTX 4090"] and (ceiling.x, ceiling.y) == ((1, 2), (50.0, 100.0))
    assert "By the sheet." in widget.words.text and "<td>100 (reached: " in widget.table.value
    assert "gpu='RTX 4090'" in widget.samples()["Python"]
    widget.gpu.index = 0
    assert widget.gpu.index == 0 and "gpu" not in widget.samples()["Python"], "the choice is gone"


def test_what_runs_now_is_drawn_with_its_ceiling(widget: Speed) -> None:
    widget._show(Sweep((), Ceiling(50.0, "By the sheet."), Now(2, 20, 2.0, 1, 4)))
    _, ceiling, now, _ = widget.rate.data
    assert (ceiling.x, ceiling.y, now.x, now.y) == ((2,), (100.0,), (2,), (10.0,))
    assert "2 at once: 1 of 4 answers" in widget.words.text


def test_two_hundred_clicks_are_one_sweep(widget: Speed) -> None:
    widget.streams.value = 1
    for _ in range(200):
        widget.start.click()
    widget.wait(30)
    assert len(widget.sweep.speeds) == 1 and widget.words.kind == "note"


def test_stop_while_the_server_hangs() -> None:
    class Silent(Together):
        def __init__(self) -> None:
            super().__init__(wanted=99)

    with serving(Silent().app) as url:
        widget = Speed(Session(f"{url}/v1", KEY, MODEL))
        widget.start.click()
        while not widget.words.text.startswith("1 at once"):
            assert widget.busy
        widget.halt.click()
        widget.wait(10)
        assert not widget.busy and widget.words.text == FRAME["stopped"] and not widget.start.disabled


@pytest.mark.parametrize(("fault", "words"), [("cut", "broke off"), ("refused", "too many")])
def test_faults_are_sentences(fault: str, words: str) -> None:
    with serving(Together(fault=fault).app) as url:
        widget = Speed(Session(f"{url}/v1", KEY, MODEL))
        widget.start.click()
        widget.wait(30)
    assert words in widget.words.text and widget.words.kind == "fault" and not widget.start.disabled


def test_a_quoted_figure_is_drawn_and_its_command_shown(
    widget: Speed, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {}

    def quoted(session: Session, **options: object) -> Quoted:
        asked.update(options)
        return QUOTED

    monkeypatch.setattr(module, "quoted", quoted)
    widget.quote.click()
    widget.wait(10)
    assert (asked["streams"], asked["requests"], asked["prompt_tokens"]) == (4, 16, 16)
    assert (widget.rate.data[3].x, widget.rate.data[3].y) == ((4,), (256.0,))
    assert widget.first.data[2].y == (8,) and widget.each.data[2].y == (3,)
    assert widget.samples()["vllm bench serve"] == "vllm bench serve" and "256.0" in widget.words.text
    assert "To be quoted" in widget.still_html() and not widget.quote.disabled


def test_no_load_generator_is_a_sentence(widget: Speed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm, "build", lambda: None)
    widget.quote.click()
    widget.wait(10)
    assert widget.words.text == QUOTING["not_installed"] and widget.words.kind == "fault"


def test_the_code_is_what_the_controls_say(widget: Speed) -> None:
    code = widget.samples()["Python"]
    compile(code, "sample", "exec")
    assert "streams=(1, 2, 4), prompt_tokens=16, max_tokens=16)" in code
    assert "streams=4, requests=16, prompt_tokens=16, max_tokens=16)" in code


@pytest.mark.engine
def test_the_twin_is_swept(session: labkit.Session) -> None:
    widget = Speed(session)
    widget.streams.value, widget.prompt.value, widget.answer.value = 2, 32, 16
    widget.start.click()
    widget.wait(60)
    assert widget.rate.data[0].x == (1, 2) and [each.tokens for each in widget.sweep.speeds] == [64, 64]
    assert "2 at once gave" in widget.words.text
