"""Lesson 05's exercises against right, wrong, empty and raising answers; its solutions, live."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from openai.types.chat import ChatCompletionMessage

import labkit
from labkit import probes
from labkit.lessons import BLANK
from labkit.lessons.lesson_05 import EXERCISES
from labkit.probes.call_cases import CASES
from labkit.probes.calling import Answered, Calling
from labkit.reply import ToolCall
from labkit.tools import Done, Run
from tests.lessons.graded import Graded
from tests.lessons.saved import Broken

BY_ID = {each.id: each for each in EXERCISES}
# 36 of 40: the interval is four points wide at about 870 cases.
MEASURED = Calling(
    tuple(Answered(each, each.calls if i > 3 else (("x", {}),), "") for i, each in enumerate(CASES))
)


def talk(*tickers: str, words: Any = "NVDA costs 135.5 and AMD costs 120.", drop: int = 9) -> list[Any]:
    """A whole conversation about these shares."""
    prices = {"NVDA": 135.5, "AMD": 120.0, "AAPL": 1.0, "MSFT": 2.0}
    calls = [
        {
            "id": f"abcdefgh{i}",
            "type": "function",
            "function": {"name": "f", "arguments": json.dumps({"t": t})},
        }
        for i, t in enumerate(tickers)
    ]
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": json.dumps({"price": prices[t]})}
        for call, t in zip(calls, tickers, strict=True)
    ]
    asked = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "", "tool_calls": calls}]
    return [*asked, *results[:drop], {"role": "assistant", "content": words}]


def as_objects(messages: list[Any]) -> list[Any]:
    """The assistant's messages as the openai package gives them."""
    return [ChatCompletionMessage(**each) if each["role"] == "assistant" else each for each in messages]


def choosing(kind: Literal["a", "b"], size: int = 1) -> str:
    """Choose.

    kind: which one
    size: how large
    """
    return kind * size


def silent(kind: Literal["a", "b"]) -> None:
    """Choose."""


def no_choice(kind: str) -> None:
    """Choose.

    kind: which one
    """


def ran(name: str = "choosing", fault: str = "") -> Run:
    call = ToolCall(name, {"kind": "a"}, "abcdefgh1", '{"kind": "a"}')
    return Run([], done=[Done(call, '{"error": "no"}' if fault else "a", fault, None, 0.0)])


def up_to(
    most: Any, reason: Any = "too many", least: int = 1, names: tuple[str, ...] = ("buy_shares",)
) -> Any:
    def approve(call: ToolCall) -> Any:
        return (call.name in names and least <= call.arguments["shares"] <= most) or reason

    return approve


def enough(cases: Any) -> dict[str, Any]:
    return {"measured": MEASURED, "cases": cases}


BOTH = ("buy_shares", "sell_shares")
RIGHT: dict[str, list[Any]] = {
    "5.1": [talk("NVDA", "AMD"), as_objects(talk("NVDA", "AMD"))],
    "5.2": [{"tool": choosing, "run": ran()}, {"tool": labkit.tools.tool(choosing), "run": ran()}],
    "5.3": [up_to(10)],
    "5.4": [enough(870), enough(880.0)],
}
WRONG: dict[str, list[tuple[Any, str]]] = {
    "5.1": [
        ("words", "You handed over"),
        ([1, 2], "Wanted is the list of all messages"),
        ([{"role": "user", "content": "?"}], "asks for calls to two shares"),
        (talk("NVDA"), "asks for calls to two shares"),
        (talk("AAPL", "MSFT"), "the ones from above"),
        (talk("NVDA", "AMD", drop=1), "`abcdefgh1` has no result"),
        (talk("NVDA", "AMD")[:-1], "holds no words"),
        (talk("NVDA", "AMD", words=None), "holds no words"),
        (talk("NVDA", "AMD", words="NVDA costs 135.5."), "does not state 120"),
    ],
    "5.2": [
        (choosing, "Wanted is `{"),
        ({"tool": choosing, "run": "a run"}, "Wanted is `{"),
        ({"tool": {}, "run": ran()}, "This dict is no function"),
        ({"tool": no_choice, "run": ran("no_choice")}, "No parameter of `no_choice` is a choice"),
        ({"tool": silent, "run": ran("silent")}, "`kind: what it means`"),
        ({"tool": choosing, "run": ran("other")}, "The run called other, and not `choosing`"),
        ({"tool": choosing, "run": Run([])}, "The run called nothing"),
        ({"tool": choosing, "run": ran(fault="raised")}, "came to nothing"),
    ],
    "5.3": [
        (True, "Wanted is the function itself"),
        (up_to(9), "An order of 10 shares was not allowed"),
        (lambda call: "yes", "gave `'yes'`"),
        (up_to(11), "An order of 11 shares was allowed"),
        (up_to(10, least=-5), "An order of 0 shares was allowed"),
        (up_to(10, reason=False), "refused with `False`"),
        (up_to(10, names=BOTH), "`sell_shares` was allowed"),
    ],
    "5.4": [
        (870, "Wanted is `{"),
        (enough(400), "still 5.9 points wide"),
        (enough(2000), "fewer do"),
        (enough("870"), "A number was wanted"),
        (enough(0), "is not between"),
    ],
}
EMPTY: dict[str, list[Any]] = {
    "5.1": [BLANK, None, [], [BLANK]],
    "5.2": [BLANK, None, {}, {"tool": choosing, "run": BLANK}],
    "5.3": [BLANK, None, ""],
    "5.4": [BLANK, None, {}, enough(BLANK)],
}
RAISING: dict[str, list[Any]] = {
    "5.1": [[Broken()]],
    "5.2": [Broken(), {"tool": Broken(), "run": ran()}],
    "5.3": [Broken(), lambda call: Broken().limit],
    "5.4": [Broken(), enough(Broken())],
}


class TestLesson05(Graded):
    exercises = EXERCISES
    right, wrong, empty, raising = RIGHT, WRONG, EMPTY, RAISING


@pytest.mark.engine
def test_an_approval_of_the_lesson_holds_in_a_run(session: labkit.Session) -> None:
    known: dict[str, Any] = {"check": lambda id, answer: None}
    exec(BY_ID["5.3"].code, known)
    bought: list[int] = []

    def buy_shares(ticker: str, shares: int) -> str:
        """Buy shares of a stock.

        ticker: Stock symbol
        shares: How many shares
        """
        bought.append(shares)
        return "bought"

    tools = [labkit.tools.tool(buy_shares, approval=True)]
    for order in (500, 5):
        session.run(f"Buy {order} shares of NVDA.", tools=tools, approve=known["approve"])
    assert set(bought) <= {5}


@pytest.mark.engine
def test_most_of_the_forty_cases_are_called_right(session: labkit.Session) -> None:
    measured = probes.calling(session)
    assert measured.n == 40 and measured.right >= 28, measured
