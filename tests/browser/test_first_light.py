"""The first notebook, as a learner opens it: JupyterLab, Chromium, Run All Cells, the streamed answer."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page

from tests.browser.lab import (
    CHROMIUM,
    Lab,
    cell_with,
    copy_of,
    open_notebook,
    output_of,
    run_all_cells,
)

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: apt-get install chromium"),
    pytest.mark.timeout(420),
    pytest.mark.engine,
]

QUESTION = "What is the KV cache?"
COUNT_CHANGES = """(cell) => {
    cell.lengths = new Set();
    const watch = () => {
        const output = cell.querySelector('.jp-OutputArea');
        if (output) cell.lengths.add(output.innerText.length);
    };
    new MutationObserver(watch).observe(cell, {childList: true, subtree: true, characterData: true});
}"""


def test_the_first_notebook_runs_and_its_answer_streams(lab: Lab, page: Page, tmp_path: Path) -> None:
    notebook = copy_of("00_start_here.ipynb", lab.folder)
    asked_for: list[str] = []
    page.on("request", lambda request: asked_for.append(request.url))
    open_notebook(page, lab.address(notebook.name))
    asked = cell_with(page, QUESTION)
    asked.evaluate(COUNT_CHANGES)
    run_all_cells(page)
    asked.scroll_into_view_if_needed()
    page.screenshot(path=tmp_path / "first_light.png")

    assert len(output_of(page, QUESTION)) > 20
    assert asked.evaluate("cell => cell.lengths.size") >= 3, "the answer came in one piece"
    assert cell_with(page, "picture = draw_bar_chart").locator(".jp-OutputArea img").count() == 1
    assert output_of(page, "image=picture")
    assert "cents" in output_of(page, "labkit.cost")
    assert page.locator("mjx-container").count() == 0, "dollar signs were read as a formula"
    errors = page.locator('[data-mime-type="application/vnd.jupyter.error"]')
    assert errors.all_inner_texts() == []
    assert page.locator(".jp-toast-message, .Toastify__toast").all_inner_texts() == []
    hosts = {urlsplit(url).hostname for url in asked_for if url.startswith("http")}
    assert hosts == {"127.0.0.1"}, "the page asked somebody else"
