"""Live figures: Plotly's FigureWidget in the course's colours, on the page's own paper.

Plotly's script comes with its package, so nothing is fetched; a figure changes in place as data come.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plotly.graph_objects import FigureWidget

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999")
"""Okabe and Ito's: told apart by colour-blind eyes, on white and on black."""
TEXT = {"both": "Figure: {y}, by {x}", "one": "Figure: {y}{x}"}
_GRID = "rgba(128, 128, 128, 0.3)"


def figure(*traces: Any, x: str = "", y: str = "", height: int = 280, **layout: Any) -> FigureWidget:
    """A figure of these traces, as wide as its cell; change it inside `with found.batch_update():`.

    x, y: the axes' titles, with units; a screen reader says them, too. height: in pixels. layout: anything
    else of Plotly's layout.
    """
    with _without_grammar():
        from labkit.widgets.live_figure import LiveFigure

    axis = {"gridcolor": _GRID, "zerolinecolor": _GRID, "linecolor": _GRID, "automargin": True}
    found = LiveFigure(traces)
    found._told = TEXT["both" if x and y else "one"].format(x=x, y=y)
    legend = sum(bool(each.name) for each in traces) > 1
    found.update_layout(
        autosize=True,
        height=height,
        margin={"l": 10, "r": 10, "t": 34 if legend else 10, "b": 10},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        colorway=COLOURS,
        font={"size": 12},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "entrywidth": 0},
        xaxis=axis | {"title": {"text": x}},
        yaxis=axis | {"title": {"text": y}},
    )
    found.update_layout(**layout)
    found._config = found._config | {"displayModeBar": False, "responsive": True}
    return found


@contextmanager
def _without_grammar() -> Iterator[None]:
    """Plotly imports `jsonschema`, which would build a parser for addresses from a grammar: over a second.

    Where it is missing, jsonschema does not check two formats of addresses (see engines/site).
    """
    name = "rfc3987_syntax"
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.modules.pop(name, None)


def warm() -> None:
    """Load Plotly, and let it read its rules, which it does for the first figure: a second on two cores."""
    import plotly.graph_objects as go

    figure(go.Scatter(name="one", x=[0]), go.Bar(name="two", x=[0]), x="x", y="y").close()
