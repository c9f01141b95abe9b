"""Pie charts with their percentages printed in the slices."""

from __future__ import annotations

import math
from collections.abc import Mapping

from PIL import Image, ImageDraw

from pocket.drawings.bars import EDGE, draw_title
from pocket.drawings.style import PLAIN, Style, fit, font, readable_on


def draw_pie_chart(
    values: Mapping[str, int],
    title: str = "",
    size: tuple[int, int] = (336, 252),
    style: Style = PLAIN,
    legend: bool = True,
) -> Image.Image:
    """Draw whole percentages (together 100) as slices, clockwise from the top.

    size: width and height in pixels. legend: names stand in a list at the right, else beside their slices.
    """
    picture = Image.new("RGB", size, style.paper)
    pencil = ImageDraw.Draw(picture)
    top = EDGE + draw_title(pencil, title, size[0], style)
    widest = max(font(style.face, style.size).getlength(name) for name in values)
    high = size[1] - EDGE - top
    if legend:
        room = min(widest + style.size + 14, size[0] * 0.42)
        radius = min(high, size[0] - 2 * EDGE - room) / 2
        middle = (EDGE + radius, top + high / 2)
        _slices(picture, pencil, list(values.values()), middle, radius, style)
        _legend(pencil, values, (2 * radius + 2 * EDGE + 4, top, size[0] - EDGE, size[1] - EDGE), style)
    else:
        room = min(widest, size[0] * 0.26)
        radius = min(high / 2 - style.size * 1.2, size[0] / 2 - room - 10)
        middle = (size[0] / 2, top + high / 2)
        _slices(picture, pencil, list(values.values()), middle, radius, style)
        _beside(pencil, values, middle, radius, room, style)
    return picture


def _directions(values: list[int]) -> list[float]:
    """The angle of each slice's middle in radians, clockwise from the top."""
    ends = [sum(values[: i + 1]) for i in range(len(values))]
    return [2 * math.pi * (end - v / 2) / 100 for end, v in zip(ends, values, strict=True)]


def _slices(
    picture: Image.Image,
    pencil: ImageDraw.ImageDraw,
    values: list[int],
    middle: tuple[float, float],
    radius: float,
    style: Style,
) -> None:
    side = int(2 * radius)
    twice = Image.new("RGB", (2 * side, 2 * side), style.paper)  # halved below: smooth edges
    knife = ImageDraw.Draw(twice)
    start = -90.0
    for i, value in enumerate(values):
        knife.pieslice(
            (0, 0, 2 * side - 1, 2 * side - 1),
            start,
            start + 3.6 * value,
            fill=style.palette[i],
            outline=style.paper,
            width=2,
        )
        start += 3.6 * value
    picture.paste(twice.reduce(2), (int(middle[0] - radius), int(middle[1] - radius)))
    for i, (value, angle) in enumerate(zip(values, _directions(values), strict=True)):
        place = (middle[0] + 0.68 * radius * math.sin(angle), middle[1] - 0.68 * radius * math.cos(angle))
        pencil.text(
            place, f"{value}%", readable_on(style.palette[i]), font(style.face, style.size), anchor="mm"
        )


def _legend(
    pencil: ImageDraw.ImageDraw,
    values: Mapping[str, int],
    box: tuple[float, float, float, float],
    style: Style,
) -> None:
    left, top, right, bottom = box
    written = fit(values, style.face, style.size, right - left - style.size - 2)
    line = min(style.size * 1.7, (bottom - top) / len(values))
    y = (top + bottom - line * (len(values) - 1)) / 2
    half = style.size * 0.36
    for i, name in enumerate(values):
        pencil.rectangle((left, y - half, left + 2 * half, y + half), fill=style.palette[i])
        pencil.text((left + 2 * half + 5, y), name, style.ink, written, anchor="lm")
        y += line


def _beside(
    pencil: ImageDraw.ImageDraw,
    values: Mapping[str, int],
    middle: tuple[float, float],
    radius: float,
    room: float,
    style: Style,
) -> None:
    written = fit(values, style.face, style.size, room)
    for name, angle in zip(values, _directions(list(values.values())), strict=True):
        x = middle[0] + (radius + 6) * math.sin(angle)
        y = middle[1] - (radius + style.size * 0.75) * math.cos(angle)
        side = "m" if abs(math.sin(angle)) < 0.3 else ("l" if math.sin(angle) > 0 else "r")
        pencil.text((x, y), name, style.ink, written, anchor=side + "m")
