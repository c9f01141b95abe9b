"""Images for the OpenAI API: whatever a learner has at hand, as a chunk of a message."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labkit.errors import LabkitError

if TYPE_CHECKING:
    from PIL.Image import Image

    Picture = str | Path | bytes | Image

TEXT = {
    "no_file": "There is no image at {path}. Check the path (the current folder is {here}).",
    "no_image": "{what} is not an image that can be read: give a PNG, JPEG, GIF or WebP file, its bytes, "
    "or a PIL image.",
    "bytes": "What you gave",
}


def chunks(images: Picture | Sequence[Picture]) -> list[dict[str, Any]]:
    """One `image_url` chunk for each image, in order. Raises LabkitError for what is no image."""
    several: Sequence[Any] = images if isinstance(images, list | tuple) else [images]
    return [{"type": "image_url", "image_url": {"url": data_url(image)}} for image in several]


def data_url(image: Picture) -> str:
    """The image as a PNG in a `data:` URL. A string that is a URL already stays as it is.

    The picture is turned upright as its EXIF data say, and what is transparent becomes white.
    """
    if isinstance(image, str) and image.startswith(("http://", "https://", "data:")):
        return image
    buffer = io.BytesIO()
    _flat(_open(image)).save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _open(image: Picture) -> Image:
    import PIL.Image
    import PIL.ImageOps

    if isinstance(image, PIL.Image.Image):
        return image
    if isinstance(image, str | Path) and not Path(image).expanduser().is_file():
        raise LabkitError(TEXT["no_file"].format(path=image, here=Path.cwd()))
    source = io.BytesIO(image) if isinstance(image, bytes) else Path(image).expanduser()
    try:
        return PIL.ImageOps.exif_transpose(PIL.Image.open(source))
    except OSError:  # PIL's "cannot identify" is one
        what = TEXT["bytes"] if isinstance(image, bytes) else str(image)
        raise LabkitError(TEXT["no_image"].format(what=what)) from None


def _flat(image: Image) -> Image:
    import PIL.Image

    if image.mode == "RGB":
        return image
    coloured = image.convert("RGBA")
    white = PIL.Image.new("RGBA", coloured.size, "white")
    return PIL.Image.alpha_composite(white, coloured).convert("RGB")
