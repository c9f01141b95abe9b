"""The ten widgets in a real JupyterLab, before the twin: type, slide, drag, drop, stop; by keyboard too."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import PIL.Image
import pytest
from playwright.sync_api import Locator, Page, expect

import labkit
from labkit.lessons import record
from labkit.widgets.approval import TEXT as APPROVAL
from labkit.widgets.context import TEXT as CONTEXT
from labkit.widgets.frame import TEXT as FRAME
from labkit.widgets.machine import TEXT as MACHINE
from labkit.widgets.parts import TEXT as CODE
from labkit.widgets.planner import TEXT as PLANNER
from labkit.widgets.progress import TEXT as PROGRESS
from labkit.widgets.speed import TEXT as SPEED
from labkit.widgets.tracer import TEXT as TRACER
from labkit.widgets.vision import TEXT as VISION
from tests.browser.lab import CHROMIUM, SESSION, Lab, open_cells, run_all_cells, save
from tests.browser.test_playground import COUNT_LENGTHS, DROP, picture

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: apt-get install chromium"),
    pytest.mark.timeout(420),
    pytest.mark.engine,
]

CELLS = {
    "planner": "widgets.Planner()",
    "machine": "widgets.Machine(session, every_s=0.2)",
    "progress": "widgets.Progress()",
    "context": "widgets.Context(session)",
    "speed": "widgets.Speed(session)",
    "vision": "widgets.Vision(session)",
    "tracer": "widgets.Tracer(session)",
    "playground": "widgets.Playground(session)",
    "tokens": "widgets.Tokens(session)",
    "temperature": "widgets.Temperature(session)",
}
SLOW_MS = 120_000
COUNT_CELLS = """(plot) => {
    plot.filled = new Set();
    plot.on('plotly_afterplot', () =>
        plot.filled.add(plot.data[0].z?.[0]?.filter((each) => each !== null).length));
}"""
UNNAMED = """(box) => {
    const controls = 'button, input, select, textarea, [role=slider], [role=img], [tabindex="0"]';
    const named = (each) => each.ariaLabel || each.title || each.labels?.[0]?.textContent.trim()
        || each.textContent.trim() || each.getAttribute('aria-labelledby');
    return [...box.querySelectorAll(controls)].filter((each) => each.checkVisibility() && !named(each))
        .map((each) => each.outerHTML.slice(0, 150));
}"""
WIDER = """(box) => [...box.querySelectorAll('*')].filter((each) => each.checkVisibility()
    && each.getBoundingClientRect().right > box.getBoundingClientRect().right + 1
    && !each.closest('.labkit-code, svg')).map((each) => each.outerHTML.slice(0, 120))"""


@pytest.fixture(scope="module")
def opened(lab: Lab, page: Page, first_start: tuple[Path, object, int]) -> Page:
    """All ten in one notebook, before the one real server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABKIT_HOME", str(first_start[0]))
        labkit.start(progress=False)  # it may have been killed by a test before
    open_cells(lab, page, SESSION, *CELLS.values())
    page.keyboard.press("Control+b")  # the file browser, away
    run_all_cells(page)
    return page


def shown(page: Page, name: str) -> Locator:
    """The widget of a cell, once it is drawn: JupyterLab hides what is far off, and draws it late."""
    # By its number, the first cell aside: the page leaves out the text of a cell that is far off.
    cell = page.locator(".jp-NotebookPanel .jp-CodeCell").nth(1 + list(CELLS).index(name))
    page.wait_for_function(
        """(cell) => {
            cell.scrollIntoView({block: 'start'});
            const part = cell.querySelector('.labkit button, .labkit select')?.getBoundingClientRect();
            return part?.width > 0 && part.height > 0;
        }""",
        arg=cell.element_handle(),
        timeout=60_000,
    )
    return cell.locator(".labkit").first


def button(box: Locator, name: str) -> Locator:
    return box.get_by_role("button", name=name, exact=True)


def words(box: Locator) -> Locator:
    return box.get_by_role("status")


def data(plot: Locator, trace: int, axis: str) -> list[float]:
    found: list[float] = plot.evaluate(f"plot => [...(plot.data[{trace}].{axis} ?? [])]")
    return found


def slide(box: Locator, name: str, key: str) -> None:
    slider = box.locator(".widget-slider").filter(has_text=name).get_by_role("slider")
    slider.focus()
    slider.press(key)


