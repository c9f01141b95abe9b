"""Finding, starting and watching, with a process that plays the server where only the fault counts."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import labkit
from labkit import LabkitError, home, loading, starting, wanted
from labkit.engines import process, vllm
from labkit.engines.recipe import Command
from labkit.home import Server
from tests.conftest import Notes
from tests.misbehaving import Misbehaving

ROOT = Path(__file__).resolve().parents[1]
IDLE = "import time; time.sleep(60)"


def me(**changes: object) -> Server:
    """A server that lives: our own process."""
    known = dict(
        pid=os.getpid(),
        create_time=psutil.Process().create_time(),
        port=8000,
        key="k",
        model="m",
        source="pocket",
        log="/nowhere",
        ready=True,
    )
    return Server(**{**known, **changes})  # type: ignore[arg-type]


@pytest.fixture
def plays(lab_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Put Python code into the list: it runs in place of vLLM."""
    code = [IDLE]
    monkeypatch.setattr(vllm, "command", lambda recipe, port: Command((sys.executable, "-c", code[0])))
    monkeypatch.setattr(vllm, "build", lambda: "cpu")
    monkeypatch.setattr(starting, "FIRST_PORT", 18000)
    yield code
    labkit.stop()


def up(folder: Path, **options: object) -> Server:
    return starting.up(str(folder), **options)  # type: ignore[arg-type]


def test_a_port_that_is_taken_is_passed_by_with_a_sentence(notes: Notes) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        taken = squatter.getsockname()[1]
        free, holder = starting._port(None, taken, notes)
        holder.close()
        assert free != taken
        assert f"Port {taken} is taken by something else, so the server uses port" in notes.notes[0]
        with pytest.raises(LabkitError, match=f"Port {taken} is taken by something else. Choose another"):
            starting._port(taken, 8000, notes)


def test_two_homes_that_start_at_once_get_two_ports(notes: Notes) -> None:
    first, holder = starting._port(None, 18000, notes)
    second, other = starting._port(None, 18000, notes)
    with holder, other, socket.socket() as as_vllm_binds_it:
        assert first != second
        as_vllm_binds_it.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        as_vllm_binds_it.bind(("127.0.0.1", first))
    again, last = starting._port(None, 18000, notes)
    last.close()
    assert again == first


@pytest.mark.parametrize(
    "stale", [me(pid=2**22 + 1), me(create_time=1.0)], ids=["dead pid", "pid of somebody else now"]
)
def test_a_stale_state_is_no_server(stale: Server, lab_home: Path, notes: Notes) -> None:
    home.write(stale)
    assert labkit.status().state == "none"
    assert starting._attach(starting.Wanted("pocket"), None, notes) is None
    assert "is gone, so it is started again" in notes.notes[0]


def test_another_model_or_other_flags_are_not_mixed_up(lab_home: Path, tmp_path: Path, notes: Notes) -> None:
    home.write(me())
    with pytest.raises(LabkitError, match=r"Another model is running here: m\. Stop it first"):
        up(tmp_path)
    with pytest.raises(LabkitError, match=r"other flags \(none\)"):
        starting.up(extra_flags=("--seed", "1"))


def test_an_engine_that_died_behind_a_living_port_is_noticed(
    plays: list[str], misbehaving: Misbehaving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notes: Notes
) -> None:
    monkeypatch.setattr(starting, "PING_S", 0.3)
    pid, born = process.spawn((sys.executable, "-c", IDLE), dict(os.environ), tmp_path / "log", tmp_path)
    home.write(me(pid=pid, create_time=born, port=misbehaving.server_port))
    assert labkit.status(ping_s=0.3).state == "broken"
    assert starting._attach(starting.Wanted("pocket"), None, notes) is None
    assert "its engine does not answer (nothing came within 0 s)" in notes.notes[0]
    assert not process.alive(pid, born)


def test_a_server_that_dies_while_loading(plays: list[str], tmp_path: Path) -> None:
    plays[0] = "print('Starting to load model x'); raise ValueError('No available memory.')"
    with pytest.raises(
        LabkitError, match="ended while it was loading the weights: ValueError: No available mem"
    ) as e:
        up(tmp_path)
    log = str(e.value).rpartition("The whole log: ")[2]
    assert "Traceback" in Path(log).read_text() and "Traceback" not in str(e.value)
    assert home.read() is None


def test_a_server_that_is_stopped_while_loading(plays: list[str], tmp_path: Path) -> None:
    threading.Timer(1, labkit.stop).start()
    with pytest.raises(LabkitError, match="was stopped while it was loading"):
        up(tmp_path)


