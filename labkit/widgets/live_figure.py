"""Plotly's FigureWidget, whose script goes to the page once for a kernel, and not with each figure."""

from __future__ import annotations

from pathlib import Path

import anywidget
import plotly
import plotly.graph_objects as go
import traitlets
from ipywidgets import Widget, widget_serialization

from labkit.widgets.parts import STATIC


class Script(anywidget.AnyWidget):
    """Plotly's script, for all figures of a page."""

    _esm = STATIC / "figure.js"
    code = traitlets.Bytes().tag(sync=True)


PLOTLY = Script(code=(Path(plotly.__file__).parent / "package_data" / "widgetbundle.js").read_bytes())


class LiveFigure(go.FigureWidget):
    """Its `_esm` of 2 kB stands for Plotly's of 5 MB, which a page would read anew for each figure."""

    _esm = STATIC / "figure.js"
    _script = traitlets.Instance(Widget, default_value=PLOTLY).tag(sync=True, **widget_serialization)
    _told = traitlets.Unicode("").tag(sync=True)
    """What a screen reader says in its place."""
