"""A part of a widget: an answer whose tokens are coloured by their chances and tell their rivals."""

from __future__ import annotations

import html
import time
from typing import Any

import anywidget
import traitlets

from labkit.probes.logprobs import SCALE, STYLES, Scored, percent, told
from labkit.probes.logprobs import TEXT as NAMED
from labkit.widgets.parts import STATIC

TEXT = {
    "label": "The answer's tokens: the arrow keys go from one to the next",
    "hint": "Point at a token, or press Tab and then the arrow keys, to see what else might have come.",
    "head": "Token {number}: entropy at least {entropy:.2f} bits",
    "rest": "others",
}
_EVERY_S = 0.05


class ScoredText(anywidget.AnyWidget):
    """Tokens as they come: `clear`, `add` again and again, `end`. The browser gets each one once."""

    _esm = STATIC / "scored.js"
    tokens: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    """Of the answer that has ended, for a page that is opened later."""
    styles = traitlets.List(list(STYLES)).tag(sync=True)
    label = traitlets.Unicode(TEXT["label"]).tag(sync=True)
    hint = traitlets.Unicode(TEXT["hint"]).tag(sync=True)

    def __init__(self) -> None:
        super().__init__()
        self._all: list[dict[str, Any]] = []
        self._unsent: list[dict[str, Any]] = []
        self._sent_at = 0.0

    def clear(self) -> None:
        """No tokens."""
        self._all, self._unsent = [], []
        self.tokens = []

    def add(self, token: Scored) -> None:
        """One more; it shows within a twentieth of a second, or with `end`."""
        record = _record(token, len(self._all) + 1)
        self._all.append(record)
        self._unsent.append(record)
        if time.monotonic() - self._sent_at >= _EVERY_S:
            self._flush()

    def end(self) -> None:
        """All have come."""
        self._flush()
        self.tokens = list(self._all)

    def _flush(self) -> None:
        if self._unsent:
            self.send({"append": self._unsent})
        self._unsent, self._sent_at = [], time.monotonic()


def legend() -> str:
    """The steps of the colours, as HTML."""
    steps = zip(STYLES, SCALE, strict=True)
    shown = " ".join(
        f'<span style="{style} padding: 0 4px; color: var(--jp-ui-font-color1);">{words}</span>'
        for style, words in steps
    )
    return f'<div class="labkit-small" style="line-height: 1.7;">{html.escape(NAMED["legend"])} {shown}</div>'


def _record(token: Scored, number: int) -> dict[str, Any]:
    """What the browser needs to know of a token."""
    own = (token.text, token.chance)
    rows = [
        [text.replace("\n", "⏎"), chance, percent(chance), "taken" if (text, chance) == own else ""]
        for text, chance in token.ranked
    ]
    rest = max(0.0, 1.0 - sum(chance for _, chance in token.ranked))
    return {
        "text": token.text.replace("\n", "⏎\n"),
        "step": token.step,
        "told": told(token),
        "head": TEXT["head"].format(number=number, entropy=token.entropy),
        "rows": [*rows, [TEXT["rest"], rest, percent(rest), "rest"]],
    }
