"""The table of the class, from questions that are made up."""

from __future__ import annotations

from bench.replicas import summary, table
from labkit.probes.crowd import Crowd, Question


def test_what_is_counted() -> None:
    asked = (
        Question(0.0, 0.1, 1.0, "whole"),
        Question(1.0, 0.3, 1.0, "whole"),
        Question(2.0, 0.2, 0.5, "cut"),
        Question(3.0, None, 61.0, "lost"),
    )
    found = summary(Crowd("url", 30, 20.0, 64.0, asked, 0.0))
    assert (found["questions"], found["first token, p50 (s)"]) == (4, 0.2)
    assert (found["cut in mid-stream"], found["lost before a word"], found["hanging"]) == (1, 1, 1)
    lines = table({name: found for name in ("one", "two", "two, one killed")}, 30, 20.0).splitlines()
    assert lines[0] == "| 30 learners, a question every 20 s | one | two | two, one killed |"
    assert "| lost before a word | 1 | 1 | 1 |" in lines
