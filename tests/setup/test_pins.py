"""One place holds the pins: what conda gets and what is installed must be what pyproject.toml says."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA: dict[str, Any] = yaml.safe_load((ROOT / "environment.yml").read_text())
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
ALL_PINS = sorted({*PROJECT["dependencies"], *(pin for pins in EXTRAS.values() for pin in pins)})


@pytest.mark.parametrize("pin", ALL_PINS)
def test_every_pin_is_exact(pin: str) -> None:
    assert re.fullmatch(r"[a-z0-9-]+(\[[a-z]+\])?==[0-9][0-9.]*(post\d+)?", pin)


def test_conda_gets_the_same_pins() -> None:
    (of_pip,) = (entry["pip"] for entry in CONDA["dependencies"] if isinstance(entry, dict))
    assert of_pip == PROJECT["dependencies"]


def test_conda_gets_a_python_that_the_project_takes() -> None:
    (python,) = (str(entry) for entry in CONDA["dependencies"] if str(entry).startswith("python="))
    lowest, ceiling = re.findall(r"\d+\.(\d+)", PROJECT["requires-python"])
    assert int(lowest) <= int(python.split(".")[1]) < int(ceiling)


def test_setup_knows_the_conda_environment_by_its_name() -> None:
    assert f"CONDA_NAME={CONDA['name']} " in (ROOT / "setup.sh").read_text()


@pytest.mark.parametrize("extra", ["cpu", "cuda"])
def test_both_engines_stand_on_the_same_torch(extra: str) -> None:
    pins = dict(pin.split("==") for pin in EXTRAS[extra])
    other = dict(pin.split("==") for pin in EXTRAS["cpu"])
    assert pins["torch"] == other["torch"] and pins["torchvision"] == other["torchvision"]


@pytest.mark.parametrize("pin", [*PROJECT["dependencies"], *EXTRAS["test"]])
def test_what_is_installed_is_what_is_pinned(pin: str) -> None:
    name, wanted = pin.split("==")
    assert version(name) == wanted


def test_one_engine_is_installed_at_its_pin() -> None:
    installed = {}
    for name, wanted in (EXTRAS["cpu"][0].split("=="), EXTRAS["cuda"][0].split("==")):
        try:
            installed[name] = (version(name), wanted)
        except PackageNotFoundError:
            continue
    assert installed and all(found == wanted for found, wanted in installed.values())
