"""Signs and receipts: totals add up, text stays inside the picture, exam words stay out of training."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

import pytest
from PIL import Image

from pocket.drawings import Receipt, draw_receipt, draw_words
from pocket.recipe import documents, picture_words, signs
from pocket.recipe.sample import TEST, TRAIN, Sample


def pictures(sample: Sample) -> list[Image.Image]:
    return [c["image"] for c in sample.messages[0]["content"] if c["type"] == "image"]


@pytest.mark.parametrize("name", documents.SKILLS)
@pytest.mark.parametrize("split", [TRAIN, TEST])
def test_same_seed_same_sample(name: str, split: str) -> None:
    one, two = (documents.SKILLS[name](random.Random(4), split) for _ in range(2))
    assert one.answer == two.answer
    assert pictures(one)[0].tobytes() == pictures(two)[0].tobytes()


@pytest.mark.parametrize("name", documents.SKILLS)
def test_pictures_fit_the_tower(name: str) -> None:
    for seed in range(80):
        (picture,) = pictures(documents.SKILLS[name](random.Random(seed), TRAIN))
        assert picture.mode == "RGB"
        assert all(112 <= side <= 336 and side % 28 == 0 for side in picture.size)


@pytest.mark.parametrize("split", [TRAIN, TEST])
def test_totals_are_sums(split: str) -> None:
    for seed in range(200):
        receipt = documents.a_receipt(random.Random(seed), split)
        cents = [round(float(p.lstrip("$€")) * 100) for _, p in receipt.items]
        assert sum(cents) == round(float(receipt.total.lstrip("$€")) * 100)
        assert len(set(cents)) == len(cents) <= (3 if split == TEST else 5)


@pytest.mark.parametrize("split", [TRAIN, TEST])
def test_goods_shops_and_signs_belong_to_their_split(split: str) -> None:
    for seed in range(200):
        rng = random.Random(seed)
        receipt = documents.a_receipt(rng, split)
        for word in [*(n for n, _ in receipt.items), receipt.shop.split()[0]]:
            assert picture_words.in_exam(word) == (split == TEST), word
        for word in picture_words.sign_words(rng, split, 3):
            assert picture_words.in_exam(word) == (split == TEST), word


def test_json_repeats_the_receipt() -> None:
    for seed in range(60):
        data = json.loads(documents.receipt_json(random.Random(seed), TRAIN).answer["content"])
        assert list(data) == ["shop", "items", "total"]
        assert sum(i["price"] for i in data["items"]) == pytest.approx(data["total"], abs=0.001)


def test_text_is_never_cut_off() -> None:
    """The outermost pixels are paper on every side, however long the text."""
    for text in ("W", "WWWWWWWWW", ["Gj", "WIDE SIGN", "yg"]):
        for shift in ((0.0, 0.0), (1.0, 1.0)):
            drawn = draw_words(text, (112, 112), shift=shift)
            inside = drawn.crop((2, 2, 110, 110))
            assert len(inside.getcolors(10_000) or []) > 1
            drawn.paste((255, 255, 255), (2, 2, 110, 110))
            assert drawn.getcolors() == [(112 * 112, (255, 255, 255))]


def test_a_receipt_prints_every_line() -> None:
    receipt = Receipt("CORNER SHOP", (("Milk", "1.20"), ("Bread", "2.50")), "3.70", foot="Thank you!")
    assert receipt.lines() == ["CORNER SHOP", "Milk 1.20", "Bread 2.50", "TOTAL 3.70", "Thank you!"]
    drawn = draw_receipt(receipt, rules=False).convert("L").point(lambda v: 255 if v < 128 else 0)
    dark = [drawn.crop((0, y, drawn.width, y + 1)).getbbox() is not None for y in range(drawn.height)]
    assert sum(now and not before for before, now in zip([False, *dark], dark, strict=False)) >= 5


def test_training_goes_from_one_letter_to_a_page() -> None:
    lengths = {len(signs.a_word(random.Random(i), TRAIN).answer["content"]) for i in range(250)}
    assert min(lengths) <= 2 and max(lengths) >= 50


def test_random_letters_can_be_told_apart() -> None:
    rng = random.Random(0)
    for _ in range(2000):
        made = picture_words.random_letters(rng, rng.randint(1, 8))
        if not made.isupper():
            assert not set(made.lower()) <= picture_words.ALIKE and made[0] not in "lI"
        if any(c.isdigit() for c in made):
            assert not set(made) & set("IlO01")


@pytest.mark.parametrize(("plain", "most"), [(False, 0.1), (True, 0.0)])
def test_few_strings_are_of_mixed_case_and_none_in_the_exam(plain: bool, most: float) -> None:
    rng = random.Random(0)
    made = [picture_words.random_letters(rng, 6, plain) for _ in range(1000)]
    odd = [m for m in made if m.isalpha() and not (m.isupper() or m.islower() or m.istitle())]
    assert len(odd) / 1000 <= most
    assert not plain or all(m.isalpha() for m in made)


@pytest.fixture
def three_tokens() -> Iterator[None]:
    before = picture_words.vocabulary
    exam = picture_words.listed("nouns", TEST)[0]
    picture_words.use_tokens([" xyqu", "Zb", exam.capitalize(), "\n", "-", "é"])
    yield
    picture_words.vocabulary = before
    picture_words.listed.cache_clear()


def test_whole_tokens_are_trained_on_and_not_asked(three_tokens: None) -> None:
    token = next(t for t in picture_words.vocabulary.drawn if t not in ("xyqu", "Zb"))
    assert token.lower() not in picture_words.listed("nouns", TEST)
    assert token.lower() in picture_words.listed("nouns", TRAIN)
    rng = random.Random(0)
    made = {picture_words.random_tokens(rng, 6) for _ in range(300)}
    assert {"xyqu", "Xyqu", "XYQU", "Zb", "Zbzb", "Xyquzb"} <= made
    assert {w.lower() for w in made} > {"xyqu", "zb", "zbxyqu"} and all(2 <= len(w) <= 6 for w in made)


def test_much_of_training_and_nothing_of_the_exam_is_made_of_random_tokens(three_tokens: None) -> None:
    for split, least, most in ((TRAIN, 0.3, 0.5), (TEST, 0.0, 0.0)):
        made = [picture_words.noun(random.Random(i), split) for i in range(300)]
        known = {w.lower() for w in picture_words.NOUNS}
        assert least <= sum(w.lower() not in known for w in made) / 300 <= most
