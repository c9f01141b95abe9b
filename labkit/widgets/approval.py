"""A part of a widget that asks before a tool is called: Allow or Refuse, and no answer is a refusal."""

from __future__ import annotations

import html
import threading
import time

from ipywidgets import HTML, Button, VBox

from labkit.reply import ToolCall
from labkit.widgets.parts import row

TEXT = {
    "asks": "The model wants to call <code>{call}</code>. May it?",
    "left": "{seconds} s left to answer",
    "allow": "Allow",
    "allow_tip": "Run this call",
    "refuse": "Refuse",
    "refuse_tip": "Do not run it; the model is told so",
    "refused": "the person refused",
    "late": "nobody answered within {seconds:g} seconds",
}
READ_S = 0.6
"""A click that comes sooner was meant for the question before: nobody reads as fast."""
_TICK_S = 0.1
_SHOWN = 600


class Approval(VBox):
    """Hidden, until `ask` is called from another thread than the kernel's own, which hears the clicks."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        """How long to wait for an answer."""
        self.question, self.clock = HTML(), HTML()
        self.clock.add_class("labkit-small")
        self.allow = Button(description=TEXT["allow"], tooltip=TEXT["allow_tip"], button_style="success")
        self.refuse = Button(description=TEXT["refuse"], tooltip=TEXT["refuse_tip"], button_style="danger")
        super().__init__([self.question, row(self.allow, self.refuse, self.clock)])
        self._answered = threading.Event()
        self._said = False
        self._open_since: float | None = None
        self.allow.on_click(lambda _: self._say(True))
        self.refuse.on_click(lambda _: self._say(False))
        self._hide()

    @property
    def asking(self) -> bool:
        """Whether a click would be heard now."""
        return self._open_since is not None and time.monotonic() - self._open_since >= READ_S

    def ask(self, call: ToolCall, stopping: threading.Event) -> bool | str:
        """True if the person allows it, else why not. Raises KeyboardInterrupt once `stopping` is set."""
        said = str(call)
        shown = said if len(said) <= _SHOWN else said[:_SHOWN] + "…"
        self.question.value = TEXT["asks"].format(call=html.escape(shown))
        self._answered.clear()
        self.layout.display = ""
        self._open_since = since = time.monotonic()
        try:
            while not self._answered.wait(_TICK_S):
                if stopping.is_set():
                    raise KeyboardInterrupt
                left = self.seconds - (time.monotonic() - since)
                if left <= 0:
                    return TEXT["late"].format(seconds=self.seconds)
                self.clock.value = TEXT["left"].format(seconds=round(left))
                self.allow.disabled = self.refuse.disabled = not self.asking
            return True if self._said else TEXT["refused"]
        finally:
            self._hide()

    def _say(self, allowed: bool) -> None:
        if self.asking and not self._answered.is_set():
            self._said = allowed
            self._answered.set()

    def _hide(self) -> None:
        self._open_since = None
        self.layout.display = "none"
        self.allow.disabled = self.refuse.disabled = True
        self.clock.value = ""
