"""Pictures for the vision widget: some that are drawn here, any that a learner brings, and what two cost."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from labkit import vision
from labkit.errors import LabkitError
from labkit.vision import Cost
from labkit.widgets.drop import TEXT as DROP

if TYPE_CHECKING:
    from PIL.Image import Image

    from labkit.images import Picture

TEXT = {
    "mib": "{mib:.2f} MiB",
    "pixels": "{wide:,} x {high:,} px",
    "product": "{columns} x {rows} = {merged:,}",
    "no_picture": "{name} is no picture that can be read: give a PNG, JPEG, GIF or WebP file.",
}
HEADS = ("", "the picture", "the region")
ROWS = (
    "as the model takes it",
    "image tokens, columns x rows",
    "row breaks",
    "tokens in all",
    "KV cache",
    "fit into the context",
)
_MIB = 2**20


def _chart() -> Image:
    from pocket.drawings import draw_bar_chart

    return draw_bar_chart({"Mon": 12, "Tue": 7, "Wed": 19, "Thu": 15}, title="Visitors")


def _receipt() -> Image:
    from pocket.drawings import Receipt, draw_receipt

    bought = (("Coffee", "2.80"), ("Toast", "3.50"), ("Juice", "2.40"))
    return draw_receipt(Receipt("Corner Cafe", bought, "8.70", foot="Thank you!"))


def _shapes() -> Image:
    from pocket.drawings import draw_shapes

    return draw_shapes(["red circle", "blue square", "green star"])


def _page() -> Image:
    from PIL import Image as images

    from pocket.drawings import draw_words

    page = images.new("RGB", (1600, 1200), "white")
    page.paste(draw_words("Open until 8", frame=True), (900, 500))
    return page


SAMPLES: dict[str, Callable[[], Image]] = {
    "chart": _chart,
    "receipt": _receipt,
    "shapes": _shapes,
    "page": _page,
}
"""Drawn anew each time, by a name."""


def facts(whole: Cost, part: Cost) -> str:
    """The costs of a picture and of a region of it, as a table."""
    head = "".join(f"<th>{each}</th>" for each in HEADS)
    rows = zip(ROWS, _lines(whole), _lines(part), strict=True)
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in each) + "</tr>" for each in rows)
    return f"<table><tr>{head}</tr>{lines}</table>"


def opened_copy(picture: Picture, name: str) -> Image:
    """A copy of the picture. Raises LabkitError."""
    from PIL.Image import DecompressionBombError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PIL warns of large ones, which are scaled down here
            return vision.picture(picture).copy()
    except DecompressionBombError:
        raise LabkitError(DROP["too_many_pixels"].format(name=name)) from None
    except (LabkitError, OSError) as error:  # the second where the file breaks off
        if isinstance(error, LabkitError) and not isinstance(picture, bytes):
            raise
        raise LabkitError(TEXT["no_picture"].format(name=name)) from None


def pixels(size: tuple[int, int]) -> str:
    """Width and height in words."""
    return TEXT["pixels"].format(wide=size[0], high=size[1])


def _lines(found: Cost) -> list[str]:
    return [
        pixels(found.size),
        TEXT["product"].format(columns=found.columns, rows=found.rows, merged=found.merged),
        f"{found.rows:,}",
        f"{found.tokens:,}",
        TEXT["mib"].format(mib=found.kv_bytes / _MIB),
        f"{found.fit():,}",
    ]
