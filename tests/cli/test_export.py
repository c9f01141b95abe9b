from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from labkit.cli import main


def export(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["export", *arguments])


def test_the_next_command_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = export("--to", "for ollama")
    folder = tmp_path / "for ollama"
    assert done.exit_code == 0, done.output
    said, create, run = done.output.splitlines()
    assert str(folder) in said and run.split() == ["ollama", "run", "mistral-small3.1-pocket"]
    *words, modelfile = shlex.split(create)
    assert words == ["ollama", "create", "mistral-small3.1-pocket", "-f"]
    assert Path(modelfile) == folder / "Modelfile" and Path(modelfile).exists()


def test_where_it_cannot_go(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    failed = export("--to", str(tmp_path))
    assert failed.exit_code == 1 and (tmp_path / "mine").exists()
    assert failed.output.startswith(f"labkit: {tmp_path} exists and holds something else")
    assert len(failed.output.splitlines()) == 1
    assert export().exit_code == 2
