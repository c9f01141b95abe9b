"""Bar charts, upright or lying."""

from __future__ import annotations

from collections.abc import Mapping

from PIL import Image, ImageDraw

from pocket.drawings.style import PLAIN, Style, blend, fit, font, number

EDGE = 8  # pixels of paper kept free around everything


def draw_bar_chart(
    values: Mapping[str, float],
    title: str = "",
    size: tuple[int, int] = (336, 252),
    style: Style = PLAIN,
    horizontal: bool = False,
) -> Image.Image:
    """Draw positive values as bars, in the mapping's order, left to right or top to bottom.

    size: width and height in pixels. Each value is printed at the end of its bar.
    """
    picture = Image.new("RGB", size, style.paper)
    pencil = ImageDraw.Draw(picture)
    top = EDGE + draw_title(pencil, title, size[0], style)
    if horizontal:
        _lying(pencil, values, (EDGE, top, size[0] - EDGE, size[1] - EDGE), style)
    else:
        _upright(pencil, values, (EDGE, top, size[0] - EDGE, size[1] - EDGE), style)
    return picture


def draw_title(pencil: ImageDraw.ImageDraw, title: str, width: int, style: Style) -> int:
    """Write a title in the middle of the top edge. Returns the height it took, in pixels."""
    if not title:
        return 0
    bold = style.face if style.face.endswith(("bold", "oblique", "italic")) else style.face + " bold"
    written = fit([title], bold, style.size + 1, width - 2 * EDGE)
    pencil.text((width / 2, EDGE), title, style.ink, written, anchor="ma")
    return round(style.size * 1.5)


def _upright(
    pencil: ImageDraw.ImageDraw,
    values: Mapping[str, float],
    box: tuple[int, int, int, int],
    style: Style,
) -> None:
    left, top, right, bottom = box
    line = round(style.size * 1.3)
    floor, roof = bottom - line, top + line
    highest = max(values.values())
    if style.grid:
        _quarters(pencil, (left, roof, right, floor), style, upright=True)
    slot = (right - left) / len(values)
    named = fit(values, style.face, style.size, slot - 7)
    written = fit([number(v) for v in values.values()], style.face, style.size, slot - 4)
    for i, (label, value) in enumerate(values.items()):
        middle = left + (i + 0.5) * slot
        half = slot * (1 - style.gap) / 2
        end = floor - (floor - roof) * value / highest
        pencil.rectangle(
            (middle - half, end, middle + half, floor), fill=style.palette[i % len(style.palette)]
        )
        pencil.text((middle, floor + 4), label, style.ink, named, anchor="ma")
        pencil.text((middle, end - 4), number(value), style.ink, written, anchor="ms")
    if style.axes:
        pencil.line((left, floor, right, floor), style.ink)
        pencil.line((left, roof, left, floor), style.ink)


def _lying(
    pencil: ImageDraw.ImageDraw,
    values: Mapping[str, float],
    box: tuple[int, int, int, int],
    style: Style,
) -> None:
    left, top, right, bottom = box
    numbers = [number(v) for v in values.values()]
    named = fit(values, style.face, style.size, (right - left) * 0.45)
    start = left + round(max(named.getlength(label) for label in values)) + 6
    written = font(style.face, style.size)
    room = right - start - max(written.getlength(n) for n in numbers) - 8
    if style.grid:
        _quarters(pencil, (start, top, round(start + room), bottom), style, upright=False)
    highest = max(values.values())
    slot = (bottom - top) / len(values)
    for i, (label, value) in enumerate(values.items()):
        middle = top + (i + 0.5) * slot
        half = slot * (1 - style.gap) / 2
        end = start + room * value / highest
        pencil.rectangle(
            (start, middle - half, end, middle + half), fill=style.palette[i % len(style.palette)]
        )
        pencil.text((start - 5, middle), label, style.ink, named, anchor="rm")
        pencil.text((end + 5, middle), number(value), style.ink, written, anchor="lm")
    if style.axes:
        pencil.line((start, top, start, bottom), style.ink)


def _quarters(
    pencil: ImageDraw.ImageDraw, box: tuple[int, int, int, int], style: Style, upright: bool
) -> None:
    left, roof, right, floor = box
    faint = blend(style.ink, style.paper, 0.8)
    for i in range(1, 5):
        if upright:
            y = floor - (floor - roof) * i / 4
            pencil.line((left, y, right, y), faint)
        else:
            x = left + (right - left) * i / 4
            pencil.line((x, roof, x, floor), faint)
