"""Pictures of a few shapes, and the words for what stands in them.

Things stand in a grid, so that "reading order" (left to right, top to bottom) is plain to see.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from PIL import Image

from pocket.drawings.shapes import SHAPES, Thing, draw_shapes
from pocket.drawings.style import COLOURS, RGB, distance
from pocket.recipe import pictures
from pocket.recipe.pictures import listing

Named = list[tuple[str, str, RGB]]
"""Colours' names, shapes and exact colours."""


@dataclass(frozen=True)
class Scene:
    """Things in reading order, the 3x3 place of each (where the grid is 3x3), and the picture."""

    things: list[Thing]
    cells: list[tuple[int, int]]
    picture: Image.Image


def name(thing: Thing) -> str:
    return f"{thing.color} {thing.shape}"


def a(words: str) -> str:
    return ("an " if words[0] in "aeiou" else "a ") + words


def plural(words: str) -> str:
    return words + ("es" if words.endswith("s") else "s")


def description(things: Sequence[Thing]) -> str:
    return listing([a(name(t)) for t in things])


def sentence(words: str) -> str:
    return words[0].upper() + words[1:] + "."


def called(thing: Thing, words: str) -> bool:
    """Whether "shape", "circle", "red shape" or "red circle" is said of this thing."""
    return words in ("shape", thing.shape, f"{thing.color} shape", name(thing))


def _tones(rng: random.Random, ground: RGB) -> list[tuple[str, RGB]]:
    """One tone of each colour that is seen on this ground."""
    tones = [(c, pictures.shade(rng, c)) for c in COLOURS]
    return [(c, tone) for c, tone in tones if distance(tone, ground) > 105]


def some_names(rng: random.Random, ground: RGB, count: int, distinct: bool, only: str = "") -> Named:
    """Colours and shapes; each pair only once where `distinct`. Few of each often, so that counts vary."""
    seen = _tones(rng, ground)
    colours = rng.sample(seen, len(seen) if distinct else rng.randint(2, 4))
    shapes = rng.sample(SHAPES, len(SHAPES) if distinct else rng.randint(1, 3))
    if only:
        shapes = [only]
    if distinct:
        pairs = rng.sample([(c, s) for c in colours for s in shapes], count)
    else:
        pairs = [(rng.choice(colours), rng.choice(shapes)) for _ in range(count)]
    return [(c[0], s, c[1]) for c, s in pairs]


def tallied(rng: random.Random, kind: str, numbers: Sequence[int], count: int) -> tuple[list[str], Scene]:
    """A scene of `count` things of which numbers[0] are called the first of the words, and so on.

    kind: what the words name, "shape", "color" or "both". Returns the words and the scene.
    """
    words: list[str] = []

    def choose(ground: RGB) -> Named:
        colours = rng.sample(_tones(rng, ground), rng.randint(2, 4) + (kind == "color"))
        shapes = rng.sample(SHAPES, rng.randint(2, 3) + (kind == "shape"))
        pairs = [(color, shape, tone) for color, tone in colours for shape in shapes]
        groups: dict[str, Named] = {}
        for pair in rng.sample(pairs, len(pairs)):
            key = {"shape": pair[1], "color": f"{pair[0]} shape", "both": f"{pair[0]} {pair[1]}"}[kind]
            groups.setdefault(key, []).append(pair)
        words.extend(list(groups)[: len(numbers)])
        others = [pair for key in list(groups)[len(numbers) :] for pair in groups[key]]
        drawn = [rng.choice(groups[w]) for w, n in zip(words, numbers, strict=True) for _ in range(n)]
        drawn += rng.choices(others, k=count - len(drawn))
        return rng.sample(drawn, count)

    shown = scene(rng, count, choose=choose)
    return words, shown


def paint(rng: random.Random, things: Sequence[Thing], size: tuple[int, int], ground: RGB) -> Image.Image:
    outline = pictures.ink(rng, ground) if rng.random() < 0.12 else None
    scale = pictures.drawn_scale(rng)
    if scale == 1.0:
        return draw_shapes(things, size, ground, outline)
    larger = [replace(t, x=t.x * scale, y=t.y * scale, r=t.r * scale) for t in things]
    return pictures.as_seen(draw_shapes(larger, pictures.scaled(size, scale), ground, outline), size)


def _grid(rng: random.Random, count: int, nine: bool) -> tuple[int, int]:
    """Rows and columns that hold this many things."""
    if nine:
        return 3, 3
    return rng.choice(
        [(r, c) for r in (1, 2, 3) for c in (1, 2, 3) if r * c >= count and (r - 1) * (c - 1) < count]
    )


def scene(
    rng: random.Random,
    count: int,
    nine: bool = False,
    distinct: bool = True,
    size: tuple[int, int] | None = None,
    only: str = "",
    choose: Callable[[RGB], Named] | None = None,
) -> Scene:
    """Draw `count` (1-6) things into a grid. nine: always the 3x3 grid of PLACES. only: their shape.

    choose: names the things, given the ground they stand on; else they are random.
    """
    size = size or pictures.picture_size(rng)
    ground = pictures.paper(rng, dark=0.25)
    rows, columns = _grid(rng, count, nine)
    cells = sorted(rng.sample([(r, c) for r in range(rows) for c in range(columns)], count))
    wide, high = size[0] / columns, size[1] / rows
    named = choose(ground) if choose else some_names(rng, ground, count, distinct, only)
    things = []
    for (row, column), (color, shape, tone) in zip(cells, named, strict=True):
        r = min(wide, high) * rng.uniform(0.28, 0.42)
        x = (column + 0.5) * wide + rng.uniform(-1, 1) * (wide / 2 - r * 1.15) * 0.6
        y = (row + 0.5) * high + rng.uniform(-1, 1) * (high / 2 - r * 1.15) * 0.6
        things.append(Thing(color, shape, x, y, r, rng.choice((0.0, rng.uniform(-8, 8))), tone))
    return Scene(things, cells, paint(rng, things, size, ground))
