"""Line charts of one series, with every value printed beside its marker."""

from __future__ import annotations

from collections.abc import Mapping

from PIL import Image, ImageDraw

from pocket.drawings.bars import EDGE, draw_title
from pocket.drawings.style import PLAIN, Style, blend, fit, number


def draw_line_chart(
    values: Mapping[str, float], title: str = "", size: tuple[int, int] = (336, 252), style: Style = PLAIN
) -> Image.Image:
    """Draw positive values as a line, in the mapping's order from left to right. size in pixels."""
    picture = Image.new("RGB", size, style.paper)
    pencil = ImageDraw.Draw(picture)
    line = round(style.size * 1.3)
    left, right = EDGE, size[0] - EDGE
    floor = size[1] - EDGE - line
    roof = EDGE + draw_title(pencil, title, size[0], style)
    slot = (right - left) / len(values)
    points = _points(list(values.values()), (left, roof + line + 2, slot, floor - line - 8))
    if style.grid:
        for i in range(4):
            y = floor - (floor - roof) * (i + 1) / 4.5
            pencil.line((left, y, right, y), blend(style.ink, style.paper, 0.8))
    pencil.line(points, fill=style.palette[0], width=max(2, style.size // 7), joint="curve")
    named = fit(values, style.face, style.size, slot - 7)
    written = fit([number(v) for v in values.values()], style.face, style.size, slot - 4)
    dot = max(3, style.size // 5)
    for i, ((x, y), (label, value)) in enumerate(zip(points, values.items(), strict=True)):
        pencil.ellipse((x - dot, y - dot, x + dot, y + dot), fill=style.palette[0])
        pencil.text((x, floor + 4), label, style.ink, named, anchor="ma")
        aside = _slope(points, i) * written.getlength(number(value)) * 0.3
        where = ((x + aside, y + dot + 3), "ma") if _valley(points, i) else ((x + aside, y - dot - 3), "ms")
        pencil.text(
            where[0],
            number(value),
            style.ink,
            written,
            anchor=where[1],
            stroke_width=2,
            stroke_fill=style.paper,
        )
    if style.axes:
        pencil.line((left, floor, right, floor), style.ink)
        pencil.line((left, roof, left, floor), style.ink)
    return picture


def _points(values: list[float], box: tuple[float, float, float, float]) -> list[tuple[float, float]]:
    left, high, slot, low = box
    lowest, span = min(values), max(values) - min(values) or 1
    return [(left + (i + 0.5) * slot, low - (low - high) * (v - lowest) / span) for i, v in enumerate(values)]


def _valley(points: list[tuple[float, float]], i: int) -> bool:
    """Whether the line leaves this point upwards on every side: its value then stands below."""
    beside = [points[j][1] for j in (i - 1, i + 1) if 0 <= j < len(points)]
    return all(y < points[i][1] for y in beside)


def _slope(points: list[tuple[float, float]], i: int) -> int:
    """1 where the line falls through this point, -1 where it rises through it, 0 at ends and turns."""
    if i in (0, len(points) - 1):
        return 0
    before, here, after = (points[j][1] for j in (i - 1, i, i + 1))
    return (before < here < after) - (before > here > after)
