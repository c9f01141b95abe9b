"""What every notebook of the course promises, checked on the saved files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.notebooks.execute import NOTEBOOKS, scrub

LONGEST_CELL = 15  # lines

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path: Path, kind: str) -> list[Any]:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return [cell for cell in notebook.cells if cell.cell_type == kind]


def test_the_course_begins_with_the_first_notebook() -> None:
    assert NOTEBOOKS[0].name == "00_start_here.ipynb"


@every_notebook
def test_opens_with_promise_minutes_engine_and_cost(path: Path) -> None:
    opening = cells(path, "markdown")[0].source
    assert opening.startswith("# ")
    for promise in ("You will be able to", "minutes", "runs on", "4090"):
        assert promise in opening


@every_notebook
def test_code_cells_are_short_and_the_same_for_every_model(path: Path) -> None:
    for cell in cells(path, "code"):
        assert len(cell.source.splitlines()) <= LONGEST_CELL, cell.source
        assert not re.search(r"\bif\b.*pocket", cell.source), cell.source


@every_notebook
def test_prose_has_no_accidental_formula(path: Path) -> None:
    for cell in cells(path, "markdown"):
        assert "$" not in re.sub(r"```.*?```|`[^`]*`", "", cell.source, flags=re.DOTALL), cell.source
    for output in (each for cell in cells(path, "code") for each in cell.outputs):
        shown = output.get("data", {}).get("text/markdown", "")
        assert not re.search(r"(?<!\\\\)\$", re.sub(r"`[^`]*`", "", shown)), shown


@every_notebook
def test_outputs_are_saved_in_order_and_hold_no_error_nor_secret(path: Path) -> None:
    code = cells(path, "code")
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert any(cell.outputs for cell in code)
    for cell in code:
        assert "raises-exception" in cell.metadata.get("tags", []) or not any(
            output.output_type == "error" for output in cell.outputs
        )
        text = json.dumps(cell.outputs)
        assert scrub(text) == text
