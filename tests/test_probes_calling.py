"""The probe that counts right calls, and the interval around its share."""

from __future__ import annotations

import pytest

from labkit.probes import Calling, calling, wilson
from labkit.probes.call_cases import CASES, TOOLS, Case
from labkit.probes.calling import Answered
from labkit.session import Session
from labkit.tools import toolbox
from tests.fake_openai import KEY, MODEL, Answer, FakeOpenAI, serving

# As given by R: prop.test(right, n, correct = FALSE).
KNOWN = {
    (36, 40): (0.7695, 0.9604),
    (0, 10): (0.0, 0.2775),
    (10, 10): (0.7225, 1.0),
    (5, 10): (0.2366, 0.7634),
}
TWO = Case("?", (("f", {"a": 1.0, "b": [2]}), ("f", {"a": 2, "b": []})))


@pytest.mark.parametrize(("counted", "ends"), KNOWN.items())
def test_wilson(counted: tuple[int, int], ends: tuple[float, float]) -> None:
    assert wilson(*counted) == pytest.approx(ends, abs=1e-4)


def test_wilson_without_cases() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


def test_forty_cases_that_fit_their_tools() -> None:
    box = toolbox(TOOLS)
    assert len(CASES) == len({each.question for each in CASES}) == 40
    assert {name for each in CASES for name, _ in each.calls} == box.keys()
    assert sum(not each.calls for each in CASES) == 5
    for each in CASES:
        for name, arguments in each.calls:
            box[name].validated(arguments)


@pytest.mark.parametrize(
    ("calls", "right"),
    [
        (TWO.calls, True),
        (TWO.calls[::-1], True),
        ((("f", {"b": [2.0], "a": 1}), TWO.calls[1]), True),
        (TWO.calls[:1], False),
        ((*TWO.calls, TWO.calls[0]), False),
        ((("g", TWO.calls[0][1]), TWO.calls[1]), False),
        ((("f", {"a": "1", "b": [2]}), TWO.calls[1]), False),
        ((), False),
    ],
)
def test_what_is_right(calls: tuple[tuple[str, dict[str, object]], ...], right: bool) -> None:
    assert Answered(TWO, calls, "").right is right


def test_a_measurement_against_a_server() -> None:
    fake = FakeOpenAI()
    good = Answer(calls=(("abcdefgh1", "get_stock_price", '{"ticker": "AAPL"}'),))
    fake.script = iter([good, Answer("Hi | there"), Answer("No.")])
    cases = [CASES[0], CASES[1], CASES[-1]]
    with serving(fake.app) as url:
        found = calling(Session(f"{url}/v1", KEY, MODEL), cases=cases, streams=1)
    assert (found.right, found.n, [each.case for each in found.wrong]) == (2, 3, [CASES[1]])
    assert "2 of 3 right: 66.7%" in str(found) and "in words: Hi | there" in str(found).replace("\\", "")
    assert "in words: Hi \\| there" in found._repr_markdown_()
    assert found.interval == wilson(2, 3)


def test_nothing_measured_is_no_share() -> None:
    assert "0 of 0 right" in str(Calling(()))
