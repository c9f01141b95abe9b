"""Text that changes while you look: one updating output in a notebook, one updating line in a terminal."""

from __future__ import annotations

import re
import shutil
import sys
import time
from typing import Any, TextIO

_EVERY_S = 0.1


def no_formula(markdown: str) -> str:
    """The Markdown with its dollar signs escaped, but for code: two bare ones are a formula in JupyterLab.

    One backslash is not enough there: the Markdown takes it away before the formulas are looked for.
    """
    escaped = r"\\$"
    return re.sub(r"(`+).*?\1|\$", lambda found: found[0] if found[1] else escaped, markdown, flags=re.DOTALL)


def in_notebook() -> bool:
    """Whether a Jupyter kernel shows our output (not a terminal, not IPython in a terminal)."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and getattr(shell, "kernel", None) is not None


class Panel:
    """One output of a notebook cell that is replaced as often as you like; the last one stays in the file."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._shown = ""
        self._at = 0.0

    def show(self, markdown: str, *, now: bool = True) -> None:
        """Replace the output. Unless `now`, at most ten times a second, so that the browser keeps up."""
        if markdown == self._shown or (not now and time.monotonic() - self._at < _EVERY_S):
            return
        from IPython.display import display

        self._shown, self._at = markdown, time.monotonic()
        bundle = {"text/markdown": markdown, "text/plain": markdown}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


class Progress:
    """What is happening now, in words, with the seconds so far, on one line. Silent unless `on`."""

    def __init__(self, on: bool = True, stream: TextIO | None = None) -> None:
        self._on = on
        self._stream = stream or sys.stdout
        self._panel = Panel() if on and in_notebook() else None
        self._tty = self._stream.isatty()
        self._since = time.monotonic()
        self._last = ""

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._since

    def update(self, words: str) -> None:
        """Now this. A terminal and a notebook count the seconds; a file gets a line for each new thing."""
        line = f"{words} … {self.seconds:.0f} s"
        if not self._on:
            return
        if self._panel:
            self._panel.show(f"⏳ {line}")
        elif self._tty:
            self._rewrite(line)
        elif words != self._last:
            print(words + " …", file=self._stream, flush=True)
        self._last = words

    def note(self, sentence: str) -> None:
        """A sentence that stays."""
        if not self._on:
            return
        if self._panel:
            Panel().show(sentence)
        else:
            if self._tty:
                self._rewrite("")
            print(sentence, file=self._stream, flush=True)

    def done(self, sentence: str) -> None:
        """The last word: in a notebook it takes the place of the line."""
        self._last = ""
        if self._on and self._panel:
            self._panel.show(sentence)
        else:
            self.note(sentence)

    def close(self) -> None:
        """No more of it: an unfinished line is wiped in a terminal, and loses its hourglass in a notebook."""
        if self._on and self._panel and self._last:
            self._panel.show(f"{self._last} … {self.seconds:.0f} s")
        elif self._on and self._tty and not self._panel:
            self._rewrite("")

    def _rewrite(self, line: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        self._stream.write(f"\r\x1b[K{line[:width]}")
        self._stream.flush()
