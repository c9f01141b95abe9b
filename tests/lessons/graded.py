"""What the exercises of every lesson are put to: right, wrong, empty and raising answers; their solutions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest

import labkit
from labkit.lessons import BLANK, Kind, Outcome, solution
from labkit.lessons.desk import grade
from labkit.lessons.exercise import Exercise

Answers = Mapping[str, Sequence[Any]]


class Graded:
    """A lesson's test class inherits from it and gives its exercises, and answers by the exercise's id.

    Its solutions are run on the fixture `live`: the shared server, unless the lesson's file has another.
    """

    exercises: ClassVar[Sequence[Exercise]]
    right: ClassVar[Answers]
    wrong: ClassVar[Mapping[str, Sequence[tuple[Any, str]]]]
    """Answers with a word of the sentence that they must get."""
    empty: ClassVar[Answers]
    """Each list begins with the blank."""
    raising: ClassVar[Answers]
    """Answers that raise RuntimeError("boom") when they are looked at."""
    met_elsewhere: ClassVar[Mapping[str, set[str]]] = {}
    """By the exercise's id: ways to be wrong that need a session, and have a test of their own."""

    @property
    def by_id(self) -> dict[str, Exercise]:
        return {each.id: each for each in self.exercises}

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """`kind, id, answer` of a test are each of its cases; `id` alone is each exercise."""
        if "answer" in metafunc.fixturenames:
            table: Answers = getattr(self, metafunc.function.__name__.split("_")[1])
            cases = [
                pytest.param(id, each, id=f"{id}-{i}")
                for id, answers in table.items()
                for i, each in enumerate(answers)
            ]
            metafunc.parametrize(("id", "answer"), cases)
        elif "id" in metafunc.fixturenames:
            metafunc.parametrize("id", self.by_id)

    def test_every_exercise_has_its_four_kinds_of_cases(self) -> None:
        tables = (self.right, self.wrong, self.empty, self.raising)
        assert all(table.keys() == self.by_id.keys() and all(table.values()) for table in tables)
        assert all(answers[0] is BLANK for answers in self.empty.values())

    def test_right_is_correct(self, id: str, answer: Any) -> None:
        outcome = grade(self.by_id[id], answer)
        assert outcome.kind is Kind.CORRECT, outcome

    def test_wrong_says_what_was_found_and_the_next_step(self, id: str, answer: tuple[Any, str]) -> None:
        outcome = grade(self.by_id[id], answer[0])
        assert outcome.kind is Kind.NOT_YET and answer[1] in outcome.sentence, outcome

    def test_every_way_to_be_wrong_is_met_by_a_case(self, id: str, monkeypatch: pytest.MonkeyPatch) -> None:
        met = set(self.met_elsewhere.get(id, ()))
        said = Exercise.not_yet

        def listening(exercise: Exercise, key: str, **found: Any) -> Outcome:
            met.add(key)
            return said(exercise, key, **found)

        monkeypatch.setattr(Exercise, "not_yet", listening)
        for answer, _ in self.wrong[id]:
            grade(self.by_id[id], answer)
        assert met == self.by_id[id].texts.not_yet.keys()

    def test_empty_is_not_tried(self, id: str, answer: Any) -> None:
        outcome = grade(self.by_id[id], answer)
        assert outcome.kind is Kind.NOT_TRIED and f'hint("{id}")' in outcome.sentence, outcome

    def test_raising_is_a_sentence(self, id: str, answer: Any) -> None:
        outcome = grade(self.by_id[id], answer)
        assert outcome.kind is Kind.RAISED and "RuntimeError: boom" in outcome.sentence, outcome

    @pytest.mark.engine
    def test_the_solutions_solve_it_on_the_live_model(self, live: labkit.Session) -> None:
        outcomes = {id: solution(id).run(live) for id in self.by_id}
        assert all(outcomes.values()), outcomes
