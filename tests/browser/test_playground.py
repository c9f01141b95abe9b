"""The playground in a real JupyterLab: type, click, watch tokens come, stop, edit, slide, drop a picture."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import PIL.Image
import pytest
from playwright.sync_api import Locator, Page, expect

from labkit import Session
from labkit import reply as replies
from labkit.widgets.frame import TEXT as FRAME
from labkit.widgets.playground import TEXT
from tests.browser.lab import (
    CHROMIUM,
    Lab,
    cell_with,
    free_port,
    open_cells,
    open_notebook,
    run_all_cells,
    save,
)
from tests.fake_openai import KEY, MODEL, FakeOpenAI, apart, serving

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: apt-get install chromium"),
    pytest.mark.timeout(420),
    pytest.mark.engine,
]

Faked = tuple[Page, Locator, FakeOpenAI]

DROP = """(zone, data) => {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], "dropped.png", {type: "image/png"}));
    for (const type of ["dragover", "drop"])
        zone.dispatchEvent(new DragEvent(type, {dataTransfer: transfer, bubbles: true, cancelable: true}));
}"""
PASTE = """(box, data) => {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], "pasted.png", {type: "image/png"}));
    const init = {clipboardData: transfer, bubbles: true, cancelable: true};
    box.dispatchEvent(new ClipboardEvent("paste", init));
}"""
COUNT_LENGTHS = """(box) => {
    box.lengths = new Set();
    new MutationObserver(() => box.lengths.add(box.querySelector('.labkit-stream')?.innerText.length))
        .observe(box, {childList: true, subtree: true, characterData: true});
}"""
EARLY = """\
from labkit.widgets.parts import Stream
stream = Stream("early")
stream.add("came before it was drawn")
display(stream)"""


@pytest.fixture(scope="module")
def served(lab: Lab, page: Page) -> Iterator[tuple[str, FakeOpenAI]]:
    """A notebook before a server that says what it is asked for."""
    fake = FakeOpenAI()
    with serving(fake.app) as url:
        yield open_cells(lab, page, cell(f"connect({url!r}, {KEY!r}, {MODEL!r})")), fake
        fake.let_go.set()


@pytest.fixture
def faked(served: tuple[str, FakeOpenAI], page: Page) -> Iterator[Faked]:
    """Its playground, made anew."""
    address, fake = served
    fake.asked.clear()
    fake.let_go.clear()
    if urlsplit(address).path != urlsplit(page.url).path:
        open_notebook(page, address)
    run_all_cells(page)
    yield page, shown(page), fake
    fake.let_go.set()


def cell(connect: str) -> str:
    return f"import labkit\nfrom labkit import widgets\nwidgets.Playground(labkit.{connect})"


def shown(page: Page) -> Locator:
    """The playground of the one cell: the send button is there once it is drawn."""
    box = page.locator(".labkit").first
    button(box, "Send").wait_for()
    return box


def question(box: Locator) -> Locator:
    return box.get_by_label("Question", exact=True)


def button(box: Locator, name: str) -> Locator:
    return box.get_by_role("button", name=name, exact=True)


def say(box: Locator, words: str) -> None:
    question(box).fill(words)
    button(box, "Send").click()


def words(box: Locator) -> Locator:
    return box.get_by_role("status")


def picture(wide: int, high: int) -> str:
    found = io.BytesIO()
    PIL.Image.new("RGB", (wide, high), "teal").save(found, format="PNG")
    return base64.b64encode(found.getvalue()).decode()


def test_a_chat_with_the_twin(session: Session, lab: Lab, page: Page) -> None:
    connect = f"connect({session.url!r}, {session.api_key!r}, {session.model!r})"
    open_cells(lab, page, cell(connect), EARLY)
    run_all_cells(page)
    box = shown(page)
    expect(cell_with(page, 'Stream("early")').locator(".labkit-stream")).to_have_text(
        "came before it was drawn"
    )
    box.evaluate(COUNT_LENGTHS)
    say(box, "What is the KV cache?")
    expect(words(box)).to_have_text(TEXT["done"], timeout=60_000)
    assert box.evaluate("box => box.lengths.size") >= 3, "the answer came in one piece"
    expect(box.get_by_text("tokens read").first).to_be_visible()

    slider = box.get_by_role("slider").first
    slider.focus()
    page.keyboard.press("ArrowRight")
    box.get_by_text("The code that does it").click()
    expect(box.locator("pre", has_text="temperature=0.2,").first).to_be_visible()

    box.get_by_label("Compare two settings").check()
    box.locator(".labkit-drop").evaluate(DROP, picture(64, 64))
    expect(box.locator(".labkit-drop li")).to_contain_text("64 x 64 px")
    say(box, "What is in this picture?")
    expect(words(box)).to_have_text(TEXT["done"], timeout=60_000)
    expect(box.locator(".labkit-stream")).to_have_count(3)
    expect(box.get_by_alt_text("dropped.png")).to_have_count(1)
    errors = page.locator('[data-mime-type="application/vnd.jupyter.error"]')
    assert errors.all_inner_texts() == []


def test_tokens_arrive_stop_and_edit(faked: Faked) -> None:
    _, box, fake = faked
    say(box, "wait")
    expect(box.locator(".labkit-stream").first).to_have_text("You")
    expect(button(box, "Send")).to_be_disabled()
    button(box, "Stop").click()
    expect(words(box)).to_have_text(replies.TEXT["stopped"])
    say(box, "one")
    expect(box.locator(".labkit-stream").nth(1)).to_have_text("You said one.")
    button(box, "Edit question 1").click()
    expect(question(box)).to_have_value("wait")
    question(box).fill("two")
    button(box, "Send again").click()
    expect(box.locator(".labkit-stream")).to_have_text(["You said two."])
    assert [each["content"] for each in fake.asked[-1]["messages"]] == ["two"]


def test_by_keyboard_alone(faked: Faked) -> None:
    page, box, _ = faked
    question(box).focus()
    page.keyboard.type("hello")
    for _step in range(2):
        page.keyboard.press("Tab")  # past "Add a picture"
    expect(button(box, "Send")).to_be_focused()
    page.keyboard.press("Enter")
    expect(box.locator(".labkit-stream").first).to_have_text("You said hello.")


def test_two_hundred_clicks_and_an_interrupt(faked: Faked) -> None:
    page, box, fake = faked
    question(box).fill("wait")
    question(box).blur()
    button(box, "Send").evaluate("button => { for (let i = 0; i < 200; i++) button.click(); }")
    expect(box.locator(".labkit-stream").first).to_have_text("You")
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.locator(".lm-Menu-itemLabel", has_text="Interrupt Kernel").click()
    fake.let_go.set()
    expect(box.locator(".labkit-stream").first).to_have_text("You said wait.")
    expect(button(box, "Send")).to_be_enabled()
    assert len(fake.asked) == 1
    say(box, "on")
    expect(box.locator(".labkit-stream").nth(1)).to_have_text("You said on.")


def test_pictures_pasted_removed_and_of_fifty_megapixels(faked: Faked, tmp_path: Path) -> None:
    huge = tmp_path / "huge.jpg"
    PIL.Image.effect_noise((8660, 5774), 90).save(huge, quality=80)
    assert huge.stat().st_size > 12 * 2**20, "small enough for one message"
    _, box, fake = faked
    question(box).evaluate(PASTE, picture(50, 40))
    expect(box.locator(".labkit-drop li")).to_contain_text("50 x 40 px")
    button(box, "Remove pasted.png").click()
    expect(box.locator(".labkit-drop li")).to_have_count(0)
    box.locator("input[type=file]").set_input_files(huge)
    expect(words(box)).to_contain_text("scaled down to 1540 x 1027 px", timeout=60_000)
    say(box, "look")
    expect(box.locator(".labkit-stream").first).to_have_text("You said look.", timeout=30_000)
    url = fake.asked[-1]["messages"][0]["content"][0]["image_url"]["url"]
    assert PIL.Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).size == (1540, 1027)


def test_a_prompt_of_100_000_characters(faked: Faked) -> None:
    long = "token " * 16_667
    page, box, fake = faked
    box.get_by_text("The code that does it").click()
    say(box, long)
    expect(words(box)).to_have_text(TEXT["done"], timeout=30_000)
    assert fake.asked[0]["messages"][0]["content"] == long
    assert box.locator(".labkit-stream").first.inner_text() == f"You said {long}."
    say(box, "on")
    expect(box.locator(".labkit-stream").nth(1)).to_have_text("You said on.")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_server_killed_in_mid_stream_and_one_that_is_back(lab: Lab, page: Page) -> None:
    port = free_port()
    connect = f"Session('http://127.0.0.1:{port}/v1', {KEY!r}, {MODEL!r})"
    open_cells(lab, page, cell(connect))
    run_all_cells(page)
    box = shown(page)
    with apart(port) as server:
        say(box, "wait")
        expect(box.locator(".labkit-stream").first).to_have_text("You")
        server.kill()
        expect(words(box)).to_have_text(replies.TEXT["lost"])
        expect(box.locator(".labkit-stream").first).to_have_text("You")
        say(box, "hello?")
        expect(words(box)).to_contain_text("not running")
        expect(question(box)).to_have_value("hello?")
    with apart(port):
        button(box, "Send").click()
        expect(box.locator(".labkit-stream").nth(1)).to_have_text("You said hello?.")


def test_a_notebook_without_its_kernel_says_so_and_keeps_what_was_said(lab: Lab, page: Page) -> None:
    """The page stays open while the kernel is started again; then the saved notebook is opened anew."""
    fake = FakeOpenAI()
    with serving(fake.app) as url:
        open_cells(lab, page, cell(f"connect({url!r}, {KEY!r}, {MODEL!r})"))
        run_all_cells(page)
        box = shown(page)
        say(box, "hello")
        expect(words(box)).to_have_text(TEXT["done"])
        saved = save(lab, page, "You said hello.")
        page.get_by_role("menuitem", name="Kernel", exact=True).click()
        page.locator(".lm-Menu-itemLabel", has_text="Restart Kernel…").first.click()
        page.locator(".jp-Dialog button.jp-mod-accept").click()
        lost = "box => getComputedStyle(box, '::before').content"
        page.wait_for_function(f"box => ({lost})(box) !== 'none'", arg=box.element_handle())
        assert FRAME["lost"] in box.evaluate(lost)
        run_all_cells(page)
        say(shown(page), "again")
        expect(page.locator(".labkit-stream").first).to_have_text("You said again.")

        (lab.folder / "reopened.ipynb").write_text(saved)
        open_notebook(page, lab.address("reopened.ipynb"))
        still = page.locator(".labkit-still:visible")
        expect(still).to_contain_text("You said hello.")
        expect(still).to_contain_text(FRAME["still"])
