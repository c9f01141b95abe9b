"""Lesson 07's exercises against right, wrong, empty and raising answers; three of its solutions, live."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

import labkit
from labkit import LabkitError
from labkit.clinic.findings import Finding, Report
from labkit.lessons import BLANK, Kind, lesson_07, solution
from labkit.lessons.desk import grade
from labkit.lessons.lesson_07 import EXERCISES
from labkit.planner import per_million
from labkit.probes import Crowd, Speed, Sweep
from labkit.probes.crowd import Question
from labkit.probes.speed import Stream
from labkit.probes.sweep import Ceiling
from tests.lessons.graded import Graded
from tests.lessons.saved import Broken

BY_ID = {each.id: each for each in EXERCISES}
LAST = BY_ID["7.5"]


def speed(at_once: int, wait: float, seconds: float) -> Speed:
    return Speed(tuple(Stream(64, wait, seconds) for _ in range(at_once)), seconds, 128)


def sweep(*waits: float) -> Sweep:
    """At 1, 4, 16 and 64 at once: a second for all answers, with these waits for their first tokens."""
    sizes = (1, 4, 16, 64)
    return Sweep(tuple(speed(n, w, 1.0) for n, w in zip(sizes, waits, strict=False)), Ceiling(None, ""))


def knee(at_once: Any, enough: Any, *waits: float) -> dict[str, Any]:
    return {"sweep": sweep(*waits or (0.1, 0.2, 0.5, 3.0)), "at_once": at_once, "enough": enough}


def crowd(*questions: Question, struck: float | None = 3.0) -> Crowd:
    return Crowd("http://127.0.0.1:9/v1", 30, 10.0, 10.0, questions, 0.0, struck)


WHOLE, LOST = Question(1, 0.2, 1, "whole", 600), Question(4, None, 0.1, "lost")
FALLEN, DOLLARS = crowd(WHOLE, LOST), per_million(60, "2x4090")[1]
UP = "labkit up"

RIGHT: dict[str, list[Any]] = {
    "7.1": [{"gpu": "2x3090", "variant": "W4A16"}, {"gpu": "2x RTX 3090", "variant": "W4A16"}],
    "7.2": [
        knee(16, True),
        knee(16.0, True),
        knee(64, True, 0.1, 0.1, 0.1, 0.9),
        knee(1, False, 0.1, 1.5, 0.1, 0.1),
        knee(0, False, 2.0, 2.0, 2.0, 2.0),
    ],
    "7.3": [{"crowd": FALLEN, "command": UP}, {"crowd": FALLEN, "command": " labkit  up "}],
    "7.4": [{"crowd": crowd(WHOLE), "dollars": DOLLARS}, {"crowd": crowd(WHOLE), "dollars": DOLLARS * 1.03}],
}
WRONG: dict[str, list[tuple[Any, str]]] = {
    "7.1": [
        ("2x3090", "Wanted is `{"),
        ({"gpu": "2x3090"}, "Wanted is `{"),
        ({"gpu": "abacus", "variant": "FP8"}, "There is no GPU 'abacus'"),
        ({"gpu": "2x3090", "variant": "Q4_K_M"}, "vLLM does not run `Q4_K_M`"),
        ({"gpu": "4090", "variant": "W4A16"}, "RTX 4090 does not hold the class with W4A16: the KV cache"),
        ({"gpu": "H100", "variant": "FP8"}, "names no price for H100"),
        ({"gpu": "2x4090", "variant": "W4A16"}, "It fits, for 1.00 dollars a day"),
    ],
    "7.2": [
        (16, "Wanted is `{"),
        ({"sweep": 3, "at_once": 16, "enough": True}, "Wanted is `{"),
        (knee(16, "yes"), "You handed over `yes`"),
        (knee(16, True, 0.1, 0.2, 0.5), "has the sizes 1, 4, 16"),
        (knee(64, True), "at 64 the first token of 95 in 100 took 3.00 s"),
        (knee(4, True), "4 at once keeps the promise, and so does 16"),
        (knee(16, False), "this server answers 16.0 requests a second, and the class asks 3"),
        (knee(-1, True), "is not between"),
    ],
    "7.3": [
        (FALLEN, "Wanted is `{"),
        ({"crowd": [], "command": UP}, "Wanted is `{"),
        ({"crowd": crowd(LOST, struck=None), "command": UP}, "Nothing was done in the middle"),
        ({"crowd": crowd(WHOLE, Question(2, None, 1, "lost")), "command": UP}, "the router lived on"),
        ({"crowd": FALLEN, "command": "labkit up --replicas 2"}, "is not what the doctor says"),
    ],
    "7.4": [
        (DOLLARS, "Wanted is `{"),
        ({"crowd": sweep(), "dollars": 1}, "Wanted is `{"),
        ({"crowd": crowd(LOST), "dollars": 1}, "got no tokens"),
        ({"crowd": crowd(WHOLE), "dollars": DOLLARS / 2}, "with one card"),
        ({"crowd": crowd(WHOLE), "dollars": DOLLARS / 4}, "at 0.5 dollars a card"),
        ({"crowd": crowd(WHOLE), "dollars": 9}, "At 60 tokens a second and 4 dollars a day, 9 is not"),
        ({"crowd": crowd(WHOLE), "dollars": "free"}, "A number was wanted"),
    ],
}
EMPTY: dict[str, list[Any]] = {
    "7.1": [BLANK, None, {}, {"gpu": BLANK, "variant": "FP8"}],
    "7.2": [BLANK, None, {}, knee(BLANK, True)],
    "7.3": [BLANK, None, {}, {"crowd": FALLEN, "command": BLANK}],
    "7.4": [BLANK, None, {}, {"crowd": FALLEN, "dollars": BLANK}],
}
RAISING: dict[str, list[Any]] = {
    "7.1": [Broken(), {"gpu": Broken(), "variant": "FP8"}],
    "7.2": [Broken()],
    "7.3": [Broken(), {"crowd": FALLEN, "command": Broken()}],
    "7.4": [Broken(), {"crowd": FALLEN, "dollars": Broken()}],
}
OF_THE_LAST: list[tuple[Any, str]] = [
    ([sweep()], "Wanted is `{"),
    ({"knee": 16}, "Wanted is `{"),
    ({"sweep": 16}, "You handed over `16`"),
    ({"sweep": sweep(0.1)}, 'check("7.5", mine, session)'),
]
"""Wrong answers to 7.5, whose right ones want a deployment."""


class TestLesson07(Graded):
    exercises = EXERCISES[:-1]
    right, wrong, empty, raising = RIGHT, WRONG, EMPTY, RAISING
    met_elsewhere: ClassVar = {"7.3": {"down"}}

    @pytest.mark.engine
    def test_the_solutions_solve_it_on_the_live_model(self, live: labkit.Session) -> None:
        """Those that want replicas run in tests/test_replicas.py, on two real ones."""
        outcomes = {id: solution(id).run(live) for id in ("7.1", "7.2", "7.4")}
        assert all(outcomes.values()), outcomes


@pytest.mark.parametrize(("answer", "words"), OF_THE_LAST)
def test_the_last_takes_nothing_else_than_what_was_measured(answer: Any, words: str) -> None:
    outcome = grade(LAST, answer)
    assert outcome.kind is Kind.NOT_YET and words in outcome.sentence, outcome


@pytest.mark.parametrize("answer", [BLANK, None, {}, {"sweep": sweep(), "enough": BLANK}])
def test_the_last_with_a_blank_is_not_tried(answer: Any) -> None:
    assert grade(LAST, answer).kind is Kind.NOT_TRIED


class Down:
    """A session on a service that is down."""

    def chat(self, *_: Any, **__: Any) -> Any:
        raise LabkitError("nobody there")


def test_a_router_that_is_still_dead_is_told() -> None:
    outcome = grade(BY_ID["7.3"], {"crowd": FALLEN, "command": UP}, Down())
    assert outcome.kind is Kind.NOT_YET and "still does not answer" in outcome.sentence


def test_the_checklist_is_asked_live_and_its_first_open_row_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = Finding("price", "wrong", "no price", "It costs.", "per_million(...)")
    note, well = Finding("told", "note", "open pages"), Finding("key", "well", "asked for")
    asked: list[Any] = []

    def said(session: Any, **shown: Any) -> Report:
        asked.append((session, shown))
        return Report((well, note, *([bad] if len(asked) == 1 else [])), 0.1)

    monkeypatch.setattr(lesson_07, "readiness", said)
    first, second = (grade(LAST, {"enough": False}, "a session") for _ in range(2))
    assert asked[0] == ("a session", {"enough": False})
    assert first.kind is Kind.NOT_YET and second.kind is Kind.CORRECT
    assert "1 of the rows do not hold. The first: no price. It costs. Mend it: `per_m" in first.sentence
