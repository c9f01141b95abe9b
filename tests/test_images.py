import base64
import io
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from labkit import LabkitError
from labkit.images import bare, chunks, data_url

RED = PIL.Image.new("RGB", (6, 4), "red")


def decoded(url: str) -> PIL.Image.Image:
    head, _, body = url.partition(",")
    assert head == "data:image/png;base64"
    return PIL.Image.open(io.BytesIO(base64.b64decode(body)))


def as_bytes(image: PIL.Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def test_a_path_bytes_and_a_picture_give_the_same_png(tmp_path: Path) -> None:
    RED.save(tmp_path / "red.bmp")
    given: list[Any] = [RED, as_bytes(RED, format="PNG"), tmp_path / "red.bmp", str(tmp_path / "red.bmp")]
    assert {data_url(each) for each in given} == {data_url(RED)}
    assert decoded(data_url(RED)).getpixel((0, 0)) == (255, 0, 0)


def test_what_is_transparent_becomes_white() -> None:
    assert decoded(data_url(PIL.Image.new("RGBA", (2, 2), (0, 0, 0, 0)))).getpixel((0, 0)) == (255,) * 3


def test_a_photo_is_turned_upright() -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # "turn me by 90 degrees"
    assert decoded(data_url(as_bytes(RED, format="JPEG", exif=exif))).size == (4, 6)


@pytest.mark.parametrize("url", ["https://example.org/a.png", "data:image/png;base64,AAAA"])
def test_a_url_stays(url: str) -> None:
    assert chunks(url) == [{"type": "image_url", "image_url": {"url": url}}]


def test_several_keep_their_order() -> None:
    blue = PIL.Image.new("RGB", (6, 4), "blue")
    assert [each["image_url"]["url"] for each in chunks([RED, blue])] == [data_url(RED), data_url(blue)]


def test_what_is_no_image_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(LabkitError, match=r"a\.txt is not an image"):
        data_url(tmp_path / "a.txt")
    with pytest.raises(LabkitError, match="What you gave is not an image"):
        data_url(b"hello")
    with pytest.raises(LabkitError, match=r"There is no image at /nowhere\.png"):
        data_url("/nowhere.png")


def test_a_matplotlib_figure_is_drawn() -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 1), dpi=100)
    assert decoded(data_url(figure)).size == (200, 100)


def test_an_upload_widgets_value_is_as_many_images_as_files() -> None:
    file = {"name": "red.png", "content": memoryview(as_bytes(RED, format="PNG"))}
    assert [each["image_url"]["url"] for each in chunks((file, file))] == [data_url(RED)] * 2  # type: ignore[arg-type]
    with pytest.raises(LabkitError, match="Nothing is uploaded yet"):
        chunks(())


def test_bare_is_base64_without_a_head() -> None:
    raw = as_bytes(RED, format="PNG")
    assert bare(RED) == bare(data_url(RED)) == [data_url(RED).partition(",")[2]]
    assert PIL.Image.open(io.BytesIO(base64.b64decode(bare([raw])[0]))).size == RED.size
    with pytest.raises(LabkitError, match="is a web address"):
        bare("https://example.org/a.png")


def test_what_is_of_no_known_kind_is_said_too() -> None:
    with pytest.raises(LabkitError, match="What you gave is not an image"):
        chunks(7)  # type: ignore[arg-type]
