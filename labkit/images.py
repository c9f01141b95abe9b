"""Images for a request: whatever a learner has at hand, in the form that each engine wants."""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from labkit.errors import LabkitError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

    Picture = str | Path | bytes | Image | Figure

TEXT = {
    "no_file": "There is no image at {path}. Check the path (the current folder is {here}).",
    "no_image": "{what} is not an image that can be read: give a PNG, JPEG, GIF or WebP file, its bytes, "
    "a PIL image, or a matplotlib figure.",
    "bytes": "What you gave",
    "nothing": "Nothing is uploaded yet: choose a file in the widget, then run this cell again.",
    "url": "{url} is a web address, and this door takes the bytes themselves. Download the picture, and give "
    "its path.",
}


def chunks(images: Picture | Sequence[Picture]) -> list[dict[str, Any]]:
    """One `image_url` chunk for each image, in order, for `/v1`. Raises LabkitError for what is no image.

    The value of an ipywidgets FileUpload may be given as it is: it holds one image for each file.
    """
    return [{"type": "image_url", "image_url": {"url": data_url(image)}} for image in _several(images)]


def bare(images: Picture | Sequence[Picture]) -> list[str]:
    """Each image as bare base64, for `images` in Ollama's own `/api/chat`. Raises LabkitError.

    A web address is refused: Ollama fetches nothing.
    """
    return [_bare(image) for image in _several(images)]


def data_url(image: Picture) -> str:
    """The image as a PNG in a `data:` URL. A string that is a URL already stays as it is.

    The picture is turned upright as its EXIF data say, and what is transparent becomes white.
    """
    if isinstance(image, str) and image.startswith(("http://", "https://", "data:")):
        return image
    buffer = io.BytesIO()
    picture(image).save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def picture(image: Picture) -> Image:
    """The image as PIL has it: upright, in RGB, white where it was transparent. Raises LabkitError."""
    if isinstance(image, str) and image.startswith("data:"):
        image = _decoded(image)
    if isinstance(image, str) and image.startswith(("http://", "https://")):
        raise LabkitError(TEXT["url"].format(url=image))
    return _flat(_open(image))


def _several(images: Picture | Sequence[Picture]) -> list[Picture]:
    several: Sequence[Any] = images if isinstance(images, list | tuple) else [images]
    if isinstance(images, tuple) and not images:  # the value of a FileUpload before the first file
        raise LabkitError(TEXT["nothing"])
    return [bytes(each["content"]) if _uploaded(each) else each for each in several]


def _uploaded(each: Any) -> bool:
    return isinstance(each, dict) and "content" in each


def _bare(image: Picture) -> str:
    if isinstance(image, str) and image.startswith(("http://", "https://")):
        raise LabkitError(TEXT["url"].format(url=image))
    return data_url(image).partition(",")[2]


def _decoded(url: str) -> bytes:
    try:
        return base64.b64decode(url.partition(",")[2])
    except ValueError:
        raise LabkitError(TEXT["no_image"].format(what=TEXT["bytes"])) from None


def _open(image: Picture) -> Image:
    import PIL.Image
    import PIL.ImageOps

    if isinstance(image, PIL.Image.Image):
        return image
    if _is_figure(image):
        buffer = io.BytesIO()
        image.savefig(buffer, format="png")
        return PIL.Image.open(buffer)
    if not isinstance(image, str | Path | bytes):
        raise LabkitError(TEXT["no_image"].format(what=TEXT["bytes"]))
    if isinstance(image, str | Path) and not Path(image).expanduser().is_file():
        raise LabkitError(TEXT["no_file"].format(path=image, here=Path.cwd()))
    source = io.BytesIO(image) if isinstance(image, bytes) else Path(image).expanduser()
    try:
        return PIL.ImageOps.exif_transpose(PIL.Image.open(source))
    except OSError:  # PIL's "cannot identify" is one
        what = TEXT["bytes"] if isinstance(image, bytes) else str(image)
        raise LabkitError(TEXT["no_image"].format(what=what)) from None


def _is_figure(image: object) -> TypeGuard[Figure]:
    """Without importing matplotlib: who has a figure has imported it."""
    figures = sys.modules.get("matplotlib.figure")
    return figures is not None and isinstance(image, figures.Figure)


def _flat(image: Image) -> Image:
    import PIL.Image

    if image.mode == "RGB":
        return image
    coloured = image.convert("RGBA")
    white = PIL.Image.new("RGBA", coloured.size, "white")
    return PIL.Image.alpha_composite(white, coloured).convert("RGB")
