"""A real JupyterLab in a real browser: what the browser tests and the README's picture are made with."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import nbformat
from playwright.sync_api import Locator, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_SECONDS = 60
RUN_SECONDS = 240


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def copy_of(notebook: str, folder: Path) -> Path:
    """A copy of a notebook of the course in `folder`, without outputs, so that whatever shows is fresh."""
    source = nbformat.read(ROOT / "notebooks" / notebook, as_version=4)
    for cell in source.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    target = folder / notebook
    nbformat.write(source, target)
    return target


@contextmanager
def running_lab(folder: Path) -> Iterator[str]:
    """JupyterLab on `folder`, with the course's configuration and a home of its own.

    Yields an address with one gap, for the path of what to open. The model's server, under $LABKIT_HOME, is
    whichever the tests use.
    """
    token, port, home = secrets.token_hex(16), free_port(), folder / "home"
    home.mkdir()
    environment = os.environ | {
        "HOME": str(home),
        "LABKIT_HOME": os.environ.get("LABKIT_HOME") or str(Path.home() / ".labkit"),
        "JUPYTER_CONFIG_PATH": str(ROOT / ".jupyter"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}"]
    command += [f"--ServerApp.port={port}", f"--IdentityProvider.token={token}"]
    with (home / "lab.log").open("w") as log:
        lab = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_for(f"http://127.0.0.1:{port}/api", lab, home / "lab.log")
        yield f"http://127.0.0.1:{port}/lab/tree/{{}}?token={token}"
    finally:
        lab.terminate()
        lab.wait(timeout=20)


def _wait_for(url: str, lab: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and lab.poll() is None:
        try:
            urlopen(url, timeout=2).close()
            return
        except (URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")


@contextmanager
def browser_page(width: int = 1280, height: int = 900) -> Iterator[Page]:
    """An empty page of a headless Chromium, `width` by `height` pixels."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser.new_page(viewport={"width": width, "height": height})
        finally:
            browser.close()


def open_notebook(page: Page, address: str) -> None:
    """Open a notebook and wait until its kernel is there."""
    page.goto(address)
    page.locator(".jp-NotebookPanel .jp-Cell").first.wait_for(timeout=START_SECONDS * 1000)
    page.locator("#jp-main-statusbar", has_text="| Idle").wait_for(timeout=START_SECONDS * 1000)


def run_all_cells(page: Page) -> None:
    """Choose Run > Run All Cells, and wait until every code cell has its number."""
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(
        r"""() => {
            const prompts = [...document.querySelectorAll('.jp-NotebookPanel .jp-CodeCell .jp-InputPrompt')];
            return prompts.length > 0 && prompts.every(prompt => /\[\d+\]/.test(prompt.textContent));
        }""",
        timeout=RUN_SECONDS * 1000,
    )


def cell_with(page: Page, source: str) -> Locator:
    """The code cell in which `source` stands."""
    code = page.locator(".cm-content", has_text=source)
    return page.locator(".jp-NotebookPanel .jp-CodeCell").filter(has=code)


def output_of(page: Page, source: str) -> str:
    """The text that the cell with `source` has put out."""
    return "\n".join(cell_with(page, source).locator(".jp-OutputArea-output").all_inner_texts()).strip()
