from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import labkit
from labkit import LabkitError, lessons
from labkit.lessons import BLANK, Kind, check, desk, hint, record, shelf, solution
from labkit.lessons.exercise import Exercise, Outcome
from tests.lessons.saved import Broken, saved

pytestmark = pytest.mark.usefixtures("lab_home")

REPLY = saved("A token is a word.")


def test_a_star_import_brings_the_blank() -> None:
    names: dict[str, Any] = {}
    exec("from labkit.lessons import *\noutcome = check('0.1', ____)", names)
    assert names["____"] is lessons.BLANK is lessons.blank and repr(names["____"]) == "____"
    assert names["outcome"].kind is Kind.NOT_TRIED


def test_a_blank_stays_blank_and_asks_to_be_filled() -> None:
    assert BLANK.chat("x")[0].text is BLANK and not BLANK
    with pytest.raises(LabkitError, match="still a blank"):
        list(BLANK)
    with pytest.raises(LabkitError, match="still a blank"):
        labkit.Session("http://127.0.0.1:9/v1", "k", "m").chat(BLANK)  # type: ignore[arg-type]


@pytest.mark.parametrize("call", [check, hint, solution])
def test_an_unknown_exercise_lists_the_known(call: Any) -> None:
    with pytest.raises(LabkitError, match=r"no exercise '9\.9'\. There are: 0\.1, 0\.2, 0\.3"):
        call("9.9")


def test_attempts_are_counted_and_the_first_success_stays() -> None:
    check("0.1", BLANK)
    assert record.read() == ({}, "")
    assert not check("0.1", "text") and not check("0.1", Broken())
    tried = record.read()[0]["0.1"]
    assert (tried.attempts, tried.first_correct) == (2, None) and tried.since and tried.last
    assert check("0.1", REPLY)
    first = record.read()[0]["0.1"].first_correct
    assert first is not None and first.endswith("+00:00")
    check("0.1", "text")
    again = record.read()[0]["0.1"]
    assert (again.attempts, again.first_correct, again.since) == (4, first, tried.since)


def test_hints_go_on_and_the_last_one_stays() -> None:
    said = [str(hint("0.1")) for _ in range(4)]
    assert [each[:12] for each in said] == ["Hint 1 of 3.", "Hint 2 of 3.", "Hint 3 of 3.", "Hint 3 of 3."]
    assert 'hint("0.1") again' in said[0] and 'solution("0.1")' in said[2] == said[3]
    assert str(hint("0.2")).startswith("Hint 1 of 3.")
    assert record.read()[0]["0.1"].attempts == 0


def test_outcomes_read_well() -> None:
    good, bad = check("0.1", REPLY), check("0.1", "costs $5 `now`")
    assert str(good).startswith("Correct. The reply has 5 words")
    assert good._repr_markdown_().startswith("✅ **Correct.**")
    assert "`costs $5 'now'`" in bad._repr_markdown_()


def test_a_checker_that_fails_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    exercise = shelf.exercise("0.1")
    monkeypatch.setattr(type(exercise), "check", lambda *_: None)
    assert check("0.1", REPLY).kind is Kind.RAISED

    def refused(*_: Any) -> Outcome:
        raise LabkitError("No server is running.")

    monkeypatch.setattr(type(exercise), "check", refused)
    assert "No server is running." in check("0.1", REPLY).sentence


def test_a_check_gets_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    def asks(self: Exercise, answer: Any, session: Any = None) -> Outcome:
        return Outcome(Kind.CORRECT, f"asked {session}")

    monkeypatch.setattr(type(shelf.exercise("0.1")), "check", asks)
    assert check("0.1", 1, session="the model").sentence == "asked the model"


class OneReply:
    """A session that always answers the same."""

    def chat(self, *_: Any, **__: Any) -> Any:
        return REPLY


def test_a_solution_is_shown_and_runs_without_counting() -> None:
    assert "```python\nreply = session.chat(" in solution("0.1")._repr_markdown_()
    assert solution("0.1").run(OneReply()).kind is Kind.CORRECT
    assert solution("0.3").run(OneReply()).kind is Kind.NOT_YET
    assert record.read() == ({}, "")


def test_progress_has_a_bar_for_each_lesson() -> None:
    check("0.1", REPLY)
    check("0.3", REPLY)
    view = lessons.progress()
    assert str(view).splitlines()[0] == "███░░░░░░░ 1 of 3  00 · Start here"
    markdown, page = view._repr_markdown_(), view._repr_html_()
    assert "| 00 · Start here | ███░░░░░░░ | 1 of 3 | 0.1: 1 attempt, correct since 20" in markdown
    for text in (markdown, page):
        assert "0.2: not tried" in text and "0.3: 1 attempt, not yet correct" in text
    assert "width:33%" in page


def test_labkit_offers_the_verbs() -> None:
    assert (labkit.check, labkit.hint, labkit.solution) == (desk.check, desk.hint, desk.solution)


def test_a_damaged_file_is_told_beside_the_outcome(lab_home: Path) -> None:
    check("0.1", REPLY)
    (lab_home / "progress.json").write_text("{half")
    outcome = check("0.1", REPLY)
    assert outcome and "could not be read" in outcome.note and "could not be read" in str(outcome)
    assert (lab_home / "progress.damaged.json").read_text() == "{half"
    assert check("0.1", REPLY).note == "" and record.read()[0]["0.1"].attempts == 2
