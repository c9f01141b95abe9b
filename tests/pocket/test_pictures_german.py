"""German about pictures: endings agree with the nouns, and every shape and colour has its word."""

from __future__ import annotations

import random

import pytest

from pocket.drawings import COLOURS, SHAPES, Thing
from pocket.recipe import pictures_german as german
from pocket.recipe.sample import TEST, TRAIN


@pytest.mark.parametrize(
    ("color", "shape", "told"),
    [
        ("red", "circle", "ein roter Kreis"),
        ("green", "diamond", "eine grüne Raute"),
        ("blue", "square", "ein blaues Quadrat"),
        ("white", "star", "ein weißer Stern"),
        ("orange", "heart", "ein orangefarbenes Herz"),
    ],
)
def test_endings_agree(color: str, shape: str, told: str) -> None:
    assert german.ein(Thing(color, shape, 0, 0, 1)) == told


def test_every_shape_and_colour_has_its_word() -> None:
    assert set(german.SHAPES) == set(SHAPES) and set(german.COLOURS) == set(COLOURS)


@pytest.mark.parametrize("split", [TRAIN, TEST])
def test_same_seed_same_sample(split: str) -> None:
    for seed in range(40):
        one, two = (german.SKILLS["pictures_de"](random.Random(seed), split) for _ in range(2))
        assert one.answer == two.answer
        assert [c.get("text") for c in one.messages[0]["content"]] == [
            c.get("text") for c in two.messages[0]["content"]
        ]


def test_counts_are_told_with_the_right_number() -> None:
    told = {german.count(random.Random(i), TRAIN).answer["content"] for i in range(300)}
    assert {"Es gibt 1 Form.", "Es gibt 2 Formen.", "Es gibt 2 Kreise."} <= told
