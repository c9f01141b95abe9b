"""Widgets: the probes by hand, inside the notebook. Most take a session.

Such as `widgets.Playground(session)`, as the last line of a cell. Each is loaded when it is first named. What
takes a second to load, Plotly and its script for the page, a notebook loads at once, in the background.
"""

from __future__ import annotations

import sys
from importlib import import_module
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labkit.widgets.context import Context
    from labkit.widgets.doctor import Doctor
    from labkit.widgets.machine import Machine
    from labkit.widgets.planner import Planner
    from labkit.widgets.playground import Playground
    from labkit.widgets.progress import Progress
    from labkit.widgets.speed import Speed
    from labkit.widgets.temperature import Temperature
    from labkit.widgets.tokens import Tokens
    from labkit.widgets.tracer import Tracer
    from labkit.widgets.vision import Vision

__all__ = [
    "Context",
    "Doctor",
    "Machine",
    "Planner",
    "Playground",
    "Progress",
    "Speed",
    "Temperature",
    "Tokens",
    "Tracer",
    "Vision",
]


def _load() -> None:
    import openai  # noqa: F401

    from labkit import probes  # noqa: F401
    from labkit.widgets import figures, planner  # noqa: F401

    figures.warm()


if "ipykernel" in sys.modules:
    Thread(target=_load, daemon=True).start()


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; its widgets are {__all__}")
    return getattr(import_module(f"{__name__}.{name.lower()}"), name)
