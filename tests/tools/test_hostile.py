"""The loop against everything that a model, a tool or a server can do wrong: a message and an event each."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from labkit.session import Session
from labkit.tools import Run, tool
from tests.fake_openai import KEY, MODEL, Answer, FakeOpenAI, serving

TALK = Answer("All done.")
THREADS: list[str] = []


def price(ticker: str) -> float:
    """The price of a share."""
    return {"AAPL": 227.5, "MSFT": 410.25}[ticker]


def count(items: list[int], scale: float = 1.0) -> float:
    """Add numbers up."""
    return sum(items) * scale


def sleepy(seconds: float) -> str:
    """Sleep."""
    time.sleep(seconds)
    return "awake"


def picky(text: str) -> None:
    """Likes nothing."""
    raise ValueError(f"unknown word {text}")


def leaves() -> None:
    """Ends the program."""
    raise SystemExit(3)


def silent_error() -> None:
    """Raises an error whose words fail."""

    class Rude(Exception):
        def __str__(self) -> str:
            raise RuntimeError("rude")

    raise Rude


def huge() -> str:
    """Says too much."""
    return "x" * 1_000_000


def strange() -> object:
    """Returns what is no JSON."""
    return object()


def circular() -> list[Any]:
    """Returns a list that contains itself."""
    inside: list[Any] = []
    inside.append(inside)
    return inside


def not_a_number() -> float:
    """Returns NaN."""
    return float("nan")


def nothing() -> None:
    """Returns None."""


def half_a_letter() -> str:
    """Returns a lone surrogate."""
    return "a\ud83d"


def echo(text: str) -> dict[str, str]:
    """Say it again."""
    return {"said": text}


async def later(text: str) -> str:
    """Say it later."""
    await asyncio.sleep(0)
    return text.upper()


def pay(amount: int) -> str:
    """Pay."""
    THREADS.append("paid")
    return "paid"


ALL: list[Callable[..., Any]] = [
    price,
    count,
    sleepy,
    leaves,
    silent_error,
    huge,
    strange,
    circular,
    not_a_number,
    nothing,
]
ALL += [picky, half_a_letter, echo, later, tool(pay, approval=True)]


def call(name: str, arguments: Any = None, id: str = "abcdefgh1") -> tuple[str, str, str]:
    """A call; arguments as a str are written as they are."""
    return id, name, arguments if isinstance(arguments, str) else json.dumps(arguments or {})


def calling(*calls: tuple[str, str, str], **more: Any) -> Answer:
    return Answer(calls=calls, **more)


@dataclass(frozen=True)
class Case:
    """What the model says, and what must come of it."""

    script: tuple[Answer, ...]
    ended: str = "answered"
    faults: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    """A pattern for what the model is told of each call."""
    options: dict[str, Any] = field(default_factory=dict)


def one(made: tuple[str, str, str], fault: str, told: str, **options: Any) -> Case:
    """One call, then words."""
    return Case((calling(made), TALK), faults=(fault,) if fault else (), told=(told,), options=options)


CASES: dict[str, Case] = {
    # what the model writes
    "arguments broken off": one(call("price", '{"ticker": "AA'), "bad_json", "no JSON object.*AA"),
    "arguments a list": one(call("price", '["AAPL"]'), "bad_json", "no JSON object"),
    "arguments a text": one(call("price", "AAPL"), "bad_json", "no JSON object"),
    "arguments null": one(call("price", "null"), "bad_json", "no JSON object"),
    "arguments empty": one(call("nothing", ""), "", "^null$"),
    "arguments nested 2,000 deep": one(call("price", '{"ticker": ' * 2000), "bad_json", "no JSON object"),
    "a wrong type": one(call("price", {"ticker": 7}), "bad_arguments", "ticker: Input should be a valid str"),
    "a wrong type inside": one(call("count", {"items": [1, "two"]}), "bad_arguments", r"items\.1: "),
    "a missing argument": one(call("price"), "bad_arguments", "ticker: Field required"),
    "an invented argument": one(call("price", {"ticker": "AAPL", "day": 1}), "bad_arguments", "day: Extra"),
    "a number in quotes": one(call("count", {"items": ["1", "2"]}), "", r"^3\.0$"),
    "an unknown tool": one(call("weather"), "unknown_tool", "no tool weather; there are: price, count"),
    "a tool's name in other letters": one(call("Price"), "unknown_tool", "no tool Price"),
    "a tool's name of nonsense": one(call("$(rm -rf /)"), "unknown_tool", r"no tool \$\(rm"),
    "a tool without a name": one(call(""), "unknown_tool", "no tool ;"),
    "unicode": one(call("echo", {"text": "日本 é 🙂 \u2028"}), "", "日本 é 🙂"),
    "half a letter in the arguments": one(call("echo", '{"text": "\\ud83d"}'), "", r"said.*\?"),
    "an id too short": one(call("price", {"ticker": "AAPL"}, id="1"), "", "227.5"),
    "an id of another house": one(call("nothing", id="call_0c6f-41d2"), "", "null"),
    "no id at all": one(call("nothing", id=""), "", "null"),
    "the same id twice": Case((calling(call("nothing"), call("nothing")), TALK), told=("null", "null")),
    "endless calls": Case((calling(call("nothing")),) * 9, "rounds", (), ("null",) * 8),
    "more calls than are run": Case(
        (calling(*[call("nothing", id=f"abcdefg{i}") for i in range(10, 15)]), TALK),
        faults=("too_many",) * 3,
        told=("null",) * 2 + ("only the first 2",) * 3,
        options={"max_calls": 2},
    ),
    "a call as text": Case((Answer('[TOOL_CALLS][{"name": "price"}]'),), "unparsed"),
    "not a word": Case((Answer(),), "empty"),
    "cut at max_tokens": Case((calling(call("pay", {"amount": 1}), finish="length"),), "length"),
    # what a tool does
    "a tool that raises": one(call("price", {"ticker": "ZZ"}), "raised", "KeyError: 'ZZ'"),
    "a tool that says what is wrong": one(
        call("picky", {"text": "no"}), "raised", '^{"error": "unknown word no"}$'
    ),
    "a tool that ends the program": one(call("leaves"), "raised", "SystemExit: 3"),
    "an error without words": one(call("silent_error"), "raised", "Rude: no reason given"),
    "a tool that sleeps": one(
        call("sleepy", {"seconds": 30}), "left", "no answer after 0.2 seconds", tool_seconds=0.2
    ),
    "a tool that says too much": one(call("huge"), "", r"^x{50} ... \(cut: 1,000,000", max_characters=50),
    "a result that is no JSON": one(call("strange"), "not_json", "returned object, which is no JSON"),
    "a result within itself": one(call("circular"), "not_json", "returned list"),
    "a result that is no number": one(call("not_a_number"), "not_json", "returned float"),
    "a result of nothing": one(call("nothing"), "", "^null$"),
    "half a letter in the result": one(call("half_a_letter"), "", r"^a\?$"),
    "an async tool": one(call("later", {"text": "hi"}), "", "^HI$"),
    "two calls of which one fails": Case(
        (calling(call("price", {"ticker": "AAPL"}), call("price", {"ticker": "ZZ"}, "abcdefgh2")), TALK),
        faults=("raised",),
        told=("227.5", "KeyError"),
    ),
    "two calls of which one sleeps": Case(
        (calling(call("sleepy", {"seconds": 30}), call("price", {"ticker": "AAPL"}, "abcdefgh2")), TALK),
        faults=("left",),
        told=("no answer", "227.5"),
        options={"tool_seconds": 0.2},
    ),
    # approval
    "nobody to approve": one(call("pay", {"amount": 1}), "refused", "nobody is here"),
    "approval refused": one(call("pay", {"amount": 1}), "refused", "not allowed", approve=lambda c: False),
    "approval refused, and why": one(
        call("pay", {"amount": 1}), "refused", "not allowed: too dear", approve=lambda call: "too dear"
    ),
    "approval that is not quite yes": one(call("pay", {"amount": 1}), "refused", "n", approve=lambda c: 1),
    "approval that raises": one(
        call("pay", {"amount": 1}), "refused", "asking for approval failed", approve=lambda c: 1 / 0
    ),
    "bad arguments are not asked about": one(
        call("pay", {"amount": "a lot"}), "bad_arguments", "amount: ", approve=lambda call: True
    ),
    # what the server does
    "the stream breaks off in a call": Case(
        (calling(call("pay", {"amount": 1}), whole=False),),
        "interrupted",
        options={"approve": lambda c: True},
    ),
    "the stream breaks off in a word": Case((Answer("Hel", whole=False),), "interrupted"),
    "the second request is refused": Case(
        (calling(call("nothing")), Answer(status=400)), "failed", (), ("null",)
    ),
    "the server dies after a call": Case(
        (calling(call("nothing")), Answer(status=500)), "failed", (), ("null",)
    ),
    "an answer without end": Case((Answer("la" * 500, pause=0.01),), "time", options={"seconds": 0.5}),
    "time is up while a tool sleeps": Case(
        (calling(call("sleepy", {"seconds": 30})), TALK), "time", ("left",), ("no answer",), {"seconds": 0.5}
    ),
}


@pytest.fixture(scope="module")
def fake() -> Iterator[tuple[FakeOpenAI, Session]]:
    server = FakeOpenAI()
    with serving(server.app) as url:
        yield server, Session(f"{url}/v1", KEY, MODEL)


@pytest.fixture
def playing(fake: tuple[FakeOpenAI, Session]) -> Callable[..., Run]:
    """Run the loop against a script."""
    server, session = fake
    server.asked.clear()
    THREADS.clear()

    def play(*script: Answer, **options: Any) -> Run:
        server.script = iter(script)
        return session.run("Go on.", tools=ALL, **options)

    return play


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 50


@pytest.mark.parametrize("name", CASES)
def test_hostile(name: str, playing: Callable[..., Run], fake: tuple[FakeOpenAI, Session]) -> None:
    case, since = CASES[name], time.monotonic()
    run = playing(*case.script, **case.options)
    assert time.monotonic() - since < 15  # a tool that sleeps is not waited for
    assert run.ended == case.ended, run
    assert [each.fault for each in run.faults] == [*case.faults], run
    assert len(run.done) == len(case.told)
    for done, told in zip(run.done, case.told, strict=True):
        assert re.search(told, done.content), done
    assert not THREADS  # nothing was paid
    assert [event.kind for event in run.events][-1] == "ended"
    assert sum(event.kind == "fault" for event in run.events) == len(run.faults)
    json.dumps(run.trace(), allow_nan=False).encode()
    assert str(run) and run._repr_markdown_()
    fit_for_the_template(run.messages)
    for asked in fake[0].asked:
        fit_for_the_template(asked["messages"])


def fit_for_the_template(messages: list[dict[str, Any]]) -> None:
    """What mistral-common demands: ids, names and arguments, and each call answered once."""
    ids = [call["id"] for each in messages for call in each.get("tool_calls", ())]
    answered = [each["tool_call_id"] for each in messages if each["role"] == "tool"]
    assert ids == answered and len(ids) == len(set(ids))
    assert all(re.fullmatch("[A-Za-z0-9]{9}", id) for id in ids)
    for each in messages:
        for made in each.get("tool_calls", ()):
            assert re.fullmatch("[A-Za-z0-9_-]{1,64}", made["function"]["name"])
            assert isinstance(json.loads(made["function"]["arguments"]), dict)
