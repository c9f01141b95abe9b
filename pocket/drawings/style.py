"""Colours, fonts and the look that all drawings share."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

RGB = tuple[int, int, int]

# Each colour name stands for the span between its anchors (the CSS colour is one of them).
COLOURS: dict[str, tuple[RGB, ...]] = {
    "red": ((255, 0, 0), (205, 25, 35), (235, 50, 45)),
    "green": ((0, 128, 0), (0, 190, 40), (45, 150, 70)),
    "blue": ((0, 0, 255), (35, 70, 205), (40, 100, 235)),
    "yellow": ((255, 255, 0), (250, 220, 30), (240, 230, 60)),
    "orange": ((255, 165, 0), (250, 135, 10), (255, 140, 0)),
    "purple": ((128, 0, 128), (120, 40, 180), (145, 50, 190)),
    "pink": ((255, 192, 203), (255, 130, 190), (255, 160, 205)),
    "brown": ((139, 69, 19), (120, 72, 40), (150, 85, 35)),
    "cyan": ((0, 255, 255), (0, 210, 225), (40, 225, 240)),
    "gray": ((128, 128, 128), (115, 118, 122), (150, 150, 150)),
    "black": ((0, 0, 0), (15, 15, 20), (30, 30, 30)),
    "white": ((255, 255, 255), (248, 248, 250), (250, 248, 242)),
}

FACES = {
    "sans": "DejaVuSans.ttf",
    "sans bold": "DejaVuSans-Bold.ttf",
    "sans oblique": "DejaVuSans-Oblique.ttf",
    "serif": "DejaVuSerif.ttf",
    "serif bold": "DejaVuSerif-Bold.ttf",
    "serif italic": "DejaVuSerif-Italic.ttf",
    "mono": "DejaVuSansMono.ttf",
    "mono bold": "DejaVuSansMono-Bold.ttf",
    "stix": "STIXGeneral.ttf",
    "stix bold": "STIXGeneralBol.ttf",
}


@dataclass(frozen=True)
class Style:
    """The look of a drawing. size: font size in pixels (a digit is about 0.73 of it)."""

    face: str = "sans"
    size: int = 16
    ink: RGB = (30, 30, 30)
    paper: RGB = (255, 255, 255)
    palette: tuple[RGB, ...] = (
        (40, 100, 235),
        (250, 135, 10),
        (45, 150, 70),
        (205, 25, 35),
        (120, 40, 180),
        (120, 72, 40),
    )
    grid: bool = False
    axes: bool = True
    gap: float = 0.35  # share of a slot that stays empty beside a bar


PLAIN = Style()
READABLE = 13
"""The smallest letters of the curriculum, in pixels of what the twin sees."""


@lru_cache(maxsize=1)
def _font_folder() -> Path:
    """Matplotlib's own fonts, found without the cost of importing it."""
    spec = importlib.util.find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise RuntimeError(
            "The drawings use matplotlib's fonts, and it is not installed. Run: pip install matplotlib"
        )
    return Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"


@lru_cache(maxsize=1024)
def font(face: str, size: int) -> ImageFont.FreeTypeFont:
    """A font by its short name (see FACES) and size in pixels. STIX comes larger: its letters are small."""
    pixels = round(size * 1.12) if face.startswith("stix") else size
    return ImageFont.truetype(_font_folder() / FACES[face], pixels, layout_engine=ImageFont.Layout.BASIC)


def fit(texts: Iterable[str], face: str, size: int, room: float, floor: int = 10) -> ImageFont.FreeTypeFont:
    """The largest font, from `floor` to `size` pixels, in which no text is wider than `room` pixels."""
    widest = max((font(face, size).getlength(t) for t in texts), default=0.0)
    if widest > room:
        size = max(floor, int(size * room / widest))
    return font(face, size)


def luminance(colour: RGB) -> float:
    """Perceived brightness, 0 (black) to 255 (white)."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def distance(a: RGB, b: RGB) -> float:
    """How far apart two colours look, 0 to about 765."""
    return abs(a[0] - b[0]) + abs(a[1] - b[1]) + abs(a[2] - b[2])


def blend(a: RGB, b: RGB, share: float) -> RGB:
    """The colour `share` of the way from a to b."""
    return (
        round(a[0] + (b[0] - a[0]) * share),
        round(a[1] + (b[1] - a[1]) * share),
        round(a[2] + (b[2] - a[2]) * share),
    )


def readable_on(colour: RGB) -> RGB:
    """Black or white, whichever reads better on this colour."""
    return (0, 0, 0) if luminance(colour) > 125 else (255, 255, 255)


def number(value: float) -> str:
    """How a chart prints a value: integers plainly, everything else with one decimal."""
    return str(value) if isinstance(value, int) else f"{value:.1f}"
