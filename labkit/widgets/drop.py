"""A part that takes pictures: dropped on it, pasted, or chosen by its button. Large ones are scaled down."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from labkit import home, vision
from labkit.errors import LabkitError
from labkit.widgets.parts import STATIC

if TYPE_CHECKING:
    from PIL.Image import Image

TEXT = {
    "button": "Add a picture",
    "hint": "or drop one here, or paste it",
    "remove": "Remove {name}",
    "note": "{wide} x {high} px, {tokens:,} tokens",
    "shrunk": "{name}: {what}",
    "too_many_pixels": "{name} has too many pixels to open it safely. Scale it down first, to 50 megapixels "
    "or fewer.",
    "too_big": "{name} has {mib:.0f} MiB, and {limit:.0f} MiB is the most that can be sent. Scale it down.",
}
_THUMB_PX = 160
_LIMIT = 100 * 2**20


@dataclass(frozen=True)
class Photo:
    """A picture as it is sent: upright, in RGB, its longer edge no longer than the model takes."""

    name: str
    url: str
    """The PNG as a `data:` URL."""
    path: Path
    """The same PNG on the disk, for code that is copied."""
    thumb: str
    """A small JPEG of it, as a `data:` URL."""
    note: str
    """Its size, and the tokens that it costs."""
    shrunk: str = ""
    """The sentence that says it was scaled down; "" where it was not."""

    @classmethod
    def of(cls, name: str, data: bytes, model: str = vision.MODEL) -> Photo:
        """From the bytes of an image file. model: whose tokens are counted. Raises LabkitError."""
        from PIL.Image import DecompressionBombError

        try:
            cost = vision.cost(data)
        except DecompressionBombError:
            raise LabkitError(TEXT["too_many_pixels"].format(name=name)) from None
        image = cost.image if cost.size == cost.image.size else cost.image.resize(cost.size)
        path = kept(image)
        small, jpeg = image.copy(), io.BytesIO()
        small.thumbnail((_THUMB_PX, _THUMB_PX))
        small.save(jpeg, format="JPEG", quality=80)
        wide, high = image.size
        return cls(
            name,
            "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode(),
            path,
            "data:image/jpeg;base64," + base64.b64encode(jpeg.getvalue()).decode(),
            TEXT["note"].format(wide=wide, high=high, tokens=vision.cost(image, model).tokens),
            "" if image is cost.image else TEXT["shrunk"].format(name=name, what=str(cost).splitlines()[0]),
        )


class Drop(anywidget.AnyWidget):
    """Takes pictures, shows them small, and lets them be removed. `photos` has them."""

    _esm = STATIC / "drop.js"
    _css = STATIC / "drop.css"
    shown = traitlets.List(traitlets.Dict()).tag(sync=True)
    words = traitlets.Dict({key: TEXT[key] for key in ("button", "hint", "remove")}).tag(sync=True)
    limit = traitlets.Int(_LIMIT).tag(sync=True)

    def __init__(self, tell: Callable[[str, str], None], model: str = vision.MODEL) -> None:
        """tell: takes a sentence and its kind ("note" or "fault"). model: whose tokens are counted."""
        super().__init__()
        self.model = model
        self.photos: tuple[Photo, ...] = ()
        self._tell = tell
        self._coming: dict[int, list[bytes]] = {}
        self.on_msg(self._message)

    def add(self, name: str, data: bytes) -> None:
        """Take the bytes of an image file; what is no image, or too large, becomes a sentence."""
        if len(data) > self.limit:
            self._refuse(name, len(data))
            return
        try:
            photo = Photo.of(name, data, self.model)
        except LabkitError as error:
            self._tell(str(error), "fault")
            return
        self.put((*self.photos, photo))
        self._tell(photo.shrunk, "note")

    def put(self, photos: tuple[Photo, ...]) -> None:
        """These pictures, and no others."""
        self.photos = photos
        self.shown = [{"name": each.name, "thumb": each.thumb, "note": each.note} for each in photos]

    def _message(self, _: Any, content: dict[str, Any], buffers: list[memoryview]) -> None:
        """From the page: a slice of a file (a large message would end the connection), or a removal."""
        if "remove" in content:
            self.put(tuple(each for index, each in enumerate(self.photos) if index != content["remove"]))
        elif "refused" in content:
            self._refuse(content["refused"], content["size"])
        else:
            slices = self._coming.setdefault(content["id"], [])
            slices.append(bytes(buffers[0]))
            if content["last"]:
                self.add(content["name"], b"".join(self._coming.pop(content["id"])))

    def _refuse(self, name: str, size: int) -> None:
        text = TEXT["too_big"].format(name=name, mib=size / 2**20, limit=self.limit / 2**20)
        self._tell(text, "fault")


def kept(image: Image) -> Path:
    """The picture as a PNG on the disk, in LABKIT_HOME, so that code that is copied can open it."""
    png = io.BytesIO()
    image.save(png, format="PNG", compress_level=1)
    folder = home.home() / "pictures"
    folder.mkdir(exist_ok=True)
    path = folder / f"{hashlib.sha256(png.getvalue()).hexdigest()[:12]}.png"
    path.write_bytes(png.getvalue())
    return path
