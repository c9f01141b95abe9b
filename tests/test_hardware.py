import os
import sys
from pathlib import Path

import pytest

import labkit
from labkit import hardware, nvml
from tests.fake_pynvml import Card, Driver, NVMLError, NVMLError_LibraryNotFound


def look(monkeypatch: pytest.MonkeyPatch, driver: Driver) -> labkit.Machine:
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    return labkit.machine()


def test_this_machine() -> None:
    here = labkit.machine()
    assert here.cores >= 1 and 0 < here.ram_free_gib <= here.ram_gib and here.disk_free_gib > 0
    assert [what for what, _ in here.rows()] == list(hardware.ROWS)


def test_a_card_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver(Card())
    (gpu,) = look(monkeypatch, driver).gpus
    assert str(gpu) == "NVIDIA GeForce RTX 4090, 24 GiB (23 GiB free), driver 580.1, CUDA 12.8"
    assert not gpu.mig and driver.shut_down


def test_who_uses_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    (gpu,) = look(monkeypatch, Driver(Card(free=4, processes={os.getpid(): 19.5, 2**30: None}))).gpus
    here, elsewhere = gpu.processes
    assert here.pid == os.getpid() and here.memory_gib == pytest.approx(19.5) and here.name != elsewhere.name
    assert f"(pid {os.getpid()}, 19.5 GiB)" in str(gpu)
    assert f"a process outside this container (pid {2**30})" in str(gpu)


def test_without_a_driver_there_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    here = look(monkeypatch, Driver(init=NVMLError_LibraryNotFound()))
    assert here.gpus == () and here.gpu_problem is None
    assert "pocket twin runs here" in here._repr_markdown_()


@pytest.mark.parametrize("broken", [{"init": NVMLError("Unknown")}, {"read": NVMLError("Unknown")}])
def test_a_broken_driver_is_said_in_a_sentence(
    broken: dict[str, Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = look(monkeypatch, Driver(Card(), **broken))
    assert here.gpus == () and "does not answer (Unknown)" in str(here)


def test_a_driver_without_its_reader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setattr(nvml, "PROC", tmp_path)
    assert "run ./setup.sh again" in str(labkit.machine())
    monkeypatch.setattr(nvml, "PROC", tmp_path / "nothing")
    assert labkit.machine().gpu_problem is None


def test_one_lost_card_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    here = look(monkeypatch, Driver(Card(), Card(broken="GPU is lost"), Card()))
    assert len(here.gpus) == 2 and here.gpu_problem is not None
    assert here.gpu_problem.startswith("GPU 1 does not answer (GPU is lost)") and "GPU 1" in str(here)


def test_the_slices_of_a_split_card(monkeypatch: pytest.MonkeyPatch) -> None:
    piece = Card(name="NVIDIA A100-SXM4-80GB MIG 3g.40gb", total=39.5, free=39)
    here = look(monkeypatch, Driver(Card(name="NVIDIA A100-SXM4-80GB", total=80, slices=[None, piece])))
    (gpu,) = here.gpus
    assert gpu.mig and gpu.memory_gib == pytest.approx(39.5) and "3g.40gb" in gpu.name
    assert here.gpu_problem is None


def test_a_split_card_without_a_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    here = look(monkeypatch, Driver(Card(slices=[])))
    assert here.gpus == () and "has no slice yet" in str(here)


@pytest.mark.parametrize(("cards", "size", "told"), [(2, 0.0625, True), (2, 8.0, False), (1, 0.0625, False)])
def test_small_shared_memory_matters_for_several_cards(
    cards: int, size: float, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = look(monkeypatch, Driver(*[Card()] * cards))
    machine = labkit.Machine(here.gpus, None, 64, 60, 8, 100, True, shm_gib=size)
    assert ("--ipc=host" in str(machine)) is told


def test_no_shared_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(hardware, "SHM", tmp_path / "nothing")
    assert labkit.machine().shm_gib is None and "/dev/shm:  none" in str(labkit.machine())
