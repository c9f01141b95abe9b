"""Take the README's picture again: `python -m tests.browser.picture`. `./setup.sh retake` does, too."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.browser.lab import (
    ROOT,
    browser_page,
    cell_with,
    copy_of,
    open_notebook,
    run_all_cells,
    running_lab,
)

PICTURE = ROOT / "docs" / "first_light.png"


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        notebook = copy_of("00_start_here.ipynb", folder)
        with running_lab(folder) as lab, browser_page(1100, 820) as page:
            open_notebook(page, lab.address(notebook.name))
            run_all_cells(page)
            page.keyboard.press("Control+b")  # the file browser, away
            drawing = cell_with(page, "picture = draw_bar_chart")
            drawing.evaluate("cell => cell.scrollIntoView({block: 'center'})")
            page.wait_for_timeout(1000)
            page.screenshot(path=PICTURE)
    print(f"{PICTURE} is new")


if __name__ == "__main__":
    main()
