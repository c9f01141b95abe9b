"""No secret lies in the repository's notebooks, reports and documents."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import nbformat
import pytest

from labkit.clinic.secrets import PATTERNS, without_secrets

ROOT = Path(__file__).resolve().parents[1]
READ = {".ipynb", ".md", ".txt", ".json", ".yaml", ".yml", ".toml", ".html", ".csv", ".log"}
"""What people read and share. Code is left out: the tests of the scan hold what looks like a secret."""
MADE_UP = {"tests/doctor/messages.yaml", "tests/doctor/innocent.txt"}
MUST = {"README.md", "notebooks/00_start_here.ipynb", "notebooks/06_troubleshooting.ipynb"}


def _files() -> list[Path]:
    """The files of the repository, and those that would come into it."""
    argv = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(argv, capture_output=True, text=True)
    names = done.stdout.splitlines() or [str(each.relative_to(ROOT)) for each in ROOT.glob("*/*")]
    paths = [ROOT / name for name in names if Path(name).suffix in READ and name not in MADE_UP]
    return [path for path in paths if path.is_file()]


def _secrets(text: str) -> list[str]:
    return [found[0] for pattern in PATTERNS for found in re.finditer(pattern, text)]


def test_the_scan_looks_where_it_should() -> None:
    assert {str(path.relative_to(ROOT)) for path in _files()} >= MUST


@pytest.mark.parametrize("path", _files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_secret_is_committed(path: Path) -> None:
    assert _secrets(path.read_text("utf-8", "replace")) == []


def test_a_secret_in_an_output_would_be_found(tmp_path: Path) -> None:
    for secret in ("hf_" + "a" * 20, "http://127.0.0.1:8888/lab?token=" + "0" * 32, "api_key='" + "k" * 30):
        output = nbformat.v4.new_output("stream", text=f"here it is: {secret}\n")
        cell = nbformat.v4.new_code_cell("x", outputs=[output])
        text = nbformat.writes(nbformat.v4.new_notebook(cells=[cell]))
        assert len(_secrets(text)) == 1
        assert _secrets(without_secrets(text)) == []
