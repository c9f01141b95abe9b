"""What an image costs: patches, merged tokens and row breaks, the KV memory they take, drawn over the image.

The arithmetic is that of mistral-common's ImageEncoder: an image whose longer edge passes the limit is scaled
down, each square of patch x merge pixels (28) becomes a token, and each row ends in one token more. A model's
numbers are the catalog's.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labkit import catalog
from labkit.errors import LabkitError
from labkit.images import bare, chunks, data_url, picture

if TYPE_CHECKING:
    from PIL.Image import Image

    from labkit.images import Picture

TEXT = {
    "size": "{wide} x {high} px",
    "scaled": "{before}, scaled down to {after}: the longer edge may have {limit} px",
    "tokens": "{columns} x {rows} = {merged:,} image tokens, and {rows} row breaks: {tokens:,} tokens",
    "memory": "{mib:.1f} MiB of KV cache; {fit:,} such images fill a context of {context:,} tokens",
    "shrunk": "Scaled down from {before} to {after}: the longer edge may have {limit} px here.",
    "blind": "{model} reads text only, so an image has no cost there: it is refused.",
    "limit": "The longest edge must be 1 pixel or more, not {limit}.",
}
MODEL = "mistral-small-3.1"
_MIB = 2**20
_LINE = (213, 94, 0)  # Okabe and Ito's vermilion: it shows on white paper and on photographs
_BREAK = (0, 114, 178)

__all__ = ["Cost", "bare", "chunks", "cost", "data_url", "picture", "shrink"]


@dataclass(frozen=True)
class Cost:
    """What one image costs a model. A notebook shows it with the image and its grid."""

    image: Image
    size: tuple[int, int]
    """Width and height as the model takes it, in pixels, after scaling down."""
    columns: int
    rows: int
    limit: int
    """The longest edge that the model takes, in pixels."""
    patch: int
    """The edge of a patch, in pixels."""
    merge: int
    """How many patches are merged along each edge of a token."""
    kv_bytes_each: float
    """KV cache of one token, in bytes, at 16 bits a number."""
    context: int
    """The longest context of the model, in tokens."""

    @property
    def patches(self) -> int:
        """Patches before the merging: merge x merge for each image token."""
        return self.merged * self.merge**2

    @property
    def merged(self) -> int:
        """Tokens that hold a part of the image."""
        return self.columns * self.rows

    @property
    def tokens(self) -> int:
        """All tokens in the prompt: the merged ones, and a break (at last: the end) after each row."""
        return self.merged + self.rows

    @property
    def kv_bytes(self) -> float:
        """The KV cache that these tokens take, in bytes."""
        return self.tokens * self.kv_bytes_each

    def fit(self, context: int | None = None) -> int:
        """How many such images fill a context of so many tokens (by default the model's longest)."""
        return (self.context if context is None else context) // self.tokens

    def draw(self) -> Image:
        """The image as the model takes it: a cell for each token, and a blue bar for each row break."""
        from PIL import Image as images
        from PIL import ImageDraw

        cell = self.patch * self.merge
        wide, high = self.columns * cell, self.rows * cell
        drawn = images.new("RGB", (wide + cell // 2, high), "white")
        drawn.paste(self.image.resize((wide, high)), (0, 0))
        pencil = ImageDraw.Draw(drawn)
        for column in range(self.columns + 1):
            pencil.line((column * cell, 0, column * cell, high), _LINE)
        for row in range(self.rows):
            pencil.line((0, row * cell, wide, row * cell), _LINE)
            pencil.rectangle((wide + 4, row * cell + 3, drawn.width - 2, (row + 1) * cell - 3), _BREAK)
        return drawn

    def __str__(self) -> str:
        before, after = _size(self.image.size), _size(self.size)
        first = TEXT["scaled"].format(before=before, after=after, limit=self.limit)
        lines = [
            before if before == after else first,
            TEXT["tokens"].format(
                columns=self.columns, rows=self.rows, merged=self.merged, tokens=self.tokens
            ),
            TEXT["memory"].format(mib=self.kv_bytes / _MIB, fit=self.fit(), context=self.context),
        ]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        lines = html.escape(str(self)).replace("\n", "<br>")
        return f'<img src="{data_url(self.draw())}" style="max-width:100%"><p>{lines}</p>'


def cost(image: Picture, model: str = MODEL, *, longest: int | None = None) -> Cost:
    """What an image costs. model: a name of the catalog, "pocket" for the twin. Raises LabkitError.

    longest: scaled down first so that its longer edge has at most so many pixels, as `shrink` does it.
    """
    shape = catalog.model(model)
    eyes = shape.vision
    if eyes is None:
        raise LabkitError(TEXT["blind"].format(model=model))
    if longest is not None and longest < 1:
        raise LabkitError(TEXT["limit"].format(limit=longest))
    limit = min(eyes.image_size, longest or eyes.image_size)
    opened = picture(image)
    size = _scaled(opened.size, limit)
    columns, rows = (-(-edge // (eyes.patch * eyes.merge)) for edge in size)
    return Cost(
        image=opened,
        size=size,
        columns=columns,
        rows=rows,
        limit=limit,
        patch=eyes.patch,
        merge=eyes.merge,
        kv_bytes_each=shape.text.kv_bytes(),
        context=shape.text.context,
    )


def shrink(image: Picture, longest: int) -> Image:
    """The image with its longer edge at most `longest` pixels; says so where it had to scale it down.

    Raises LabkitError for what is no image.
    """
    if longest < 1:
        raise LabkitError(TEXT["limit"].format(limit=longest))
    opened = picture(image)
    size = _scaled(opened.size, longest)
    if size == opened.size:
        return opened
    print(TEXT["shrunk"].format(before=_size(opened.size), after=_size(size), limit=longest))
    return opened.resize(size)


def _scaled(size: tuple[int, int], longest: int) -> tuple[int, int]:
    ratio = max(size) / longest
    if ratio <= 1:
        return size
    wide, high = (max(1, round(edge / ratio)) for edge in size)
    return wide, high


def _size(size: tuple[int, int]) -> str:
    return TEXT["size"].format(wide=size[0], high=size[1])
