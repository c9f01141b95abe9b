"""What all widgets share: words, work in the background, the code, what a saved notebook keeps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping

import pytest
from ipywidgets import Button

from labkit.errors import LabkitError
from labkit.widgets.frame import TEXT, Instrument
from labkit.widgets.parts import Stream


class Counter(Instrument):
    TITLE = "Count <all>"

    def __init__(self) -> None:
        self.n = 0
        self.go, self.halt = Button(), Button()
        super().__init__(self.go)

    def samples(self) -> Mapping[str, str]:
        return {"Python": f"n = {self.n} < 5", "Shell": "true"}

    def still_html(self) -> str:
        return f"n is {self.n}" if self.n else ""

    def still_text(self) -> str:
        return f"n is {self.n}"


def test_work_in_the_background_is_one_at_a_time_and_can_be_stopped() -> None:
    counter, entered = Counter(), threading.Event()

    def work() -> None:
        counter.n += 1
        entered.set()
        counter.stopping.wait(10)

    counter.begin(work, start=counter.go, stop=counter.halt)
    assert entered.wait(5) and counter.busy and counter.go.disabled and not counter.halt.disabled
    for _ in range(200):
        counter.begin(work, start=counter.go, stop=counter.halt)
    assert counter.words.text == TEXT["busy"]
    counter.stop()
    counter.wait(5)
    assert not counter.busy and counter.n == 1
    assert not counter.go.disabled and counter.halt.disabled


def test_an_interrupt_of_the_kernel_leaves_the_work_alone_and_stop_still_ends_it() -> None:
    counter, entered = Counter(), threading.Event()

    def work() -> None:
        entered.set()
        counter.n += counter.stopping.wait(10)

    counter.begin(work, start=counter.go, stop=counter.halt)
    assert entered.wait(5)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert counter.busy and not counter.halt.disabled
    counter.stop()
    counter.wait(5)
    assert counter.n == 1 and not counter.busy and not counter.go.disabled


def test_it_works_again_after_it_was_stopped() -> None:
    counter = Counter()
    for _ in range(3):
        counter.stop()
        counter.begin(
            lambda: setattr(counter, "n", counter.n + (not counter.stopping.is_set())), start=counter.go
        )
        counter.wait(5)
    assert counter.n == 3


def test_what_is_raised_becomes_a_sentence() -> None:
    counter = Counter()

    def known() -> None:
        raise LabkitError("No server. Run `labkit up`.")

    counter.attempt(known)
    assert (counter.words.text, counter.words.kind) == ("No server. Run `labkit up`.", "fault")
    counter.attempt(lambda: print(1 / 0))
    assert "ZeroDivisionError: division by zero" in counter.words.text
    assert "Traceback" not in counter.words.text
    counter.tell("Fine.")
    assert counter.words.kind == "note"


def test_the_code_follows_the_state_and_is_escaped() -> None:
    counter = Counter()
    counter.n = 3
    counter.refresh()
    (tabs,) = counter.code.children
    assert tabs.titles == ("Python", "Shell")
    assert tabs.children[0].value == '<pre tabindex="0">n = 3 &lt; 5</pre>'


def test_a_saved_notebook_keeps_the_last_picture() -> None:
    counter = Counter()
    assert TEXT["untouched"] in counter._bundle()["text/html"]
    counter.n = 4
    kept = counter._bundle()
    assert "n is 4" in kept["text/html"] and "Count &lt;all&gt;" in kept["text/html"]
    assert TEXT["still"] in kept["text/html"]
    assert kept["text/plain"] == repr(counter) == "Count <all>: n is 4"


def test_a_stream_holds_all_that_was_added() -> None:
    stream = Stream("The answer")
    for i in range(500):
        stream.add(f"{i} ")
    assert stream.text == ""  # the page has the pieces; the trait comes once, at the end
    assert stream.end() == stream.text == "".join(f"{i} " for i in range(500))
    stream.clear()
    stream.add("anew")
    assert stream.end() == "anew"
