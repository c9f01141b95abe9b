"""What a learner has done, kept in `$LABKIT_HOME/progress.json`.

The file holds, for each exercise: `attempts` (answers that were checked), `hints` (how many were shown) and
three times (UTC, ISO 8601; null until then): `first_correct`, `since` (the first attempt or hint) and `last`
(the newest). Several notebooks may write at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from labkit import home

TEXT = {
    "damaged": "Your progress file could not be read, so the count starts anew. "
    "The old file is kept as {path}.",
    "unkept": "Your progress could not be kept in {path}: {why}.",
}

_PATIENCE_S = 5.0


@dataclass
class Entry:
    """One exercise's history."""

    attempts: int = 0
    hints: int = 0
    first_correct: str | None = None
    since: str | None = None
    last: str | None = None


def read() -> tuple[dict[str, Entry], str]:
    """All entries by exercise, and a sentence if the file could not be used ("" if all is well)."""
    try:
        return parse(_path().read_text("utf-8")), ""
    except FileNotFoundError:
        return {}, ""
    except OSError as error:
        return {}, _unkept(error)
    except ValueError:
        return _set_aside()


def change(id: str, how: Callable[[Entry], None]) -> tuple[Entry, str]:
    """Apply `how` to the entry of `id` and keep it. Returns the entry, and a sentence if that went wrong."""
    from filelock import FileLock

    entry = Entry()
    try:
        with FileLock(home.home() / "progress.lock", timeout=_PATIENCE_S):
            entries, said = read()
            entry = entries.setdefault(id, entry)
            how(entry)
            entry.last = _now()
            entry.since = entry.since or entry.last
            _write(entries)
            return entry, said
    except OSError as error:  # filelock's Timeout is one
        how(entry)
        return entry, _unkept(error)


def attempted(id: str, correct: bool) -> str:
    """Count an attempt. Returns a sentence if it could not be kept."""

    def count(entry: Entry) -> None:
        entry.attempts += 1
        if correct and entry.first_correct is None:
            entry.first_correct = _now()

    return change(id, count)[1]


def _path() -> Path:
    return home.home() / "progress.json"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def parse(text: str) -> dict[str, Entry]:
    """The entries in a file's text. Raises ValueError for anything but what this module writes."""
    try:
        entries = {id: Entry(**values) for id, values in json.loads(text).items()}
    except (TypeError, AttributeError) as error:
        raise ValueError(str(error)) from None
    for entry in entries.values():
        if not (isinstance(entry.attempts, int) and isinstance(entry.hints, int)):
            raise ValueError("not a count")
        for when in filter(None, (entry.first_correct, entry.since, entry.last)):
            try:
                datetime.fromisoformat(when)
            except TypeError as error:
                raise ValueError(str(error)) from None
    return entries


def _set_aside() -> tuple[dict[str, Entry], str]:
    aside = _path().with_suffix(".damaged.json")
    try:
        _path().replace(aside)
    except OSError as error:
        return {}, _unkept(error)
    return {}, TEXT["damaged"].format(path=aside)


def _write(entries: dict[str, Entry]) -> None:
    """All or nothing. One writer at a time, by the lock, so the draft needs no name of its own."""
    draft = _path().with_suffix(".draft")
    try:
        draft.write_text(
            json.dumps({id: asdict(entry) for id, entry in sorted(entries.items())}, indent=2) + "\n", "utf-8"
        )
        draft.replace(_path())
    finally:
        draft.unlink(missing_ok=True)


def _unkept(error: OSError) -> str:
    why = error.strerror or "another program holds it"
    return TEXT["unkept"].format(path="`$LABKIT_HOME/progress.json`", why=why.lower())
