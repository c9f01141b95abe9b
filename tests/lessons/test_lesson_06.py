"""Lesson 06's exercises against right, wrong, empty and raising answers; its solutions, live."""

from __future__ import annotations

from copy import deepcopy
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

import labkit
from labkit import LabkitError, catalog
from labkit.clinic import pile
from labkit.clinic.pile import Pile
from labkit.lessons import BLANK
from labkit.lessons.desk import grade
from labkit.lessons.lesson_06 import BROKEN, EXERCISES
from tests.lessons.graded import Graded
from tests.lessons.saved import Broken

BY_ID = {each.id: each for each in EXERCISES}
CAUSE = catalog.symptoms()["context-over-cache"].sample
WRAPS = catalog.symptoms()["engine-failed"].sample
LOG = f"INFO: loading\nINFO: done\n{CAUSE}\n{WRAPS}\n"
THREE = {"base-url": "no-v1", "nobody-there": "connection-refused", "other-service": "other-service"}
NINE = "a1B2c3D4e"


def line(text: Any, log: Any = LOG) -> dict[str, Any]:
    return {"log": log, "line": text}


def mended(call: str = NINE, result: str = NINE, drop: int = 1) -> list[dict[str, Any]]:
    """The conversation with these ids, without its last messages."""
    messages = deepcopy(BROKEN)[: len(BROKEN) - drop]
    messages[1]["tool_calls"][0]["id"] = call
    if len(messages) > 2:
        messages[2]["tool_call_id"] = result
    return messages


def halved(bad: Any, tries: int = 5) -> dict[str, Any]:
    made = Pile(None, bad=11)  # type: ignore[arg-type]
    made.tries = tries
    return {"pile": made, "bad": bad}


RIGHT: dict[str, list[Any]] = {
    "6.1": [line(CAUSE), line(f"  {CAUSE}  ")],
    "6.2": [THREE],
    "6.3": [
        mended(),
        [*mended(), {"role": "assistant", "content": "Clear."}, {"role": "user", "content": "?"}],
    ],
    "6.4": [halved(11), halved(11.0, tries=4)],
}
WRONG: dict[str, list[tuple[Any, str]]] = {
    "6.1": [
        (CAUSE, "Wanted is `{"),
        (line(3), "Wanted is `{"),
        (line(f"{CAUSE}\n{WRAPS}"), "That is 2 lines"),
        (line("ValueError: mine"), "is no line of this log"),
        (line("INFO: done"), "names no cause"),
        (line(WRAPS), "Read on upwards"),
    ],
    "6.2": [
        ("no-v1", "Wanted is a dict"),
        ({"base-url": "no-v1"}, "Wanted is a dict"),
        (THREE | {"base-url": "weather"}, "`weather` is none of the choices of base-url"),
        (
            THREE | {"other-service": "port-taken"},
            "other-service: not `port-taken`, which would mean: Another",
        ),
    ],
    "6.3": [
        ("messages", "Wanted is the mended list"),
        ([1], "Wanted is the mended list"),
        (mended(drop=2), "is gone"),
        (mended("call_1", "call_1"), "The call has the id `call_1`"),
        (mended(NINE, "call_1"), "The result has the id `call_1`"),
        (mended(drop=0), "The last message is the assistant's"),
    ],
    "6.4": [
        (11, "Wanted is `{"),
        ({"pile": [], "bad": 11}, "Wanted is `{"),
        (halved(11, tries=0), "You have asked nothing yet"),
        ({**halved(11), "bad": 3}, "It is not turn 3"),
        (halved(11, tries=6), "it took 6 requests"),
        ({**halved(11), "bad": 16}, "is not between 0 and 15"),
    ],
}
EMPTY: dict[str, list[Any]] = {
    "6.1": [BLANK, None, {}, line(BLANK)],
    "6.2": [BLANK, None, {}, THREE | {"base-url": BLANK}],
    "6.3": [BLANK, None, [], [BLANK]],
    "6.4": [BLANK, None, {}, {**halved(11), "bad": BLANK}],
}
RAISING: dict[str, list[Any]] = {
    "6.1": [Broken()],
    "6.2": [Broken(), THREE | {"base-url": Broken()}],
    "6.3": [Broken(), [{"role": Broken()}]],
    "6.4": [Broken(), {**halved(11), "bad": Broken()}],
}


class TestLesson06(Graded):
    exercises = EXERCISES
    right, wrong, empty, raising = RIGHT, WRONG, EMPTY, RAISING
    met_elsewhere: ClassVar = {"6.3": {"refused"}}


class Refuses:
    """A session that refuses what it is asked."""

    def chat(self, *_: Any, **__: Any) -> Any:
        raise LabkitError("out of luck")


def test_a_mended_conversation_is_asked_of_the_model() -> None:
    outcome = grade(BY_ID["6.3"], mended(), Refuses())
    assert outcome.sentence == "The server still refuses it: out of luck"


def test_answers_are_left_as_they_are() -> None:
    answer, before = mended(), mended()
    grade(BY_ID["6.3"], answer)
    assert answer == before
    assert BROKEN[1]["tool_calls"][0]["id"] == "call_1"


def test_a_pile_counts_and_hides_one_bad_turn() -> None:
    made = Pile(SimpleNamespace())  # type: ignore[arg-type]
    assert sum(map(made.is_bad, range(len(made)))) == 1
    assert repr(made) == pile.TEXT["pile"].format(turns=16, tries=0)


@pytest.mark.engine
def test_the_conversation_to_mend_is_refused_for_both_reasons(session: labkit.Session) -> None:
    for messages, words in (
        (mended("call_1", "call_1"), "length of 9"),
        (mended(drop=0), "from the assistant"),
    ):
        with pytest.raises(LabkitError, match=words):
            session.chat(messages)
    assert not Pile(session, bad=3).works(range(16))
    assert Pile(session, bad=3).works([*range(3), *range(4, 16)])
