"""The tool tracer, without a browser: the run as it goes, approvals, a call changed and gone on from."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator

import pytest

import labkit
from labkit.session import Session
from labkit.tools import tool
from labkit.widgets import trace_view
from labkit.widgets.approval import READ_S
from labkit.widgets.frame import TEXT as FRAME
from labkit.widgets.tracer import TEXT, Tracer
from tests.fake_openai import KEY, MODEL, Answer, FakeOpenAI, serving

AAPL = ("abcdefgh1", "get_stock_price", '{"ticker": "AAPL"}')
WRONG = ("abcdefgh2", "get_stock_price", '{"ticker": 5, "date": "today"}')
WORTH = Answer("It is worth <b>a lot</b>.")


def until(true: Callable[[], object], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


@pytest.fixture
def fake() -> FakeOpenAI:
    found = FakeOpenAI()
    found.script = iter([Answer(calls=(AAPL,)), WORTH])
    return found


@pytest.fixture
def widget(fake: FakeOpenAI) -> Iterator[Tracer]:
    with serving(fake.app) as url:
        yield Tracer(Session(f"{url}/v1", KEY, MODEL), wait_seconds=10)


def ask(widget: Tracer) -> None:
    widget.start.click()
    widget.wait(20)


def test_a_run_is_shown_step_by_step(widget: Tracer, fake: FakeOpenAI) -> None:
    ask(widget)
    assert widget.run is not None and widget.run.calls == [("get_stock_price", {"ticker": "AAPL"})]
    shown = widget.view.value
    assert "Round 1" in shown and "Round 2" in shown and "The conversation: 4 messages" in shown
    assert "<code>ticker</code>" in shown and "<code>&quot;AAPL&quot;</code>" in shown and "fits" in shown
    assert "Result after" in shown and "USD" in shown
    assert "&lt;b&gt;a lot" in shown and "<b>a lot" not in shown
    assert widget.answer.text == WORTH.text and widget.words.kind == "note"
    assert "rounds: 2 · calls: 1" in widget.words.text and shown in widget.still_html()
    assert not widget.start.disabled and widget.halt.disabled


def test_the_steps_show_while_it_runs(fake: FakeOpenAI) -> None:
    gate = threading.Event()

    @tool
    def get_stock_price(ticker: str) -> float:
        """Wait.

        ticker: any
        """
        gate.wait(10)
        return 1.0

    with serving(fake.app) as url:
        widget = Tracer(Session(f"{url}/v1", KEY, MODEL), [get_stock_price])
        widget.start.click()
        until(lambda: trace_view.TEXT["open"] in widget.view.value and "AAPL" in widget.view.value)
        assert trace_view.TEXT["waiting"] in widget.view.value and widget.busy
        gate.set()
        widget.wait(10)
    assert trace_view.TEXT["open"] not in widget.view.value and widget.answer.text == WORTH.text


def test_arguments_that_do_not_fit_are_marked_and_the_fault_is_told(widget: Tracer, fake: FakeOpenAI) -> None:
    fake.script = iter([Answer(calls=(WRONG,)), Answer("Sorry.")])
    ask(widget)
    shown = widget.view.value
    assert "Input should be a valid string" in shown and "Fault (bad_arguments)" in shown
    assert "date" in shown and widget.run is not None and len(widget.run.faults) == 1


def test_a_call_is_changed_run_again_and_gone_on_from(widget: Tracer, fake: FakeOpenAI) -> None:
    fake.script = iter([Answer(calls=(WRONG,)), Answer("Sorry."), Answer("Now I know.")])
    ask(widget)
    assert json.loads(widget.arguments.value)["ticker"] == 5
    assert "Input should be" in widget.check.value
    widget.go_on.click()
    widget.wait(10)
    assert widget.words.text == TEXT["first_redo"]
    widget.arguments.value = '{"ticker": "MSFT"}'
    assert "Input should be" not in widget.check.value and "fits" in widget.check.value
    widget.again.click()
    widget.wait(10)
    assert "USD" in widget.result.value and widget.words.text == TEXT["redone"] and len(fake.asked) == 2
    widget.go_on.click()
    widget.wait(10)
    last = fake.asked[-1]["messages"]
    assert json.loads(last[1]["tool_calls"][0]["function"]["arguments"]) == {"ticker": "MSFT"}
    assert "USD" in last[2]["content"] and len(last) == 3
    assert widget.answer.text == "Now I know." and len(widget.runs) == 2
    assert widget.which.options[1][0] == "2: run 1, with get_stock_price changed"
    widget.which.value = 0
    assert widget.answer.text == "Sorry." and json.loads(widget.arguments.value)["ticker"] == 5


@pytest.mark.parametrize(("raw", "words"), [("{", "no JSON object"), ('{"ticker": "?"}', "unknown ticker ?")])
def test_a_changed_call_that_fails_is_told(widget: Tracer, raw: str, words: str) -> None:
    ask(widget)
    widget.arguments.value = raw
    widget.again.click()
    widget.wait(10)
    assert words in widget.result.value and widget.words.text == TEXT["redone_fault"]
    assert widget.words.kind == "fault"


@pytest.mark.parametrize("allowed", [True, False])
def test_every_call_can_be_asked_for(widget: Tracer, allowed: bool) -> None:
    widget.each.value = True
    widget.start.click()
    until(lambda: widget.approval.asking)
    assert "AAPL" in widget.approval.question.value and widget.words.text == TEXT["asked"]
    (widget.approval.allow if allowed else widget.approval.refuse).click()
    widget.wait(10)
    assert widget.run is not None and bool(widget.run.faults) is not allowed
    labels = [each.label for each in trace_view.bars(widget.run.events)]
    assert labels[:2] == ["the model", "you"] and widget.approval.layout.display == "none"
    person = trace_view.bars(widget.run.events)[1]
    assert person.kind == "person" and person.seconds >= READ_S


def test_no_answer_is_a_refusal(fake: FakeOpenAI) -> None:
    with serving(fake.app) as url:
        widget = Tracer(Session(f"{url}/v1", KEY, MODEL), wait_seconds=0.3)
        widget.each.value = True
        ask(widget)
    assert widget.run is not None and "nobody answered" in widget.run.done[0].content


def test_stop_ends_a_question_for_permission(widget: Tracer) -> None:
    widget.each.value = True
    widget.start.click()
    until(lambda: widget.approval.asking)
    widget.halt.click()
    widget.wait(10)
    assert widget.run is not None and widget.run.ended == "stopped" and not widget.busy
    assert not widget.start.disabled and widget.approval.layout.display == "none"


def test_two_hundred_clicks_are_one_run(widget: Tracer, fake: FakeOpenAI) -> None:
    fake.script = iter([Answer("x", pause=0.5)])
    for _ in range(200):
        widget.start.click()
    widget.wait(20)
    assert len(fake.asked) == 1 and len(widget.runs) == 1


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ([Answer(status=400)], "script's own words"),
        ([Answer("It is", whole=False)], "too early"),
        ([Answer(calls=(AAPL,)), Answer("It is", whole=False)], "too early"),
    ],
)
def test_a_server_that_dies_is_a_sentence(
    widget: Tracer, fake: FakeOpenAI, script: list[Answer], words: str
) -> None:
    fake.script = iter(script)
    ask(widget)
    assert words in widget.words.text and widget.words.kind == "fault" and not widget.start.disabled
    fake.script = iter([WORTH])
    ask(widget)
    assert widget.answer.text == WORTH.text and widget.words.kind == "note"


def test_nothing_to_ask_and_nothing_to_replay(widget: Tracer, fake: FakeOpenAI) -> None:
    assert widget.replay.layout.display == widget.which.layout.display == "none"
    assert not widget.prompt.layout.display  # it had the layout of the hidden choice once, and was not there
    widget.again.click()
    widget.wait(10)
    assert widget.words.text == TEXT["no_call"]
    widget.prompt.value = " "
    ask(widget)
    assert widget.words.text == TEXT["no_question"] and fake.asked == []
    assert FRAME["untouched"] in repr(widget) or TEXT["no_question"] in repr(widget)


def test_the_code_runs(widget: Tracer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labkit, "connect", lambda: widget.session)
    found: dict[str, object] = {}
    exec(widget.samples()["Python"], found)
    assert found["run"].text == WORTH.text  # type: ignore[attr-defined]


def test_the_bars_lie_where_their_times_say(widget: Tracer) -> None:
    ask(widget)
    assert widget.run is not None
    found = trace_view.bars(widget.run.events)
    assert [(each.label, each.kind) for each in found] == [
        ("the model", "model"),
        ("get_stock_price", "tool"),
        ("the model", "model"),
    ]
    ends = [each.start + each.seconds for each in found]
    assert all(later.start >= end - 1e-3 for later, end in zip(found[1:], ends, strict=False))
    assert ends[-1] <= widget.run.seconds


@pytest.mark.engine
def test_the_twin_calls_the_guides_tools(session: labkit.Session) -> None:
    widget = Tracer(session)
    widget.prompt.value = "What is the stock price of AAPL?"
    ask(widget)
    assert widget.run is not None and ("get_stock_price", {"ticker": "AAPL"}) in widget.run.calls
    widget.arguments.value = '{"ticker": "NVDA"}'
    widget.again.click()
    widget.wait(20)
    assert widget.redone is not None and not widget.redone.fault
    widget.go_on.click()
    widget.wait(60)
    assert len(widget.runs) == 2 and widget.answer.text and widget.words.kind == "note"
