"""The widget of tokens and probabilities, without a browser: what it shows, and what it survives."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import labkit
from labkit.probes.logprobs import Scored
from labkit.session import Session
from labkit.widgets.scored import ScoredText
from labkit.widgets.tokens import TEXT, Tokens
from tests.fake_openai import KEY, MODEL, FakeOpenAI, serving
from tests.test_probes_logprobs import SCORES, Scoring
from tests.test_three_engines import anywhere  # noqa: F401


@pytest.fixture
def fake() -> Iterator[Scoring]:
    yield Scoring()


@pytest.fixture
def widget(fake: Scoring) -> Iterator[Tokens]:
    with serving(fake.app) as url:
        yield Tokens(Session(f"{url}/v1", KEY, MODEL))


def test_the_text_is_split_as_it_is_typed(widget: Tokens) -> None:
    widget.text.value = "Hi <b>"
    widget.wait(20)
    assert widget.split is not None and str(widget.split) == "[INST]|H|i| |<|b|>|[/INST]"
    assert "token 1072" in widget.chips.value and "<b>" not in widget.chips.value
    assert "2 of them control tokens" in widget.chips.value
    widget.chat.value = False
    widget.wait(20)
    assert str(widget.split) == "H|i| |<|b|>"


def test_what_is_typed_meanwhile_is_split_once_and_last(widget: Tokens, fake: Scoring) -> None:
    widget.wait(20)
    before = len(fake.asked)
    for count in range(200):
        widget.text.value = "x" * (count + 1)
    widget.wait(20)
    assert widget.split is not None and len(widget.split) == 202
    assert len(fake.asked) - before <= 200


def test_a_long_text_is_counted_whole_and_shown_in_part(widget: Tokens) -> None:
    widget.text.value = "a" * 100_000
    widget.wait(30)
    assert widget.split is not None and len(widget.split) == 100_002
    assert TEXT["cut"].format(shown=400, all=100_002) in widget.chips.value
    assert len(widget.chips.value) < 200_000 and len(widget.samples()["labkit"]) < 10_000


def test_an_answer_is_scored_and_drawn(widget: Tokens, fake: Scoring) -> None:
    widget.wait(20)
    widget.prompt.value, widget.best.value, widget.temperature.value = "Hello", 3, 0.5
    widget.ask.click()
    widget.wait(20)
    assert widget.answer is not None and widget.answer.text == "A <b>\n"
    asked = fake.asked[-1]
    assert (asked["top_logprobs"], asked["temperature"]) == (3, 0.5)
    assert [each["step"] for each in widget.scored.tokens] == [1, 0, 4]
    first = widget.scored.tokens[0]
    rows = [(text, shown, name) for text, _, shown, name in first["rows"]]
    assert rows == [("A", "50.0 %", "taken"), ("The", "25.0 %", ""), ("others", "25.0 %", "rest")]
    assert first["told"] == "'A' 50.0 %; 'The' 25.0 %" and "1.50 bits" in first["head"]
    assert widget.scored.tokens[2]["text"] == "⏎\n"
    (bars,) = widget.figure.data
    assert list(bars.x) == [1, 2, 3] and bars.y[0] == pytest.approx(1.5)
    assert bars.customdata[1] == "&#x27; &lt;b&gt;&#x27;"
    assert "3 tokens" in widget.words.text and "lower bound" in widget.words.text
    assert not widget.ask.disabled and widget.halt.disabled
    assert "&lt;b&gt;" in widget.still_html() and "3 tokens" in repr(widget)


def test_two_hundred_clicks_are_one_question(widget: Tokens, fake: Scoring) -> None:
    widget.wait(20)
    before = len(fake.asked)
    gate = threading.Event()
    widget._watch, watch = lambda token: (gate.wait(10), watch(token))[1], widget._watch  # type: ignore[method-assign]
    for _ in range(200):
        widget.ask.click()
    gate.set()
    widget.wait(20)
    assert len(fake.asked) - before == 1 and widget.answer is not None


def test_stop_keeps_what_had_come(widget: Tokens) -> None:
    watch = widget._watch

    def one_and_stop(token: Scored) -> None:
        watch(token)
        widget.halt.click()

    widget._watch = one_and_stop  # type: ignore[method-assign]
    widget.ask.click()
    widget.wait(20)
    assert len(widget.scored.tokens) == 1 and widget.words.text.startswith("Stopped after 1 tokens")


def test_stop_ends_it_at_once_where_the_server_hangs() -> None:
    fake = FakeOpenAI()
    with serving(fake.app) as url:
        widget = Tokens(Session(f"{url}/v1", KEY, MODEL))
        widget.prompt.value = "wait"
        widget.ask.click()
        until = time.monotonic() + 20
        while not widget._come and time.monotonic() < until:
            time.sleep(0.01)
        widget.halt.click()
        widget.wait(5)
        assert not widget.busy and not widget.ask.disabled and "Stopped after" in widget.words.text
        fake.let_go.set()


def test_a_server_that_dies_in_mid_answer() -> None:
    with serving(Scoring(whole=False).app) as url:
        widget = Tokens(Session(f"{url}/v1", KEY, MODEL))
        widget.ask.click()
        widget.wait(20)
        assert "ended too early" in widget.words.text and widget.words.kind == "fault"
        assert len(widget.scored.tokens) == len(SCORES) and not widget.ask.disabled


def test_a_server_that_tells_neither_tokens_nor_chances() -> None:
    class Silent(FakeOpenAI):
        def _chunks(self, text: str, logprobs: bool) -> Iterator[dict[str, Any]]:
            return super()._chunks(text, False)

    with serving(Silent().app) as url:
        widget = Tokens(Session(f"{url}/v1", KEY, MODEL))
        widget.wait(20)
        assert widget.split is None and "does not show the tokens" in widget.chips.value
        widget.ask.click()
        widget.wait(20)
        assert "sends no probabilities" in widget.words.text and widget.scored.tokens == []


def test_no_server_is_a_sentence() -> None:
    widget = Tokens(Session("http://127.0.0.1:9/v1", KEY, MODEL))
    widget.wait(20)
    assert "Nothing answers" in widget.chips.value
    widget.ask.click()
    widget.wait(20)
    assert "Nothing answers" in widget.words.text and widget.words.kind == "fault"


def test_no_question_is_not_asked(widget: Tokens, fake: Scoring) -> None:
    widget.wait(20)
    before = len(fake.asked)
    widget.prompt.value = "  "
    widget.ask.click()
    widget.wait(20)
    assert widget.words.text == TEXT["empty"] and len(fake.asked) == before


def test_the_code_has_what_the_controls_say(widget: Tokens) -> None:
    widget.prompt.value, widget.text.value = 'Say "hi"', "{x}"
    for each in widget.samples().values():
        compile(each, "sample", "exec")
    assert '"Say \\"hi\\"", best=5' in widget.samples()["labkit"]
    assert "top_logprobs=5" in widget.samples()["OpenAI's client"] and "{x}" in widget.samples()["labkit"]


def test_each_token_is_sent_once() -> None:
    part, sent = ScoredText(), []
    part.send = lambda content, **_: sent.append(content["append"])
    for number in range(300):
        part.add(Scored(f"t{number}", 0.5))
    part.end()
    came = [each["text"] for piece in sent for each in piece]
    assert came == [f"t{number}" for number in range(300)] and len(part.tokens) == 300
    part.clear()
    assert part.tokens == []


@pytest.mark.engine
def test_every_engine_does_what_it_can(anywhere: labkit.Session) -> None:  # noqa: F811
    widget = Tokens(anywhere)
    widget.text.value = "Hello there"
    widget.wait()
    if anywhere.engine == "ollama":
        assert "Ollama does not show the tokens" in widget.chips.value
        assert TEXT["counted"].format(n=anywhere.count("Hello there")) in widget.chips.value
    else:
        assert widget.split is not None and len(widget.split) == anywhere.count("Hello there")
    widget.ask.click()
    widget.wait()
    assert widget.answer is not None and widget.answer.text and widget.words.kind == "note"
    assert len(widget.figure.data[0].y) == len(widget.scored.tokens) == len(widget.answer.tokens) >= 3


@pytest.mark.engine
def test_a_question_that_is_too_long_is_a_sentence(session: labkit.Session) -> None:
    widget = Tokens(session)
    widget.prompt.value = "word " * 40_000
    widget.ask.click()
    widget.wait()
    assert widget.words.kind == "fault" and "did not accept" in widget.words.text and not widget.ask.disabled
    assert len(widget.samples()["labkit"]) < 5000