def test_the_planner_moves_with_its_controls(opened: Page) -> None:
    box = shown(opened, "planner")
    plot = box.locator(".js-plotly-plot")
    box.get_by_label(PLANNER["gpu"], exact=True).select_option("RTX 4090")
    expect(words(box)).to_contain_text("of 8")
    weights = data(plot, 0, "x")
    box.get_by_label(PLANNER["variant"], exact=True).select_option("vLLM W4A16")
    expect(words(box)).to_contain_text("vLLM W4A16")
    before = words(box).inner_text()
    slide(box, PLANNER["users"], "End")
    expect(words(box)).not_to_have_text(before)
    assert len(data(plot, 0, "x")) == 1 and data(plot, 0, "x")[0] in weights
    cache = data(plot, 1, "x")[0]
    slide(box, PLANNER["users"], "Home")
    expect(words(box)).to_have_text(before)
    assert data(plot, 1, "x")[0] < cache
    code = button(box, CODE["code"])
    code.press("Enter")
    expect(code).to_have_attribute("aria-expanded", "true")
    expect(box.locator("pre", has_text="labkit.plan(gpu='RTX 4090'")).to_be_visible()


def test_the_machine_shows_a_request_as_it_runs(opened: Page, session: labkit.Session) -> None:
    box = shown(opened, "machine")
    plot = box.locator(".js-plotly-plot")
    button(box, MACHINE["watch"]).click()
    expect(words(box)).to_have_text(MACHINE["watching"])
    session.chat("Tell me something about GPUs.", max_tokens=64).text  # noqa: B018
    opened.wait_for_function("plot => Math.max(...plot.data[0].y) > 0", arg=plot.element_handle())
    button(box, MACHINE["stop"]).click()
    expect(words(box)).to_have_text(MACHINE["stopped"])
    expect(box.get_by_text("KV cache in use").first).to_be_visible()


