"""Lesson 05, Function calling: the loop by hand, a tool of your own, approval, how far to trust a score."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from labkit.errors import LabkitError
from labkit.lessons import grading
from labkit.lessons.exercise import Exercise, Outcome, shown
from labkit.lessons.texts_05 import TEXT
from labkit.probes import Calling, wilson
from labkit.reply import ToolCall
from labkit.tools import Run, tool

TITLE = "Function calling"

_LESSONS_TICKERS = {"AAPL", "MSFT"}
_WIDTH = 0.04


class ByHand(Exercise):
    """5.1: a conversation with calls, their results, and words that state them."""

    id = "5.1"
    texts = TEXT[id]
    code = """\
import json
from labkit import catalog
from labkit.tools import tool

def get_stock_price(ticker: str) -> dict:
    \"\"\"Get the current stock price of a company.

    ticker: Ticker symbol, such as AAPL
    \"\"\"
    return {"price": catalog.load("share_prices")[ticker][-1], "currency": "USD"}

tools = [tool(get_stock_price).schema]
messages = [{"role": "user", "content": "What is the current price of NVDA and AMD?"}]
for _ in range(2):
    answer = session.chat(messages, tools=tools)
    messages.append(answer.message)
    for call in answer.tool_calls:
        result = json.dumps(get_stock_price(**call.arguments))
        messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
check("5.1", messages)
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: the messages, as dicts or as the openai package's objects."""
        if not isinstance(answer, list):
            return self.not_yet("form", found=shown(answer))
        messages = [_plain(each) for each in answer]
        if not all(isinstance(each, Mapping) and each.get("role") for each in messages):
            return self.not_yet("form", found=shown(answer))
        calls = [call for each in messages for call in each.get("tool_calls") or ()]
        if len({call["function"]["arguments"] for call in calls}) < 2:
            return self.not_yet("calls")
        if all(any(old in call["function"]["arguments"] for old in _LESSONS_TICKERS) for call in calls):
            return self.not_yet("copied")
        results = {each.get("tool_call_id"): each for each in messages if each["role"] == "tool"}
        for call in calls:
            if call["id"] not in results:
                return self.not_yet("results", id=shown(call["id"]))
        words = messages[-1].get("content")
        if messages[-1]["role"] != "assistant" or not isinstance(words, str) or not words.strip():
            return self.not_yet("words")
        stated = grading.numbers(words)
        for each in results.values():
            given = grading.numbers(str(each["content"]))
            if given and not set(given) & set(stated):
                return self.not_yet("unused", number=f"{given[0]:g}")
        return self.correct(calls=len(calls))


class OwnTool(Exercise):
    """5.2: a function with a choice and words for each parameter, called in a run."""

    id = "5.2"
    texts = TEXT[id]
    code = """\
from typing import Literal

def get_weather(city: str, unit: Literal["celsius", "fahrenheit"] = "celsius") -> dict:
    \"\"\"Get the current weather in a city.

    city: Name of the city
    unit: Unit of temperature
    \"\"\"
    return {"temperature": 21 if unit == "celsius" else 70, "condition": "sunny"}

run = session.run("What is the weather in Rome?", tools=[get_weather])
check("5.2", {"tool": get_weather, "run": run})
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: {"tool": a function, "run": a Run}."""
        if not isinstance(answer, Mapping) or not isinstance(answer.get("run"), Run) or "tool" not in answer:
            return self.not_yet("form", found=shown(answer))
        try:
            made = tool(answer["tool"])
        except LabkitError as error:
            return self.not_yet("tool", why=error)
        parameters = made.parameters["properties"]
        if not any("enum" in each for each in parameters.values()):
            return self.not_yet("choice", name=shown(made.name))
        for name, each in parameters.items():
            if not each.get("description"):
                return self.not_yet("undescribed", parameter=name)
        mine = [each for each in answer["run"].done if each.call.name == made.name]
        if not mine:
            found = ", ".join(name for name, _ in answer["run"].calls) or "nothing"
            return self.not_yet("uncalled", found=found, name=shown(made.name))
        if good := [each for each in mine if not each.fault]:
            return self.correct(call=str(good[0].call))
        return self.not_yet("fault", content=shown(mine[0].content, 120))


class Approval(Exercise):
    """5.3: a function that allows small orders and refuses all else, with a reason."""

    id = "5.3"
    texts = TEXT[id]
    code = """\
def approve(call):
    if call.name == "buy_shares" and 0 < call.arguments["shares"] <= 10:
        return True
    return "only orders of 1 to 10 shares are allowed"

check("5.3", approve)
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: the function."""
        if not callable(answer):
            return self.not_yet("form", found=shown(answer))
        for shares in (1, 3, 10):
            if (said := answer(_order(shares))) is not True:
                return self.not_yet("few", shares=shares, found=shown(repr(said)))
        for shares in (11, 500, 0, -3):
            if (said := answer(_order(shares))) is True:
                return self.not_yet("many", shares=shares)
            if not isinstance(said, str) or not said.strip():
                return self.not_yet("reason", shares=shares, found=shown(repr(said)))
        if answer(_order(3, "sell_shares")) is True:
            return self.not_yet("name")
        return self.correct(reason=shown(answer(_order(11)), 100))


class Enough(Exercise):
    """5.4: the number of cases whose interval is four points wide."""

    id = "5.4"
    texts = TEXT[id]
    code = """\
from labkit import probes

measured = probes.calling(session)
cases, low, high = measured.n, *measured.interval
while high - low >= 0.04:
    cases += 1
    low, high = probes.wilson(cases * measured.right / measured.n, cases)
check("5.4", {"measured": measured, "cases": cases})
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: {"measured": a Calling, "cases": a whole number}."""
        if not isinstance(answer, Mapping) or not isinstance(answer.get("measured"), Calling):
            return self.not_yet("form", found=shown(answer))
        measured = answer["measured"]
        cases = int(grading.number(answer.get("cases"), 1, 1_000_000, "cases"))
        found = {"cases": cases, "points": 100 * _wide(measured, cases)}
        if _wide(measured, round(cases * 1.05)) >= _WIDTH:
            return self.not_yet("few", **found)
        if cases > 1 and _wide(measured, round(cases * 0.95)) < _WIDTH:
            return self.not_yet("more", **found)
        low, high = measured.interval
        return self.correct(cases=cases, n=measured.n, points=100 * (high - low))


def _order(shares: int, name: str = "buy_shares") -> ToolCall:
    arguments = {"ticker": "NVDA", "shares": shares}
    return ToolCall(name, arguments, "abcdefgh1", json.dumps(arguments))


def _wide(measured: Calling, cases: int) -> float:
    low, high = wilson(cases * measured.right / measured.n, cases)
    return high - low


def _plain(message: Any) -> Any:
    """A message as a dict: the openai package's own objects are welcome."""
    return message.model_dump(exclude_none=True) if hasattr(message, "model_dump") else message


EXERCISES: tuple[Exercise, ...] = (ByHand(), OwnTool(), Approval(), Enough())
