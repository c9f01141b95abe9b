"""The doctor in a real JupyterLab: look around, choose a symptom, refuse its cure, run it, stop nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

import labkit
from labkit.widgets.doctor import TEXT
from tests.browser.lab import CHROMIUM, SESSION, Lab, cell_with, open_cells, run_all_cells

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: apt-get install chromium"),
    pytest.mark.timeout(420),
    pytest.mark.engine,
]

CELL = "widgets.Doctor()"
SLOW_MS = 90_000


@pytest.fixture
def box(lab: Lab, page: Page, first_start: tuple[Path, object, int], session: labkit.Session) -> Locator:
    """The widget, before the one real server."""
    open_cells(lab, page, SESSION, CELL)
    run_all_cells(page)
    found = cell_with(page, CELL).locator(".labkit").first
    found.wait_for()
    found.scroll_into_view_if_needed()
    return found


def _button(box: Locator, name: str) -> Locator:
    return box.get_by_role("button", name=name, exact=True)


def _words(box: Locator) -> Locator:
    return box.locator(".labkit-words")


def test_look_choose_refuse_and_cure(box: Locator) -> None:
    page: Page = box.page
    _button(box, TEXT["look"]).click()
    expect(_words(box)).to_contain_text("things looked at", timeout=SLOW_MS)
    expect(box).to_contain_text("it sees pictures")
    box.get_by_role("combobox").select_option(label="The port is taken")
    expect(_words(box)).to_have_text("The port is taken", timeout=SLOW_MS)
    cure = _button(box, TEXT["cure"].format(command="labkit status"))
    cure.click()
    expect(_words(box)).to_contain_text("Run it?")
    _button(box, TEXT["no"]).click()
    expect(_words(box)).to_have_text(TEXT["not_run"])
    expect(_button(box, TEXT["yes"])).to_be_hidden()
    cure.click()
    _button(box, TEXT["yes"]).click()
    expect(_words(box)).to_contain_text("ended well", timeout=SLOW_MS)
    expect(box.locator(".labkit-stream")).to_contain_text("answers at http://127.0.0.1")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
