"""Widget: the course's lessons and exercises, how far you are, and which comes next."""

from __future__ import annotations

import html
from collections.abc import Mapping

from ipywidgets import HTML, Button

from labkit.lessons.desk import progress
from labkit.lessons.progress_view import Progress as View
from labkit.lessons.shelf import Lesson
from labkit.widgets.frame import Instrument
from labkit.widgets.parts import row

TEXT = {
    "title": "Progress",
    "refresh": "Look again",
    "refresh_tip": "Read your answers so far from the disk",
    "next": "{done} of {all} done. Next: exercise {id}, in lesson {lesson}.",
    "head": "lesson | done | exercises",
    "of": "{done} of {all}",
    "legend": "✓ correct · ◐ tried, not yet correct · ○ not tried",
    "all": "All {all} exercises are done. Well done!",
}
MARKS = {"solved": "✓", "tried": "◐", "open": "○"}


class Progress(Instrument):
    """A bar for each lesson, a line for each exercise, and the next one that is open."""

    TITLE = TEXT["title"]

    def __init__(self) -> None:
        self.view: View = progress()
        """What is shown."""
        self.table = HTML()
        self.again = Button(description=TEXT["refresh"], tooltip=TEXT["refresh_tip"])
        super().__init__(row(self.again), self.table)
        self.again.on_click(lambda _: self.attempt(self.look))
        self.attempt(self.look)

    def look(self) -> None:
        """Read the record anew."""
        self.view = progress()
        self.table.value = self._table()
        self.tell(self._sentence())

    def samples(self) -> Mapping[str, str]:
        return {"Python": "from labkit.lessons import progress\n\nprogress()"}

    def still_text(self) -> str:
        return str(self.view)

    def still_html(self) -> str:
        return self._table()

    def _table(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(_name(lesson))}</td><td>{self._bar(lesson)}</td><td>{self._marks(lesson)}</td></tr>"
            for lesson in self.view.lessons
        )
        head = "".join(f"<th>{html.escape(each)}</th>" for each in TEXT["head"].split(" | "))
        legend = html.escape(TEXT["legend"])
        return f"<table class='labkit-progress'><tr>{head}</tr>{rows}</table><p>{legend}</p>"

    def _bar(self, lesson: Lesson) -> str:
        done, count = self.view.done(lesson), len(lesson.exercises)
        words = TEXT["of"].format(done=done, all=count)
        return f'<meter min="0" max="{count}" value="{done}" aria-label="{words}"></meter> {words}'

    def _marks(self, lesson: Lesson) -> str:
        return " ".join(f"<span>{MARKS[self._state(each.id)]} {each.id}</span>" for each in lesson.exercises)

    def _state(self, id: str) -> str:
        if self.view.solved(id):
            return "solved"
        entry = self.view.entries.get(id)
        return "tried" if entry and entry.attempts else "open"

    def _sentence(self) -> str:
        every = [(lesson, each) for lesson in self.view.lessons for each in lesson.exercises]
        still = [(lesson, each) for lesson, each in every if not self.view.solved(each.id)]
        if not still:
            return TEXT["all"].format(all=len(every))
        lesson, first = still[0]
        done = len(every) - len(still)
        return TEXT["next"].format(done=done, all=len(every), id=first.id, lesson=_name(lesson))


def _name(lesson: Lesson) -> str:
    return f"{lesson.number} · {lesson.title}"
