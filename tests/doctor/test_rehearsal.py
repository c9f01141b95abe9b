from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

import labkit
from labkit import LabkitError
from labkit.clinic import rehearsal as module
from labkit.clinic.rehearsal import rehearsal
from labkit.engines import process, vllm
from labkit.engines.recipe import Command, Recipe
from tests.test_replicas import PLAYED


@pytest.fixture
def asked(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    recipes: list[Recipe] = []

    def command(recipe: Recipe, port: int) -> Command:
        recipes.append(recipe)
        return Command((sys.executable, "-c", PLAYED, str(port)))

    monkeypatch.setattr(vllm, "command", command)
    monkeypatch.setattr(vllm, "build", lambda: "cpu")
    return recipes


def test_a_server_for_a_block(asked: list[Recipe], lab_home: Path) -> None:
    with rehearsal(cards=2, progress=False) as played:
        assert played.session is not None and asked[0].cards == 2
        assert "startup complete" in played.said
    assert not process.family(played.pid, played.born) and not (lab_home / "drills").exists()
    assert labkit.status().state == "none"


def test_one_that_does_not_start(asked: list[Recipe], monkeypatch: pytest.MonkeyPatch) -> None:
    dies = Command((sys.executable, "-c", "raise ValueError('no shared memory')"))
    monkeypatch.setattr(vllm, "command", lambda *_: dies)
    with pytest.raises(LabkitError, match="did not start: ValueError: no shared memory"):  # noqa: SIM117
        with rehearsal(cards=2, progress=False):
            pytest.fail("there is nothing to ask")


def test_one_gpu_is_not_two(asked: list[Recipe], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm, "build", lambda: "cuda")
    monkeypatch.setattr(module, "machine", lambda: labkit.Machine((), None, 1, 1, 1, 1, False))
    before = {each.pid for each in psutil.Process().children(recursive=True)}
    with pytest.raises(LabkitError, match="wants 2 GPUs for this"), rehearsal(cards=2):
        pytest.fail("there is nothing to ask")
    assert {each.pid for each in psutil.Process().children(recursive=True)} <= before
