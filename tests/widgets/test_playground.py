"""The playground's state, without a browser: against a fake server, and against the live twin."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from labkit import Session
from labkit import reply as replies
from labkit.vision import picture
from labkit.widgets.drop import Photo
from labkit.widgets.playground import TEXT, TOOLS, Playground
from tests.browser.lab import free_port
from tests.fake_openai import KEY, MODEL, Answer, FakeOpenAI, apart, serving
from tests.misbehaving import Misbehaving
from tests.test_three_engines import anywhere  # noqa: F401


@pytest.fixture
def server(lab_home: Path) -> Iterator[FakeOpenAI]:
    yield FakeOpenAI()


@pytest.fixture
def chat(server: FakeOpenAI) -> Iterator[Playground]:
    with serving(server.app) as url:
        yield Playground(Session(f"{url}/v1", KEY, MODEL))
        server.let_go.set()


def say(chat: Playground, words: str) -> None:
    chat.prompt.value = words
    chat.send.click()
    chat.wait(30)
    assert not chat.busy


def png(wide: int, high: int) -> bytes:
    found = io.BytesIO()
    PIL.Image.new("RGB", (wide, high), "teal").save(found, format="PNG")
    return found.getvalue()


def pictures(chat: Playground) -> list[str]:
    return [each.name for each in chat.drop.photos]


def asked(server: FakeOpenAI, index: int = -1) -> list[tuple[str, Any]]:
    return [(each["role"], each["content"]) for each in server.asked[index]["messages"]]


def test_an_answer_streams_and_has_its_numbers(chat: Playground, server: FakeOpenAI) -> None:
    chat.system.value = "Be brief."
    chat.columns[0].temperature.value, chat.columns[0].top_p.value = 0.7, 0.9
    chat.columns[0].max_tokens.value = 33
    say(chat, "hi")
    (answer,) = chat.turns[0].answers
    assert answer.text == "You said hi." and answer.fault == ""
    assert (answer.prompt_tokens, answer.tokens, answer.finish_reason) == (7, 3, "stop")
    assert answer.first_token_s is not None and 0 < answer.first_token_s <= answer.seconds
    assert "7 tokens read, 3 written" in answer.numbers() and "first token after" in answer.numbers()
    assert asked(server) == [("system", "Be brief."), ("user", "hi")]
    sent = server.asked[-1]
    assert (sent["temperature"], sent["top_p"], sent["max_tokens"]) == (0.7, 0.9, 33)
    assert "tools" not in sent
    assert chat.prompt.value == "" and chat.words.text == TEXT["done"]


def test_the_pieces_are_shown_as_they_come(chat: Playground, server: FakeOpenAI) -> None:
    chat.prompt.value = "wait"
    chat.send.click()
    stream = chat.talk.children[0].children[1].children[0].children[1]
    until = time.monotonic() + 10
    while stream._all != ["You"] and time.monotonic() < until:
        time.sleep(0.01)
    assert stream._all == ["You"] and chat.busy and chat.send.disabled and not chat.halt.disabled
    server.let_go.set()
    chat.wait(10)
    assert stream.text == "You said wait." and not chat.send.disabled and chat.halt.disabled


def test_the_conversation_goes_on(chat: Playground, server: FakeOpenAI) -> None:
    say(chat, "one")
    say(chat, "two")
    roles = [("user", "one"), ("assistant", "You said one."), ("user", "two")]
    assert asked(server) == roles and len(chat.talk.children) == 2


def test_an_earlier_question_is_edited_and_the_conversation_goes_on_from_there(
    chat: Playground, server: FakeOpenAI
) -> None:
    for words in ("one", "two", "three"):
        say(chat, words)
    chat.edit(1)
    assert chat.prompt.value == "two" and chat.send.description == TEXT["again"]
    assert len(chat.turns) == 3, "nothing is dropped before it is sent"
    say(chat, "2")
    assert [each.text for each in chat.turns] == ["one", "2"] and len(chat.talk.children) == 2
    assert asked(server) == [("user", "one"), ("assistant", "You said one."), ("user", "2")]
    assert chat.send.description == TEXT["send"]


def test_editing_can_be_left(chat: Playground, server: FakeOpenAI) -> None:
    say(chat, "one")
    chat.edit(0)
    chat.cancel.click()
    say(chat, "two")
    assert [each.text for each in chat.turns] == ["one", "two"]


def test_a_refused_edit_leaves_all_as_it_was(chat: Playground, server: FakeOpenAI) -> None:
    say(chat, "one")
    say(chat, "two")
    chat.edit(0)
    say(chat, "refuse")
    assert [each.text for each in chat.turns] == ["one", "two"] and len(chat.talk.children) == 2
    assert "the upstream's own words" in chat.words.text and chat.words.kind == "fault"
    assert chat.prompt.value == "refuse" and chat.send.description == TEXT["again"]
    say(chat, "three")
    assert [each.text for each in chat.turns] == ["three"]


def test_a_new_conversation_forgets(chat: Playground, server: FakeOpenAI) -> None:
    say(chat, "one")
    chat.anew.click()
    say(chat, "two")
    assert asked(server) == [("user", "two")] and len(chat.talk.children) == 1


def test_stop_then_send_again(chat: Playground, server: FakeOpenAI) -> None:
    """The server is silent after its first piece, so that only an impatient Stop ends it."""
    chat.prompt.value = "wait"
    chat.send.click()
    while not server.running:
        time.sleep(0.01)
    time.sleep(0.2)
    began = time.monotonic()
    chat.halt.click()
    chat.wait(10)
    assert time.monotonic() - began < 3
    (answer,) = chat.turns[0].answers
    assert answer.text == "You" and answer.stopped and chat.words.kind == "note"
    assert "about 1 tokens" in answer.numbers()
    say(chat, "go on")
    assert chat.turns[1].answers[0].text == "You said go on."
    assert asked(server) == [("user", "wait"), ("assistant", "You"), ("user", "go on")]


def test_stop_before_the_first_piece_gives_the_question_back(
    misbehaving: Misbehaving, lab_home: Path
) -> None:
    chat = Playground(Session(misbehaving.url("hangs"), "key", "m"))
    chat.prompt.value = "hello"
    chat.send.click()
    time.sleep(0.3)
    chat.halt.click()
    chat.wait(10)
    assert not chat.busy and chat.turns == [] and chat.prompt.value == "hello"
    assert replies.TEXT["stopped"] in chat.words.text
    assert chat.talk.children == ()


@pytest.mark.parametrize(("fault", "sentence"), [("cut", "cut"), ("error", "failed")])
def test_a_server_that_dies_in_mid_stream(
    fault: str, sentence: str, misbehaving: Misbehaving, lab_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chat = Playground(Session(misbehaving.url(fault), "key", "m"))
    say(chat, "hello")
    (answer,) = chat.turns[0].answers
    assert answer.text == "Hel" and answer.fault.startswith(replies.TEXT[sentence].partition("{")[0])
    assert chat.words.text == answer.fault and chat.words.kind == "fault"
    assert not chat.send.disabled and answer.fault in chat.still_html().replace("&#x27;", "'")
    assert capsys.readouterr() == ("", ""), "said twice"


def test_a_killed_server_ends_in_a_sentence_and_a_way_on(lab_home: Path) -> None:
    """Killed for good after the first piece, with the stream open; then another one answers at its place."""
    port = free_port()
    chat = Playground(Session(f"http://127.0.0.1:{port}/v1", KEY, MODEL))
    with apart(port) as server:
        chat.prompt.value = "wait"
        chat.send.click()
        stream = chat.talk.children[0].children[1].children[0].children[1]
        until = time.monotonic() + 20
        while not stream._all and time.monotonic() < until:
            time.sleep(0.01)
        server.kill()
        server.wait()
        chat.wait(20)
        assert chat.words.text == replies.TEXT["lost"] and chat.words.kind == "fault"
        assert chat.turns[0].answers[0].text == "You"
        say(chat, "hello?")
        assert "not running" in chat.words.text and chat.prompt.value == "hello?" and len(chat.turns) == 1
    with apart(port):
        chat.send.click()
        chat.wait(20)
        assert chat.turns[1].answers[0].text == "You said hello?."


def test_two_hundred_clicks_are_one_request_at_a_time_and_lose_nothing(
    chat: Playground, server: FakeOpenAI
) -> None:
    chat.prompt.value = "wait"
    chat.send.click()
    chat.prompt.value = "the next one"
    for _ in range(199):
        chat.send.click()
    while not server.asked:
        time.sleep(0.01)
    server.let_go.set()
    chat.wait(10)
    assert len(server.asked) == 1 and server.most == 1
    assert chat.turns[0].answers[0].text == "You said wait." and chat.prompt.value == "the next one"
    for _ in range(200):
        chat.send.click()
    chat.wait(10)
    assert [each.text for each in chat.turns] == ["wait", "the next one"] and server.most == 1
    assert len(server.asked) == 2


def test_an_empty_question_is_not_sent(chat: Playground, server: FakeOpenAI) -> None:
    say(chat, "  \n")
    assert server.asked == [] and chat.words.text == TEXT["empty"]


def test_two_settings_are_asked_at_once_and_remember_their_own_answers(
    chat: Playground, server: FakeOpenAI
) -> None:
    chat.compare.value = True
    assert chat.columns[1].box.layout.display == ""
    chat.columns[1].temperature.value, chat.columns[1].max_tokens.value = 1.2, 9
    chat.prompt.value = "wait"
    chat.send.click()
    until = time.monotonic() + 10
    while server.running < 2 and time.monotonic() < until:
        time.sleep(0.01)
    server.let_go.set()
    chat.wait(10)
    assert server.most == 2, "one after the other"
    sent = sorted((each["temperature"], each["max_tokens"]) for each in server.asked)
    assert sent == [(0.15, 512), (1.2, 9)]
    assert [each.text for each in chat.turns[0].answers] == ["You said wait."] * 2
    assert "Setting B" in chat.still_html() and "temperature 1.2" in chat.still_html()


def test_each_column_goes_on_from_its_own_answer(chat: Playground, server: FakeOpenAI) -> None:
    server.script = iter([Answer("left"), Answer("right", pause=0.05), Answer("x"), Answer("y")])
    chat.compare.value = True
    say(chat, "one")
    texts = {each.text for each in chat.turns[0].answers}
    assert texts == {"left", "right"}
    say(chat, "two")
    histories = {asked(server, index)[1][1] for index in (-1, -2)}
    assert histories == {"left", "right"}


def test_a_setting_that_fails_does_not_take_the_other_along(chat: Playground, server: FakeOpenAI) -> None:
    server.script = iter([Answer("good"), Answer(status=400), Answer("on"), Answer("and on")])
    chat.compare.value = True
    say(chat, "one")
    assert sorted(each.text for each in chat.turns[0].answers) == ["", "good"]
    assert "the script's own words" in chat.words.text
    say(chat, "two")
    assert [asked(server, index)[1] for index in (-1, -2)] == [("assistant", "good")] * 2


def test_tools_are_offered_and_their_calls_shown(chat: Playground, server: FakeOpenAI) -> None:
    chat.tools.value = True
    say(chat, "tool")
    assert server.asked[0]["tools"] == TOOLS
    assert [each["function"]["name"] for each in TOOLS] == ["get_stock_price", "calculate_portfolio_value"]
    assert len(server.asked) == 1, "the loop is not run"
    assert chat.turns[0].answers[0].shown() == "weather(city='Bonn')"
    stream = chat.talk.children[0].children[1].children[0].children[1]
    assert stream.text == "weather(city='Bonn')" and "weather(city=" in chat.still_text()
    say(chat, "and now?")
    roles = [role for role, _ in asked(server)]
    assert roles == ["user", "assistant", "tool", "assistant", "user"], "a call needs its result"


def test_a_picture_goes_along_and_comes_back_with_an_edit(chat: Playground, server: FakeOpenAI) -> None:
    chat.drop.add("small.png", png(56, 28))
    assert chat.drop.shown[0]["note"] == "56 x 28 px, 3 tokens" and chat.words.text == ""
    say(chat, "look")
    picture, text = server.asked[0]["messages"][0]["content"]
    assert picture["image_url"]["url"].startswith("data:image/png;base64,") and text["text"] == "look"
    assert pictures(chat) == [] and "small.png" in chat.still_html()
    chat.edit(0)
    assert pictures(chat) == ["small.png"]


def test_a_picture_of_fifty_megapixels_is_scaled_down_with_a_notice(
    chat: Playground, server: FakeOpenAI
) -> None:
    chat.drop.add("huge.png", png(8660, 5774))
    assert chat.words.text.startswith("huge.png: 8660 x 5774 px, scaled down to 1540 x 1027 px")
    say(chat, "look")
    url = server.asked[0]["messages"][0]["content"][0]["image_url"]["url"]
    assert picture(url).size == (1540, 1027), "it was sent raw"


def test_what_is_no_picture_is_a_sentence(chat: Playground) -> None:
    chat.drop.add("notes.txt", b"no picture")
    assert "not an image" in chat.words.text and chat.words.kind == "fault" and chat.drop.photos == ()


def test_a_file_too_large_is_a_sentence(chat: Playground) -> None:
    chat.drop.limit = 10
    chat.drop.add("big.png", png(50, 50))
    assert "big.png" in chat.words.text and chat.words.kind == "fault" and chat.drop.photos == ()


def test_slices_from_the_page_become_one_picture_which_can_be_removed(chat: Playground) -> None:
    data = png(60, 60)
    for number, part in enumerate((data[:40], data[40:])):
        message = {"id": 1, "name": "a.png", "last": number == 1}
        chat.drop._handle_custom_msg(message, [memoryview(part)])
    assert pictures(chat) == ["a.png"]
    chat.drop._handle_custom_msg({"remove": 0}, [])
    assert chat.drop.photos == () and chat.drop.shown == []


def test_html_in_a_question_stays_text(chat: Playground) -> None:
    say(chat, "<script>alert(1)</script>")
    assert "<script>" not in chat.still_html() and "&lt;script&gt;" in chat.still_html()


def test_no_key_is_written_out(chat: Playground) -> None:
    for code in chat.samples().values():
        assert KEY not in code
    assert 'os.environ["LABKIT_API_KEY"]' in chat.samples()["Python"]
    assert "$LABKIT_API_KEY" in chat.samples()["curl"]


def test_the_code_follows_the_controls(chat: Playground) -> None:
    chat.prompt.value, chat.columns[0].temperature.value = "Why?", 0.35
    for code in chat.samples().values():
        assert "Why?" in code and "0.35" in code
    shown = dict(zip(chat.code._tabs.titles, chat.code._tabs.children, strict=True))
    assert list(shown) == ["Python", "curl", "Ollama"] and "0.35" in shown["curl"].value
    chat.compare.value, chat.columns[1].temperature.value = True, 1.25
    assert "temperature=1.25" in chat.samples()["Python, B"]


QUESTION = 'Say "it\'s $HOME", `pwd` and C:\\temp: what is the KV cache?'


@pytest.fixture
def live(session: Session) -> Playground:
    return Playground(session)


def ran(command: list[str], code: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "LABKIT_API_KEY"}
    done = subprocess.run(command, input=code, capture_output=True, text=True, env=environment, timeout=200)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_curl_code_sends_what_the_widget_sends(chat: Playground, server: FakeOpenAI) -> None:
    """Quotes, dollars, backticks and backslashes survive the shell, and the picture comes from its file."""
    for photos in ((), (Photo.of("teal.png", png(200, 100)),)):
        chat.drop.put(photos)
        chat.prompt.value = QUESTION
        body = json.loads(ran(["bash"], "curl() { cat; }\n" + chat.samples()["curl"]))
        say(chat, QUESTION)
        extra = {"stream": True, "stream_options": {"include_usage": True}}
        assert body | extra == server.asked[-1]
        chat.anew.click()


@pytest.mark.engine
def test_a_live_answer(live: Playground) -> None:
    say(live, "What is the KV cache?")
    (answer,) = live.turns[0].answers
    assert answer.tokens and answer.tokens_per_s and len(answer.text) > 20
    assert live.talk.children[0].children[1].children[0].children[1].text == answer.text


@pytest.mark.engine
def test_the_code_runs_as_it_stands_on_every_engine(anywhere: Session) -> None:  # noqa: F811
    """At temperature 0 it says what the widget says."""
    live = Playground(anywhere)
    live.drop.add("teal.png", png(200, 100))
    live.prompt.value, live.columns[0].temperature.value = QUESTION, 0.0
    codes = dict(live.samples())
    assert all(len(anywhere.api_key) < 8 or anywhere.api_key not in each for each in codes.values())
    say(live, QUESTION)
    said = live.turns[0].answers[0].text.strip()
    assert said and ran([sys.executable, "-"], codes["Python"]) == said
    if anywhere.engine == "ollama":
        assert ran([sys.executable, "-"], codes["Ollama"]) == said
    if anywhere.engine == "transformers":
        assert "curl" not in codes, "it has no address"
    else:
        answer = json.loads(ran(["bash"], codes["curl"]))
        assert answer["choices"][0]["message"]["content"].strip() == said


@pytest.mark.engine
def test_calls_of_the_live_model_and_a_second_turn(live: Playground) -> None:
    live.tools.value = True
    say(live, "What is the current price of AAPL and MSFT?")
    assert live.turns[0].answers[0].calls[0].name == "get_stock_price"
    say(live, "Hello!")
    assert len(live.turns) == 2 and live.words.kind == "note", live.words.text
    for code, command in (("Python", [sys.executable, "-"]), ("curl", ["bash"])):
        assert ran(command, live.samples()[code]).strip()


@pytest.mark.engine
def test_a_prompt_of_100_000_characters_is_refused_in_a_sentence(live: Playground) -> None:
    long = "token " * 16_667
    say(live, long)
    assert live.words.kind == "fault" and "did not accept" in live.words.text
    assert "Traceback" not in live.words.text and live.prompt.value == long and live.turns == []
    say(live, "Hello")
    assert live.turns[0].answers[0].text


@pytest.mark.engine
def test_a_live_stop_ends_the_request_and_the_next_one_goes_through(live: Playground) -> None:
    live.columns[0].max_tokens.value = 2000
    live.columns[0].temperature.value = 1.5
    live.prompt.value = "Write a very long story about a server, with every detail."
    live.send.click()
    time.sleep(0.1)
    live.halt.click()
    live.wait(20)
    assert not live.busy
    say(live, "What is the KV cache?")
    assert live.turns[-1].answers[0].text and live.turns[-1].answers[0].fault == ""
