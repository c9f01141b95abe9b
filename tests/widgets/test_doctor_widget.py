"""The doctor's widget: what it finds, and cures that run only after a yes."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from labkit import catalog
from labkit.clinic import cures
from labkit.clinic.findings import Finding, Report
from labkit.widgets import doctor
from labkit.widgets.doctor import TEXT, Doctor

ILL = Report(
    (
        Finding(
            "disk",
            "wrong",
            "The disk is full of hf_abcdefghijklmnopqrst.",
            "It matters.",
            "echo mended",
            True,
        ),
        Finding("gpu", "well", "no GPU <here>"),
        Finding("shm", "wrong", "small", "why `df` says so", "start the container anew"),
    ),
    0.5,
)


@pytest.fixture
def widget(monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """After a look around that found something."""
    monkeypatch.setattr(doctor, "doctor", lambda: ILL)
    made = Doctor()
    made.look.click()
    made.wait(10)
    return made


def _cure(widget: Doctor, row: int = 0) -> None:
    widget.rows.children[row].children[1].click()


def test_looking_around(widget: Doctor) -> None:
    assert widget.words.text == ILL.summary
    assert widget.words.kind == "fault"
    assert [len(each.children) for each in widget.rows.children] == [2, 1, 1], (
        "one cure can be run as it stands"
    )
    shown = widget.still_html()
    assert "hf_" not in shown
    assert "no GPU &lt;here&gt;" in shown
    assert "<code>start the container anew</code>" in shown and "why <code>df</code> says so" in shown
    assert not widget.look.disabled


def test_a_cure_asks_before_it_runs(widget: Doctor) -> None:
    _cure(widget)
    assert widget.asked == "echo mended"
    assert "`echo mended`. Run it?" in widget.words.text
    assert widget.question.layout.display == ""
    widget.no.click()
    assert (widget.asked, widget.words.text) == (None, TEXT["not_run"])
    assert widget.question.layout.display == "none"
    assert widget.output.text == ""


def test_a_cure_runs_after_a_yes(widget: Doctor) -> None:
    _cure(widget)
    widget.yes.click()
    widget.wait(20)
    assert widget.output.text == "mended\n"
    assert widget.words.text == TEXT["done"].format(command="echo mended")
    assert widget.halt.disabled
    widget.yes.click()  # there is nothing left to say yes to
    widget.wait(10)
    assert widget.output.text == "mended\n"


def test_a_cure_that_fails_is_told(widget: Doctor) -> None:
    widget._show([doctor.Advice("x", command="echo no; exit 3", runs=True)])
    _cure(widget)
    widget.yes.click()
    widget.wait(20)
    assert "exit code 3" in widget.words.text
    assert widget.words.kind == "fault"


def test_a_cure_can_be_stopped(widget: Doctor) -> None:
    widget._show([doctor.Advice("x", command="echo begun; sleep 60", runs=True)])
    _cure(widget)
    widget.yes.click()
    time.sleep(0.5)
    widget.halt.click()
    widget.wait(20)
    assert widget.words.text == TEXT["stopped"].format(command="echo begun; sleep 60")


def test_a_pasted_text(widget: Doctor) -> None:
    widget.text.value = catalog.symptoms()["port-taken"].sample
    widget.read.click()
    assert widget.words.text == "The port is taken"
    assert "Address already in use" in widget.still_text()
    assert widget.rows.children[0].children[1].description == "Run: labkit status"
    assert "labkit.diagnose('OSError" in widget.samples()["Python"]


@pytest.mark.parametrize(("text", "words"), [("", TEXT["empty"]), ("all is well", TEXT["none"])])
def test_a_text_without_a_cause(text: str, words: str) -> None:
    widget = Doctor()
    widget.text.value = text
    widget.read.click()
    assert widget.words.text == words
    assert widget.rows.children == ()


@pytest.mark.parametrize("name", catalog.symptoms())
def test_every_symptom_can_be_chosen(name: str) -> None:
    widget = Doctor()
    widget.symptom.value = name
    assert catalog.symptoms()[name].title in widget.still_text()


def test_the_code_of_a_pasted_secret_holds_none() -> None:
    widget = Doctor()
    widget.text.value = "token hf_abcdefghijklmnopqrst"
    assert "hf_" not in "".join(widget.samples().values())


def test_a_command_finds_the_labkit_of_this_python(lab_home: Path) -> None:
    said: list[str] = []
    assert cures.run("labkit --help", said.append, threading.Event()) == 0
    assert "Mistral Small 3.1" in "".join(said)


def test_a_command_that_takes_too_long_ends() -> None:
    began = time.monotonic()
    assert cures.run("sleep 60", lambda _: None, threading.Event(), seconds=0.3) == cures.STOPPED
    assert time.monotonic() - began < 10
