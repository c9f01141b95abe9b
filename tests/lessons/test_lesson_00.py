"""Lesson 00's exercises against right, wrong, empty and raising answers; its solutions, live."""

from __future__ import annotations

from types import SimpleNamespace as Box
from typing import Any

from labkit.lessons import BLANK
from labkit.lessons.lesson_00 import EXERCISES
from tests.lessons.graded import Graded
from tests.lessons.saved import Broken, saved

CHART = {"Ada": 31, "Bo": 18, "Cy": 24.5}
READ = saved("A bar chart titled Points: Ada 31, Bo 18, Cy 24.5.")
TWO = saved("", {"ticker": "NVDA"}, {"ticker": "AMD"})


def chart(**change: Any) -> dict[str, Any]:
    return {"values": CHART, "title": "Points", "reply": READ} | change


RIGHT: dict[str, list[Any]] = {
    "0.1": [
        saved("A token is a word, or a piece of one."),
        Box(choices=[Box(message=Box(content="Yes.", tool_calls=None), finish_reason="stop")]),
    ],
    "0.2": [chart(), chart(title="points", reply=saved("POINTS. Ada has 31, Bo 18; Cy: 24.5"))],
    "0.3": [
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
}
WRONG: dict[str, list[tuple[Any, str]]] = {
    "0.1": [
        ("A token is a word.", "not `reply.text`"),
        (saved("  "), "no words"),
        (saved("", {"ticker": "AAPL"}), "no words"),
        (saved("A tok", end=None), "broke off"),
        (saved("A tok", end="length"), "max_tokens"),
        (42, "`42` is an int"),
    ],
    "0.2": [
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
    "0.3": [
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
}
EMPTY: dict[str, list[Any]] = {
    "0.1": [BLANK, BLANK.text, None, "", " ", []],
    "0.2": [BLANK, None, "", {}, chart(reply=BLANK)],
    "0.3": [BLANK, None, "", []],
}
RAISING: dict[str, list[Any]] = {
    "0.1": [Broken()],
    "0.2": [Broken(), chart(reply=Broken())],
    "0.3": [Broken()],
}


class TestLesson00(Graded):
    exercises = EXERCISES
    right, wrong, empty, raising = RIGHT, WRONG, EMPTY, RAISING
