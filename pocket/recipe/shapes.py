"""Shapes: describe, count, locate, compare them; as JSON; in two or more pictures.

Things stand in a grid, so that "reading order" (left to right, top to bottom) is plain to see.
"""

from __future__ import annotations

import json
import random
from collections import Counter

from pocket.drawings.shapes import SHAPES, Thing
from pocket.drawings.style import COLOURS
from pocket.recipe import pictures
from pocket.recipe.picture_pairs import two_images
from pocket.recipe.pictures import listing, mixed, see
from pocket.recipe.sample import TRAIN, Sample, Skill
from pocket.recipe.scenes import (
    Scene,
    a,
    called,
    description,
    name,
    paint,
    plural,
    scene,
    sentence,
    some_names,
    tallied,
)  # fmt: skip
from pocket.recipe.wordings import shapes as say

PLACES = (
    "top left",
    "top middle",
    "top right",
    "middle left",
    "middle",
    "middle right",
    "bottom left",
    "bottom middle",
    "bottom right",
)


OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}


def describe(rng: random.Random, split: str) -> Sample:
    shown = scene(rng, rng.randint(1, 6), distinct=rng.random() < 0.6)
    return see(rng, say.DESCRIBE.pick(rng, split), sentence(description(shown.things)), [shown.picture])


LEVEL = [(n, n) for n in (1, 2, 3)]
UNEQUAL = [(m, n) for m in range(1, 6) for n in range(1, 7 - m) if m != n]
KINDS = ("all", "shape", "color", "both")


def count(rng: random.Random, split: str) -> Sample:
    """How many there are. In training, every number up to six is mostly as likely as any other."""
    kind = rng.choices(KINDS, (30, 25, 25, 20))[0]
    if split == TRAIN and kind != "all" and rng.random() < 0.75:
        number = rng.choices(range(7), (0.7, *(1,) * 6))[0]
        (word,), shown = tallied(rng, kind, [number], rng.randint(max(1, number), 6))
    else:
        shown = scene(rng, rng.randint(1, 6), distinct=False)
        word = _counted(rng, kind, rng.choice(shown.things))
    number = sum(called(t, word) for t in shown.things)
    question = say.COUNT.pick(rng, split, things=plural(word))
    return see(rng, question, _there_are(number, word), [shown.picture])


def _counted(rng: random.Random, kind: str, one: Thing) -> str:
    """What is counted: mostly what there is one of at least."""
    there = rng.random() < 0.9
    if kind == "shape":
        return one.shape if there else rng.choice(SHAPES)
    if kind == "color":
        return f"{one.color if there else rng.choice(list(COLOURS))} shape"
    return "shape" if kind == "all" else name(one)


def _there_are(number: int, word: str) -> str:
    if number == 1:
        return f"There is 1 {word}."
    return f"There are {number or 'no'} {plural(word)}."


def count_each(rng: random.Random, split: str) -> Sample:
    """How many of each shape, in the order in which they come."""
    shown = scene(rng, rng.randint(1, 6), distinct=False)
    tally = Counter(t.shape for t in shown.things)
    told = listing([f"{n} {shape if n == 1 else plural(shape)}" for shape, n in tally.items()])
    return see(rng, say.COUNT_EACH.pick(rng, split), f"{told}.", [shown.picture])


def _called(thing: Thing, shown: Scene, rng: random.Random) -> str:
    """ "red circle", or only "circle" where there is but one."""
    alone = sum(t.shape == thing.shape for t in shown.things) == 1
    return thing.shape if alone and rng.random() < 0.3 else name(thing)


def locate(rng: random.Random, split: str) -> Sample:
    shown = scene(rng, rng.randint(1, 6), nine=True)
    i = rng.randrange(len(shown.things))
    row, column = shown.cells[i]
    thing = _called(shown.things[i], shown, rng)
    return see(
        rng,
        say.LOCATE.pick(rng, split, thing=thing),
        f"The {thing} is in the {PLACES[3 * row + column]}.",
        [shown.picture],
    )


def locate_each(rng: random.Random, split: str) -> Sample:
    """Everything with its place, in reading order."""
    shown = scene(rng, rng.randint(1, 6), nine=True)
    told = [
        f"{a(name(t))} in the {PLACES[3 * row + column]}"
        for t, (row, column) in zip(shown.things, shown.cells, strict=True)
    ]
    return see(rng, say.LOCATE_EACH.pick(rng, split), sentence(listing(told)), [shown.picture])


