from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace as Box
from typing import Any

import httpx2
import openai
import pytest

from labkit import reply as module
from labkit.reply import TEXT, Reply

REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1")


def piece(content: str | None = None, finish: str | None = None, calls: list[Any] | None = None) -> Box:
    delta = Box(content=content, tool_calls=calls)
    return Box(choices=[Box(delta=delta, finish_reason=finish)], usage=None)


def call(index: int, name: str | None, arguments: str | None, id: str | None = None) -> Box:
    return Box(index=index, id=id, function=Box(name=name, arguments=arguments))


class Scripted:
    """A stream that sends chunks, then raises what it meets in the script."""

    def __init__(self, *script: Any) -> None:
        self.script = script
        self.closed = False

    def __iter__(self) -> Iterator[Any]:
        for each in self.script:
            if isinstance(each, BaseException):
                raise each
            yield each

    def close(self) -> None:
        self.closed = True


WHOLE = (piece("Hel"), piece("lo"), piece(finish="stop"), Box(choices=[], usage="42 tokens"))


def test_pieces_come_one_by_one_and_stay() -> None:
    stream = Scripted(*WHOLE)
    answer = Reply(stream, 0.0)
    pieces = iter(answer)
    assert next(pieces) == "Hel" and "streaming" in repr(answer)
    assert list(pieces) == ["lo"] and list(answer) == ["Hel", "lo"]
    assert (answer.text, answer.finish_reason, answer.usage) == ("Hello", "stop", "42 tokens")
    assert answer.interrupted is None and stream.closed and str(answer) == "Hello"
    assert answer.first_token_s is not None and answer.first_token_s <= answer.seconds


def test_calls_are_put_together_from_their_pieces() -> None:
    answer = Reply(
        Scripted(
            piece(calls=[call(0, "price", '{"ticker": ', "abcdefghi")]),
            piece(calls=[call(0, None, '"AAPL"}'), call(1, "now", "", "ABCDEFGHI")]),
            piece(finish="tool_calls"),
        ),
        0.0,
    )
    first, second = answer.tool_calls
    assert (first.name, first.arguments, first.id) == ("price", {"ticker": "AAPL"}, "abcdefghi")
    assert (second.name, second.arguments) == ("now", {})
    assert str(answer) == "price(ticker='AAPL')\nnow()"
    assert answer.message["tool_calls"][0]["function"] == {"name": "price", "arguments": '{"ticker": "AAPL"}'}


