"""Widget: the machine and the server, live."""

from __future__ import annotations

import html
from collections import deque
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from ipywidgets import HTML, Button

from labkit.probes.vitals import Vitals, vitals
from labkit.widgets.figures import figure
from labkit.widgets.frame import Instrument
from labkit.widgets.parts import row

if TYPE_CHECKING:
    from labkit.session import Session

TEXT = {
    "title": "Machine",
    "watch": "Watch",
    "watch_tip": "Look once a second",
    "stop": "Stop",
    "stop_tip": "Stop watching",
    "figure": "Tokens a second, requests running and waiting, and the share of the KV cache in use, "
    "over the last two minutes",
    "tokens": "tokens/s",
    "running": "running",
    "waiting": "waiting",
    "cache": "KV cache, %",
    "right": "requests; %",
    "seconds": "seconds ago",
    "watching": "Watching. Ask the model something in another cell, and see it here.",
    "stopped": "Stopped. What it saw last stays.",
    "server": "{rate:.0f} tokens a second",
}
_KEPT = 120
_EVERY_S = 1.0


class Machine(Instrument):
    """VRAM, utilisation, power, KV cache, requests: once a second while it watches, for two minutes back."""

    TITLE = TEXT["title"]

    def __init__(self, session: Session | None = None, *, every_s: float = _EVERY_S) -> None:
        import plotly.graph_objects as go

        self.session, self.every_s = session, every_s
        self.seen: deque[Vitals] = deque(maxlen=_KEPT)
        """The moments so far, the newest last."""
        self.watch = Button(description=TEXT["watch"], tooltip=TEXT["watch_tip"], button_style="primary")
        self.halt = Button(description=TEXT["stop"], tooltip=TEXT["stop_tip"], disabled=True)
        self.now = HTML()
        names = ("tokens", "running", "waiting", "cache")
        axes = ("y", "y2", "y2", "y2")
        lines = (
            go.Scatter(name=TEXT[name], yaxis=axis, mode="lines")
            for name, axis in zip(names, axes, strict=True)
        )
        right = {"overlaying": "y", "side": "right", "rangemode": "tozero", "title": {"text": TEXT["right"]}}
        self.figure = figure(*lines, x=TEXT["seconds"], y=TEXT["tokens"], yaxis2=right)
        self.figure.layout.yaxis.rangemode = "tozero"
        self.figure.layout.meta = TEXT["figure"]
        super().__init__(row(self.watch, self.halt), self.now, self.figure)
        self.watch.on_click(lambda _: self.begin(self._watch, start=self.watch, stop=self.halt))
        self.halt.on_click(self.stop)
        self.attempt(self.look)

    def look(self) -> None:
        """One more moment."""
        self.seen.append(vitals(self.session))
        self.now.value = "<br>".join(map(html.escape, self._lines()))
        self._draw()

    def samples(self) -> Mapping[str, str]:
        asked = "session" if self.session else ""
        return {"Python": f"from labkit import probes\n\nprobes.vitals({asked})"}

    def still_text(self) -> str:
        return "; ".join(self._lines())

    def still_html(self) -> str:
        return "<br>".join(map(html.escape, self._lines()))

    def _watch(self) -> None:
        self.tell(TEXT["watching"])
        while not self.stopping.wait(self.every_s):
            self.look()
        self.tell(TEXT["stopped"])

    def _lines(self) -> list[str]:
        if not self.seen:
            return []
        rate = self._rates()[-1]
        return self.seen[-1].lines() + ([] if rate is None else [TEXT["server"].format(rate=rate)])

    def _rates(self) -> list[float | None]:
        seen = list(self.seen)
        return [None, *(now.tokens_per_s(then) for then, now in pairwise(seen))]

    def _draw(self) -> None:
        ago = [each.at - self.seen[-1].at for each in self.seen]
        counted = [each.counts for each in self.seen]
        lines = (
            self._rates(),
            [each.get("num_requests_running") for each in counted],
            [each.get("num_requests_waiting") for each in counted],
            [100 * each.get("kv_cache_usage_perc", 0.0) for each in counted],
        )
        with self.figure.batch_update():
            for trace, values in zip(self.figure.data, lines, strict=True):
                trace.x, trace.y = ago, values
