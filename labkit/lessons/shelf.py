"""Every lesson and its exercises: the modules `lesson_NN.py` of this package, found by their names."""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

from labkit.errors import LabkitError
from labkit.lessons.exercise import Exercise

TEXT = {"unknown": "There is no exercise {id!r}. There are: {known}."}


@dataclass(frozen=True)
class Lesson:
    """One lesson's exercises, in its order."""

    number: str
    """Two digits, as in the notebook's name."""
    title: str
    exercises: tuple[Exercise, ...]


@cache
def lessons() -> tuple[Lesson, ...]:
    """All lessons that have exercises, in the course's order."""
    names = [each.name for each in pkgutil.iter_modules([str(Path(__file__).parent)])]
    found = []
    for name in sorted(each for each in names if each.startswith("lesson_")):
        module = import_module(f"labkit.lessons.{name}")
        found.append(Lesson(name.removeprefix("lesson_"), module.TITLE, module.EXERCISES))
    return tuple(found)


def exercises() -> dict[str, Exercise]:
    """Every exercise by its id."""
    return {each.id: each for lesson in lessons() for each in lesson.exercises}


def exercise(id: str) -> Exercise:
    """The exercise `id`, such as "0.1". Raises LabkitError, with the known ones, for any other."""
    known = exercises()
    if str(id) not in known:
        raise LabkitError(TEXT["unknown"].format(id=str(id), known=", ".join(known)))
    return known[str(id)]
