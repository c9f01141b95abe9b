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
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import nbformat
import psutil
from playwright.sync_api import BrowserContext, Locator, Page, sync_playwright

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

        def end(kernel: dict[str, str]) -> None:
            address = f"{self.url}/api/kernels/{kernel['id']}"
            urlopen(Request(address, headers=head, method="DELETE"), timeout=60).close()

        with ThreadPoolExecutor() as pool:
            list(pool.map(end, kernels))


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
def running_lab(folder: Path, labkit_home: Path | None = None) -> Iterator[Lab]:
    """JupyterLab on `folder`, with the course's configuration and a home of its own.

    labkit_home: where its notebooks find the model's server, by default $LABKIT_HOME.
    """
    token, port, home = secrets.token_hex(16), free_port(), folder / "home"
    home.mkdir()
    environment = os.environ | {
        "HOME": str(home),
        "LABKIT_HOME": str(labkit_home or os.environ.get("LABKIT_HOME") or Path.home() / ".labkit"),
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
        # Not asked to stop: it would wait for kernels that are at work, and there is nothing to be kept.
        with suppress(psutil.NoSuchProcess):
            head = psutil.Process(lab.pid)
            for each in [head, *head.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess):
                    each.kill()
        lab.wait()


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
def browser() -> Iterator[BrowserContext]:
    """A headless Chromium; its pages share what they have loaded."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield found.new_context(viewport={"width": 1280, "height": 900})
        finally:
            found.close()


@contextmanager
def browser_page(width: int = 1280, height: int = 900) -> Iterator[Page]:
    """An empty page of a Chromium of its own, `width` by `height` pixels."""
    with browser() as found:
        page = found.new_page()
        page.set_viewport_size({"width": width, "height": height})
        yield page


def open_notebook(page: Page, address: str) -> None:
    """Open a notebook and wait until its kernel is there."""
    page.goto(address)
    page.locator(".jp-NotebookPanel .jp-Cell").first.wait_for(timeout=START_SECONDS * 1000)
    page.locator("#jp-main-statusbar", has_text="| Idle").wait_for(timeout=START_SECONDS * 1000)


SESSION = "import labkit\nfrom labkit import widgets\nsession = labkit.connect()"
"""The first cell of a notebook before the running server."""


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
