"""What a learner has done, kept in `$LABKIT_HOME/progress.json`.

The file holds, for each exercise: `attempts` (answers that were checked), `hints` (how many were shown) and
`first_correct` (when, in UTC, ISO 8601; null until then). Several notebooks may write at once.
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


def read() -> tuple[dict[str, Entry], str]:
    """All entries by exercise, and a sentence if the file could not be used ("" if all is well)."""
    try:
        return _parse(_path().read_text("utf-8")), ""
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
            entry.first_correct = datetime.now(UTC).isoformat(timespec="seconds")

    return change(id, count)[1]


def _path() -> Path:
    return home.home() / "progress.json"


def _parse(text: str) -> dict[str, Entry]:
    """Raises ValueError for anything but what `_write` writes."""
    try:
        entries = {id: Entry(**values) for id, values in json.loads(text).items()}
    except (TypeError, AttributeError) as error:
        raise ValueError(str(error)) from None
    for entry in entries.values():
        if not (
            isinstance(entry.attempts, int)
            and isinstance(entry.hints, int)
            and isinstance(entry.first_correct, str | None)
        ):
            raise ValueError("not a count")
        if entry.first_correct:
            datetime.fromisoformat(entry.first_correct)
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
