"""A real JupyterLab in a real browser: what the browser tests and the README's picture are made with."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

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
PROMPTS = "() => [...document.querySelectorAll('.jp-NotebookPanel .jp-CodeCell .jp-InputPrompt')]"


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab."""

    folder: Path
    """Where its notebooks lie."""
    url: str
    token: str

    def address(self, notebook: str) -> str:
        """Of a notebook in its folder, alone: what was open before is not opened again."""
        return f"{self.url}/lab/tree/{notebook}?reset&token={self.token}"

    def end_kernels(self) -> None:
        """Free the memory of what was run."""
        head = {"Authorization": f"token {self.token}"}
        with urlopen(Request(f"{self.url}/api/kernels", headers=head), timeout=10) as answer:
            kernels = json.load(answer)
        for each in kernels:
            address = f"{self.url}/api/kernels/{each['id']}"
            urlopen(Request(address, headers=head, method="DELETE"), timeout=20).close()


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


def write_notebook(path: Path, *cells: str) -> None:
    """A notebook of these code cells."""
    found = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
    found.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(found, path)


@contextmanager
def running_lab(folder: Path) -> Iterator[Lab]:
    """JupyterLab on `folder`, with the course's configuration and a home of its own.

    The model's server, under $LABKIT_HOME, is whichever the tests use.
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
        yield Lab(folder, f"http://127.0.0.1:{port}", token)
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


def here(labkit_home: Path) -> str:
    """The first cell of a notebook that wants the server of this LABKIT_HOME: it has `session`."""
    lines = ["import os", f"os.environ['LABKIT_HOME'] = {str(labkit_home)!r}", "import labkit"]
    return "\n".join([*lines, "from labkit import widgets", "session = labkit.connect()"])


def open_cells(lab: Lab, page: Page, *cells: str) -> str:
    """Open a new notebook of these cells, and run none of them yet. Gives its address."""
    name = f"{secrets.token_hex(4)}.ipynb"
    write_notebook(lab.folder / name, *cells)
    open_notebook(page, lab.address(name))
    return lab.address(name)


def run_all_cells(page: Page) -> None:
    """Choose Run > Run All Cells, and wait until every code cell has its number."""
    page.evaluate(f"({PROMPTS})().forEach((prompt) => {{ prompt.textContent = ''; }})")  # of an earlier run
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(
        rf"() => {{ const all = ({PROMPTS})(); return all.length && all.every(({{textContent}}) =>"
        r" /\[\d+\]/.test(textContent)); }",
        timeout=RUN_SECONDS * 1000,
    )


def save(lab: Lab, page: Page, words: str) -> str:
    """Save the open notebook, and give the file's text once these words are in it."""
    path = lab.folder / Path(urlsplit(page.url).path).name
    until = time.monotonic() + START_SECONDS
    page.keyboard.press("Control+s")
    while words not in (text := path.read_text()):
        assert time.monotonic() < until, "it was not saved"
        page.wait_for_timeout(100)
    return text


def cell_with(page: Page, source: str) -> Locator:
    """The code cell in which `source` stands."""
    code = page.locator(".cm-content", has_text=source)
    return page.locator(".jp-NotebookPanel .jp-CodeCell").filter(has=code)


def output_of(page: Page, source: str) -> str:
    """The text that the cell with `source` has put out."""
    return "\n".join(cell_with(page, source).locator(".jp-OutputArea-output").all_inner_texts()).strip()
