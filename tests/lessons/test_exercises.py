"""The texts and the solutions of all exercises."""

from __future__ import annotations

import ast

import pytest

from labkit.lessons import shelf

EVERY_LESSONS = shelf.exercises()


@pytest.mark.parametrize("id", EVERY_LESSONS)
def test_the_texts_and_the_solution_are_whole(id: str) -> None:
    exercise = EVERY_LESSONS[id]
    assert len(exercise.texts.hints) >= 2 and exercise.texts.title and exercise.texts.not_yet
    compile(exercise.code, id, "exec")
    last = ast.parse(exercise.code).body[-1]
    assert ast.unparse(last).startswith(f"check('{id}', ")
