"""What a notebook calls: check, hint, solution, progress."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labkit.display import no_formula
from labkit.errors import LabkitError
from labkit.lessons import record, shelf
from labkit.lessons.exercise import BLANK, Blank, Exercise, Kind, NotYet, Outcome, shown
from labkit.lessons.progress_view import Progress

TEXT = {
    "blank": 'Put your answer where the blank (____) stands, then run the cell again. hint("{id}") helps.',
    "none": "Your answer is None: print(...) gives nothing back, and neither does a function without return. "
    'Keep the value itself under a name, then check that name. hint("{id}") helps.',
    "empty": 'Your answer is empty: {found}. Fill it, then run the cell again. hint("{id}") helps.',
    "raised": "Looking at your answer raised {error}. Run the cell that made it again, then this one. "
    'solution("{id}") shows a way that works.',
    "hint": "**Hint {number} of {all}.** {words}",
    "more": 'hint("{id}") again tells you more.',
    "last": 'That was the last hint; solution("{id}") shows the code.',
    "solution": "**{id} · {title}**, one way to do it:",
}


@dataclass(frozen=True)
class Hint:
    """One stage of help."""

    markdown: str

    def __str__(self) -> str:
        return self.markdown.replace("**", "")

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        return no_formula(self.markdown)


@dataclass(frozen=True)
class Solution:
    """The code that solves an exercise: shown in a cell, runnable in a test."""

    exercise: Exercise

    @property
    def code(self) -> str:
        """As a learner would write it into a cell."""
        return self.exercise.code

    def run(self, session: Any) -> Outcome:
        """Run the code against a live model, and grade it. Nothing of it counts as the learner's progress."""

        def graded(id: str, answer: Any = BLANK, session: Any = None) -> Outcome:
            return grade(shelf.exercise(id), answer, session)

        tree = ast.parse(self.code)
        names: dict[str, Any] = {"session": session, "check": graded}
        last = tree.body.pop()
        assert isinstance(last, ast.Expr), "a solution ends with the call of check"
        exec(compile(tree, f"<solution {self.exercise.id}>", "exec"), names)
        outcome = eval(compile(ast.Expression(last.value), f"<solution {self.exercise.id}>", "eval"), names)
        assert isinstance(outcome, Outcome)
        return outcome

    def __str__(self) -> str:
        return self.code

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        head = TEXT["solution"].format(id=self.exercise.id, title=self.exercise.texts.title)
        return f"{head}\n\n```python\n{self.code}```"


def check(id: str, answer: Any = BLANK, session: Any = None) -> Outcome:
    """Grade the answer to exercise `id`, and count the attempt.

    session: the live model, for the few exercises that ask it. Whatever the answer is, the outcome is a
    sentence and no traceback. Raises LabkitError for an unknown exercise.
    """
    exercise = shelf.exercise(id)
    outcome = grade(exercise, answer, session)
    if outcome.kind is Kind.NOT_TRIED:
        return outcome
    note = record.attempted(exercise.id, correct=bool(outcome))
    return Outcome(outcome.kind, outcome.sentence, note)


def grade(exercise: Exercise, answer: Any, session: Any = None) -> Outcome:
    """The outcome alone, without counting it."""
    try:
        if untried := _untried(exercise.id, answer):
            return Outcome(Kind.NOT_TRIED, untried)
        outcome = exercise.check(answer, session)
        if not isinstance(outcome, Outcome):
            raise TypeError(f"the check of {exercise.id} gave no outcome")
        return outcome
    except NotYet as wrong:
        return Outcome(Kind.NOT_YET, str(wrong))
    except Exception as error:
        words = TEXT["raised"].format(error=_words(error), id=exercise.id)
        return Outcome(Kind.RAISED, words)


def hint(id: str) -> Hint:
    """The next hint for exercise `id`: each call tells more, and the last one stays."""
    exercise = shelf.exercise(id)
    hints = exercise.texts.hints

    def next_one(entry: record.Entry) -> None:
        entry.hints = min(entry.hints + 1, len(hints))

    entry, note = record.change(exercise.id, next_one)
    stage = TEXT["hint"].format(number=entry.hints, all=len(hints), words=hints[entry.hints - 1])
    onward = TEXT["last" if entry.hints == len(hints) else "more"].format(id=exercise.id)
    return Hint("\n\n".join(filter(None, [stage, onward, note])))


def solution(id: str) -> Solution:
    """The code that solves exercise `id`."""
    return Solution(shelf.exercise(id))


def progress() -> Progress:
    """How far you are: a bar for each lesson, attempts, and since when an exercise is solved."""
    entries, note = record.read()
    return Progress(shelf.lessons(), entries, note)


def _untried(id: str, answer: Any) -> str:
    """Why `answer` is none at all; "" if it is one."""
    if _blank(answer):
        return TEXT["blank"].format(id=id)
    if answer is None:
        return TEXT["none"].format(id=id)
    empty = isinstance(answer, str) and not answer.strip()
    if empty or (isinstance(answer, list | tuple | Mapping) and not answer):
        return TEXT["empty"].format(found=shown(repr(answer)), id=id)
    return ""


def _blank(answer: Any) -> bool:
    """Whether a blank is left, in the answer or inside it."""
    if isinstance(answer, Mapping):
        return any(map(_blank, answer.values()))
    if isinstance(answer, list | tuple):
        return any(map(_blank, answer))
    return isinstance(answer, Blank)


def _words(error: Exception) -> str:
    if isinstance(error, LabkitError):
        return f"this: {error}"
    try:
        return shown(f"{type(error).__name__}: {error}", 160)
    except Exception:
        return shown(type(error).__name__)
