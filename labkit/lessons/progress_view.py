"""How far a learner is: a bar for each lesson, a line for each exercise."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from labkit.lessons.record import Entry
from labkit.lessons.shelf import Lesson

TEXT = {
    "lesson": "lesson",
    "done": "done",
    "exercises": "exercises",
    "of": "{done} of {all}",
    "attempts": "{id}: {attempts}, correct since {day}",
    "open": "{id}: {attempts}, not yet correct",
    "untouched": "{id}: not tried",
    "once": "1 attempt",
    "often": "{n} attempts",
}

_CELLS = 10


@dataclass(frozen=True)
class Progress:
    """The state of all lessons, to be shown."""

    lessons: tuple[Lesson, ...]
    entries: Mapping[str, Entry] = field(default_factory=dict)
    note: str = ""
    """A sentence if the file could not be read."""

    def done(self, lesson: Lesson) -> int:
        """How many exercises of `lesson` have been answered correctly."""
        return sum(self.solved(each.id) for each in lesson.exercises)

    def solved(self, id: str) -> bool:
        """Whether this exercise has been answered correctly once."""
        return self._entry(id).first_correct is not None

    def _repr_markdown_(self) -> str:
        head = [f"| {TEXT['lesson']} | {TEXT['done']} | | {TEXT['exercises']} |", "|---|---|---|---|"]
        rows = [
            f"| {self._name(each)} | {self._bar(each)} | {self._count(each)} | {lines} |"
            for each in self.lessons
            for lines in ["<br>".join(self._lines(each))]
        ]
        return "\n".join([*head, *rows, *(["", f"*{self.note}*"] if self.note else [])])

    def _repr_html_(self) -> str:
        rows = "".join(self._html_row(each) for each in self.lessons)
        note = f"<p><em>{html.escape(self.note)}</em></p>" if self.note else ""
        head = "".join(
            f'<th style="text-align:left">{word}</th>'
            for word in (TEXT["lesson"], TEXT["done"], "", TEXT["exercises"])
        )
        return f"<table><tr>{head}</tr>{rows}</table>{note}"

    def __str__(self) -> str:
        lines = [f"{self._bar(each)} {self._count(each)}  {self._name(each)}" for each in self.lessons]
        return "\n".join([*lines, *filter(None, [self.note])])

    __repr__ = __str__

    def _html_row(self, lesson: Lesson) -> str:
        share = 100 * self.done(lesson) // len(lesson.exercises)
        bar = (
            '<div style="width:10em;height:0.8em;border-radius:0.4em;background:rgba(128,128,128,0.3)">'
            f'<div style="width:{share}%;height:100%;border-radius:0.4em;background:#2e7d32"></div></div>'
        )
        lines = "<br>".join(map(html.escape, self._lines(lesson)))
        cells = (html.escape(self._name(lesson)), bar, self._count(lesson), lines)
        return "<tr>" + "".join(f'<td style="text-align:left">{cell}</td>' for cell in cells) + "</tr>"

    def _name(self, lesson: Lesson) -> str:
        return f"{lesson.number} · {lesson.title}"

    def _count(self, lesson: Lesson) -> str:
        return TEXT["of"].format(done=self.done(lesson), all=len(lesson.exercises))

    def _bar(self, lesson: Lesson) -> str:
        full = _CELLS * self.done(lesson) // len(lesson.exercises)
        return "█" * full + "░" * (_CELLS - full)

    def _lines(self, lesson: Lesson) -> list[str]:
        return [self._line(each.id) for each in lesson.exercises]

    def _line(self, id: str) -> str:
        entry = self._entry(id)
        if not entry.attempts:
            return TEXT["untouched"].format(id=id)
        attempts = TEXT["once"] if entry.attempts == 1 else TEXT["often"].format(n=entry.attempts)
        if entry.first_correct is None:
            return TEXT["open"].format(id=id, attempts=attempts)
        day = datetime.fromisoformat(entry.first_correct).astimezone().strftime("%Y-%m-%d %H:%M")
        return TEXT["attempts"].format(id=id, attempts=attempts, day=day)

    def _entry(self, id: str) -> Entry:
        return self.entries.get(id, Entry())
