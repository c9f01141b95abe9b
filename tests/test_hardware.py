import sys
from types import SimpleNamespace

import pytest

import labkit


class NVMLError(Exception):
    pass


class LibraryNotFound(NVMLError):
    pass


def nvml(init: Exception | None = None, read: Exception | None = None) -> SimpleNamespace:
    """A stand-in for nvidia-ml-py with one card, which can fail at start or at reading."""

    def start() -> None:
        if init:
            raise init

    def count() -> int:
        if read:
            raise read
        return 1

    return SimpleNamespace(
        NVMLError=NVMLError,
        NVMLError_LibraryNotFound=LibraryNotFound,
        nvmlInit=start,
        nvmlShutdown=lambda: None,
        nvmlSystemGetDriverVersion=lambda: "580.1",
        nvmlDeviceGetCount=count,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetName=lambda handle: b"NVIDIA GeForce RTX 4090",
        nvmlDeviceGetMemoryInfo=lambda handle: SimpleNamespace(total=24 * 2**30, free=23 * 2**30),
    )


def test_this_machine() -> None:
    here = labkit.machine()
    assert here.cores >= 1 and 0 < here.ram_free_gib <= here.ram_gib and here.disk_free_gib > 0


def test_a_card_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml())
    (gpu,) = labkit.machine().gpus
    assert str(gpu) == "NVIDIA GeForce RTX 4090, 24 GiB (23 GiB free), driver 580.1"


def test_without_a_driver_there_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml(init=LibraryNotFound()))
    here = labkit.machine()
    assert here.gpus == () and here.gpu_problem is None
    assert "pocket twin runs here" in here._repr_markdown_()


@pytest.mark.parametrize("broken", [nvml(init=NVMLError("Unknown")), nvml(read=NVMLError("Unknown"))])
def test_a_broken_driver_is_said_in_a_sentence(
    broken: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", broken)
    here = labkit.machine()
    assert here.gpus == () and "does not answer (Unknown)" in str(here)