@pytest.mark.parametrize("raw", ["{broken", "[1]"])
def test_arguments_that_are_no_object_are_kept_raw(raw: str) -> None:
    (made,) = Reply(
        Scripted(piece(calls=[call(0, "f", raw, "x")]), piece(finish="tool_calls")), 0.0
    ).tool_calls
    assert made.arguments == {} and made.raw == raw


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (openai.APIConnectionError(request=REQUEST), TEXT["lost"]),
        (openai.APITimeoutError(request=REQUEST), TEXT["silent"]),
        (
            openai.APIError("EngineCore died.", REQUEST, body=None),
            f"{TEXT['failed'].format(why='EngineCore died')} {TEXT['failed_more']}",
        ),
        (None, TEXT["cut"]),
    ],
)
def test_a_fault_keeps_the_text_and_says_one_sentence(
    fault: Exception | None, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = Scripted(piece("Hel"), *filter(None, [fault]))
    answer = Reply(stream, 0.0)
    assert list(answer) == ["Hel"] and stream.closed
    assert capsys.readouterr().err.strip() == sentence
    assert (answer.text, answer.interrupted, answer.finish_reason) == ("Hel", sentence, None)
    assert str(answer) == f"Hel\n\n{sentence}"
    assert capsys.readouterr().err == "", "said once is enough"


def test_an_interrupt_keeps_the_text_and_goes_on_up() -> None:
    answer = Reply(Scripted(piece("Hel"), KeyboardInterrupt()), 0.0)
    with pytest.raises(KeyboardInterrupt):
        list(answer)
    assert (answer.text, answer.interrupted) == ("Hel", TEXT["stopped"])


def test_stop_gives_up_the_rest() -> None:
    stream = Scripted(*WHOLE)
    answer = Reply(stream, 0.0)
    assert next(iter(answer)) == "Hel"
    answer.stop()
    assert stream.closed and answer.text == "Hel" and answer.interrupted == TEXT["stopped"]
    whole = Reply(Scripted(*WHOLE), 0.0)
    assert whole.text == "Hello"
    whole.stop()
    assert whole.interrupted is None, "a whole answer cannot be stopped any more"


LOST = openai.APIConnectionError(request=REQUEST)


@pytest.mark.parametrize("first", [Scripted(LOST), Scripted(), Scripted(piece(""), LOST)])
def test_a_server_that_goes_away_before_its_first_word_is_asked_once_more(first: Scripted) -> None:
    asked: list[Scripted] = []

    def again() -> Scripted:
        asked.append(Scripted(*WHOLE))
        return asked[-1]

    answer = Reply(first, 0.0, again)
    assert (answer.text, answer.interrupted, len(asked)) == ("Hello", None, 1)
    assert first.closed and asked[0].closed


def test_it_is_asked_once_more_and_not_twice() -> None:
    asked: list[Scripted] = []

    def again() -> Scripted:
        asked.append(Scripted(LOST))
        return asked[-1]

    assert Reply(Scripted(LOST), 0.0, again).interrupted == TEXT["lost"] and len(asked) == 1


def test_a_server_that_is_gone_cannot_be_asked_again() -> None:
    def again() -> Scripted:
        raise LOST

    assert Reply(Scripted(LOST), 0.0, again).interrupted == TEXT["lost"]


def test_what_has_begun_is_not_asked_again() -> None:
    """It would be another answer, and its tools would be called twice."""

    def again() -> Scripted:
        raise AssertionError("it must not be asked again")

    begun = Reply(Scripted(piece("Hel"), LOST), 0.0, again)
    assert (begun.interrupted, begun.message["content"]) == (TEXT["lost"], "Hel")
    calling = Reply(Scripted(piece(calls=[call(0, "price", "{", "abcdefghi")]), LOST), 0.0, again)
    assert calling.interrupted == TEXT["lost"]


def test_an_answer_that_was_cut_off_says_so() -> None:
    assert str(Reply(Scripted(piece("Hel"), piece(finish="length")), 0.0)) == "Hel\n\n(cut off at max_tokens)"


class Shown:
    """Stands in for the notebook's output."""

    def __init__(self) -> None:
        self.states: list[str] = []

    def show(self, markdown: str, *, now: bool = True) -> None:
        self.states.append(markdown)


@pytest.mark.parametrize(
    ("script", "last"),
    [
        (WHOLE, "Hello"),
        ((piece("Hel"), openai.APIConnectionError(request=REQUEST)), f"Hel\n\n*{TEXT['lost']}*"),
        ((piece("Hel"), KeyboardInterrupt()), f"Hel\n\n*{TEXT['stopped']}*"),
        ((piece(calls=[call(0, "f", "{}", "x")]), piece(finish="tool_calls")), "```python\nf()\n```"),
    ],
)
def test_a_cell_shows_it_live_and_keeps_the_end(
    script: tuple[Any, ...], last: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Shown()
    monkeypatch.setattr(module, "in_notebook", lambda: True)
    monkeypatch.setattr(module, "Panel", lambda: shown)
    Reply(Scripted(*script), 0.0)._ipython_display_()
    assert shown.states[-1] == last and len(shown.states) >= 2
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_it_live(capsys: pytest.CaptureFixture[str]) -> None:
    Reply(Scripted(piece("Hel"), openai.APIConnectionError(request=REQUEST)), 0.0)._ipython_display_()
    assert capsys.readouterr().out == f"Hel\n\n{TEXT['lost']}\n"
