"""Lesson 04's exercises against right, wrong, empty and raising answers; its solutions, live."""

from __future__ import annotations

from typing import Any

import pytest

import labkit
from labkit.lessons import BLANK, Kind, Outcome, solution
from labkit.lessons.desk import grade
from labkit.lessons.exercise import Exercise
from labkit.lessons.lesson_04 import EXERCISES
from labkit.probes.charts import Charts, Read, made
from tests.lessons.saved import Broken, saved

BY_ID = {each.id: each for each in EXERCISES}
THINGS = ["red circle", "blue square", "green star", "black heart", "orange cross"]


def asked(
    said: str = "The third picture shows a green star.",
    things: list[str] = THINGS,
    wanted: str = "green star",
    tokens: int = 120,
) -> dict[str, Any]:
    return {"things": things, "wanted": wanted, "reply": saved(said, tokens=tokens)}


def read(right: int, tokens: int, n: int = 20, seed: int = 0) -> Charts:
    drawn = made(n, seed)
    return Charts(tuple(Read(each, f"{each.value + (i >= right):g}", tokens) for i, each in enumerate(drawn)))


def halved(small: Charts, worse: Any, full: Any = None) -> dict[str, Any]:
    return {"full": full or read(20, 130), "small": small, "worse": worse}


def exact(data: dict[str, Any]) -> bool:
    return bool(sum(each["price"] for each in data["items"]) == data["total"])


def careless(data: dict[str, Any]) -> bool:
    return bool(abs(sum(each["price"] for each in data["items"]) - data["total"]) < 0.005)


def careful(data: dict[str, Any]) -> bool:
    return bool(data["items"]) and careless(data)


RIGHT: dict[str, list[Any]] = {
    "4.1": [1008, 1008.0],
    "4.2": [careful],
    "4.3": [asked(), asked("Picture 3."), asked("It is the 3rd image.")],
    "4.4": [halved(read(8, 60), True), halved(read(18, 65), False)],
}
WRONG: dict[str, list[tuple[Any, str]]] = {
    "4.1": [(1009, "more than 1,000"), (980, "find the largest"), ("1008", "A number was wanted")],
    "4.2": [
        (True, "Wanted is the function itself"),
        (exact, "was refused"),
        (lambda data: True, "was trusted with a total"),
        (careless, "without items was trusted"),
    ],
    "4.3": [
        (THINGS, "Wanted is `{"),
        (asked() | {"reply": "The third"}, "A reply was wanted"),
        (asked(things=THINGS[:4]), "Only 4 things"),
        (asked(wanted="pink circle"), "one of the things"),
        (asked(things=[*THINGS, "green star"]), "just once"),
        (asked(tokens=9), "too few for 5 pictures"),
        (asked("The second picture shows a green star."), "is in place 3"),
        (asked("The third or the second one."), "is in place 3"),
        (asked("I see a green star."), "is in place 3"),
    ],
    "4.4": [
        (read(20, 130), "Wanted is `{"),
        (halved(read(8, 60), "yes"), "Wanted is `{"),
        (halved(read(8, 60, seed=1), True), "Ask both about the same ones"),
        (halved(read(4, 60, n=10), True, full=read(10, 130, n=10)), "20 or more"),
        (halved(read(8, 66), True), "more than half"),
        (halved(read(8, 60), False), "do not meet"),
        (halved(read(18, 60), True), "they overlap"),
    ],
}
EMPTY: dict[str, list[Any]] = {
    "4.1": [BLANK, None],
    "4.2": [BLANK, None, ""],
    "4.3": [BLANK, None, {}, asked() | {"reply": BLANK}],
    "4.4": [BLANK, None, {}, halved(read(8, 60), BLANK)],
}
RAISING: dict[str, list[Any]] = {
    "4.1": [Broken()],
    "4.2": [Broken(), lambda data: Broken().tax],
    "4.3": [Broken(), asked() | {"reply": Broken()}],
    "4.4": [Broken(), {"full": Broken(), "small": read(8, 60), "worse": True}],
}


def cases(table: dict[str, list[Any]]) -> list[Any]:
    return [pytest.param(id, each, id=f"{id}-{i}") for id, all in table.items() for i, each in enumerate(all)]


def test_every_exercise_has_its_four_kinds_of_cases() -> None:
    assert BY_ID.keys() == RIGHT.keys() == WRONG.keys() == EMPTY.keys() == RAISING.keys()


@pytest.mark.parametrize(("id", "answer"), cases(RIGHT))
def test_right(id: str, answer: Any) -> None:
    outcome = grade(BY_ID[id], answer)
    assert outcome.kind is Kind.CORRECT, outcome


@pytest.mark.parametrize(("id", "case"), cases(WRONG))
def test_wrong_says_what_was_found_and_the_next_step(id: str, case: tuple[Any, str]) -> None:
    outcome = grade(BY_ID[id], case[0])
    assert outcome.kind is Kind.NOT_YET and case[1] in outcome.sentence, outcome


@pytest.mark.parametrize("id", BY_ID)
def test_every_way_to_be_wrong_is_met_by_a_case(id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    met = set()
    said = Exercise.not_yet

    def listening(self: Exercise, key: str, **found: Any) -> Outcome:
        met.add(key)
        return said(self, key, **found)

    monkeypatch.setattr(Exercise, "not_yet", listening)
    for answer, _ in WRONG[id]:
        grade(BY_ID[id], answer)
    assert met == BY_ID[id].texts.not_yet.keys()


@pytest.mark.parametrize(("id", "answer"), cases(EMPTY))
def test_empty_is_not_tried(id: str, answer: Any) -> None:
    assert grade(BY_ID[id], answer).kind is Kind.NOT_TRIED


@pytest.mark.parametrize(("id", "answer"), cases(RAISING))
def test_raising_is_a_sentence(id: str, answer: Any) -> None:
    outcome = grade(BY_ID[id], answer)
    assert outcome.kind is Kind.RAISED and "RuntimeError: boom" in outcome.sentence, outcome


@pytest.mark.engine
@pytest.mark.parametrize("id", BY_ID)
def test_the_solutions_solve_it_on_the_live_model(id: str, session: labkit.Session) -> None:
    outcome = solution(id).run(session)
    assert outcome, outcome
