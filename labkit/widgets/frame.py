"""What all widgets share: a frame, a line of words, work in the background, and a last picture that stays.

A widget's state lives in Python and is tested without a browser. What it does is done by a probe or a
session, so the same can be had by code, and the widget shows that code.
"""

from __future__ import annotations

import html
import threading
from collections.abc import Callable, Mapping
from typing import Any

from ipywidgets import HTML, Button, VBox, Widget

from labkit.errors import LabkitError
from labkit.widgets.parts import STATIC, Code, Words

TEXT = {
    "still": "This is the last that the widget showed. Run the cell, and it lives.",
    "untouched": "The widget shows here once the cell is run.",
    "lost": "The kernel of this widget is gone, and its controls do nothing now. Run the cell again, and it "
    "lives.",
    "stopped": "Stopped.",
    "failed": "This did not work: {why}. The widget goes on; try again, or run the cell anew.",
    "busy": "It is at work. Wait for it, or press Stop.",
}


class Instrument:
    """A widget of the course. Leave it as the last line of a cell, or call `show()`.

    A subclass gives `TITLE`, its parts, `still_html` (what a saved notebook keeps) and `samples` (its code).
    """

    TITLE = ""

    def __init__(self, *parts: Widget) -> None:
        self.words = Words()
        self.code = Code()
        lost = f'.labkit.jupyter-widgets-disconnected::before {{ content: "{TEXT["lost"]}"; }}'
        style = HTML(f"<style>{(STATIC / 'labkit.css').read_text()}{lost}</style>")
        style.layout.display = "none"
        title = HTML(f'<p class="labkit-title">{html.escape(self.TITLE)}</p>')
        self.box = VBox([style, title, *parts, self.words, self.code])
        self.box.add_class("labkit")
        self._still: Any = None
        self._job: threading.Thread | None = None
        self.stopping = threading.Event()
        """Set once the learner wants the work in the background to end."""
        self.refresh()

    def samples(self) -> Mapping[str, str]:
        """The code that does the same, by language, as the controls stand."""
        return {}

    def still_html(self) -> str:
        """What it shows now, as HTML that needs no kernel and no script; empty before anything was done."""
        return ""

    def still_text(self) -> str:
        """The same as plain text."""
        return ""

    def tell(self, sentence: str, kind: str = "note") -> None:
        """Say one sentence below the controls. kind: "note" or "fault"."""
        self.words.kind, self.words.text = kind, sentence

    def refresh(self, *_: Any) -> None:
        """Bring the code, and what a saved notebook keeps, to the state of the controls."""
        self.code.show(self.samples())
        self._keep()

    def attempt(self, work: Callable[[], None]) -> None:
        """Do `work` here and now; what it raises becomes a sentence."""
        try:
            work()
        except LabkitError as error:
            self.tell(str(error), "fault")
        except Exception as error:
            self.tell(TEXT["failed"].format(why=f"{type(error).__name__}: {error}"), "fault")
        self.refresh()

    def begin(self, work: Callable[[], None], *, start: Button, stop: Button | None = None) -> None:
        """Do `work` in the background, one at a time; `start` rests meanwhile, and `stop` can be pressed.

        `work` looks at `self.stopping` between its steps.
        """
        if self.busy:
            self.tell(TEXT["busy"])
            return
        self.stopping.clear()
        start.disabled = True
        if stop:
            stop.disabled = False

        def job() -> None:
            try:
                self.attempt(work)
            finally:
                start.disabled = False
                if stop:
                    stop.disabled = True

        self._job = threading.Thread(target=job, daemon=True)
        self._job.start()

    @property
    def busy(self) -> bool:
        """Whether work goes on in the background."""
        return self._job is not None and self._job.is_alive() and self._job is not threading.current_thread()

    def stop(self, *_: Any) -> None:
        """Ask the work in the background to end."""
        self.stopping.set()

    def wait(self, seconds: float = 120) -> None:
        """Until the work in the background is done: for tests, and for cells that go on with its result."""
        if self._job is not None:
            self._job.join(seconds)

    def show(self) -> None:
        """Display the widget, and after it what a notebook without a kernel shows in its place."""
        from IPython.display import display

        # As text, the box would list all its parts; where it cannot be drawn, its title will do.
        display({**self.box._repr_mimebundle_(), "text/plain": self.TITLE}, raw=True)
        self._still = display(self._bundle(), raw=True, display_id=True)

    def _ipython_display_(self) -> None:
        self.show()

    def __repr__(self) -> str:
        return f"{self.TITLE}: {self.still_text() or self.words.text or TEXT['untouched']}"

    def _keep(self) -> None:
        if self._still is not None:
            self._still.update(self._bundle(), raw=True)

    def _bundle(self) -> dict[str, str]:
        inside = self.still_html() or html.escape(TEXT["untouched"])
        note = f"<p><em>{html.escape(TEXT['still'])}</em></p>" if self.still_html() else ""
        title = f"<b>{html.escape(self.TITLE)}</b>"
        return {
            "text/html": f'<div class="labkit-still">{title}<div>{inside}</div>{note}</div>',
            "text/plain": repr(self),
        }
