"""The Python that has imported already: it runs commands in forks, and says so on a line of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

MODULES = ("opens", "json", "loud", "not_there")
START = f"import sys; from bench.gpu import warm; warm.MODULES = {MODULES}; warm.main()"


@pytest.fixture
def python(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    (tmp_path / "loud.py").write_text("print('an import that speaks')\n")
    (tmp_path / "opens.py").write_text("from bench.gpu import warm\nwarm._opened_cuda = lambda: True\n")
    process = subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path.append({str(tmp_path)!r}); {START}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    yield process
    process.stdin.close()
    assert process.wait(10) == 0


def told(process: subprocess.Popen[str], order: dict[str, Any] | None = None) -> dict[str, Any]:
    assert process.stdin is not None and process.stdout is not None
    if order is not None:
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def test_commands_run_in_forks_with_their_own_words_and_logs(
    python: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert told(python) == {"usable": True}
    (tmp_path / "shows.py").write_text(
        "import os, sys\n"
        "print(__name__, sys.argv[1:], os.environ['MINE'], *[n in sys.modules for n in ('loud', 'opens')])\n"
    )
    logs = [tmp_path / "one.log", tmp_path / "two.log"]
    for number, log in enumerate(logs):
        order = {
            "argv": ["python", "-m", "shows", "--flag", str(number)],
            "env": {"MINE": "yes"},
            "log": str(log),
        }
        assert told(python, order)["pid"] > 0
    deadline = time.monotonic() + 20
    while not all(log.exists() and log.read_text() for log in logs) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [log.read_text() for log in logs] == [
        f"__main__ ['--flag', '{n}'] yes True False\n" for n in (0, 1)
    ]
    assert python.poll() is None
