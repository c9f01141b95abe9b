"""A part of a widget: a picture with its token grid, a file to choose or drop, a rectangle to drag on it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from labkit.widgets.parts import STATIC

if TYPE_CHECKING:
    from PIL.Image import Image

    from labkit.vision import Cost

TEXT = {
    "choose": "Choose a picture:",
    "drop": "or drop one here.",
    "region": "Region: left, top, width, height are",
    "keys": "Arrow keys move it, Shift and arrow keys change its size.",
}
LONGEST = 3080
"""The longest edge that is kept, in pixels: twice what the real model takes, so that half of it is sharp."""
_HEAVIEST = 6_000_000  # bytes of a file; a message to the kernel may have ten million

Taken = Callable[[str, bytes, tuple[int, int] | None], None]
"""Told of a file: its name, its bytes, and the size it had before the browser scaled it down (else None)."""


class Region(anywidget.AnyWidget):
    """`region` is left, top, width, height in pixels of the picture, and changes once a drag has ended."""

    _esm = STATIC / "region.js"
    image = traitlets.Bytes(b"").tag(sync=True)
    size = traitlets.Tuple((1, 1)).tag(sync=True)
    grid = traitlets.Tuple((1, 1)).tag(sync=True)
    """Columns and rows of tokens."""
    region = traitlets.List([0, 0, 1, 1]).tag(sync=True)
    longest = traitlets.Int(LONGEST).tag(sync=True)
    heaviest = traitlets.Int(_HEAVIEST).tag(sync=True)
    words = traitlets.Dict(TEXT).tag(sync=True)

    def __init__(self, taken: Taken) -> None:
        super().__init__()
        self._taken = taken
        self.on_msg(self._heard)

    def show(self, cost: Cost) -> None:
        """The picture as the model takes it, under its grid."""
        with self.hold_sync():
            self.image, self.size = jpeg(cost.image.resize(cost.size)), cost.image.size
            self.grid = (cost.columns, cost.rows)

    def _heard(self, _: Any, content: dict[str, Any], buffers: list[Any]) -> None:
        size = content.get("size")
        self._taken(str(content.get("file", "")), bytes(buffers[0]) if buffers else b"", size and tuple(size))


def jpeg(image: Image) -> bytes:
    """The picture as a JPEG for the page."""
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=90, subsampling=0)
    return buffer.getvalue()
