"""How soon something shows: `python -m bench.start`, with a server running (`labkit up`).

`import labkit` in a new Python, as the wall time of the process less that of one that imports nothing. And
each widget in JupyterLab, in Debian's Chromium on this machine: from its construction in the kernel to the
last that the page paints of its words and controls, and where it has a figure, to the last of that. The
first of its kind loads its Python modules and its scripts; the others show what it costs after that. As in
a lesson, `labkit.widgets` is imported some seconds before the first of them. Where there is no Chromium,
these rows are left out.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import labkit
from bench.rows import Row, options, printed, report

TEXT = {
    "import": "`import labkit`, median",
    "first": "{name} shows, the first of its kind",
    "again": "{name} shows, median of the next",
    "figure": "{shows}: its figure too",
}
IMPORT_S, SHOW_S = 0.15, 0.3
NO_SESSION = ("planner", "progress")
WITH_SESSION = ("playground", "tokens", "temperature", "speed", "context", "vision", "tracer", "machine")
TIMES = 6
WATCHED_S = 1.5

PREPARE_CELL = """
import json, time, labkit
from importlib import import_module
from IPython.display import clear_output
from labkit import widgets
session = labkit.connect()
time.sleep(5)
"""
CELL = f"""
began = []
for name, takes in {{wanted}}:
    for _ in range({TIMES}):
        number, then = len(began), time.time()
        widget = getattr(import_module(f"labkit.widgets.{{{{name}}}}"), name.title())(*[session][:takes])
        widget.box.add_class(f"bench-{{{{number}}}}")
        display(widget)
        began.append(then)
        time.sleep({WATCHED_S} + 0.3)
        clear_output()
print("began:", json.dumps(began))
"""

# For each widget, by its number: when the page has painted the last change of its words and controls, and of
# its figures, in s since 1970.
WATCH = f"""() => {{
    window.shown = {{}};
    const until = {{}};
    const note = (number, what) => {{
        const now = Date.now();
        until[number] ??= now + {WATCHED_S * 1000};
        if (now > until[number]) return;
        requestAnimationFrame(() => setTimeout(() => {{
            (window.shown[number] ??= {{}})[what] = Date.now() / 1000;
        }}));
    }};
    new MutationObserver((changes) => {{
        const found = {{words: new Set(), figure: new Set()}};
        for (const {{target, addedNodes}} of changes) {{
            const boxes = found[target.closest?.('[role="img"]') ? 'figure' : 'words'];
            boxes.add(target.closest?.('.labkit'));
            for (const node of addedNodes)
                boxes.add(node.querySelector?.('.labkit') ?? node.closest?.('.labkit'));
        }}
        for (const [what, boxes] of Object.entries(found))
            for (const box of boxes) {{
                const number = box?.isConnected && box.className.match(/bench-(\\d+)/)?.[1];
                if (number) note(number, what);
            }}
    }}).observe(document.body, {{childList: true, subtree: true}});
}}"""


def importing(times: int = 11) -> Row:
    """`import labkit` in a new Python, each time beside a Python that imports nothing."""

    def wall(code: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - began

    wall("import labkit")
    took = [wall("import labkit") - wall("pass") for _ in range(times)]
    return Row(TEXT["import"], median(took), IMPORT_S, times, " s")


def showing(names: list[str]) -> Iterator[Row]:
    """Two rows for each widget, and two more for its figure."""
    from tests.browser.lab import browser_page, open_cells, run_all_cells, running_lab

    wanted = [(name, int(name in WITH_SESSION)) for name in names]
    with tempfile.TemporaryDirectory() as name, running_lab(Path(name)) as lab, browser_page() as page:
        open_cells(lab, page, PREPARE_CELL, CELL.format(wanted=wanted))
        page.evaluate(WATCH)
        run_all_cells(page)
        began, shown = json.loads(printed(page, "began")), page.evaluate("window.shown")
    for number, name in enumerate(names):
        for what, key in (("words", None), ("figure", "figure")):
            waits = [
                shown[str(nth)][what] - began[nth]
                for nth in range(number * TIMES, (number + 1) * TIMES)
                if what in shown[str(nth)]
            ]
            if not waits:
                continue
            for value, which, n in ((waits[0], "first", 1), (median(waits[1:]), "again", len(waits) - 1)):
                said = TEXT[which].format(name=name)
                yield Row(TEXT[key].format(shows=said) if key else said, value, SHOW_S, n, " s")


def main() -> None:
    """Measure, print."""
    from tests.browser.lab import CHROMIUM

    parser, every = options(__doc__), [*NO_SESSION, *WITH_SESSION]
    parser.add_argument("--widgets", nargs="*", choices=every, default=every, help="these only")
    args = parser.parse_args()

    def rows() -> Iterator[Row]:
        yield importing()
        yield from showing(args.widgets) if CHROMIUM and args.widgets else ()

    report(labkit.connect().model, rows(), args.json)


if __name__ == "__main__":
    main()
