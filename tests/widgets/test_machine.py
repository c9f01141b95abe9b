"""The machine's vitals and their widget: cards that do not exist, a server that does."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

import labkit
from labkit import probes
from labkit.session import Session
from labkit.widgets.machine import Machine
from tests.fake_openai import KEY, MODEL, FakeOpenAI, serving
from tests.fake_pynvml import Card, Driver


def test_vitals_of_a_machine_with_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = Card(total=24, free=10, busy=87, watts=312.4), Card(b"Old", total=8, free=8)
    monkeypatch.setitem(sys.modules, "pynvml", Driver(*cards))
    lines = probes.vitals().lines()
    assert lines[0] == "NVIDIA GeForce RTX 4090: 14.0 of 24.0 GiB, 87% busy, 312 W"
    assert lines[1] == "Old: 0.0 of 8.0 GiB"


def test_vitals_without_a_card_and_without_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", Driver())
    with serving(FakeOpenAI().app) as url:
        lines = probes.vitals(Session(f"{url}/v1", KEY, MODEL)).lines()
    assert lines[0] == "no GPU: the model runs on the CPU"
    assert "There are no metrics of vLLM's" in lines[2]


def test_the_rate_is_that_between_two_moments() -> None:
    first = replace(probes.vitals(), at=10.0, counts={"generation_tokens": 100.0})
    assert replace(first, at=12.0, counts={"generation_tokens": 150.0}).tokens_per_s(first) == 25.0
    assert replace(first, at=12.0, counts={"generation_tokens": 5.0}).tokens_per_s(first) is None  # restarted
    assert replace(first, at=12.0, counts={}).tokens_per_s(first) is None
    assert first.tokens_per_s(first) is None


@pytest.mark.engine
def test_the_widget_sees_the_tokens_of_a_request(session: labkit.Session) -> None:
    widget = Machine(session, every_s=0.1)
    widget.watch.click()
    assert len(session.chat("What is the KV cache?").text) > 20
    widget.halt.click()
    widget.wait(10)
    widget.look()
    tokens, *_ = widget.figure.data
    assert max(each or 0 for each in tokens.y) > 0
    assert len(tokens.x) == len(widget.seen) >= 2 and tokens.x[-1] == 0
    assert "KV cache in use" in widget.still_html() and not widget.watch.disabled


def test_a_server_that_is_gone_is_told_and_watching_goes_on() -> None:
    widget = Machine(Session("http://127.0.0.1:9/v1", KEY, MODEL), every_s=0.05)
    widget.watch.click()
    while len(widget.seen) < 3:
        assert widget.busy
    widget.halt.click()
    widget.wait(10)
    assert "nothing answers" in widget.still_text() and widget.words.kind == "note"
