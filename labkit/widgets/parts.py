"""Parts that widgets are made of: a line of words, a growing text, rows, the code behind a widget."""

from __future__ import annotations

import html
import time
from collections.abc import Mapping
from pathlib import Path

import anywidget
import traitlets
from ipywidgets import HTML, Accordion, Box, Tab, Widget

STATIC = Path(__file__).parent / "static"
TEXT = {"code": "The code that does it"}
_EVERY_S = 0.05


class Words(anywidget.AnyWidget):
    """One sentence, spoken by screen readers when it changes. kind: "note" or "fault"."""

    _esm = STATIC / "words.js"
    text = traitlets.Unicode("").tag(sync=True)
    kind = traitlets.Unicode("note").tag(sync=True)


class Stream(anywidget.AnyWidget):
    """A text that grows. `add` sends the browser the new piece alone, at most twenty times a second."""

    _esm = STATIC / "stream.js"
    text = traitlets.Unicode("").tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)

    def __init__(self, label: str) -> None:
        super().__init__(label=label)
        self._all: list[str] = []
        self._unsent: list[str] = []
        self._sent_at = 0.0

    def clear(self) -> None:
        """Start anew, with no text."""
        self._all, self._unsent = [], []
        self.text = ""

    def add(self, piece: str) -> None:
        """Append a piece; it shows within a twentieth of a second, or with `end`."""
        self._all.append(piece)
        self._unsent.append(piece)
        if time.monotonic() - self._sent_at >= _EVERY_S:
            self.send({"append": "".join(self._unsent)})
            self._unsent, self._sent_at = [], time.monotonic()

    def end(self) -> str:
        """The whole text, now a trait as well, so that a page opened later has it too."""
        self._unsent = []
        self.text = "".join(self._all)
        return self.text


def row(*parts: Widget) -> Box:
    """Parts side by side, that wrap where the page is narrow."""
    box = Box(parts)
    box.add_class("labkit-row")
    return box


class Code(Accordion):
    """The code that does what a widget does: closed at first, one tab a language, selectable to copy."""

    def __init__(self) -> None:
        self._tabs = Tab()
        super().__init__([self._tabs], titles=[TEXT["code"]], selected_index=None)
        self.add_class("labkit-code")

    def show(self, samples: Mapping[str, str]) -> None:
        """samples: code by the name of its tab, such as "Python" or "curl"."""
        pages = [HTML(f'<pre tabindex="0">{html.escape(each)}</pre>') for each in samples.values()]
        if list(samples) == list(self._tabs.titles):
            for old, new in zip(self._tabs.children, pages, strict=True):
                old.value = new.value
            return
        self._tabs.children, self._tabs.titles = pages, tuple(samples)
