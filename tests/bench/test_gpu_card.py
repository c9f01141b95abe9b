"""The card while something runs: what was in use before, and the most that was seen."""

from __future__ import annotations

import sys
import time

import pytest

from bench.gpu import card
from tests.fake_pynvml import Card, Driver


def test_the_most_that_was_taken_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Card(total=80, free=79)
    monkeypatch.setitem(sys.modules, "pynvml", Driver(here))
    monkeypatch.setattr(card, "_LOOK_S", 0.01)
    with card.watched() as use:
        here.free = 5
        time.sleep(0.1)
        here.free = 60
        time.sleep(0.1)
    assert use.before == pytest.approx([1]) and use.taken == pytest.approx([74])


def test_a_card_beside_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another card of the machine may do what it likes meanwhile."""
    ours, beside = Card(total=80, free=79), Card(total=80, free=10)
    monkeypatch.setitem(sys.modules, "pynvml", Driver(ours, beside))
    with card.watched(1) as use:
        beside.free = 1
    assert use.before == pytest.approx([1]) and use.taken == pytest.approx([0])
    began = time.monotonic()
    card.wait_until_free(use.before)
    assert time.monotonic() - began < 0.2


def test_without_a_card_there_is_nothing_to_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", Driver())
    with card.watched() as use:
        pass
    assert use.taken == [] and card.copy_gb_s() is None and card.architecture() is None


def test_the_next_one_waits_until_the_card_is_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Card(total=80, free=40)
    monkeypatch.setitem(sys.modules, "pynvml", Driver(here))
    monkeypatch.setattr(card, "_FREE_S", 0.3)
    began = time.monotonic()
    card.wait_until_free([1.0])
    assert time.monotonic() - began >= 0.3
    here.free = 79
    began = time.monotonic()
    card.wait_until_free([1.0])
    assert time.monotonic() - began < 0.2
