"""Simple coloured shapes on plain paper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from pocket.drawings.style import COLOURS, RGB, Style

Points = list[tuple[float, float]]


def _ring(corners: int, start: float = -90.0, radii: tuple[float, ...] = (1.0,)) -> Points:
    turn = 360 / corners
    return [
        (
            radii[i % len(radii)] * math.cos(math.radians(start + i * turn)),
            radii[i % len(radii)] * math.sin(math.radians(start + i * turn)),
        )
        for i in range(corners)
    ]


def _heart() -> Points:
    steps = [2 * math.pi * i / 64 for i in range(64)]
    return [
        (
            math.sin(t) ** 3,
            -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 16 - 0.12,
        )
        for t in steps
    ]


_ARM = 0.34
_OUTLINES: dict[str, Points] = {
    "square": [(-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)],
    "triangle": [(0, -0.95), (0.98, 0.8), (-0.98, 0.8)],
    "star": _ring(10, radii=(1.05, 0.44)),
    "diamond": [(0, -1.05), (0.72, 0), (0, 1.05), (-0.72, 0)],
    "cross": [
        (-_ARM, -1),
        (_ARM, -1),
        (_ARM, -_ARM),
        (1, -_ARM),
        (1, _ARM),
        (_ARM, _ARM),
        (_ARM, 1),
        (-_ARM, 1),
        (-_ARM, _ARM),
        (-1, _ARM),
        (-1, -_ARM),
        (-_ARM, -_ARM),
    ],
    "hexagon": _ring(6, start=0),
    "heart": _heart(),
}

SHAPES = ("circle", *_OUTLINES)


@dataclass(frozen=True)
class Thing:
    """One shape. x, y: its middle, r: its half width, in pixels; tilt in degrees; rgb: its exact colour."""

    color: str
    shape: str
    x: float
    y: float
    r: float
    tilt: float = 0.0
    rgb: RGB | None = None


def in_a_grid(names: Sequence[str], size: tuple[int, int]) -> list[Thing]:
    """Place "red circle", "blue square", ... in rows of at most three, in reading order."""
    columns = max(1, min(3, len(names)))
    rows = max(1, math.ceil(len(names) / columns))
    wide, high = size[0] / columns, size[1] / rows
    things = []
    for i, name in enumerate(names):
        color, shape = name.split()
        things.append(
            Thing(
                color, shape, (i % columns + 0.5) * wide, (i // columns + 0.5) * high, 0.34 * min(wide, high)
            )
        )
    return things


def draw_shapes(
    things: Sequence[str | Thing],
    size: tuple[int, int] = (336, 224),
    paper: RGB = Style.paper,
    outline: RGB | None = None,
) -> Image.Image:
    """Draw things such as "red circle" (placed in reading order), or `Thing`s at places of your own.

    size: width and height in pixels. outline: the colour of a thin border around each shape.
    """
    named = [t for t in things if isinstance(t, str)]
    placed = in_a_grid(named, size) + [t for t in things if isinstance(t, Thing)]
    # Drawn at twice the size and halved, so that edges are smooth.
    picture = Image.new("RGB", (size[0] * 2, size[1] * 2), paper)
    pencil = ImageDraw.Draw(picture)
    for thing in placed:
        _draw(pencil, thing, outline)
    return picture.reduce(2)


def _draw(pencil: ImageDraw.ImageDraw, thing: Thing, outline: RGB | None) -> None:
    x, y, r = thing.x * 2, thing.y * 2, thing.r * 2
    fill = thing.rgb or COLOURS[thing.color][0]
    if thing.shape == "circle":
        pencil.ellipse((x - r, y - r, x + r, y + r), fill=fill, outline=outline, width=3)
        return
    cos, sin = math.cos(math.radians(thing.tilt)), math.sin(math.radians(thing.tilt))
    points = [(x + r * (a * cos - b * sin), y + r * (a * sin + b * cos)) for a, b in _OUTLINES[thing.shape]]
    pencil.polygon(points, fill=fill, outline=outline, width=3 if outline else 1)