def larger(rng: random.Random, split: str) -> Sample:
    """Two things of clearly different size, side by side or one above the other."""
    size, ground = pictures.picture_size(rng), pictures.paper(rng, dark=0.25)
    rows, columns = rng.choice([(1, 2), (2, 1)])
    wide, high = size[0] / columns, size[1] / rows
    radii = [min(wide, high) * s for s in (rng.uniform(0.36, 0.43), rng.uniform(0.17, 0.22))]
    order = rng.sample([0, 1], 2)
    things = []
    for i, (color, shape, tone) in enumerate(some_names(rng, ground, 2, True)):
        x, y = (i % columns + 0.5) * wide, (i // columns + 0.5) * high
        things.append(Thing(color, shape, x, y, radii[order[i]], 0.0, tone))
    first, second = rng.sample(things, 2)
    winner = max(things, key=lambda t: t.r)
    question = say.LARGER.pick(rng, split, a=name(first), b=name(second))
    return see(rng, question, f"The {name(winner)} is larger.", [paint(rng, things, size, ground)])


def more(rng: random.Random, split: str) -> Sample:
    """Which of two kinds there are more of. In training, one in four is a draw."""
    kind = rng.choices(("shape", "color"), (6, 4))[0]
    if split == TRAIN and rng.random() < 0.75:
        numbers = rng.choice(LEVEL if rng.random() < 0.25 else UNEQUAL)
        (first, second), shown = tallied(rng, kind, numbers, rng.randint(sum(numbers), 6))
    else:
        shown = scene(rng, rng.randint(2, 6), distinct=False)
        words = sorted({t.shape if kind == "shape" else f"{t.color} shape" for t in shown.things})
        if len(words) < 2:
            return count(rng, split)
        first, second = rng.sample(words, 2)
    tally = {word: sum(called(t, word) for t in shown.things) for word in (first, second)}
    if tally[first] == tally[second]:
        told = f"There are as many {plural(first)} as {plural(second)}."
    else:
        told = f"There are more {plural(max(tally, key=lambda k: tally[k]))}."
    return see(rng, say.MORE.pick(rng, split, a=plural(first), b=plural(second)), told, [shown.picture])


def side(rng: random.Random, split: str) -> Sample:
    """Left of, right of, above, below: only for things in different columns or rows."""
    most = rng.choice((3, 6)) if split == TRAIN else 6
    shown = scene(rng, rng.randint(2, most), nine=True)
    i, j = rng.sample(range(len(shown.things)), 2)
    (row_i, column_i), (row_j, column_j) = shown.cells[i], shown.cells[j]
    true = []
    if column_i != column_j:
        true.append("left of" if column_i < column_j else "right of")
    if row_i != row_j:
        true.append("above" if row_i < row_j else "below")
    where = rng.choice(true)
    asked = where if rng.random() < 0.5 else OPPOSITE[where]
    first, second = name(shown.things[i]), name(shown.things[j])
    told = (
        f"Yes, the {first} is {where} the {second}."
        if asked == where
        else f"No, the {first} is {where} the {second}."
    )
    return see(rng, say.SIDE.pick(rng, split, a=first, b=second, side=asked), told, [shown.picture])


def colour(rng: random.Random, split: str) -> Sample:
    """The colour of the only circle, or the shape of the only red thing."""
    shown = scene(rng, rng.randint(1, 5))
    shapes = [t for t in shown.things if sum(t.shape == u.shape for u in shown.things) == 1]
    colours = [t for t in shown.things if sum(t.color == u.color for u in shown.things) == 1]
    if shapes and (rng.random() < 0.5 or not colours):
        one = rng.choice(shapes)
        return see(
            rng,
            say.COLOUR.pick(rng, split, shape=one.shape),
            f"The {one.shape} is {one.color}.",
            [shown.picture],
        )
    if not colours:
        return describe(rng, split)
    one = rng.choice(colours)
    return see(
        rng,
        say.WHICH.pick(rng, split, color=one.color),
        f"The {one.color} shape is {a(one.shape)}.",
        [shown.picture],
    )


def is_there(rng: random.Random, split: str) -> Sample:
    """Yes as often as no. Half of what is not there is a near miss: its colour and its shape are there."""
    shown = scene(rng, rng.randint(1, 6), distinct=rng.random() < 0.6)
    there, bare, near = rng.random() < 0.5, rng.random() < 0.25, rng.random() < 0.5
    if there:
        one = rng.choice(shown.things)
        wanted = one.shape if bare else name(one)
    else:
        shapes = [t.shape for t in shown.things] if near and not bare else list(SHAPES)
        colours = [t.color for t in shown.things] if near else list(COLOURS)
        pairs = [f"{color} {shape}" for color in colours for shape in shapes]
        absent = _absent(pairs, shown, bare) or _absent([f"{c} {s}" for c in colours for s in SHAPES], shown)
        wanted = rng.choice(absent)
    told = f"Yes, there is {a(wanted)}." if there else f"No, there is no {wanted}."
    return see(rng, say.ANY.pick(rng, split, a=a(wanted)), told, [shown.picture])


def _absent(pairs: list[str], shown: Scene, bare: bool = False) -> list[str]:
    """Those of the pairs, or of their shapes alone, that no thing of the picture is called."""
    words = [p.split()[1] for p in pairs] if bare else pairs
    return [w for w in words if not any(called(t, w) for t in shown.things)]


def as_json(rng: random.Random, split: str) -> Sample:
    shown = scene(rng, rng.randint(1, 6), distinct=rng.random() < 0.6)
    told = json.dumps({"shapes": [{"color": t.color, "shape": t.shape} for t in shown.things]})
    return see(rng, say.AS_JSON.pick(rng, split), told, [shown.picture])


_exam = mixed(
    (describe, 3), (count, 2.5), (locate, 2), (larger, 1), (more, 1.2), (side, 1.5), (colour, 1),
    (is_there, 1.2),
)  # fmt: skip
_lessons = mixed(
    (describe, 15), (count, 24), (count_each, 6), (locate, 10), (locate_each, 6), (side, 20),
    (larger, 3), (more, 8), (colour, 3), (is_there, 7),
)  # fmt: skip


def plain_shapes(rng: random.Random, split: str) -> Sample:
    """The exam asks the plainest things most; the lessons train more of what is hard, counts and places."""
    return (_lessons if split == TRAIN else _exam)(rng, split)


SKILLS: dict[str, Skill] = {
    "shapes": plain_shapes,
    "shapes_json": as_json,
    "two_images": two_images,
}