def test_a_slow_server_goes_on_loading(plays: list[str], tmp_path: Path) -> None:
    with pytest.raises(LabkitError, match=r"not ready after 1 s.*goes on loading"):
        up(tmp_path, timeout=1)
    first = home.read()
    assert first and process.alive(first.pid, first.create_time) and labkit.status().state == "loading"
    with pytest.raises(LabkitError, match="not ready after 1 s"):
        up(tmp_path, timeout=1)
    assert home.read() == first, "the second call waits for the same one"
    assert labkit.stop() and process.family(first.pid, first.create_time) == []


def test_who_interrupts_the_wait_leaves_it_loading(
    plays: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notes: Notes
) -> None:
    def interrupt(log: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(loading, "tail", interrupt)
    with pytest.raises(KeyboardInterrupt):
        up(tmp_path, progress=notes)
    assert "goes on loading" in notes.notes[0] and labkit.status().state == "loading"


def test_while_another_starts_it_the_second_waits(lab_home: Path, notes: Notes) -> None:
    from filelock import FileLock

    with FileLock(home.home() / "lock"), pytest.raises(LabkitError, match="Another notebook or terminal"):
        starting.up(timeout=1, progress=notes)
    assert notes.stages[0].startswith("another notebook or terminal is starting it")


def test_no_vllm_and_no_gpu(lab_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm, "build", lambda: None)
    with pytest.raises(LabkitError, match=r"vLLM is not installed.*\./setup\.sh"):
        up(tmp_path)
    monkeypatch.setattr(vllm, "build", lambda: "cuda")
    monkeypatch.setattr(wanted, "machine", lambda: labkit.Machine((), None, 1, 1, 1, 1, False))
    with pytest.raises(LabkitError, match=r"needs an NVIDIA GPU, and none was found\. Run"):
        up(tmp_path)


def test_a_home_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(LabkitError, match=r"cannot be started here: .*LABKIT_HOME names another folder"):
        up(tmp_path)


def test_a_folder_that_is_not_there(lab_home: Path) -> None:
    with pytest.raises(LabkitError, match="There is no folder /nowhere"):
        starting.up("/nowhere")


def labkit_up(folder: Path, home_folder: Path, *before: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "LABKIT_HOME": str(home_folder), "PYTHONPATH": f"{folder}:{ROOT}"}
    command = [*before, sys.executable, "-m", "labkit", "up", "--quiet"]
    return subprocess.run(command, env=env, cwd=folder, text=True, capture_output=True, timeout=120)


def test_a_corrupt_weight_shard(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "pocket", tmp_path / "pocket")
    shard = next((tmp_path / "pocket" / "weights").glob("model-*.safetensors"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    done = labkit_up(tmp_path, tmp_path / "home")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.startswith("labkit: ") and f"{shard.name} is damaged" in done.stderr
    assert list((tmp_path / "home").rglob("*.safetensors")) == []


def test_a_disk_that_fills_up_leaves_no_half_made_folder(
    lab_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same as below, for machines where nobody may mount a small disk."""
    copied: list[Path] = []

    def copyfile(source: Path, target: Path) -> None:
        copied.append(target)
        target.write_bytes(b"half")
        if len(copied) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(vllm, "build", lambda: "cpu")
    monkeypatch.setattr("pocket.formats.shutil.copyfile", copyfile)
    with pytest.raises(LabkitError, match="The disk is full: preparing the pocket twin's weights"):
        starting.up()
    assert len(copied) == 3 and list((lab_home / "pocket").iterdir()) == [] and home.read() is None


def may_mount() -> bool:
    return (
        shutil.which("unshare") is not None
        and not subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode
    )


@pytest.mark.skipif(not may_mount(), reason="this machine lets nobody mount a small disk")
@pytest.mark.parametrize("size", ["20m", "70m"], ids=["at the first format", "at the second format"])
def test_a_full_disk_at_export(size: str, tmp_path: Path) -> None:
    """A real disk that is too small, in a mount namespace of its own. What is left on it is listed."""
    small = tmp_path / "small"
    small.mkdir()
    script = (
        f'mount -t tmpfs -o size={size} tmpfs {small} || exit 77; "$@"; rc=$?; find {small} -type f; exit $rc'
    )
    done = labkit_up(tmp_path, small / "home", "unshare", "-rm", "sh", "-c", script, "sh")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.startswith("labkit: The disk is full: preparing the pocket twin's weights")
    assert [line for line in done.stdout.splitlines() if "safetensors" in line] == []


def test_a_server_is_told_by_what_differs_from_the_recipe() -> None:
    assert starting.Wanted("pocket").flags == ()
    assert starting.Wanted("pocket", ("--x",), cards=2, vision=False).flags == (
        "cards=2",
        "vision=False",
        "--x",
    )


def test_a_variant_of_the_catalog_needs_a_gpu(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting.vllm, "build", lambda: "cpu")
    with pytest.raises(LabkitError, match=r"W4A16 needs an NVIDIA GPU, and none was found.*labkit.plan\(\)"):
        starting.up("W4A16")
