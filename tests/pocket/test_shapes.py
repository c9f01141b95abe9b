"""Shapes: the answers say what the pixels show, and the exam's wordings stay out of training."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from types import ModuleType

import pytest
from PIL import Image

from pocket.drawings import SHAPES, draw_shapes
from pocket.drawings.style import distance
from pocket.recipe import shapes
from pocket.recipe.pictures import Wordings, expand
from pocket.recipe.sample import TEST, TRAIN, Sample, Skill
from pocket.recipe.scenes import a, called, listing, plural, scene, tallied
from pocket.recipe.wordings import charts as chart_wordings
from pocket.recipe.wordings import documents as document_wordings
from pocket.recipe.wordings import german as german_wordings
from pocket.recipe.wordings import shapes as shape_wordings

MODULES = [shape_wordings, chart_wordings, document_wordings, german_wordings]


def wordings(module: ModuleType) -> list[Wordings]:
    plain = [v for v in vars(module).values() if isinstance(v, Wordings)]
    return plain + list(getattr(module, "KIND", {}).values())


def words(readings: list[str]) -> set[str]:
    return {w for r in readings for w in re.findall(r"[a-zäöüß]+", re.sub(r"\{\w+\}", "", r).lower())}


def seen(sample: Sample) -> list[Image.Image]:
    return [c["image"] for c in sample.messages[0]["content"] if c["type"] == "image"]


def asked(sample: Sample) -> str:
    return next(c["text"] for c in sample.messages[0]["content"] if c["type"] == "text")


@pytest.mark.parametrize("name", shapes.SKILLS)
@pytest.mark.parametrize("split", [TRAIN, TEST])
def test_same_seed_same_sample(name: str, split: str) -> None:
    one, two = (shapes.SKILLS[name](random.Random(5), split) for _ in range(2))
    assert asked(one) == asked(two) and one.answer == two.answer
    assert [p.tobytes() for p in seen(one)] == [p.tobytes() for p in seen(two)]


@pytest.mark.parametrize("name", shapes.SKILLS)
def test_pictures_fit_the_tower(name: str) -> None:
    for seed in range(60):
        for picture in seen(shapes.SKILLS[name](random.Random(seed), TRAIN)):
            assert picture.mode == "RGB"
            assert all(112 <= side <= 336 and side % 28 == 0 for side in picture.size)


def test_things_are_where_the_scene_says() -> None:
    for seed in range(60):
        shown = scene(random.Random(seed), 1 + seed % 6)
        for thing in shown.things:
            pixel = shown.picture.getpixel((int(thing.x), int(thing.y)))
            assert isinstance(pixel, tuple) and thing.rgb is not None
            assert distance((pixel[0], pixel[1], pixel[2]), thing.rgb) < 12, (seed, thing)


def test_reading_order_is_plain() -> None:
    """Of two things in a row, the second begins a lower row or stands clearly to the right."""
    for seed in range(200):
        shown = scene(random.Random(seed), 6)
        for (cell, thing), (next_cell, following) in zip(
            zip(shown.cells, shown.things, strict=True),
            list(zip(shown.cells, shown.things, strict=True))[1:],
            strict=False,
        ):
            if cell[0] == next_cell[0]:
                assert following.x > thing.x + thing.r
            else:
                assert following.y > thing.y + thing.r * 0.5


def test_json_and_sentence_agree() -> None:
    for seed in range(30):
        rng = random.Random(seed)
        state = rng.getstate()
        told = json.loads(shapes.as_json(rng, TRAIN).answer["content"])["shapes"]
        rng.setstate(state)
        sentence = shapes.describe(rng, TRAIN).answer["content"]
        assert sentence.lower() == listing([a(f"{t['color']} {t['shape']}") for t in told]) + "."


def test_every_shape_and_every_side_is_drawn() -> None:
    paper = draw_shapes([])
    assert all(draw_shapes([f"red {shape}"]).tobytes() != paper.tobytes() for shape in SHAPES)
    answers = {shapes.side(random.Random(i), TRAIN).answer["content"] for i in range(200)}
    for word in ("Yes", "No", "left of", "right of", "above", "below"):
        assert any(word in told for told in answers)
    assert plural("cross") == "crosses" and plural("circle") == "circles"


def test_training_counts_to_every_number_about_as_often() -> None:
    told = [shapes.count(random.Random(i), TRAIN).answer["content"] for i in range(900)]
    tally = Counter(re.findall(r"There (?:is|are) (\w+)", t)[0] for t in told)
    assert set(tally) == {"no", *"123456"}
    assert all(900 / 12 < tally[n] < 900 / 4 for n in "123456"), tally


def test_tallied_scenes_hold_what_was_asked_for() -> None:
    for seed in range(150):
        rng = random.Random(seed)
        kind = rng.choice(["shape", "color", "both"])
        numbers = rng.choice([[0], [3], [6], [1, 4], [2, 2]])
        words, shown = tallied(rng, kind, numbers, 6)
        assert [sum(called(t, w) for t in shown.things) for w in words] == numbers


@pytest.mark.parametrize(("skill", "yes"), [(shapes.is_there, "Yes"), (shapes.side, "Yes")])
def test_yes_is_as_likely_as_no(skill: Skill, yes: str) -> None:
    told = [skill(random.Random(i), TRAIN).answer["content"].startswith(yes) for i in range(400)]
    assert 0.42 < sum(told) / 400 < 0.58


def test_more_is_told_of_the_larger_number() -> None:
    told = [shapes.more(random.Random(i), TRAIN).answer["content"] for i in range(300)]
    assert 0.15 < sum("as many" in t for t in told) / 300 < 0.4


def test_every_place_is_that_of_its_thing() -> None:
    for seed in range(60):
        told = shapes.locate_each(random.Random(seed), TRAIN).answer["content"]
        places = re.findall(r" in the ([a-z ]+?)(?:,| and |\.)", told)
        assert [shapes.PLACES.index(p) for p in places] == sorted(shapes.PLACES.index(p) for p in places)
        assert len(places) == len(set(places)) >= 1


def test_a_template_offers_choices() -> None:
    assert expand("[Read|Copy] the [sign|picture|]") == [
        "Read the sign", "Read the picture", "Read the", "Copy the sign", "Copy the picture", "Copy the",
    ]  # fmt: skip


@pytest.mark.parametrize("module", MODULES)
def test_exam_wordings_are_kept_out_and_made_of_known_words(module: ModuleType) -> None:
    for one in wordings(module):
        assert len(one.by_split[TEST]) >= 2 and len(one.by_split[TRAIN]) >= 10
        assert not set(one.by_split[TEST]) & set(one.by_split[TRAIN])
        assert not words(one.by_split[TEST]) - words(one.by_split[TRAIN])


@pytest.mark.parametrize("module", MODULES)
def test_no_wording_asks_two_things(module: ModuleType) -> None:
    """But for what is read off a sign and off a receipt: there the picture says which is meant."""
    readings = [r for w in wordings(module) if w is not document_wordings.SAYS for s in (TRAIN, TEST)
                for r in w.by_split[s]]  # fmt: skip
    assert len(readings) == len(set(readings)), sorted(r for r in readings if readings.count(r) > 1)
