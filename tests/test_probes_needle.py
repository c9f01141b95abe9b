"""The needle: hidden where it was asked for, at the length that was asked for, found or not."""

from __future__ import annotations

from itertools import repeat
from typing import Any

import pytest

import labkit
from labkit.errors import LabkitError
from labkit.probes import Needles, needle
from labkit.probes.needle import Hidden
from labkit.session import Session
from tests.fake_openai import KEY, MODEL, Answer, FakeOpenAI, serving

ANYWHERE = Session("http://127.0.0.1:1/v1", "key", "model")


def found(value: str, answer: str) -> bool:
    return Hidden(500, 500, 0.5, value, answer).found


@pytest.mark.parametrize(
    ("value", "answer", "right"),
    [
        ("42", "The lucky number of Zoe is 42.", True),
        ("42", "The lucky number of Zoe is 421.", False),
        ("42", "142", False),
        ("lantern", "lanterns", False),
        ("lantern", "It is: lantern", True),
        ("lantern", "", False),
    ],
)
def test_found_is_the_value_as_a_word_of_its_own(value: str, answer: str, right: bool) -> None:
    assert found(value, answer) is right


def test_the_shares_and_the_memory_of_each_cell() -> None:
    hidden = (
        Hidden(498, 500, 0.0, "a", "a"),
        Hidden(501, 500, 0.0, "a", "b"),
        Hidden(999, 1000, 0.0, "a", "a"),
    )
    measured = Needles(hidden, 4096, (500, 1000), (0.0, 1.0))
    assert (measured.share(500, 0.0), measured.share(1000, 0.0), measured.share(500, 1.0)) == (0.5, 1.0, None)
    assert measured.kv_mib(1024) == 4.0
    assert "2 of 3 needles found" in str(measured) and "wanted a, got: b" in str(measured)
    assert "| 500 | 2.0 MiB | 50% |  |" in measured._repr_markdown_()
    (axes, _) = measured.chart().axes
    drawn = axes.images[0].get_array()
    assert drawn is not None and drawn.tolist() == [[50.0, None], [100.0, None]], (
        "what was not asked is blank"
    )


class Counted(Session):
    """Counts words instead of asking the server."""

    def count(self, prompt: Any, **_: Any) -> int:
        return len(str(prompt).split())


def test_a_server_that_dies_in_mid_answer_is_no_missed_needle() -> None:
    fake = FakeOpenAI()
    fake.script = iter([Answer("I do not know."), Answer("The lu", whole=False)])
    seen: list[Needles] = []

    def watch(so_far: Needles) -> bool:
        seen.append(so_far)
        return True

    with serving(fake.app) as url, pytest.raises(LabkitError, match="ended too early"):
        needle(Counted(f"{url}/v1", KEY, MODEL), lengths=(100,), watch=watch)
    assert len(seen) == 1 and len(seen[0].missed) == 1


def test_an_interrupt_keeps_what_was_measured() -> None:
    fake = FakeOpenAI()
    fake.script = repeat(Answer("I do not know."))

    def watch(so_far: Needles) -> bool:
        raise KeyboardInterrupt

    with serving(fake.app) as url:
        measured = needle(Counted(f"{url}/v1", KEY, MODEL), lengths=(100,), watch=watch)
    assert "0 of 1 needles found" in str(measured)


@pytest.mark.parametrize("wrong", [{"lengths": (5,)}, {"depths": (1.5,)}, {"draws": 0}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(LabkitError):
        needle(ANYWHERE, **wrong)


@pytest.mark.engine
def test_a_needle_lies_where_and_in_what_length_it_was_asked_for(session: labkit.Session) -> None:
    measured = needle(session, lengths=(300, 900), depths=(0.0, 1.0), draws=2)
    assert len(measured.hidden) == 8
    assert all(abs(each.length - each.wanted_length) < 0.15 * each.wanted_length for each in measured.hidden)
    assert len(measured.missed) <= 1, measured


@pytest.mark.engine
def test_it_ends_where_the_one_who_watches_says_so(session: labkit.Session) -> None:
    measured = needle(session, lengths=(300,), watch=lambda so_far: len(so_far.hidden) < 2)
    assert len(measured.hidden) == 2


@pytest.mark.engine
def test_past_the_context_is_a_sentence(session: labkit.Session) -> None:
    with pytest.raises(LabkitError, match="context length"):
        needle(session, lengths=(40_000,), depths=(0.5,))
