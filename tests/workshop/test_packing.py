from __future__ import annotations

import os
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from labkit.display import Progress
from labkit.errors import LabkitError
from labkit.workshop import packing

STUB = '#!/usr/bin/env bash\necho "$PIP_NO_INDEX $PIP_FIND_LINKS $*"; cat "$UV_CONFIG_FILE"\n'


@pytest.fixture
def packed(tmp_path: Path, lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A packed folder with stand-ins for wheels and proxy, and a setup.sh that says what it was given."""
    proxy = tmp_path / "proxy"
    proxy.mkdir()
    (proxy / "package.json").write_text("{}")
    monkeypatch.setattr(packing.proxy, "install", lambda: False)
    monkeypatch.setattr(packing.proxy, "folder", lambda: proxy)

    def wheels(pins: list[str], folder: Path) -> None:
        folder.mkdir()
        (folder / "pins.whl").write_text("\n".join(pins))

    monkeypatch.setattr(packing, "_wheels", wheels)
    folder = tmp_path / "room"
    assert packing.pack(folder, Progress(on=False)).wheels == 1
    (folder / "course" / "setup.sh").write_text(STUB)
    (folder / packing.SUMS).unlink()
    packing._sum(folder)
    return folder


def set_up(folder: Path, home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"LABKIT_HOME": str(home)}
    argv = [str(folder / "setup-offline.sh"), *options]
    return subprocess.run(argv, env=environment, capture_output=True, text=True)


def test_what_is_packed_sets_itself_up_from_the_folder_alone(packed: Path, tmp_path: Path) -> None:
    done = set_up(packed, tmp_path / "new", "--cpu")
    said, *settings = done.stdout.splitlines()
    assert said == f"1 {packed}/wheels --workshop --cpu", done.stderr
    assert settings == ["no-index = true", f'find-links = ["{packed}/wheels"]']
    assert (tmp_path / "new" / "workshop" / "proxy" / "package.json").exists()
    pins = (packed / "wheels" / "pins.whl").read_text().splitlines()
    for name in ("uv", "jupyterlab", "jupyterhub", "openai", "torch"):
        assert f"{name}=={version(name)}" in pins
    assert not any(pin.startswith(("pytest", "mypy", "playwright")) for pin in pins)
    assert (packed / "course" / "notebooks" / "00_start_here.ipynb").exists()
    assert not (packed / "course" / ".venv").exists()


def test_a_damaged_copy_is_refused_by_name(packed: Path, tmp_path: Path) -> None:
    (packed / "wheels" / "pins.whl").write_text("something else")
    done = set_up(packed, tmp_path / "new")
    assert done.returncode == 1 and "pins.whl" in done.stdout and "copy the folder again" in done.stderr


def test_nothing_is_packed_over_something_else(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    with pytest.raises(LabkitError, match="is not empty"):
        packing.pack(tmp_path, Progress(on=False))


def test_an_extra_that_is_missing_here_is_named() -> None:
    with pytest.raises(LabkitError, match="nonsense is not installed"):
        packing.closure("nonsense", set())
