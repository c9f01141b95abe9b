"""Run the course's notebooks and save them with their outputs: `python -m tests.notebooks.execute [FILE...]`.

`./setup.sh retake` does this in an environment of its own. What would differ on every machine, or is nobody
else's business, is scrubbed from the outputs: keys, tokens, ports and the home folder.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SECONDS_A_CELL = 120

# Pattern to replacement, for the JSON text of a cell's outputs.
PRIVATE = [
    (re.compile(re.escape(os.environ.get("LABKIT_HOME") or str(Path.home() / ".labkit"))), "~/.labkit"),
    (re.compile(re.escape(str(ROOT))), "~/course"),
    (re.compile(re.escape(str(Path.home())) + r"(?=/)"), "~"),
    (re.compile(r"(127\.0\.0\.1|localhost):114\d\d\b"), r"\1:11434"),
    (re.compile(r"(127\.0\.0\.1|localhost):(?!11434\b)\d+"), r"\1:8000"),
    (re.compile(r" -L \d+:"), " -L 8000:"),
    (re.compile(r"token=\w+"), "token=..."),
    (re.compile(r"api_key='[^']*'"), "api_key='...'"),
    (re.compile(r"\b(pid|PID|process) \d+"), r"\1 1234"),
]


def scrub(text: str) -> str:
    """`text` without keys, tokens, ports, process numbers and this machine's folders."""
    for pattern, replacement in PRIVATE:
        text = pattern.sub(replacement, text)
    return text


def execute(path: Path) -> None:
    """Run one notebook from a fresh kernel and save it in place. Raises CellExecutionError."""
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(path.parent)}}
    NotebookClient(
        notebook, timeout=SECONDS_A_CELL, record_timing=False, coalesce_streams=True, resources=where
    ).execute()
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            outputs = json.loads(scrub(json.dumps(cell.outputs)))
            cell.outputs = [nbformat.from_dict(output) for output in outputs]
    nbformat.validate(notebook)
    nbformat.write(notebook, path)


def main(names: list[str]) -> None:
    for path in [Path(name).resolve() for name in names] or NOTEBOOKS:
        print(f"running {path.name}")
        execute(path)


if __name__ == "__main__":
    main(sys.argv[1:])
