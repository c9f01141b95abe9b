"""The context widget against the live twin."""

from __future__ import annotations

import pytest

import labkit
from labkit.session import Session
from labkit.widgets.context import TEXT, Context


@pytest.mark.engine
def test_the_map_fills_with_what_was_measured(session: labkit.Session) -> None:
    widget = Context(session)
    widget.lengths.value = (500,)
    widget.start.click()
    widget.wait(120)
    (map,) = widget.figure.data
    needles = widget.needles
    assert needles is not None and len(needles.hidden) == 5 and map.x == ("0", "25", "50", "75", "100")
    assert list(map.z[0]) == list(100 * (needles.share(500, each) or 0) for each in needles.depths)
    assert map.y == (f"500 ({needles.kv_mib(500):.1f} MiB)",)
    assert "of 5 needles found" in widget.words.text and "100%" in widget.still_html()
    assert "lengths=(500,), draws=1" in widget.samples()["Python"]


@pytest.mark.engine
def test_it_stops_after_an_answer_and_starts_again(session: labkit.Session) -> None:
    widget = Context(session)
    widget.lengths.value, widget.draws.value = (500, 1000), 5
    widget.start.click()
    widget.halt.click()
    widget.wait(60)
    assert widget.needles is not None and len(widget.needles.hidden) < 5
    widget.lengths.value, widget.draws.value = (500,), 1
    widget.start.click()
    widget.wait(120)
    assert len(widget.needles.hidden) == 5 and not widget.start.disabled


def test_no_length_and_no_server_are_sentences() -> None:
    widget = Context(Session("http://127.0.0.1:1/v1", "key", "model"))
    widget.lengths.value = ()
    widget.start.click()
    widget.wait(10)
    assert (widget.words.text, widget.words.kind) == (TEXT["none"], "fault")
    widget.lengths.value = (500,)
    widget.start.click()
    widget.wait(30)
    assert "Nothing answers at" in widget.words.text and not widget.start.disabled
