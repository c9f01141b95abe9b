"""Exercises: `check` an answer, ask for a `hint`, see the `solution`, watch your `progress`.

A notebook needs one line: `from labkit.lessons import *`, which also brings the blank, `____`.
"""

from labkit.lessons.desk import Hint, Solution, check, hint, progress, solution
from labkit.lessons.exercise import BLANK, Kind, Outcome

____ = blank = BLANK

__all__ = [
    "BLANK",
    "Hint",
    "Kind",
    "Outcome",
    "Solution",
    "____",
    "blank",
    "check",
    "hint",
    "progress",
    "solution",
]
