"""Lesson 04's exercises against right, wrong, empty and raising answers; its solutions, live."""

from __future__ import annotations

from typing import Any

from labkit.lessons import BLANK
from labkit.lessons.lesson_04 import EXERCISES
from labkit.probes.charts import Charts, Read, made
from tests.lessons.graded import Graded
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


class TestLesson04(Graded):
    exercises = EXERCISES
    right, wrong, empty, raising = RIGHT, WRONG, EMPTY, RAISING
