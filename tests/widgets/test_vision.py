"""The vision widget, without a browser: grid, costs, regions, other people's pictures, questions."""

from __future__ import annotations

import base64
import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import PIL.Image
import pytest

import labkit
from labkit import catalog, vision
from labkit.reply import TEXT as REPLY
from labkit.session import Session
from labkit.widgets.pictures import TEXT as PICTURES
from labkit.widgets.region import LONGEST
from labkit.widgets.vision import TEXT, Vision
from tests.fake_openai import KEY, MODEL, Answer, FakeOpenAI, serving


@pytest.fixture
def fake() -> FakeOpenAI:
    return FakeOpenAI()


@pytest.fixture
def widget(fake: FakeOpenAI, lab_home: Path) -> Iterator[Vision]:
    with serving(fake.app) as url:
        yield Vision(Session(f"{url}/v1", KEY, MODEL))
        fake.let_go.set()


def file(wide: int, high: int, kind: str = "PNG") -> bytes:
    found = io.BytesIO()
    PIL.Image.new("RGB", (wide, high), "teal").save(found, format=kind)
    return found.getvalue()


def sent(fake: FakeOpenAI) -> PIL.Image.Image:
    url = fake.asked[-1]["messages"][0]["content"][0]["image_url"]["url"]
    return PIL.Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


def test_the_grid_is_that_of_the_cost(widget: Vision) -> None:
    widget.load(file(600, 300))
    cost = vision.cost(file(600, 300))
    assert widget.region.grid == (cost.columns, cost.rows) == (22, 11)
    assert widget.region.size == (600, 300) and widget.region.region == [0, 0, 600, 300]
    assert "22 x 11 = 242" in widget.facts.value and f"<td>{cost.tokens:,}</td>" in widget.facts.value
    assert f"{cost.kv_bytes / 2**20:.2f} MiB" in widget.facts.value
    assert PIL.Image.open(io.BytesIO(widget.region.image)).size == (600, 300)


