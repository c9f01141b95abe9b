"""Every drill for real: its fault started, seen, diagnosed, cured, healed, and nothing left of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

import labkit
from labkit import LabkitError, catalog
from labkit.clinic import drills
from labkit.clinic.drills import stage
from labkit.clinic.drills.contract import Drill, Outcome
from labkit.clinic.drills.stage import Stage
from labkit.engines import ports, process

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")


def _left(played: Stage) -> list[str]:
    """What is still there of a stage."""
    running = [str(each) for pid, born in played._started for each in process.family(pid, born)]
    mounts = [mount for mount in played._mounts if mount in Path("/proc/mounts").read_text()]
    taken = [str(port) for port in range(stage.FIRST_PORT, stage.LAST_PORT + 1) if not _free(port)]
    files = [str(played.folder)] if played.folder.exists() else []
    return running + mounts + taken + files


def _free(port: int) -> bool:
    holder = ports.hold(port)
    if holder:
        holder.close()
    return holder is not None


@pytest.mark.engine
@pytest.mark.parametrize("name", drills.names())
def test_drill(name: str, session: labkit.Session) -> None:
    with drills.drill(name, progress=False) as played:
        assert not played.look().ok
        cause = played.diagnosis().cause
        assert cause is not None
        assert cause.name == played.symptom
        assert {choice for choice in played.choices if played.guess(choice).right} == {played.symptom}
        verdict = played.cure()
        assert verdict.right, verdict.sentence
        assert played.healed
    assert _left(played.stage) == []
    assert session.chat("Hi", max_tokens=2).interrupted is None, "the learner's own server is untouched"


@pytest.mark.engine
def test_a_server_drill_that_is_interrupted_leaves_nothing(
    session: labkit.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = drills.drill("tools-empty", progress=False)
    calls = 0

    def pressed(log: str) -> str:
        nonlocal calls
        calls += 1
        if calls == 8:  # two seconds after the start of the process
            raise KeyboardInterrupt
        return ""

    monkeypatch.setattr(stage.vllm, "stage", pressed)
    with pytest.raises(KeyboardInterrupt):
        played.look()
    assert len(played.stage._started) == 1
    assert _left(played.stage) == []
    with pytest.raises(LabkitError, match="is over"):
        played.look()


# --- the contract, without a server


class Small(Drill):
    name = "small"
    title = "a small fault"
    story = "Something is wrong."
    symptom = "disk-full"
    choices = ("disk-full", "port-taken")
    cured = "Room was made."
    interrupt_in = ""

    def fault(self) -> None:
        self.mended = False
        self.stage.spawn(SLEEP, {}, self.stage.folder / "sleep.log")
        self._pressed("fault")

    def attempt(self) -> Outcome:
        self._pressed("attempt")
        return Outcome(self.mended, "fine" if self.mended else "OSError: [Errno 28] No space left on device")

    def mend(self) -> None:
        self._pressed("mend")
        self.mended = True

    def _pressed(self, where: str) -> None:
        if where == self.interrupt_in:
            raise KeyboardInterrupt


def _stages() -> list[Path]:
    folder = stage._folder()
    return list(folder.iterdir()) if folder.is_dir() else []


def _descendants() -> list[psutil.Process]:
    children = psutil.Process().children()  # as_dict gives None for one that has just ended
    return [each for each in children if (each.as_dict(["cmdline"])["cmdline"] or [])[:2] == list(SLEEP[:2])]


def test_names_are_many_and_causes_are_in_the_catalog() -> None:
    known = catalog.symptoms()
    assert len(drills.names()) >= 15
    for each in drills.known().values():
        assert each.symptom in each.choices
        assert len(set(each.choices)) == len(each.choices) >= 3
        assert set(each.choices) <= set(known), each.name
        assert known[each.symptom].title.lower() not in each.title.lower(), "the title gives it away"


def test_unknown_drill_is_told(lab_home: Path) -> None:
    with pytest.raises(LabkitError, match=r"no drill 'x'.*tools-empty"):
        drills.drill("x")


@pytest.mark.parametrize("where", ["fault", "attempt", "mend"])
def test_interrupt_leaves_nothing(where: str, lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Small, "interrupt_in", where)
    with pytest.raises(KeyboardInterrupt):
        played = Small()
        assert len(_descendants()) == 1
        if where == "attempt":
            played.look()
        played.cure()
    assert _descendants() == []
    assert _stages() == []


def test_a_wrong_guess_is_told_apart(lab_home: Path) -> None:
    with Small() as played:
        assert not (wrong := played.guess("port-taken")).right
        assert "Address already in use" in wrong.sentence
        assert played.guess("disk-full").sentence.startswith("Right: The disk is full.")
        with pytest.raises(LabkitError, match="none of the choices"):
            played.guess("weather")


def test_a_cure_that_fails_is_told(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Small, "mend", lambda self: None)
    with Small() as played:
        verdict = played.cure()
    assert not verdict.right
    assert not played.healed
    assert "still fails" in verdict.sentence


def test_a_fault_that_does_not_show_is_told(lab_home: Path) -> None:
    played = Small()
    played.mended = True
    with pytest.raises(LabkitError, match="did not show"):
        played.look()
    assert _stages() == []


def test_closed_drill_is_told_and_closing_twice_is_fine(lab_home: Path) -> None:
    played = Small()
    played.close()
    played.close()
    for use in (played.look, played.cure):
        with pytest.raises(LabkitError, match=r"labkit\.drill\('small'\)"):
            use()


def test_what_a_learner_reads(lab_home: Path) -> None:
    with Small() as played:
        assert "a small fault" in played._repr_markdown_()
        seen = played.look()
        assert "No space left" in str(seen)
        assert "<pre>" in seen._repr_html_()
        assert played.cure()._repr_markdown_().startswith("Healed. Room was made.")


PROGRAM = """
    import os, signal, sys
    from labkit.clinic.drills.stage import Stage
    played = Stage("killed")
    argv = (sys.executable, "-c", "import time; time.sleep(600)")
    pid, born = played.spawn(argv, {}, played.folder / "log")
    print(pid, born, flush=True)
    if sys.argv[1] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("how", ["killed", "forgotten"])
def test_a_program_that_ends_without_closing(how: str, lab_home: Path) -> None:
    program = [sys.executable, "-c", textwrap.dedent(PROGRAM), how]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60)
    pid, born = done.stdout.split()
    if how == "killed":
        assert done.returncode == -signal.SIGKILL
        assert process.alive(int(pid), float(born))
        assert drills.sweep() == 1
    assert not process.alive(int(pid), float(born))
    assert _stages() == []


def test_sweep_leaves_a_living_stage_and_one_that_is_just_made(lab_home: Path) -> None:
    with Small() as played:
        new = stage._folder() / "just-made"
        new.mkdir()
        assert drills.sweep() == 0
        assert played.stage.folder.is_dir()
        long_ago = time.time() - 3600
        os.utime(new, (long_ago, long_ago))
        assert drills.sweep() == 1


def test_flags_are_left_out_with_their_values() -> None:
    argv = ("python", "--a", "1", "--b", "--c", "2", "3", "--d")
    assert tuple(stage._without(argv, ("--a", "--c"))) == ("python", "--b", "--d")
