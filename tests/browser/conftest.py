"""One JupyterLab for all browser tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.lab import Lab, browser_page, running_lab


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Started once; a notebook that needs the twin says in its first cell which LABKIT_HOME it means."""
    expect.set_options(timeout=20_000)
    with running_lab(tmp_path_factory.mktemp("lab")) as found:
        yield found


@pytest.fixture(scope="module")
def page(lab: Lab) -> Iterator[Page]:
    """A browser's page, for all tests of a file: Playwright takes no second one in the same thread."""
    with browser_page() as found:
        yield found
    lab.end_kernels()
