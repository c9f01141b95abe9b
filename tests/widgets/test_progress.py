"""The progress widget: what it shows of the learner's record."""

from __future__ import annotations

import pytest

from labkit.lessons import check
from labkit.lessons.shelf import exercises
from labkit.widgets.progress import Progress

pytestmark = pytest.mark.usefixtures("lab_home")


def test_it_counts_and_names_the_next_one() -> None:
    widget = Progress()
    count = len(exercises())
    assert widget.words.text == f"0 of {count} done. Next: exercise 0.1, in lesson 00 · Start here."
    assert "✓" not in widget.table.value.split("<p>")[0]


def test_look_again_reads_what_was_answered_since() -> None:
    widget = Progress()
    check("4.1", 1008)
    check("4.2", lambda data: True)
    assert "✓ 4.1" not in widget.table.value
    widget.again.click()
    assert "✓ 4.1" in widget.table.value and "◐ 4.2" in widget.table.value and "○ 4.3" in widget.table.value
    assert widget.words.text.startswith("1 of ")
    assert widget.table.value in widget._bundle()["text/html"]
