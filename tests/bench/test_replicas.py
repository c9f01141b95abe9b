"""The simulated class, against servers that play a model."""

from __future__ import annotations

import pytest

import labkit
from bench.replicas import Asked, ask, lesson, summary, table
from tests.misbehaving import Misbehaving


def test_what_is_counted() -> None:
    asked = [
        Asked(0.0, 0.1, 1.0, "whole"),
        Asked(1.0, 0.3, 1.0, "whole"),
        Asked(2.0, 0.2, 0.5, "cut"),
        Asked(3.0, None, 61.0, "lost"),
    ]
    found = summary(asked)
    assert (found["questions"], found["first token, p50 (s)"]) == (4, 0.2)
    assert (found["cut in mid-stream"], found["lost before a word"], found["hanging"]) == (1, 1, 1)
    lines = table({name: found for name in ("one", "two", "two, one killed")}, 30, 20.0).splitlines()
    assert lines[0] == "| 30 learners, a question every 20 s | one | two | two, one killed |"
    assert "| lost before a word | 1 | 1 | 1 |" in lines


@pytest.mark.parametrize(("fault", "outcome"), [("cut", "cut"), ("error", "cut"), ("fails", "lost")])
def test_what_became_of_a_question(fault: str, outcome: str, misbehaving: Misbehaving) -> None:
    session = labkit.Session(misbehaving.url(fault), "k", "m")
    found = ask(session, "Hello", 8, 0)
    assert found.outcome == outcome and (found.first_token_s is None) == (outcome == "lost")


def test_every_learner_asks_and_something_happens_in_the_middle(misbehaving: Misbehaving) -> None:
    session = labkit.Session(misbehaving.url("cut"), "k", "m")
    happened: list[bool] = []
    found = lesson(session, 4, 0.2, 1.5, 8, lambda: happened.append(True))
    assert happened == [True] and len(found) >= 8
    assert all(0 <= each.at_s <= 1.6 for each in found)
