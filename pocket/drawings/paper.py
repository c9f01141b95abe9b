"""Signs with a few words, and till receipts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from pocket.drawings.style import RGB, Style, blend, fit, font

SIGN = Style(size=28)
TILL = Style(face="mono")


@dataclass(frozen=True)
class Receipt:
    """What a till receipt says. Prices are texts, printed as they are ("4.50", "$4.50")."""

    shop: str
    items: tuple[tuple[str, str], ...]
    total: str
    head: str = ""  # a line below the shop's name: a date, a street
    foot: str = ""  # a last line: "Thank you!"
    total_word: str = "TOTAL"

    def lines(self) -> list[str]:
        """The text as it stands on the paper, top to bottom."""
        rows = [
            self.shop,
            self.head,
            *(f"{name} {price}" for name, price in self.items),
            f"{self.total_word} {self.total}",
            self.foot,
        ]
        return [row for row in rows if row]


def draw_words(
    lines: str | Sequence[str],
    size: tuple[int, int] = (224, 112),
    style: Style = SIGN,
    panel: RGB | None = None,
    frame: bool = False,
    shift: tuple[float, float] = (0.5, 0.5),
    align: str = "center",
) -> Image.Image:
    """Write one or more lines on a sign.

    size: width and height in pixels. panel: the colour of a round-cornered board below the text. frame: a
    border. shift: where the text stands in its free room, 0 to 1. align: "left", "center" or "right".
    Text too wide for the picture is written smaller.
    """
    rows = [lines] if isinstance(lines, str) else list(lines)
    edge = 12 if panel or frame else 6
    picture = Image.new("RGB", size, style.paper)
    pencil = ImageDraw.Draw(picture)
    if panel or frame:
        pencil.rounded_rectangle(
            (4, 4, size[0] - 5, size[1] - 5), 8, fill=panel, outline=style.ink if frame else None, width=2
        )
    tallest = int((size[1] - 2 * edge) / len(rows) / 1.15)
    written = fit(rows, style.face, min(style.size, tallest), size[0] - 2 * edge)
    lengths = [written.getlength(row) for row in rows]
    line = written.size * 1.2
    x = edge + (size[0] - 2 * edge - max(lengths)) * shift[0]
    y = edge + (size[1] - 2 * edge - line * len(rows)) * shift[1]
    where = {"left": 0.0, "center": 0.5, "right": 1.0}[align]
    for i, row in enumerate(rows):
        start = x + (max(lengths) - lengths[i]) * where
        pencil.text((start, y + line * (i + 0.5)), row, style.ink, written, anchor="lm")
    return picture


def draw_receipt(
    receipt: Receipt,
    size: tuple[int, int] = (280, 252),
    style: Style = TILL,
    rules: bool = True,
    shift: float = 0.5,
) -> Image.Image:
    """Print a receipt: the shop in the middle, names at the left, prices at the right.

    size: width and height in pixels. rules: thin lines around the items. shift: where the text stands in the
    free height, 0 to 1. Text too wide for the paper is written smaller.
    """
    picture = Image.new("RGB", size, style.paper)
    pencil = ImageDraw.Draw(picture)
    rows = receipt.lines()
    line = min(style.size * 1.5, (size[1] - 12) / len(rows))
    written = fit([row + "  " for row in rows], style.face, min(style.size, int(line / 1.15)), size[0] - 24)
    bold = font(style.face if " " in style.face else style.face + " bold", int(written.size))
    if style.face.startswith("stix"):
        bold = written
    y = 6 + (size[1] - 12 - line * len(rows)) * shift + line / 2
    faint = blend(style.ink, style.paper, 0.5)
    columns = {f"{n} {p}": (n, p) for n, p in [*receipt.items, (receipt.total_word, receipt.total)]}
    body = range(rows.index(f"{receipt.items[0][0]} {receipt.items[0][1]}"), len(rows) - bool(receipt.foot))
    for i, row in enumerate(rows):
        if rules and i in (body.start, body.stop - 1):
            pencil.line((12, y - line / 2, size[0] - 12, y - line / 2), faint)
        if i in body:
            name, price = columns[row]
            hand = bold if i == body.stop - 1 else written
            pencil.text((12, y), name, style.ink, hand, anchor="lm")
            pencil.text((size[0] - 12, y), price, style.ink, hand, anchor="rm")
        else:
            pencil.text((size[0] / 2, y), row, style.ink, bold if i == 0 else written, anchor="mm")
        y += line
    return picture
