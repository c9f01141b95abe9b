"""Lesson 00's exercises against right, wrong, empty and raising answers; the texts and solutions of all."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace as Box
from typing import Any

import pytest

import labkit
from labkit.lessons import BLANK, Kind, Outcome, lesson_00, shelf, solution
from labkit.lessons.desk import grade
from labkit.lessons.exercise import Exercise
from tests.lessons.saved import Broken, saved

CHART = {"Ada": 31, "Bo": 18, "Cy": 24.5}
READ = saved("A bar chart titled Points: Ada 31, Bo 18, Cy 24.5.")
TWO = saved("", {"ticker": "NVDA"}, {"ticker": "AMD"})


def chart(**change: Any) -> dict[str, Any]:
    return {"values": CHART, "title": "Points", "reply": READ} | change


@dataclass(frozen=True)
class Cases:
    """right: answers that are correct. wrong: answers with a word of the sentence that they must get."""

    right: Sequence[Any]
    wrong: Sequence[tuple[Any, str]]
    empty: Sequence[Any]
    raising: Sequence[Any]


CASES = {
    "0.1": Cases(
        right=[
            saved("A token is a word, or a piece of one."),
            Box(choices=[Box(message=Box(content="Yes.", tool_calls=None), finish_reason="stop")]),
        ],
        wrong=[
            ("A token is a word.", "not `reply.text`"),
            (saved("  "), "no words"),
            (saved("", {"ticker": "AAPL"}), "no words"),
            (saved("A tok", end=None), "broke off"),
            (saved("A tok", end="length"), "max_tokens"),
            (42, "`42` is an int"),
        ],
        empty=[BLANK, BLANK.text, None, "", " ", []],
        raising=[Broken()],
    ),
    "0.2": Cases(
        right=[chart(), chart(title="points", reply=saved("POINTS. Ada has 31, Bo 18; Cy: 24.5"))],
        wrong=[
            (READ, "dictionary"),
            ({"values": CHART, "title": "Points"}, "no reply"),
            (chart(values={"Ada": 31, "Bo": 18}), "three names"),
            (chart(values={"Ada": "x", "Bo": 18, "Cy": 2}), "three names"),
            (chart(values={"Mon": 12, "Tue": 7, "Wed": 19, "Thu": 15}), "chart above"),
            (chart(title=" "), "no title"),
            (chart(reply=saved("Points: Ada 31, Bo 180.")), "does not name 18, 24.5"),
            (chart(reply=saved("Ada 31, Bo 18, Cy 24.5")), "not the title, `Points`"),
            (chart(reply="Ada 31"), "A reply was wanted"),
        ],
        empty=[BLANK, None, "", {}, chart(reply=BLANK)],
        raising=[Broken(), chart(reply=Broken())],
    ),
    "0.3": Cases(
        right=[
            TWO,
            saved("One moment.", {"symbol": "BRK.B"}, {"symbol": "MSFT"}),
            Box(
                choices=[
                    Box(
                        finish_reason="tool_calls",
                        message=Box(
                            content=None,
                            tool_calls=[
                                Box(id=t, function=Box(name="price", arguments=f'{{"ticker": "{t}"}}'))
                                for t in ("NVDA", "SAP")
                            ],
                        ),
                    )
                ]
            ),
        ],
        wrong=[
            (saved("NVDA costs 100 dollars."), "in words, `NVDA costs 100 dollars.`"),
            (saved("", {"ticker": "NVDA"}), "a call for `NVDA`"),
            (saved("", {"ticker": "NVDA"}, {"ticker": "NVDA"}), "a call for `NVDA`"),
            (saved("", {"ticker": "NVDA, AMD"}), "at once"),
            (saved("", {"tickers": ["NVDA", "AMD"]}), "at once"),
            (saved("", {"city": "Paris"}), "no ticker"),
            (saved("", {}, {}), "no ticker"),
            (saved("", "{broken", {"ticker": "AMD"}), "no JSON"),
            (saved("", {"ticker": "AAPL"}, {"ticker": "MSFT"}), "from above"),
            (TWO.tool_calls, "A reply was wanted"),
        ],
        empty=[BLANK, None, "", []],
        raising=[Broken()],
    ),
}

EXERCISES = {each.id: each for each in lesson_00.EXERCISES}
EVERY_LESSONS = shelf.exercises()


def test_every_exercise_has_its_four_kinds_of_cases() -> None:
    assert CASES.keys() == EXERCISES.keys()
    assert all(
        case.right and case.wrong and case.raising and case.empty[0] is BLANK for case in CASES.values()
    )


def cases(kind: str) -> list[Any]:
    return [
        pytest.param(id, answer, id=f"{id}-{i}")
        for id, case in CASES.items()
        for i, answer in enumerate(getattr(case, kind))
    ]


@pytest.mark.parametrize(("id", "answer"), cases("right"))
def test_right(id: str, answer: Any) -> None:
    outcome = grade(EXERCISES[id], answer)
    assert outcome.kind is Kind.CORRECT, outcome


@pytest.mark.parametrize(("id", "case"), cases("wrong"))
def test_wrong_says_what_was_found_and_the_next_step(id: str, case: tuple[Any, str]) -> None:
    outcome = grade(EXERCISES[id], case[0])
    assert outcome.kind is Kind.NOT_YET and case[1] in outcome.sentence, outcome


@pytest.mark.parametrize("id", EXERCISES)
def test_every_way_to_be_wrong_is_met_by_a_case(id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    met = set()
    said = Exercise.not_yet

    def listening(self: Exercise, key: str, **found: Any) -> Outcome:
        met.add(key)
        return said(self, key, **found)

    monkeypatch.setattr(Exercise, "not_yet", listening)
    for answer, _ in CASES[id].wrong:
        grade(EXERCISES[id], answer)
    assert met == EXERCISES[id].texts.not_yet.keys()


@pytest.mark.parametrize(("id", "answer"), cases("empty"))
def test_empty_is_not_tried(id: str, answer: Any) -> None:
    outcome = grade(EXERCISES[id], answer)
    assert outcome.kind is Kind.NOT_TRIED and f'hint("{id}")' in outcome.sentence, outcome


@pytest.mark.parametrize(("id", "answer"), cases("raising"))
def test_raising_is_a_sentence(id: str, answer: Any) -> None:
    outcome = grade(EXERCISES[id], answer)
    assert outcome.kind is Kind.RAISED and "RuntimeError: boom" in outcome.sentence, outcome


@pytest.mark.parametrize("id", EVERY_LESSONS)
def test_the_texts_and_the_solution_are_whole(id: str) -> None:
    exercise = EVERY_LESSONS[id]
    assert len(exercise.texts.hints) >= 2 and exercise.texts.title and exercise.texts.not_yet
    compile(exercise.code, id, "exec")
    last = ast.parse(exercise.code).body[-1]
    assert ast.unparse(last).startswith(f"check('{id}', ")


@pytest.mark.engine
def test_the_solutions_solve_it_on_the_live_model(session: labkit.Session) -> None:
    others = ("1.", "3.", "7.")  # their own tests have an Ollama, a model in this process, replicas
    here = [id for id in EVERY_LESSONS if not id.startswith(others)]
    outcomes = {id: solution(id).run(session) for id in here}
    assert all(outcomes.values()), outcomes
