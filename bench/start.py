"""How soon something shows: `python -m bench.start`, with a server running (`labkit up`).

`import labkit` in a new Python, as the wall time of the process less that of one that imports nothing. And
each widget in JupyterLab, in Debian's Chromium on this machine: from its construction in the kernel to the
last thing that the page paints of it. The first of its kind loads its Python modules and its scripts; the
others show what it costs after that. Where there is no Chromium, these rows are left out.
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
session = labkit.connect()
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

# For each widget, by its number: when the page has painted the last change of its elements, in s since 1970.
WATCH = f"""() => {{
    window.shown = {{}};
    const until = {{}};
    const note = (number) => {{
        const now = Date.now();
        until[number] ??= now + {WATCHED_S * 1000};
        if (now > until[number]) return;
        requestAnimationFrame(() => setTimeout(() => {{ window.shown[number] = Date.now() / 1000; }}));
    }};
    new MutationObserver((changes) => {{
        const found = new Set();
        for (const {{target, addedNodes}} of changes) {{
            found.add(target.closest?.('.labkit'));
            for (const node of addedNodes)
                found.add(node.querySelector?.('.labkit') ?? node.closest?.('.labkit'));
        }}
        for (const box of found) {{
            const number = box?.isConnected && box.className.match(/bench-(\\d+)/)?.[1];
            if (number) note(number);
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
    """Two rows for each widget."""
    from tests.browser.lab import browser_page, open_cells, run_all_cells, running_lab

    wanted = [(name, int(name in WITH_SESSION)) for name in names]
    with tempfile.TemporaryDirectory() as name, running_lab(Path(name)) as lab, browser_page() as page:
        open_cells(lab, page, PREPARE_CELL, CELL.format(wanted=wanted))
        page.evaluate(WATCH)
        run_all_cells(page)
        began, shown = json.loads(printed(page, "began")), page.evaluate("window.shown")
    waits = [shown[str(number)] - then for number, then in enumerate(began)]
    for number, name in enumerate(names):
        first, *others = waits[number * TIMES : (number + 1) * TIMES]
        yield Row(TEXT["first"].format(name=name), first, SHOW_S, 1, " s")
        yield Row(TEXT["again"].format(name=name), median(others), SHOW_S, len(others), " s")


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