def test_progress_reads_the_record_again(
    opened: Page, first_start: tuple[Path, object, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    box = shown(opened, "progress")
    (first_start[0] / "progress.json").unlink(missing_ok=True)  # another test may have done an exercise
    button(box, PROGRESS["refresh"]).click()
    expect(words(box)).to_contain_text("0 of")
    monkeypatch.setenv("LABKIT_HOME", str(first_start[0]))
    record.attempted("0.1", True)
    button(box, PROGRESS["refresh"]).focus()
    opened.keyboard.press("Enter")
    expect(box.get_by_text("✓ 0.1")).to_be_visible()
    expect(words(box)).to_contain_text("1 of")


def test_the_heat_map_fills_and_stops(opened: Page) -> None:
    box = shown(opened, "context")
    plot = box.locator(".js-plotly-plot")
    box.get_by_label(CONTEXT["lengths"]).select_option(["500"])
    plot.evaluate(COUNT_CELLS)
    button(box, CONTEXT["start"]).click()
    expect(words(box)).to_contain_text("of 5 needles found", timeout=SLOW_MS)
    opened.wait_for_function("plot => plot.filled.has(5)", arg=plot.element_handle())
    assert plot.evaluate("plot => [1, 2, 3, 4].some((each) => plot.filled.has(each))"), "it came at once"
    slide(box, CONTEXT["draws"], "End")
    button(box, CONTEXT["start"]).click()
    expect(words(box)).to_contain_text(re.compile(r"Asked \d+ of 25"))
    button(box, CONTEXT["stop"]).click()
    expect(button(box, CONTEXT["start"])).to_be_enabled(timeout=SLOW_MS)


def test_a_sweep_is_drawn_while_it_runs_and_can_be_stopped(opened: Page) -> None:
    box = shown(opened, "speed")
    rate = box.locator(".js-plotly-plot").first
    for name in ("prompt", "answer"):
        slide(box, SPEED[name], "Home")
    slide(box, SPEED["streams"], "Home")
    slide(box, SPEED["streams"], "ArrowRight")
    code = box.locator("pre").first  # a click may overtake what a slider has to say, so that is waited for
    expect(code).to_contain_text("streams=(1, 2), prompt_tokens=16, max_tokens=16")
    button(box, SPEED["start"]).click()
    expect(words(box)).to_contain_text("2 at once gave", timeout=SLOW_MS)
    assert data(rate, 0, "x") == [1, 2] and min(data(rate, 0, "y")) > 0
    expect(box.locator("table tr")).to_have_count(3)
    slide(box, SPEED["streams"], "End")
    slide(box, SPEED["answer"], "End")
    expect(code).to_contain_text("streams=(1, 2, 4, 8, 16, 32, 64)")
    expect(code).to_contain_text("max_tokens=2048")
    button(box, SPEED["start"]).click()
    expect(words(box)).to_contain_text(re.compile(r"1 at once: \d of 4"))
    opened.wait_for_function("plot => plot.data[2].y[0] > 0", arg=rate.element_handle())
    button(box, SPEED["stop"]).click()
    expect(words(box)).to_have_text(FRAME["stopped"])
    expect(button(box, SPEED["start"])).to_be_enabled()


def test_a_region_is_dragged_moved_by_keys_and_asked_about(opened: Page) -> None:
    box = shown(opened, "vision")
    image = box.locator("svg[role=group]")
    place = image.bounding_box()
    assert place is not None
    left, top = place["x"] + place["width"] * 0.25, place["y"] + place["height"] * 0.25
    opened.mouse.move(left, top)
    opened.mouse.down()
    opened.mouse.move(left + 80, top + 60, steps=4)
    opened.mouse.up()
    width = box.get_by_label("Width", exact=True)
    expect(width).not_to_have_value("336")
    x = int(box.get_by_label("Left", exact=True).input_value())
    image.press("ArrowRight")
    expect(box.get_by_label("Left", exact=True)).to_have_value(str(x + 7))
    was = int(width.input_value())
    image.press("Shift+ArrowLeft")
    expect(width).to_have_value(str(was - 7))
    assert f", {was - 7}, " in (image.get_attribute("aria-label") or "")
    box.evaluate(COUNT_LENGTHS)
    box.get_by_label(VISION["prompt"], exact=True).fill("Describe this chart.")
    button(box, VISION["whole"]).click()
    button(box, VISION["ask"]).click()
    expect(words(box)).to_contain_text("tokens read, the picture's", timeout=SLOW_MS)
    assert box.evaluate("box => box.lengths.size") >= 3, "the answer came in one piece"


def test_pictures_dropped_chosen_and_of_fifty_megapixels(opened: Page, tmp_path: Path) -> None:
    box = shown(opened, "vision")
    box.locator("svg[role=group]").evaluate(DROP, picture(280, 140))
    expect(box.get_by_label("Width", exact=True)).to_have_value("280")
    expect(box.locator("table").first).to_contain_text("10 x 5 = 50")
    huge = tmp_path / "huge.jpg"
    PIL.Image.effect_noise((8660, 5774), 90).save(huge, quality=80)
    box.locator("input[type=file]").set_input_files(huge)
    expect(words(box)).to_contain_text("huge.jpg has 8,660 x 5,774 px: scaled down to 3,080", timeout=60_000)
    notes = tmp_path / "notes.txt"
    notes.write_text("no picture")
    box.locator("input[type=file]").set_input_files(notes)
    expect(words(box)).to_contain_text("notes.txt is no picture")
    expect(box.get_by_label("Width", exact=True)).to_have_value("3080")


def test_a_call_is_allowed_traced_changed_and_gone_on_from(opened: Page) -> None:
    box = shown(opened, "tracer")
    box.get_by_label(TRACER["prompt"], exact=True).fill("What is the stock price of AAPL?")
    box.get_by_label(TRACER["each"]).check()
    button(box, TRACER["run"]).click()
    allow = button(box, APPROVAL["allow"])
    expect(allow).to_be_enabled(timeout=SLOW_MS)
    allow.click()
    expect(words(box)).to_contain_text("rounds: 2", timeout=SLOW_MS)
    expect(box.get_by_text("fits").first).to_be_visible()
    expect(box.locator(".labkit-bars")).to_contain_text("get_stock_price")
    box.get_by_label(TRACER["each"]).uncheck()
    arguments = box.get_by_label(TRACER["arguments"], exact=True)
    arguments.fill('{"ticker": 5}')
    expect(box.get_by_text("Input should be a valid string").first).to_be_visible()
    arguments.fill('{"ticker": "NVDA"}')
    button(box, TRACER["again"]).click()
    expect(words(box)).to_have_text(TRACER["redone"])
    button(box, TRACER["go_on"]).click()
    expect(words(box)).to_contain_text("rounds: ", timeout=SLOW_MS)
    chosen = box.get_by_label(TRACER["runs"], exact=True).locator("option:checked")
    expect(chosen).to_have_text("2: run 1, with get_stock_price changed")


def test_all_ten_are_labelled_and_fit_a_narrow_page(opened: Page) -> None:
    """Every control has a name for a screen reader; at 600 pixels nothing is cut off."""
    for name in CELLS:
        assert shown(opened, name).evaluate(UNNAMED) == [], name
    opened.set_viewport_size({"width": 600, "height": 900})
    try:
        for name in CELLS:
            box = shown(opened, name)
            until = time.monotonic() + 10
            while (wider := box.evaluate(WIDER)) and time.monotonic() < until:
                opened.wait_for_timeout(50)
            assert wider == [], name
    finally:
        opened.set_viewport_size({"width": 1280, "height": 900})


def test_all_ten_say_something_in_a_saved_notebook(opened: Page, lab: Lab) -> None:
    """Last: it leaves the notebook, and opens the saved one, whose kernel is gone."""
    for name in CELLS:
        shown(opened, name)
    saved = json.loads(save(lab, opened, FRAME["still"]))
    stills = [
        "".join(output["data"]["text/html"])
        for cell in saved["cells"]
        for output in cell["outputs"]
        if "labkit-still" in "".join(output.get("data", {}).get("text/html", ""))
    ]
    assert len(stills) == len(CELLS)
    lab.end_kernels()
    saved["metadata"]["kernelspec"]["name"] = "gone"
    (lab.folder / "saved.ipynb").write_text(json.dumps(saved))
    opened.goto(lab.address("saved.ipynb"))
    still = opened.locator(".labkit-still:visible")
    expect(still.first).to_be_visible(timeout=60_000)
