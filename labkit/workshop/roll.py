"""Who is where: the progress of each learner, read from the file that only the learner can write."""

from __future__ import annotations

import csv
import io
import os
import pwd
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from labkit.lessons import record, shelf
from labkit.lessons.record import Entry
from labkit.workshop.room import Room

TEXT = {
    "away": "has not signed in yet",
    "fresh": "no exercise tried yet",
    "finished": "all done",
    "untrusted": "the progress file is not the learner's own, or damaged: it does not count",
    "stuck": "{id}: {minutes} minutes, {attempts} attempts, {hints} hints",
}
STUCK_MINUTES = 10
STUCK_ATTEMPTS = 4
_MOST_BYTES = 1_000_000
COLUMNS = (
    "learner",
    "lesson",
    "exercise",
    "solved",
    "attempts",
    "hints",
    "stuck",
    "minutes on it",
    "last activity",
)


@dataclass(frozen=True)
class Row:
    """One learner."""

    name: str
    lesson: str = ""
    """Its number, such as "02"; "" before the first exercise."""
    exercise: str = ""
    """The one touched last."""
    solved: int = 0
    attempts: int = 0
    """At that exercise."""
    hints: int = 0
    stuck: bool = False
    minutes: int = 0
    """Since the first attempt or hint at it, while it is not solved."""
    last: datetime | None = None
    """The last sign of life: a checked answer, a hint, or what the hub saw."""
    here: bool = False
    """Whether a server of theirs runs."""
    note: str = ""


def entries_of(room: Room, name: str) -> dict[str, Entry] | None:
    """A learner's record; None if it is not theirs or damaged, {} where there is none yet.

    The file lies in a folder that the learner controls, and this may run as root: no link is followed at the
    end, what is no plain file is left alone, and it must belong to the learner.
    """
    path = room.home_of(name) / ".labkit" / "progress.json"
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return {}
    except OSError:
        return None
    with open(opened, "rb") as file:
        found = os.fstat(opened)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != _owner(room, name):
            return None
        text = file.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        return None
    try:
        return record.parse(text.decode("utf-8"))
    except ValueError:
        return None


def _owner(room: Room, name: str) -> int:
    if not room.separate:
        return os.getuid()
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return -1


def row(
    name: str,
    entries: Mapping[str, Entry] | None,
    seen: datetime | None = None,
    here: bool = False,
    now: datetime | None = None,
) -> Row:
    """What the board says of one learner. seen: when the hub saw them last. Pure, but for `now`."""
    if entries is None:
        return Row(name, last=seen, here=here, note=TEXT["untrusted"])
    known = {id: each for id, each in entries.items() if id in shelf.exercises()}
    if not known:
        return Row(name, last=seen, here=here, note=TEXT["fresh"] if seen or here else TEXT["away"])
    now = now or datetime.now(UTC)
    id, latest = max(known.items(), key=lambda pair: (pair[1].last or "", pair[0]))
    solved = sum(each.first_correct is not None for each in known.values())
    since, last = _time(latest.since), _time(latest.last)
    open_ = latest.first_correct is None
    minutes = int((now - since) / timedelta(minutes=1)) if since and open_ else 0
    stuck = open_ and (minutes >= STUCK_MINUTES or latest.attempts >= STUCK_ATTEMPTS)
    finished = solved == len(shelf.exercises())
    return Row(
        name,
        lesson=next(each.number for each in shelf.lessons() if any(e.id == id for e in each.exercises)),
        exercise=id,
        solved=solved,
        attempts=latest.attempts,
        hints=latest.hints,
        stuck=stuck,
        minutes=max(0, minutes),
        last=max(filter(None, (last, seen)), default=None),
        here=here,
        note=TEXT["finished"] if finished else "",
    )


def as_csv(rows: Iterable[Row]) -> str:
    """One line a learner. What a spreadsheet would take for a formula cannot occur in a name."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for each in rows:
        last = each.last.isoformat(timespec="seconds") if each.last else ""
        facts = (each.solved, each.attempts, each.hints, "yes" if each.stuck else "no", each.minutes)
        writer.writerow([each.name, each.lesson, each.exercise, *facts, last])
    return text.getvalue()


def homes_are_closed(room: Room) -> list[str]:
    """The learners whose home others may enter; empty where all is well, or where all are one user."""
    if not room.separate:
        return []
    return [name for name in room.people if _open_to_others(room.home_of(name))]


def _open_to_others(home: Path) -> bool:
    try:
        return bool(home.stat().st_mode & 0o077)
    except OSError:
        return False


def _time(text: str | None) -> datetime | None:
    if not text:
        return None
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
