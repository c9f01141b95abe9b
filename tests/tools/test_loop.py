"""The loop where all goes well, and what it takes and gives; on a script, and on the three real engines."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pydantic
import pytest

from labkit.errors import LabkitError
from labkit.reply import ToolCall
from labkit.session import Session
from labkit.tools import Event, tool
from tests.fake_openai import KEY, MODEL, Answer, FakeOpenAI, serving
from tests.test_three_engines import anywhere  # noqa: F401

PRICES = {"AAPL": 227.5, "MSFT": 410.25}


class Holding(pydantic.BaseModel):
    ticker: str
    shares: int


def get_stock_price(ticker: str) -> dict[str, Any]:
    """Get the current stock price of a company.

    ticker: Ticker symbol, such as AAPL
    """
    return {"price": PRICES[ticker], "currency": "USD"}


def calculate_portfolio_value(holdings: list[Holding]) -> dict[str, Any]:
    """Calculate the total value of a portfolio.

    holdings: List of holdings
    """
    total = sum(PRICES[each.ticker] * each.shares for each in holdings)
    return {"total_value": total, "currency": "USD"}


TOOLS: list[Callable[..., Any]] = [get_stock_price, calculate_portfolio_value]


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[FakeOpenAI, str]]:
    fake = FakeOpenAI()
    with serving(fake.app) as url:
        yield fake, f"{url}/v1"


@pytest.fixture
def fake(served: tuple[FakeOpenAI, str]) -> FakeOpenAI:
    served[0].asked.clear()
    served[0].script = iter([asking("AAPL", "MSFT"), Answer("They cost 637.75.")])
    return served[0]


@pytest.fixture
def scripted(served: tuple[FakeOpenAI, str]) -> Session:
    return Session(served[1], KEY, MODEL)


def asking(*tickers: str) -> Answer:
    rows = [(f"abcdefgh{i}", "get_stock_price", json.dumps({"ticker": t})) for i, t in enumerate(tickers)]
    return Answer(calls=tuple(rows))


def test_a_whole_run(fake: FakeOpenAI, scripted: Session) -> None:
    seen: list[Event] = []
    run = scripted.run("Prices?", tools=TOOLS, system="Be brief.", watch=seen.append)
    assert (run.text, run.ended, run.rounds) == ("They cost 637.75.", "answered", 2)
    assert run.calls == [("get_stock_price", {"ticker": "AAPL"}), ("get_stock_price", {"ticker": "MSFT"})]
    assert [message["role"] for message in run.messages] == [
        "system",
        "user",
        "assistant",
        "tool",
        "tool",
        "assistant",
    ]
    assert json.loads(run.messages[3]["content"]) == {"price": 227.5, "currency": "USD"}
    assert [each["id"] for each in run.messages[2]["tool_calls"]] == ["abcdefgh0", "abcdefgh1"]
    assert (run.prompt_tokens, run.completion_tokens) == (14, 6) and run.seconds > 0
    assert seen == run.events and [each.at for each in seen] == sorted(each.at for each in seen)
    kinds = ["asked", "replied", "calls", "calls", "result", "result", "asked", "replied", "ended"]
    assert [each.kind for each in seen] == kinds
    assert fake.asked[0]["tools"] == [tool(each).schema for each in TOOLS]
    assert fake.asked[0]["temperature"] == 0.15 and fake.asked[1]["messages"] == run.messages[:-1]


def test_calls_run_at_the_same_time(fake: FakeOpenAI, scripted: Session) -> None:
    both = threading.Barrier(2)

    def get_stock_price(ticker: str) -> float:
        """Waits for the other call."""
        both.wait(timeout=10)
        return PRICES[ticker]

    run = scripted.run("Prices?", tools=[get_stock_price])
    assert run.ended == "answered" and not run.faults


def test_a_run_goes_on_after_another(fake: FakeOpenAI, scripted: Session) -> None:
    first = scripted.run("Prices?", tools=TOOLS)
    fake.script = iter([asking("MSFT"), Answer("Still 410.25.")])
    second = scripted.run("And now?", tools=TOOLS, after=first)
    assert second.messages[: len(first.messages)] == first.messages and second.text == "Still 410.25."
    ids = [call["id"] for each in second.messages for call in each.get("tool_calls", ())]
    assert len(set(ids)) == len(ids) == 3  # the script gives one of them twice


def test_a_forced_choice_holds_once(fake: FakeOpenAI, scripted: Session) -> None:
    scripted.run("Prices?", tools=TOOLS, tool_choice="required")
    assert [each["tool_choice"] for each in fake.asked] == ["required", "auto"]


def test_approval(fake: FakeOpenAI, scripted: Session) -> None:
    asked: list[str] = []

    def approve(call: ToolCall) -> bool:
        asked.append(str(call))
        return "MSFT" in str(call)

    run = scripted.run("Prices?", tools=[tool(get_stock_price, approval=True)], approve=approve)
    assert asked == ["get_stock_price(ticker='AAPL')", "get_stock_price(ticker='MSFT')"]
    assert [each.fault for each in run.done] == ["refused", ""]


def test_ctrl_c_keeps_what_had_come(fake: FakeOpenAI, scripted: Session) -> None:
    def interrupt(event: Event) -> None:
        if event.kind == "result":
            raise KeyboardInterrupt

    run = scripted.run("Prices?", tools=TOOLS, watch=interrupt)
    assert run.ended == "stopped" and len(run.done) == 1 and "You stopped" in str(run)


def test_a_history_of_another_house(fake: FakeOpenAI, scripted: Session) -> None:
    made = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    told = {"role": "tool", "tool_call_id": "call_1", "content": "1"}
    talk: list[dict[str, Any]] = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "", "tool_calls": [made]},
        told,
    ]
    messages = scripted.run(talk, tools=TOOLS).messages
    id = messages[1]["tool_calls"][0]["id"]
    assert id == messages[2]["tool_call_id"] and len(id) == 9 and id.isalnum() and made["id"] == "call_1"


def test_a_first_request_that_fails_is_told(fake: FakeOpenAI, scripted: Session) -> None:
    fake.script = iter([Answer(status=400)])
    with pytest.raises(LabkitError, match="the script's own words"):
        scripted.run("Prices?", tools=TOOLS)


@pytest.mark.engine
def test_every_engine_closes_the_loop(anywhere: Session) -> None:  # noqa: F811
    run = anywhere.run("What is the current price of AAPL and MSFT?", tools=TOOLS)
    assert run.ended == "answered" and "227.5" in run.text and "410.25" in run.text, run
    assert run.calls == [("get_stock_price", {"ticker": "AAPL"}), ("get_stock_price", {"ticker": "MSFT"})]
    assert run.prompt_tokens > 100 and run.completion_tokens > 10
    failing = anywhere.run("What is the price of NVDA?", tools=TOOLS)
    assert failing.ended == "answered" and "raised" in [each.fault for each in failing.done]
    follow = anywhere.run("What is the current price of MSFT?", tools=TOOLS, after=run)
    assert follow.ended == "answered" and ("get_stock_price", {"ticker": "MSFT"}) in follow.calls
