"""The widget of temperatures, without a browser: what it shows, and what it survives."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat

import pytest

import labkit
from labkit.session import Session
from labkit.widgets.temperature import TEXT, Temperature
from tests.fake_openai import KEY, MODEL, Answer, FakeOpenAI, serving
from tests.test_probes_drift import Warm


@pytest.fixture
def fake() -> Warm:
    return Warm()


@pytest.fixture
def widget(fake: Warm) -> Iterator[Temperature]:
    with serving(fake.app) as url:
        found = Temperature(Session(f"{url}/v1", KEY, MODEL))
        found.temperatures.value, found.n.value = "1, 0.15", 3
        yield found


def test_a_run_fills_the_plot_the_table_and_the_answers(widget: Temperature) -> None:
    widget.start.click()
    widget.wait(30)
    line, dots = widget.figure.data
    assert list(line.x) == [0, 0.15, 1] and line.y == pytest.approx([0, 0.2, 0.2])
    assert len(dots.x) == 9 and sorted(set(dots.y)) == pytest.approx([0, 0.2])
    assert len(set(dots.x)) == 9, "equal answers hide each other"
    assert widget.table.value.count("<tr>") == 4
    assert "Why 0.15" in widget.words.text and "0 of 3" in widget.words.text
    assert widget.which.value == 0 and "3 of 3, the greedy answer itself" in widget.answers.value
    widget.which.value = 1.0
    assert widget.answers.value.count("1 of 3, 20% other words") == 3
    assert "<u>word" in widget.answers.value and "<u>You" not in widget.answers.value
    assert not widget.start.disabled and widget.halt.disabled
    assert "at 0.15" in widget.still_html() and "as greedy" in repr(widget)


def test_it_fills_while_it_runs_and_stop_ends_it() -> None:
    fake = Warm(pause=0.02)
    with serving(fake.app) as url:
        widget = Temperature(Session(f"{url}/v1", KEY, MODEL), streams=2)
        widget.n.value = 20
        seen: list[int] = []

        def look(change: dict[str, str]) -> None:
            seen.append(len(widget.figure.data[1].x))
            if len(seen) == 3:
                widget.halt.click()

        widget.table.observe(look, "value")
        widget.start.click()
        widget.wait(30)
    assert seen[0] < seen[2] < 20, "the plot does not grow with the answers"
    done = len(widget.drift.samples)
    assert widget.words.text == f"Stopped after {done} of 100 answers." and len(fake.asked) <= done + 4


def test_two_hundred_clicks_are_one_run(widget: Temperature, fake: Warm) -> None:
    for _ in range(200):
        widget.start.click()
    widget.wait(30)
    assert len(fake.asked) % 9 == 0 and len(fake.asked) < 60


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("0, warm", "this is not one: 'warm'"),
        ("0, 3", "from 0 to 2"),
        ("nan", "from 0 to 2"),
        (", ".join(f"0.{n:02}" for n in range(1, 20)), "20 temperatures are too many"),
    ],
)
def test_temperatures_that_are_none(widget: Temperature, fake: Warm, written: str, words: str) -> None:
    widget.temperatures.value = written
    widget.start.click()
    widget.wait(20)
    assert words in widget.words.text and widget.words.kind == "fault" and fake.asked == []
    for each in widget.samples().values():
        compile(each, "sample", "exec")


def test_no_question_is_not_asked(widget: Temperature, fake: Warm) -> None:
    widget.prompt.value = " "
    widget.start.click()
    widget.wait(20)
    assert widget.words.text == TEXT["empty"] and fake.asked == []


def test_a_server_that_dies_keeps_what_had_come(widget: Temperature) -> None:
    fake = Warm(fault_at=1.0)
    with serving(fake.app) as url:
        widget.session, widget.streams = Session(f"{url}/v1", KEY, MODEL), 1
        widget.start.click()
        widget.wait(20)
    assert "too hot" in widget.words.text and widget.words.kind == "fault"
    assert 1 <= len(widget.drift.samples) <= 3 and widget.table.value and not widget.start.disabled


def test_an_answer_that_breaks_off() -> None:
    fake = FakeOpenAI()
    fake.script = repeat(Answer("Hel", whole=False))
    with serving(fake.app) as url:
        widget = Temperature(Session(f"{url}/v1", KEY, MODEL))
        widget.start.click()
        widget.wait(20)
    assert "ended too early" in widget.words.text and widget.words.kind == "fault"


@pytest.mark.engine
def test_the_widget_on_the_twin(session: labkit.Session) -> None:
    widget = Temperature(session)
    widget.n.value, widget.long.value = 3, 24
    widget.start.click()
    widget.wait()
    assert (
        len(widget.figure.data[1].x) == 15
        and [row.temperature for row in widget.drift.rows] == widget.chosen()
    )
    assert "Why 0.15" in widget.words.text and widget.drift.rows[0].same >= 2


@pytest.mark.engine
def test_a_prompt_that_is_too_long_is_a_sentence(session: labkit.Session) -> None:
    widget = Temperature(session)
    widget.prompt.value = "word " * 40_000
    widget.start.click()
    widget.wait()
    assert widget.words.kind == "fault" and "did not accept" in widget.words.text and not widget.drift.samples
    assert len(widget.samples()["labkit"]) < 5000