def test_the_slider_and_the_model_change_the_cost(widget: Vision) -> None:
    widget.load(file(1400, 700))
    widget.longest.value = 280
    assert widget.region.grid == (10, 5) and "10 x 5 = 50" in widget.facts.value
    assert PIL.Image.open(io.BytesIO(widget.region.image)).size == (280, 140)
    widget.model.value = "pocket"
    eyes = catalog.model("pocket").vision
    assert eyes is not None and widget.longest.max == widget.longest.value == eyes.image_size
    assert widget.region.grid[0] == -(-eyes.image_size // (eyes.patch * eyes.merge))


def test_a_region_is_dragged_or_typed_and_stays_in_the_picture(widget: Vision) -> None:
    widget.load(file(400, 200))
    widget.region.region = [100, 50, 56, 28]
    assert [each.value for each in widget.edges] == [100, 50, 56, 28] and widget.part.size == (56, 28)
    assert "2 x 1 = 2" in widget.facts.value
    widget.edges[2].value = 390
    assert widget.region.region == [10, 50, 390, 28] and widget.edges[0].value == 10
    widget.edges[1].value = 5000
    assert widget.box_of_region == (10, 172, 400, 200)
    widget.whole.click()
    assert widget.part.size == (400, 200) and [each.value for each in widget.edges] == [0, 0, 400, 200]


def test_the_region_alone_is_sent(widget: Vision, fake: FakeOpenAI) -> None:
    widget.load(file(400, 200))
    widget.region.region = [100, 50, 60, 40]
    widget.prompt.value = "What is it?"
    widget.start.click()
    widget.wait(20)
    assert sent(fake).size == (60, 40) and widget.answer.text == "You said What is it?."
    tokens = vision.cost(PIL.Image.new("RGB", (60, 40))).tokens
    assert f"7 tokens read, the picture's {tokens} among them" in widget.words.text
    assert "Question: What is it?<br>Answer: You said" in widget.still_html() and "You said" in repr(widget)
    widget.longest.value = 28
    widget.start.click()
    widget.wait(20)
    assert sent(fake).size == (28, 19)


def test_the_answer_streams_and_stop_keeps_what_had_come(widget: Vision, fake: FakeOpenAI) -> None:
    widget.prompt.value = "wait"
    widget.start.click()
    until = time.monotonic() + 10
    while widget.answer._all != ["You"] and time.monotonic() < until:
        time.sleep(0.01)
    assert widget.answer._all == ["You"] and widget.start.disabled
    widget.halt.click()
    widget.wait(5)
    assert widget.answer.text == "You" and widget.words.text == REPLY["stopped"]
    assert widget.words.kind == "note" and not widget.start.disabled


def test_two_hundred_clicks_are_one_question(widget: Vision, fake: FakeOpenAI) -> None:
    widget.prompt.value = "wait"
    for _ in range(200):
        widget.start.click()
    threading.Timer(0.3, fake.let_go.set).start()
    widget.wait(20)
    assert len(fake.asked) == 1 and widget.answer.text == "You said wait."


@pytest.mark.parametrize(
    ("answer", "words"),
    [(Answer("It is", whole=False), "ended too early"), (Answer(status=400), "the script's own words")],
)
def test_a_fault_is_a_sentence(widget: Vision, fake: FakeOpenAI, answer: Answer, words: str) -> None:
    fake.script = iter([answer])
    widget.start.click()
    widget.wait(20)
    assert words in widget.words.text and widget.words.kind == "fault" and not widget.start.disabled
    assert widget.answer.text == answer.text


def test_no_question_is_not_asked(widget: Vision, fake: FakeOpenAI) -> None:
    widget.prompt.value = "  "
    widget.start.click()
    widget.wait(20)
    assert widget.words.text == TEXT["no_question"] and fake.asked == []


def test_a_large_picture_is_scaled_down_and_said_so(widget: Vision) -> None:
    widget._taken("big.jpg", file(8660, 5774, "JPEG"), None)
    assert widget.picture.size == (LONGEST, 2054) and widget.sample.value == "own"
    assert "big.jpg has 8,660 x 5,774 px: scaled down to 3,080 x 2,054 px" in widget.words.text
    assert widget.region.grid == (55, 37)
    widget._taken("was.jpg", file(300, 200), (9000, 6000))  # the browser had scaled it
    assert "was.jpg has 9,000 x 6,000 px: scaled down to 300 x 200 px" in widget.words.text


@pytest.mark.parametrize("data", [b"", b"no picture", file(300, 300)[:-200]])
def test_what_is_no_picture_changes_nothing(widget: Vision, data: bytes) -> None:
    before = widget.region.image
    widget._taken("notes.txt", data, None)
    assert widget.words.text == PICTURES["no_picture"].format(name="notes.txt")
    assert widget.words.kind == "fault" and widget.region.image == before and widget.sample.value == "chart"


def test_the_samples_and_a_picture_of_the_caller(widget: Vision) -> None:
    sizes = set()
    for _, name in widget.sample.options[:-1]:
        widget.sample.value = name
        sizes.add(widget.picture.size)
        assert widget.part.size == widget.picture.size and widget.words.kind == "note"
    assert len(sizes) == 4 and (1600, 1200) in sizes
    given = PIL.Image.new("RGB", (4000, 40))
    assert Vision(widget.session, given).picture.size == (LONGEST, 31) and given.size == (4000, 40)


def test_the_code_runs(widget: Vision, fake: FakeOpenAI) -> None:
    widget.load(file(400, 200))
    widget.region.region, widget.prompt.value = [100, 50, 60, 40], 'Say "hi"'
    exec(widget.samples()["Python"], {"session": widget.session})
    assert sent(fake).size == (60, 40) and fake.asked[-1]["messages"][0]["content"][1]["text"] == 'Say "hi"'


@pytest.mark.engine
def test_the_twin_reads_the_region_of_a_page(session: labkit.Session) -> None:
    widget = Vision(session)
    assert widget.model.value == "pocket"
    widget.sample.value, widget.prompt.value = "page", "What does the sign say?"
    widget.region.region = [880, 480, 400, 200]
    cost = vision.cost(widget.part, "pocket")
    widget.start.click()
    widget.wait()
    assert widget.answer.text and f"the picture's {cost.tokens:,} among them" in widget.words.text
    read = session.count("What does the sign say?", image=widget.part)
    assert f"{read} tokens read" in widget.words.text
    assert read - session.count("What does the sign say?") == cost.tokens
