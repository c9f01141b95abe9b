from __future__ import annotations

import io
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from labkit import display
from labkit.display import Panel, Progress, no_formula


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def run(stream: io.StringIO, on: bool = True) -> str:
    progress = Progress(on, stream)
    for words in ("loading", "loading", "warming up"):
        progress.update(words)
    progress.note("Port moved.")
    progress.close()
    progress.done("Ready.")
    return stream.getvalue()


def test_a_file_gets_a_line_for_each_new_thing() -> None:
    assert run(io.StringIO()) == "loading …\nwarming up …\nPort moved.\nReady.\n"


def test_a_terminal_has_one_line_that_changes() -> None:
    assert run(Terminal()).split("\r\x1b[K") == [
        "",
        "loading … 0 s",
        "loading … 0 s",
        "warming up … 0 s",
        "Port moved.\n",
        "",
        "Ready.\n",
    ]


def test_it_can_be_silent() -> None:
    assert run(Terminal(), on=False) == ""


@pytest.fixture
def outputs(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What each output of a cell has shown, one after the other."""
    made: list[list[str]] = []

    def show(bundle: dict[str, str], *, raw: bool, display_id: bool) -> Any:
        states = [bundle["text/markdown"]]
        made.append(states)
        return SimpleNamespace(update=lambda bundle, raw: states.append(bundle["text/markdown"]))

    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=show))
    monkeypatch.setattr(display, "in_notebook", lambda: True)
    return made


def test_a_notebook_has_one_output_that_changes_and_one_for_each_note(outputs: list[list[str]]) -> None:
    assert run(io.StringIO()) == ""
    assert outputs == [
        ["⏳ loading … 0 s", "⏳ warming up … 0 s", "warming up … 0 s", "Ready."],
        ["Port moved."],
    ]


def test_closing_leaves_the_last_word_alone(outputs: list[list[str]]) -> None:
    progress = Progress(stream=io.StringIO())
    progress.update("loading")
    progress.done("Ready.")
    progress.close()
    assert outputs == [["⏳ loading … 0 s", "Ready."]]


def test_a_panel_spares_the_browser(outputs: list[list[str]]) -> None:
    panel = Panel()
    for count in range(1000):
        panel.show(str(count), now=False)
    panel.show("end")
    assert len(outputs) == 1 and len(outputs[0]) < 20 and outputs[0][-1] == "end"


def test_dollar_signs_are_no_formula_but_stay_as_they_are_in_code() -> None:
    assert no_formula("$5 or `$6`, ``a `$` b`` and $7") == r"\\$5 or `$6`, ``a `$` b`` and \\$7"
