from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from labkit.lessons import shelf
from labkit.lessons.record import Entry
from labkit.workshop import roll
from labkit.workshop.room import Room

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def at(minutes_ago: float) -> str:
    return (NOW - timedelta(minutes=minutes_ago)).isoformat()


@pytest.fixture
def here(tmp_path: Path) -> Room:
    for name in ("ann", "bob"):
        (tmp_path / name / ".labkit").mkdir(parents=True)
    return Room(("ann", "bob"), "shared", False, str(tmp_path), "/opt/course")


def file_of(here: Room, name: str) -> Path:
    return here.home_of(name) / ".labkit" / "progress.json"


def test_a_record_is_read(here: Room) -> None:
    file_of(here, "ann").write_text(json.dumps({"0.1": {"attempts": 2, "hints": 1}}))
    assert roll.entries_of(here, "ann") == {"0.1": Entry(2, 1)}
    assert roll.entries_of(here, "bob") == {}


@pytest.mark.parametrize("content", ["{half", '{"0.1": 3}', '{"0.1": {"since": 7}}', " " * 1_000_001])
def test_what_is_damaged_or_huge_does_not_count(here: Room, content: str) -> None:
    file_of(here, "ann").write_text(content)
    assert roll.entries_of(here, "ann") is None
    assert "does not count" in roll.row("ann", None).note


def test_a_link_to_anothers_record_is_not_followed(here: Room) -> None:
    file_of(here, "bob").write_text(json.dumps({"0.1": {"attempts": 9}}))
    file_of(here, "ann").symlink_to(file_of(here, "bob"))
    assert roll.entries_of(here, "ann") is None


def test_a_pipe_does_not_hold_the_board_up(here: Room) -> None:
    os.mkfifo(file_of(here, "ann"))
    assert roll.entries_of(here, "ann") is None


def test_a_file_of_another_user_does_not_count(here: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    file_of(here, "ann").write_text("{}")
    monkeypatch.setattr(roll, "_owner", lambda *_: os.getuid() + 1)
    assert roll.entries_of(here, "ann") is None
    assert roll.entries_of(replace(here, separate=True), "ann") is None


@pytest.mark.parametrize(
    ("entry", "stuck", "minutes"),
    [
        (Entry(1, 0, None, at(3), at(1)), False, 3),
        (Entry(1, 0, None, at(11), at(1)), True, 11),
        (Entry(4, 0, None, at(3), at(1)), True, 3),
        (Entry(9, 2, at(1), at(40), at(1)), False, 0),
        (Entry(1, 0), False, 0),
        (Entry(1, 0, None, at(-60), at(-60)), False, 0),
    ],
)
def test_who_is_stuck(entry: Entry, stuck: bool, minutes: int) -> None:
    row = roll.row("ann", {"0.1": entry}, now=NOW)
    assert (row.stuck, row.minutes, row.lesson, row.exercise) == (stuck, minutes, "00", "0.1")


def test_the_exercise_touched_last_is_where_somebody_is() -> None:
    entries = {
        "2.1": Entry(1, 0, at(9), at(20), at(9)),
        "0.1": Entry(1, 0, None, at(5), at(5)),
        "99.9": Entry(5),
    }
    row = roll.row("ann", entries, seen=NOW - timedelta(minutes=2), now=NOW)
    assert (row.exercise, row.solved, row.last) == ("0.1", 1, NOW - timedelta(minutes=2))


def test_who_has_done_nothing_yet() -> None:
    assert "not signed in" in roll.row("ann", {}).note
    assert "no exercise" in roll.row("ann", {}, here=True).note
    done = {id: Entry(1, 0, at(9), at(20), at(9)) for id in shelf.exercises()}
    assert roll.row("ann", done, now=NOW).note == roll.TEXT["finished"]


def test_the_list_for_a_spreadsheet() -> None:
    rows = [roll.row("ann", {"0.1": Entry(4, 0, None, at(3), at(1))}, now=NOW), roll.row("bob", {})]
    head, ann, bob = csv.reader(roll.as_csv(rows).splitlines())
    assert tuple(head) == roll.COLUMNS
    assert ann[:3] == ["ann", "00", "0.1"] and ann[6] == "yes" and bob[0] == "bob" and bob[6] == "no"
