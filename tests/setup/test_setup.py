"""setup.sh on a stage: what it installs, what it skips the second time, and each failure in a sentence."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.setup.course import Course, script


@pytest.fixture
def course(tmp_path: Path) -> Iterator[Course]:
    with socket.socket() as listener:  # what JupyterLab would listen on
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        course = Course(tmp_path, listener.getsockname()[1])
        yield course
        for record in (tmp_path / "home/.labkit/jupyter").glob("*.json"):
            pid = int(re.findall(r'"pid": (\d+)', record.read_text())[0])
            try:
                os.killpg(pid, signal.SIGKILL)  # the stand-in JupyterLab leads a group of its own
            except ProcessLookupError:
                continue


def installs(course: Course) -> list[str]:
    return [call for call in course.calls if call.startswith("uv pip install")]


def test_first_run_installs_and_prints_one_link(course: Course) -> None:
    status, said = course.run()
    assert status == 0, said
    (link,) = re.findall(r"http\S+", said)
    assert link == f"http://127.0.0.1:{course.port}/lab/tree/notebooks/00_start_here.ipynb?token=abc"
    assert f"-L {course.port}:127.0.0.1:{course.port} " in said
    assert [call for call in course.calls if call == "python -m labkit up"]
    assert len(installs(course)) == 1


def test_second_run_installs_nothing_and_finds_the_lab(course: Course) -> None:
    course.run()
    course.forget()
    status, said = course.run()
    assert status == 0, said
    assert "?token=abc" in said
    assert not installs(course)
    assert not [call for call in course.calls if "-m venv" in call or "-m jupyterlab" in call]


def test_changed_pins_are_installed(course: Course) -> None:
    course.run()
    course.forget()
    with (course.folder / "pyproject.toml").open("a") as pins:
        pins.write("# one more line\n")
    course.run()
    assert len(installs(course)) == 1


def test_a_moved_folder_gets_a_new_environment(course: Course) -> None:
    course.run()
    course.forget()
    (course.base / "elsewhere").mkdir()
    shutil.move(course.folder, course.base / "elsewhere" / "course")
    (course.base / "course").symlink_to(course.base / "elsewhere" / "course")
    course.run()
    assert any(call.startswith("python -m venv --clear") for call in course.calls)


def test_without_a_gpu_the_cpu_build_comes(course: Course) -> None:
    course.run()
    (install,) = installs(course)
    assert install.endswith("/course[cpu]")
    assert "--torch-backend cpu" in install


def test_with_a_gpu_the_cuda_build_comes_unless_told_otherwise(course: Course) -> None:
    script(course.bin / "nvidia-smi", '#!/bin/sh\necho "GPU 0: NVIDIA GeForce RTX 4090 (UUID: GPU-1)"\n')
    script(course.bin / "df", "#!/bin/sh\necho head\necho disk 1 1 99999999 1% /\n")
    course.run()
    course.run("--cpu")
    cuda, cpu = installs(course)
    assert cuda.endswith("/course[cuda]") and "--torch-backend auto" in cuda
    assert cpu.endswith("/course[cpu]")


def test_a_broken_gpu_driver_means_cpu(course: Course) -> None:
    script(course.bin / "nvidia-smi", '#!/bin/sh\necho "NVIDIA-SMI has failed"; exit 9\n')
    course.run()
    assert installs(course)[0].endswith("/course[cpu]")


def test_without_pytorchs_index_pips_own_places_must_do(course: Course) -> None:
    links = "global.find-links='/wheels /more'"
    course.run(NO_TORCH_INDEX="2", PIP_SAYS=links, ON_PACKAGES="env >$STAGE/env")
    assert "--torch-backend" not in installs(course)[0]
    assert "UV_FIND_LINKS=/wheels,/more" in (course.base / "env").read_text().splitlines()


def test_an_active_conda_environment_is_used(course: Course) -> None:
    conda = course.base / "conda"
    (conda / "bin").mkdir(parents=True)
    shutil.copy(course.bin / "python3", conda / "bin/python")
    (course.bin / "python3").unlink()
    status, said = course.run(CONDA_PREFIX=str(conda), CONDA_DEFAULT_ENV="mistral-small-course")
    assert status == 0, said
    assert f"--python {conda}/bin/python" in installs(course)[0]
    assert not (course.folder / ".venv").exists()


@pytest.mark.parametrize("kind", ["none", "old"])
def test_no_fitting_python(course: Course, kind: str) -> None:
    (course.bin / "python3").unlink()
    if kind == "old":
        script(course.bin / "python3", "#!/bin/sh\nexit 1\n")
    status, said = course.run()
    assert status == 1
    assert one_sentence(said).startswith("Python 3.11, 3.12 or 3.13 is needed and none was found")


def test_no_disk(course: Course) -> None:
    script(course.bin / "df", "#!/bin/sh\necho head\necho disk 1 1 2097152 99% /\n")
    status, said = course.run()
    assert status == 1
    assert one_sentence(said).startswith("The packages need 5 GiB of disk and 2 GiB are free")


def test_disk_full_in_the_middle_then_resumed(course: Course) -> None:
    full = "echo 'error: No space left on device (os error 28)'; exit 2"
    status, said = course.run(ON_PACKAGES=full)
    assert status == 1
    assert one_sentence(said).startswith("The disk is full: ")
    course.forget()
    assert course.run()[0] == 0
    assert not [call for call in course.calls if "-m venv" in call], "the environment was made again"


def test_wrong_folder(course: Course) -> None:
    shutil.rmtree(course.folder / "pocket")
    status, said = course.run()
    assert status == 1
    assert "is not the course's folder (pocket is missing)" in one_sentence(said)


def test_no_venv_module(course: Course) -> None:
    status, said = course.run(ON_VENV="echo 'ensurepip is not available'; exit 1")
    assert status == 1
    assert "apt-get install python3-venv" in one_sentence(said)


def test_an_index_that_never_answers_costs_seconds(course: Course) -> None:
    (course.bin / "python3").unlink()
    (course.bin / "python3").symlink_to(sys.executable)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        index = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        status, said = course.run(PIP_INDEX_URL=index, PIP_CONFIG_FILE="/dev/null")
    assert status == 1
    assert one_sentence(said).startswith("The package index did not answer")
    assert time.monotonic() - began < 45, "most of it is the making of the environment"


def test_two_at_once(course: Course) -> None:
    with (course.folder / ".setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        status, said = course.run()
    assert status == 1
    assert one_sentence(said).startswith("Another ./setup.sh is at work in this folder")


@pytest.mark.parametrize(
    ("moment", "how"),
    [(each, signal.SIGINT) for each in ("ON_VENV", "ON_PIP", "ON_PACKAGES", "ON_LABKIT")]
    + [("ON_PACKAGES", signal.SIGTERM)],
)
def test_interrupted_then_resumed(course: Course, moment: str, how: signal.Signals) -> None:
    process = course.start(**{moment: "touch $STAGE/there; sleep 30"})
    until = time.monotonic() + 20
    while not (course.base / "there").exists() and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(process.pid, how)
    said, _ = process.communicate(timeout=10)
    assert process.returncode == 130, said
    assert said.rstrip().endswith("it goes on where it stopped.")
    assert course.run()[0] == 0


def test_a_model_that_does_not_start_leaves_the_lab(course: Course) -> None:
    status, said = course.run(ON_LABKIT="echo 'Port 8000 is taken.'; exit 1")
    assert status == 1
    assert "Port 8000 is taken." in said
    assert "The model did not start" in said and "?token=abc" in said


def test_stop_ends_the_lab(course: Course) -> None:
    course.run()
    status, said = course.run("stop")
    assert status == 0, said
    assert "JupyterLab has stopped." in said
    assert course.calls[-1] == "python -m labkit down"


def test_help_and_a_wrong_word(course: Course) -> None:
    status, said = course.run("--help")
    assert status == 0 and "./setup.sh test" in said
    status, said = course.run("tset")
    assert status == 1 and "does not know 'tset'" in said


INSTALLER = """#!/usr/bin/env bash
echo 'touch "$STAGE/installed"' >"${@: -1}"
"""


def test_ollama_comes_the_official_way_and_what_it_does_is_said_before(course: Course) -> None:
    script(course.bin / "curl", INSTALLER)
    (course.bin / "sh").symlink_to(shutil.which("sh") or "")
    status, said = course.run("ollama")
    assert status == 0, said
    assert "/usr/local" in said
    assert (course.base / "installed").exists()
    script(course.bin / "ollama", "#!/usr/bin/env bash\necho ollama version is 1.2.3\n")
    (course.base / "installed").unlink()
    status, said = course.run("ollama")
    assert status == 0 and "version is 1.2.3" in said
    assert not (course.base / "installed").exists()


def test_without_a_network_ollama_is_not_installed(course: Course) -> None:
    script(course.bin / "curl", "#!/usr/bin/env bash\nexit 28\n")
    status, said = course.run("ollama")
    assert status == 1
    assert "ollama.com did not answer, so nothing was installed" in said


def test_a_lab_without_ollama_says_how_to_get_it(course: Course) -> None:
    assert "run ./setup.sh ollama" in course.run()[1]


def one_sentence(said: str) -> str:
    """The last paragraph: what a learner is left with. It must be no traceback."""
    assert "Traceback" not in said
    return said.strip().split("\n\n")[-1].strip()
