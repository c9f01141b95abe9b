from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from labkit.lessons import check, progress, record

pytestmark = pytest.mark.usefixtures("lab_home")

WRITER = "from labkit.lessons import record\nfor _ in range(40): record.attempted('0.1', False)"


def test_two_notebooks_at_once_lose_nothing(lab_home: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER]) for _ in range(2)]
    assert [each.wait(60) for each in writers] == [0, 0]
    assert record.read()[0]["0.1"].attempts == 80
    assert [path.name for path in lab_home.glob("*.json*")] == ["progress.json"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{half",
        "[1]",
        '{"0.1": 3}',
        '{"0.1": {"tries": 1}}',
        '{"0.1": {"attempts": "x"}}',
        '{"0.1": {"first_correct": "soon"}}',
        "\udcff",
    ],
)
def test_a_damaged_file_is_one_sentence_and_a_new_start(content: str, lab_home: Path) -> None:
    lab_home.mkdir()
    (lab_home / "progress.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    entries, said = record.read()
    assert entries == {} and said.count(".json") == 1 and "starts anew" in said
    assert record.attempted("0.1", True) == "" and record.read()[0]["0.1"].attempts == 1


def test_exercises_of_other_editions_are_kept(lab_home: Path) -> None:
    record.attempted("9.9", True)
    record.attempted("0.1", False)
    assert set(record.read()[0]) == {"0.1", "9.9"}


def test_a_write_that_fails_keeps_the_old_file(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record.attempted("0.1", False)

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        assert "could not be kept" in (said := record.attempted("0.1", False)) and "no space left" in said
    assert record.read()[0]["0.1"].attempts == 1
    assert not (lab_home / "progress.draft").exists()


def test_a_home_that_cannot_be_used_still_grades(
    lab_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "file"))
    outcome = check("0.1", "text")
    assert "only text" in outcome.sentence and "could not be kept" in outcome.note
    assert "could not be kept" in progress().note


def test_a_lock_that_is_held_is_a_sentence(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "_PATIENCE_S", 0.1)
    lab_home.mkdir()
    with FileLock(lab_home / "progress.lock"):
        assert "another program holds it" in record.attempted("0.1", True)
