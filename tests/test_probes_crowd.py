"""The simulated class, against servers that play a model."""

from __future__ import annotations

import time
from typing import Any

import numpy
import pytest

import labkit
from labkit import LabkitError
from labkit.probes.crowd import Crowd, Question, ask, crowd
from tests.fake_openai import KEY, MODEL, FakeOpenAI, serving
from tests.misbehaving import Misbehaving

ASKED = (
    Question(0.5, 0.1, 1.0, "whole", 40),
    Question(2.0, 0.3, 1.0, "whole", 60),
    Question(4.0, 0.2, 0.5, "cut"),
    Question(6.0, None, 61.0, "lost"),
)
STRUCK = Crowd("http://127.0.0.1:9/v1", 30, 20.0, 10.0, ASKED, 0.0, 3.0)


@pytest.mark.parametrize(("fault", "outcome"), [("cut", "cut"), ("error", "cut"), ("fails", "lost")])
def test_what_became_of_a_question(fault: str, outcome: str, misbehaving: Misbehaving) -> None:
    session = labkit.Session(misbehaving.url(fault), "k", "m")
    found = ask(session, "Hello", 8, 0)
    assert found.outcome == outcome and (found.first_token_s is None) == (outcome == "lost")


def test_every_learner_asks_and_something_happens_in_the_middle() -> None:
    happened: list[bool] = []
    with serving(FakeOpenAI().app) as url:
        session = labkit.Session(f"{url}/v1", KEY, MODEL)
        found = crowd(
            session, learners=4, pace=0.2, seconds=2, max_tokens=8, midway=lambda: happened.append(True)
        )
    assert happened == [True] and found.count("whole") == len(found.questions) >= 4
    assert all(0 <= each.at_s <= found.seconds for each in found.questions) and found.url == session.url
    assert found.struck_s is not None and 1 <= found.struck_s <= found.seconds
    assert found.after == tuple(each for each in found.questions if each.at_s > found.struck_s)
    assert found.tokens_per_s == pytest.approx(3 * len(found.questions) / found.seconds)


def test_what_happens_in_the_middle_may_fail_and_nobody_waits_for_the_end() -> None:
    def broken() -> None:
        raise LabkitError("boom")

    session, began = labkit.Session("http://127.0.0.1:9/v1", "k", "m"), time.monotonic()
    with pytest.raises(LabkitError, match="boom"):
        crowd(session, learners=2, pace=60, seconds=2, midway=broken)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("name", ["learners", "pace", "seconds"])
def test_a_class_of_nobody_is_refused(name: str) -> None:
    nothing: dict[str, Any] = {name: 0}
    with pytest.raises(LabkitError, match=f"{name} must be more than 0"):
        crowd(labkit.Session("http://127.0.0.1:9/v1", "k", "m"), **nothing)


def test_it_shows_what_became_of_them() -> None:
    assert (STRUCK.count("whole"), STRUCK.hanging, len(STRUCK.after)) == (2, 1, 2)
    assert "| 4 | 2 | 1 | 1 | 1 | 0.20 | 0.29 |" in STRUCK._repr_markdown_()
    assert "0.4 questions and 10 tokens a second" in STRUCK._repr_markdown_()
    assert str(STRUCK) == "4 questions: 2 answered whole, 1 cut, 1 lost, 1 hanging"
    nobody = Crowd("url", 1, 20.0, 1.0, (), 0.0)
    assert nobody.after == () and nobody.first_token(50) is None and "| - | - |" in nobody._repr_markdown_()


def test_the_chart_has_a_dot_for_each_and_a_line_where_it_was_struck() -> None:
    (axes,) = STRUCK.chart().axes
    names = [str(each.get_label()) for each in axes.collections]
    assert names == ["answered whole (2)", "cut in mid-answer (1)", "lost before a word (1)"]
    assert numpy.asarray(axes.lines[0].get_xdata()).tolist() == [3.0, 3.0]
