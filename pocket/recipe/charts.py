"""Bar, line and pie charts: read a value, the highest, the lowest; describe all of it; as JSON."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from PIL import Image

from pocket.drawings.bars import draw_bar_chart
from pocket.drawings.lines import draw_line_chart
from pocket.drawings.pies import draw_pie_chart
from pocket.drawings.style import COLOURS, READABLE, RGB, Style, distance, font, number
from pocket.recipe import picture_words as words
from pocket.recipe import pictures
from pocket.recipe.pictures import see
from pocket.recipe.sample import TRAIN, Sample, Skill, and_then
from pocket.recipe.wordings import charts as say


@dataclass(frozen=True)
class Chart:
    """What is drawn. kind: "bar", "line" or "pie". unit: printed after each value."""

    kind: str
    title: str
    values: Mapping[str, float]
    picture: Image.Image

    @property
    def unit(self) -> str:
        return "%" if self.kind == "pie" else ""

    def told(self, label: str) -> str:
        return number(self.values[label]) + self.unit


LENGTHS = (range(1, 10), range(10, 100), range(100, 1000), range(1000, 10_000))
"""Whole numbers of one to four digits, and tenths of as many."""


def numbers(rng: random.Random, count: int, split: str) -> list[float]:
    """Different values of one kind: integers of one to three digits, or as many and one decimal.

    In training, half the charts hold numbers of one length, each length as often as the others, and a few
    have four digits.
    """
    if split == TRAIN and rng.random() < 0.5:
        tenths = rng.random() < 0.45
        length = rng.choice((1, 2, 3)) if tenths else rng.choices((0, 1, 2, 3), (3, 3, 3, 1))[0]
        values = rng.sample(LENGTHS[length], count)
        return [n / 10 for n in values] if tenths else list(values)
    kind = rng.random()
    if kind < 0.2:
        return list(rng.sample(range(1, 21), count))
    if kind < 0.5:
        return list(rng.sample(range(1, 100), count))
    if kind < 0.8:
        return list(rng.sample(range(1, 1000), count))
    most = rng.choices((100, 1000, 10_000), (3, 5, 2))[0]
    return [n / 10 for n in rng.sample(range(1, most), count)]


def _trend_numbers(rng: random.Random, count: int, split: str) -> list[float]:
    """Half of them in order, so that "rising" and "falling" are as common as neither."""
    values = numbers(rng, count, split)
    return rng.choice([values, values, sorted(values), sorted(values, reverse=True)])


def _labels(rng: random.Random, split: str, count: int, longest: int, room: float, look: Style) -> list[str]:
    """Labels that fit the room, in pixels, in letters of READABLE pixels."""
    while True:
        names = words.labels(rng, split, count, max(3, longest))
        if max(font(look.face, READABLE).getlength(n) for n in names) <= room - 2:
            return names
        longest -= 1


def bar_chart(rng: random.Random, split: str) -> Chart:
    """A bar chart of three to six bars, in training two too."""
    count = rng.randint(2 if split == TRAIN else 3, 6)
    lying = rng.random() < 0.2
    look = pictures.style(rng, 15, 22 if count < 5 and not lying else 18)
    size = (_across(rng, count), rng.randrange(168, 337, 28))
    if lying:
        size = (rng.randrange(224, 337, 28), rng.randrange(max(168, 28 * (2 + count)), 337, 28))
    room = (size[0] - 16) * 0.45 if lying else (size[0] - 16) / count - 7
    names = _labels(rng, split, count, int(room / (10 if lying else 10.5)), room, look)
    title = words.title(rng, split) if rng.random() < 0.7 else ""
    scale = pictures.drawn_scale(rng)
    data = dict(zip(names, numbers(rng, count, split), strict=True))
    drawn = draw_bar_chart(data, title, pictures.scaled(size, scale), _larger(look, scale), lying)
    return Chart("bar", title, data, pictures.as_seen(drawn, size))


def _across(rng: random.Random, count: int) -> int:
    """A width with at least 50 pixels for each value."""
    return rng.randrange(max(168, 28 * ((count * 50 + 40) // 28)), 337, 28)


def line_chart(rng: random.Random, split: str) -> Chart:
    count = rng.randint(3, 6)
    size = (_across(rng, count), rng.randrange(196, 337, 28))
    look = pictures.style(rng, 15, 20 if count < 5 else 18)
    room = (size[0] - 16) / count - 7
    names = _labels(rng, split, count, int(room / 10.5), room, look)
    data = dict(zip(names, _trend_numbers(rng, count, split), strict=True))
    title = words.title(rng, split) if rng.random() < 0.7 else ""
    scale = pictures.drawn_scale(rng)
    drawn = draw_line_chart(data, title, pictures.scaled(size, scale), _larger(look, scale))
    return Chart("line", title, data, pictures.as_seen(drawn, size))


def pie_chart(rng: random.Random, split: str) -> Chart:
    count = rng.randint(2, 5)
    legend = count > 4 or rng.random() < 0.6
    title = words.title(rng, split) if rng.random() < 0.6 else ""
    size = (rng.choice((280, 308, 336)) if legend else 336, rng.choice((224, 252, 280)) if legend else 280)
    look = pictures.style(rng, 15, 17)
    look = replace(look, palette=_slices(rng, look.paper))
    room = size[0] * 0.42 - look.size - 20 if legend else size[0] * 0.26
    names = _labels(rng, split, count, 8 if legend else 7, room, look)
    data = dict(zip(names, _shares(rng, count), strict=True))
    scale = pictures.drawn_scale(rng)
    drawn = draw_pie_chart(data, title, pictures.scaled(size, scale), _larger(look, scale), legend)
    return Chart("pie", title, data, pictures.as_seen(drawn, size))


def _shares(rng: random.Random, count: int) -> list[int]:
    """Different whole percentages of at least 10, together 100."""
    while True:
        cuts = sorted(rng.randint(0, 100 - 10 * count) for _ in range(count - 1))
        parts = [b - a + 10 for a, b in zip([0, *cuts], [*cuts, 100 - 10 * count], strict=True)]
        if len(set(parts)) == count:
            return parts


def _slices(rng: random.Random, ground: RGB) -> tuple[RGB, ...]:
    """Five colours that can be told apart from the paper and from each other."""
    found: list[RGB] = []
    for name in rng.sample(list(COLOURS), len(COLOURS)):
        tone = pictures.shade(rng, name)
        if all(distance(tone, other) > 120 for other in [ground, *found]):
            found.append(tone)
    return tuple(found[:5])


def _larger(look: Style, scale: float) -> Style:
    return replace(look, size=round(look.size * scale))


def describe(rng: random.Random, split: str, chart: Chart) -> Sample:
    titled = f" titled {chart.title}" if chart.title else ""
    listed = ", ".join(f"{label} {chart.told(label)}" for label in chart.values)
    return see(
        rng, say.DESCRIBE.pick(rng, split), f"A {chart.kind} chart{titled}: {listed}.", [chart.picture]
    )


def value(rng: random.Random, split: str, chart: Chart) -> Sample:
    label = rng.choice(list(chart.values))
    return see(
        rng,
        say.VALUE.pick(rng, split, label=label),
        f"The value of {label} is {chart.told(label)}.",
        [chart.picture],
    )


def highest(rng: random.Random, split: str, chart: Chart) -> Sample:
    label = max(chart.values, key=lambda k: chart.values[k])
    return see(
        rng,
        say.HIGHEST.pick(rng, split),
        f"{label} is the highest, with {chart.told(label)}.",
        [chart.picture],
    )


def lowest(rng: random.Random, split: str, chart: Chart) -> Sample:
    label = min(chart.values, key=lambda k: chart.values[k])
    return see(
        rng, say.LOWEST.pick(rng, split), f"{label} is the lowest, with {chart.told(label)}.", [chart.picture]
    )


def how_many(rng: random.Random, split: str, chart: Chart) -> Sample:
    parts = {"bar": "bars", "line": "points", "pie": "slices"}[chart.kind]
    return see(
        rng,
        say.HOW_MANY.pick(rng, split, parts=parts),
        f"There are {len(chart.values)} {parts}.",
        [chart.picture],
    )


def title(rng: random.Random, split: str, chart: Chart) -> Sample:
    told = f"The title is {chart.title}." if chart.title else "The chart has no title."
    return see(rng, say.TITLE.pick(rng, split), told, [chart.picture])


def trend(rng: random.Random, split: str, chart: Chart) -> Sample:
    values = list(chart.values.values())
    told = "The line goes up and down."
    if values == sorted(values):
        told = "The line is rising."
    elif values == sorted(values, reverse=True):
        told = "The line is falling."
    return see(rng, say.TREND.pick(rng, split), told, [chart.picture])


def ranked(rng: random.Random, split: str, chart: Chart) -> Sample:
    """All labels with their values, from the highest to the lowest."""
    order = sorted(chart.values, key=lambda k: -chart.values[k])
    told = ", ".join(f"{label} {chart.told(label)}" for label in order)
    return see(rng, say.RANKED.pick(rng, split), f"From high to low: {told}.", [chart.picture])


def _one_of(rng: random.Random, split: str, chart: Chart) -> Sample:
    """A description, or one thing to read. Training asks one to three things of the same chart."""
    if split == TRAIN:
        return and_then(*(_asked(rng, split, chart) for _ in range(rng.randint(1, 3))))
    return _asked(rng, split, chart)


def _asked(rng: random.Random, split: str, chart: Chart) -> Sample:
    """Training describes more than the exam, and puts values in order."""
    asks = (describe, value, highest, lowest, title, how_many, ranked)
    shares = (38, 18, 14, 14, 6, 3, 7) if split == TRAIN else (25, 29, 18, 18, 7, 3, 0)
    return rng.choices(asks, shares)[0](rng, split, chart)


def bars(rng: random.Random, split: str) -> Sample:
    return _one_of(rng, split, bar_chart(rng, split))


def lines_pies(rng: random.Random, split: str) -> Sample:
    if rng.random() < 0.4:
        return _one_of(rng, split, pie_chart(rng, split))
    chart = line_chart(rng, split)
    if rng.random() < 0.15:
        return trend(rng, split, chart)
    return _one_of(rng, split, chart)


def chart_json(rng: random.Random, split: str) -> Sample:
    kind = rng.choices([bar_chart, line_chart, pie_chart], (6, 2, 2))[0]
    chart = kind(rng, split)
    return see(rng, say.AS_JSON.pick(rng, split), json.dumps(dict(chart.values)), [chart.picture])


SKILLS: dict[str, Skill] = {"bars": bars, "lines_pies": lines_pies, "chart_json": chart_json}
