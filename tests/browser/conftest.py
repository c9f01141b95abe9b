"""One JupyterLab and one browser for all browser tests, before the one real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.lab import Lab, browser, running_lab


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory, first_start: tuple[Path, object, int]) -> Iterator[Lab]:
    """Its notebooks find the server that all tests share."""
    expect.set_options(timeout=20_000)
    with running_lab(tmp_path_factory.mktemp("lab"), first_start[0]) as found:
        yield found


@pytest.fixture(scope="package")
def chromium() -> Iterator[BrowserContext]:
    """Not for the whole session: Playwright takes no second one in the same thread."""
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def page(lab: Lab, chromium: BrowserContext) -> Iterator[Page]:
    """A page for all tests of a file."""
    with chromium.new_page() as found:
        yield found
    lab.end_kernels()
