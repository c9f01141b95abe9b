"""Charts: answers follow from the data, the data from the pixels, and exam words stay out of training."""

from __future__ import annotations

import json
import random
import re

import pytest
from PIL import Image

from pocket.drawings import Style, draw_bar_chart, draw_line_chart, draw_pie_chart
from pocket.recipe import charts, picture_words
from pocket.recipe.sample import TEST, TRAIN, Sample

SHARED = {*picture_words.MONTHS, *picture_words.DAYS, *picture_words.QUARTERS, *picture_words.TICKERS}


def pictures(sample: Sample) -> list[Image.Image]:
    return [c["image"] for c in sample.messages[0]["content"] if c["type"] == "image"]


@pytest.mark.parametrize("name", charts.SKILLS)
@pytest.mark.parametrize("split", [TRAIN, TEST])
def test_same_seed_same_sample(name: str, split: str) -> None:
    one, two = (charts.SKILLS[name](random.Random(3), split) for _ in range(2))
    assert one.answer == two.answer
    assert pictures(one)[0].tobytes() == pictures(two)[0].tobytes()


@pytest.mark.parametrize("name", charts.SKILLS)
def test_pictures_fit_the_tower(name: str) -> None:
    for seed in range(60):
        (picture,) = pictures(charts.SKILLS[name](random.Random(seed), TRAIN))
        assert picture.mode == "RGB"
        assert all(112 <= side <= 336 and side % 28 == 0 for side in picture.size)


@pytest.mark.parametrize("split", [TRAIN, TEST])
def test_labels_belong_to_their_split(split: str) -> None:
    for seed in range(120):
        for label in charts.bar_chart(random.Random(seed), split).values:
            if label in SHARED or len(label) < 3 or re.fullmatch(r"(19|20)\d\d", label):
                continue
            assert picture_words.in_exam(label) == (split == TEST), label


def test_no_two_bars_are_level_and_labels_differ() -> None:
    for seed in range(200):
        values = charts.bar_chart(random.Random(seed), TRAIN).values
        assert len(set(values.values())) == len(values) >= 2
        assert min(values.values()) > 0


def test_answers_follow_from_the_data() -> None:
    for seed in range(100):
        rng = random.Random(seed)
        chart = rng.choice([charts.bar_chart, charts.line_chart, charts.pie_chart])(rng, TEST)
        told = charts.describe(rng, TEST, chart).answer["content"]
        top = charts.highest(rng, TEST, chart).answer["content"].split(" is the highest")[0]
        low = charts.lowest(rng, TEST, chart).answer["content"].split(" is the lowest")[0]
        assert told.startswith(f"A {chart.kind} chart") and told.count(", ") == len(chart.values) - 1
        assert chart.values[low] < chart.values[top] == max(chart.values.values())


def test_ranking_begins_with_the_highest() -> None:
    for seed in range(60):
        chart = charts.bar_chart(random.Random(seed), TRAIN)
        told = charts.ranked(random.Random(0), TRAIN, chart).answer["content"]
        order = [part.rsplit(" ", 1) for part in told.removeprefix("From high to low: ")[:-1].split(", ")]
        values = [float(number) for _, number in order]
        assert values == sorted(chart.values.values(), reverse=True)
        assert all(chart.values[label] == float(number) for label, number in order)


def test_training_charts_have_two_to_six_bars_and_numbers_of_every_length() -> None:
    drawn = [charts.bar_chart(random.Random(i), TRAIN).values for i in range(300)]
    assert {len(v) for v in drawn} == {2, 3, 4, 5, 6}
    told = {len(str(n)) for v in drawn for n in v.values() if isinstance(n, int)}
    assert told == {1, 2, 3, 4}


def test_json_holds_the_values() -> None:
    for seed in range(60):
        data = json.loads(charts.chart_json(random.Random(seed), TRAIN).answer["content"])
        assert 2 <= len(data) <= 6 and all(v > 0 for v in data.values())


def test_the_tallest_bar_has_the_most_colour() -> None:
    look = Style(palette=((255, 0, 0), (0, 255, 0), (0, 0, 255)))
    for horizontal in (False, True):
        drawn = draw_bar_chart({"A": 10, "B": 40, "C": 20}, "Sales", style=look, horizontal=horizontal)
        area = {c: n for n, c in drawn.getcolors(100_000) or []}
        red, green, blue = (area[c] for c in look.palette)
        assert green == pytest.approx(4 * red, rel=0.1) and blue == pytest.approx(2 * red, rel=0.1)


def test_slices_are_as_large_as_they_say() -> None:
    look = Style(palette=((255, 0, 0), (0, 255, 0)), ink=(0, 0, 0))
    drawn = draw_pie_chart({"A": 25, "B": 75}, style=look, legend=False)
    area = {c: n for n, c in drawn.getcolors(100_000) or []}
    assert area[(0, 255, 0)] == pytest.approx(3 * area[(255, 0, 0)], rel=0.15)


def test_trend_is_that_of_the_values() -> None:
    look = draw_line_chart({"A": 1, "B": 2, "C": 3})
    assert look.size == (336, 252)
    for seed in range(60):
        rng = random.Random(seed)
        chart = charts.line_chart(rng, TRAIN)
        values, told = list(chart.values.values()), charts.trend(rng, TRAIN, chart).answer["content"]
        assert (told == "The line is rising.") == (values == sorted(values))
        assert (told == "The line is falling.") == (values == sorted(values)[::-1])


def test_a_good_share_of_training_describes_everything() -> None:
    for name, least in (("bars", 0.45), ("lines_pies", 0.4)):
        samples = [charts.SKILLS[name](random.Random(i), TRAIN) for i in range(150)]
        told = [[m["content"] for m in s.messages if m["role"] == "assistant"] for s in samples]
        assert sum(any(" chart" in t and ":" in t for t in answers) for answers in told) / 150 > least
        assert 1.3 < sum(map(len, told)) / 150 < 2
