"""Take the README's pictures again: `python -m tests.browser.picture`. `./setup.sh retake` does, too."""

from __future__ import annotations

import tempfile
from pathlib import Path

import PIL.Image
from playwright.sync_api import Locator, Page

from labkit.widgets.temperature import TEXT as TEMPERATURE
from labkit.widgets.tokens import TEXT as TOKENS
from labkit.widgets.tracer import TEXT as TRACER
from labkit.widgets.vision import TEXT as VISION
from tests.browser.lab import (
    ROOT,
    SESSION,
    Lab,
    browser_page,
    cell_with,
    copy_of,
    open_cells,
    open_notebook,
    run_all_cells,
    running_lab,
)

DOCS = ROOT / "docs"
INSTRUMENTS = {
    "widgets.Tokens(session)": TOKENS["ask"],
    "widgets.Temperature(session)": TEMPERATURE["run"],
    "widgets.Planner()": "",
    "widgets.Tracer(session)": TRACER["run"],
    "widgets.Vision(session)": VISION["ask"],
    "widgets.Playground(session)": "Send",
}
"""Each with the button that starts it; the second row is shown in the dark theme."""
IN_A_ROW, WIDE, HIGH, GAP = 3, 600, 640, 12
SLOW_MS = 120_000


def first_light(lab: Lab, page: Page) -> None:
    """The first notebook after a run."""
    notebook = copy_of("00_start_here.ipynb", lab.folder)
    page.set_viewport_size({"width": 1100, "height": 820})
    open_notebook(page, lab.address(notebook.name))
    run_all_cells(page)
    page.keyboard.press("Control+b")  # the file browser, away
    drawing = cell_with(page, "picture = draw_bar_chart")
    drawing.evaluate("cell => cell.scrollIntoView({block: 'center'})")
    page.wait_for_timeout(1000)
    page.screenshot(path=DOCS / "first_light.png")


def instruments(lab: Lab, page: Page) -> None:
    """Six of the instruments after a run, in both themes."""
    page.set_viewport_size({"width": WIDE, "height": 1700})
    open_cells(lab, page, SESSION, *INSTRUMENTS)
    page.keyboard.press("Control+b")
    run_all_cells(page)
    taken = []
    for number, (source, start) in enumerate(INSTRUMENTS.items()):
        if number == IN_A_ROW:
            page.get_by_role("menuitem", name="Settings", exact=True).click()
            page.locator(".lm-Menu-itemLabel", has_text="Theme").first.hover()
            page.locator(".lm-Menu-itemLabel", has_text="JupyterLab Dark").first.click()
        taken.append(_taken(page, cell_with(page, source), start, lab.folder / f"{number}.png"))
    size = (taken[0].width + GAP, HIGH + GAP)
    sheet = PIL.Image.new("RGB", (IN_A_ROW * size[0] - GAP, 2 * size[1] - GAP), "white")
    for number, each in enumerate(taken):
        place = (number % IN_A_ROW * size[0], number // IN_A_ROW * size[1])
        sheet.paste(each.crop((0, 0, each.width, min(HIGH, each.height))), place)
    sheet.quantize(256, kmeans=2).save(DOCS / "instruments.png", optimize=True)


def _taken(page: Page, cell: Locator, start: str, path: Path) -> PIL.Image.Image:
    cell.evaluate("cell => cell.scrollIntoView({block: 'start'})")
    box = cell.locator(".labkit").first
    box.locator("select, button").first.wait_for()
    if start == "Send":
        box.get_by_label("Compare two settings").check()
        box.get_by_label("Question", exact=True).fill("What is the KV cache?")
    if start:
        button = box.get_by_role("button", name=start, exact=True)
        button.click()
        page.wait_for_timeout(1000)
        page.wait_for_function("each => !each.disabled", arg=button.element_handle(), timeout=SLOW_MS)
    page.wait_for_timeout(1000)
    box.screenshot(path=path)
    return PIL.Image.open(path).convert("RGB")


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as name,
        running_lab(Path(name)) as lab,
        browser_page() as page,
    ):
        first_light(lab, page)
        instruments(lab, page)
    print(f"first_light.png and instruments.png in {DOCS} are new")


if __name__ == "__main__":
    main()
