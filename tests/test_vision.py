"""The cost of an image against mistral-common's own encoder, and against the live engine's count."""

from __future__ import annotations

import PIL.Image
import pytest

import labkit
from labkit import LabkitError, catalog, vision

SIZES = [(1, 1), (28, 28), (29, 28), (336, 252), (1540, 1540), (1541, 700), (4000, 3000), (9000, 3)]


def blank(size: tuple[int, int]) -> PIL.Image.Image:
    return PIL.Image.new("RGB", size, "white")


@pytest.mark.parametrize("model", ["mistral-small-3.1", "pocket"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_counts_as_mistral_common_does(size: tuple[int, int], model: str) -> None:
    from mistral_common.protocol.instruct.chunk import ImageChunk
    from mistral_common.tokens.tokenizers.image import ImageConfig, ImageEncoder, SpecialImageIDs

    counted = vision.cost(blank(size), model)
    config = ImageConfig(counted.patch, counted.limit, counted.merge)
    encoded = ImageEncoder(config, SpecialImageIDs(img=10, img_break=11, img_end=12))(
        ImageChunk(image=blank(size))
    )
    assert counted.tokens == len(encoded.tokens)
    assert counted.merged == encoded.tokens.count(10)


def test_the_largest_square_of_the_real_model() -> None:
    largest = vision.cost(blank((1540, 1540)))
    assert (largest.columns, largest.rows, largest.merged, largest.tokens) == (55, 55, 3025, 3080)
    assert largest.patches == 110 * 110
    assert largest.kv_bytes == 3080 * 160 * 1024
    assert largest.fit() == 42 and largest.fit(32768) == 10


def test_says_that_an_image_is_scaled_down() -> None:
    assert "672 x 336 px, scaled down to 336 x 168 px" in str(vision.cost(blank((672, 336)), "pocket"))
    assert "scaled" not in str(vision.cost(blank((336, 168)), "pocket"))


def test_the_drawing_has_a_cell_for_each_token_and_a_bar_for_each_break() -> None:
    drawn = vision.cost(blank((56, 84)), "pocket").draw()
    assert drawn.size == (2 * 28 + 14, 3 * 28)
    assert [drawn.getpixel((62, row * 28 + 14)) for row in range(3)] == [(0, 114, 178)] * 3
    assert drawn.getpixel((28, 14)) == (213, 94, 0) and drawn.getpixel((14, 14)) == (255, 255, 255)


def test_a_notebook_shows_the_grid_and_says_the_cost() -> None:
    shown = vision.cost(blank((56, 84)), "pocket")._repr_html_()
    assert "data:image/png;base64," in shown and "2 x 3 = 6 image tokens, and 3 row breaks: 9 tokens" in shown


def test_a_model_without_eyes_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    blind = catalog.model("pocket").model_copy(update={"vision": None})
    monkeypatch.setattr(catalog, "model", lambda name: blind)
    with pytest.raises(LabkitError, match="reads text only"):
        vision.cost(blank((2, 2)), "words")


def test_shrink_keeps_what_is_small_and_says_when_it_scales(capsys: pytest.CaptureFixture[str]) -> None:
    assert vision.shrink(blank((30, 20)), 30).size == (30, 20)
    assert capsys.readouterr().out == ""
    assert vision.shrink(blank((60, 20)), 30).size == (30, 10)
    assert "from 60 x 20 px to 30 x 10 px" in capsys.readouterr().out
    with pytest.raises(LabkitError, match="not 0"):
        vision.shrink(blank((2, 2)), 0)


@pytest.mark.engine
@pytest.mark.parametrize("size", [(28, 28), (336, 252), (700, 500)], ids=str)
def test_the_live_engine_counts_the_same(size: tuple[int, int], session: labkit.Session) -> None:
    with_image = session.count("Describe this.", image=blank(size))
    assert with_image - session.count("Describe this.") == vision.cost(blank(size), "pocket").tokens
