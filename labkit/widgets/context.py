"""Widget: a needle in a haystack, by depth and length, with what each length takes of the KV cache."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ipywidgets import HTML, Button, IntSlider, SelectMultiple

from labkit.probes.needle import LENGTHS, Needles, needle, said
from labkit.widgets.figures import figure
from labkit.widgets.frame import Instrument
from labkit.widgets.parts import row

if TYPE_CHECKING:
    from labkit.session import Session

TEXT = {
    "title": "Context",
    "lengths": "Lengths",
    "draws": "Needles",
    "start": "Hide and ask",
    "start_tip": "Hide a sentence in texts of each length, and ask for it",
    "stop": "Stop",
    "stop_tip": "Stop after this answer",
    "x": "depth: where the needle is hidden, % of the text",
    "y": "length, tokens (KV cache)",
    "kv": "{length:,} ({mib:,.1f} MiB)",
    "found": "found, %",
    "none": "Choose one length or more.",
    "at": "Asked {n} of {all}: {length:,} tokens, hidden at {depth:.0%}.",
    "done": "{right} of {n} needles found. The longest text took {mib:,.1f} MiB of KV cache.",
    "missed": "Missed:",
    "lengths_hint": "Hold Ctrl (or Cmd) to choose several lengths.",
}
_OFFERED = (*LENGTHS, 16000, 32000)


class Context(Instrument):
    """A heat map that fills while it is measured: each cell is one needle or a few, right or wrong."""

    TITLE = TEXT["title"]

    def __init__(self, session: Session) -> None:
        import plotly.graph_objects as go

        self.session = session
        self.needles: Needles | None = None
        """What was measured so far."""
        self.lengths = SelectMultiple(
            description=TEXT["lengths"],
            options=[(f"{each:,}", each) for each in _OFFERED],
            value=LENGTHS[:3],
            rows=4,
            tooltip=TEXT["lengths_hint"],
        )
        self.draws = IntSlider(description=TEXT["draws"], value=1, min=1, max=5)
        self.start = Button(description=TEXT["start"], tooltip=TEXT["start_tip"], button_style="primary")
        self.halt = Button(description=TEXT["stop"], tooltip=TEXT["stop_tip"], disabled=True)
        self.missed = HTML()
        map = go.Heatmap(
            zmin=0,
            zmax=100,
            colorscale="Viridis",
            xgap=2,
            ygap=2,
            colorbar={"title": {"text": TEXT["found"]}},
        )
        self.figure = figure(map, x=TEXT["x"], y=TEXT["y"])
        self.figure.layout.yaxis.type = self.figure.layout.xaxis.type = "category"
        super().__init__(row(self.lengths, self.draws, self.start, self.halt), self.figure, self.missed)
        self.start.on_click(lambda _: self.begin(self._measure, start=self.start, stop=self.halt))
        self.halt.on_click(self.stop)
        for each in (self.lengths, self.draws):
            each.observe(self.refresh, "value")
        self.tell(TEXT["lengths_hint"])

    def samples(self) -> Mapping[str, str]:
        asked = f"lengths={tuple(self.lengths.value)!r}, draws={self.draws.value}"
        return {"Python": f"from labkit import probes\n\nprobes.needle(session, {asked})"}

    def still_text(self) -> str:
        return str(self.needles) if self.needles else ""

    def still_html(self) -> str:
        if self.needles is None:
            return ""
        head = "".join(f"<th>{each:.0%}</th>" for each in self.needles.depths)
        rows = "".join(
            f"<tr><td>{self._name(length)}</td>{''.join(map(_cell, self._shares(length)))}</tr>"
            for length in self.needles.lengths
        )
        return f"<table><tr><th></th>{head}</tr>{rows}</table>{self.missed.value}"

    def _measure(self) -> None:
        lengths = tuple(self.lengths.value)
        if not lengths:
            self.tell(TEXT["none"], "fault")
            return
        self.needles = needle(self.session, lengths=lengths, draws=self.draws.value, watch=self._watched)
        found = self.needles
        self.tell(
            TEXT["done"].format(
                right=len(found.hidden) - len(found.missed),
                n=len(found.hidden),
                mib=found.kv_mib(max((each.length for each in found.hidden), default=0)),
            )
        )

    def _watched(self, so_far: Needles) -> bool:
        self.needles = so_far
        last = so_far.hidden[-1]
        planned = len(so_far.lengths) * len(so_far.depths) * self.draws.value
        told = {"n": len(so_far.hidden), "all": planned, "length": last.length, "depth": last.depth}
        self.tell(TEXT["at"].format(**told))
        with self.figure.batch_update():
            (map,) = self.figure.data
            map.x = [f"{100 * each:.0f}" for each in so_far.depths]
            map.y = [self._name(each) for each in so_far.lengths]
            map.z = [
                [None if share is None else 100 * share for share in self._shares(each)]
                for each in so_far.lengths
            ]
        lines = [f"<li>{html.escape(said(each))}</li>" for each in so_far.missed]
        self.missed.value = f"{TEXT['missed']}<ul>{''.join(lines)}</ul>" if lines else ""
        return not self.stopping.is_set()

    def _shares(self, length: int) -> list[float | None]:
        assert self.needles is not None
        return [self.needles.share(length, each) for each in self.needles.depths]

    def _name(self, length: int) -> str:
        assert self.needles is not None
        return TEXT["kv"].format(length=length, mib=self.needles.kv_mib(length))


def _cell(share: float | None) -> str:
    return f"<td>{'' if share is None else f'{share:.0%}'}</td>"
