"""Shapes: describe, count, locate, compare them; as JSON; in two or more pictures.

Things stand in a grid, so that "reading order" (left to right, top to bottom) is plain to see.
"""

from __future__ import annotations

import json
import random

from pocket.drawings.shapes import SHAPES, Thing
from pocket.drawings.style import COLOURS
from pocket.recipe import pictures
from pocket.recipe.picture_pairs import two_images
from pocket.recipe.pictures import mixed, see
from pocket.recipe.sample import Sample, Skill
from pocket.recipe.scenes import Scene, a, description, name, paint, plural, scene, sentence, some_names
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


def count(rng: random.Random, split: str) -> Sample:
    shown = scene(rng, rng.randint(1, 6), distinct=False)
    kind, one = rng.random(), rng.choice(shown.things)
    if kind < 0.3:
        word, number = "shape", len(shown.things)
    elif kind < 0.55:
        shape = one.shape if rng.random() < 0.9 else rng.choice(SHAPES)
        word, number = shape, sum(t.shape == shape for t in shown.things)
    elif kind < 0.8:
        color = one.color if rng.random() < 0.9 else rng.choice(list(COLOURS))
        word, number = f"{color} shape", sum(t.color == color for t in shown.things)
    else:
        word, number = name(one), sum(name(t) == name(one) for t in shown.things)
    told = {0: f"There are no {plural(word)}.", 1: f"There is 1 {word}."}.get(
        number, f"There are {number} {plural(word)}."
    )
    return see(rng, say.COUNT.pick(rng, split, things=plural(word)), told, [shown.picture])


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
    shown = scene(rng, rng.randint(2, 6), distinct=False)
    kinds = (
        {t.shape for t in shown.things} if rng.random() < 0.6 else {f"{t.color} shape" for t in shown.things}
    )
    tally = {k: sum(k in (t.shape, f"{t.color} shape") for t in shown.things) for k in sorted(kinds)}
    if len(tally) < 2:
        return count(rng, split)
    first, second = rng.sample(sorted(tally), 2)
    if tally[first] == tally[second]:
        told = f"There are as many {plural(first)} as {plural(second)}."
    else:
        told = f"There are more {plural(max((first, second), key=lambda k: tally[k]))}."
    return see(rng, say.MORE.pick(rng, split, a=plural(first), b=plural(second)), told, [shown.picture])


def side(rng: random.Random, split: str) -> Sample:
    """Left of, right of, above, below: only for things in different columns or rows."""
    shown = scene(rng, rng.randint(2, 6), nine=True)
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
    shown = scene(rng, rng.randint(1, 6), distinct=rng.random() < 0.6)
    if rng.random() < 0.5:
        wanted = name(rng.choice(shown.things))
    else:  # a near miss: a colour and a shape of the picture, or any
        color = rng.choice([*(t.color for t in shown.things), *COLOURS])
        wanted = f"{color} {rng.choice([*(t.shape for t in shown.things), *SHAPES])}"
    if rng.random() < 0.25:
        wanted = wanted.split()[1]
    there = any(wanted in (name(t), t.shape) for t in shown.things)
    told = f"Yes, there is {a(wanted)}." if there else f"No, there is no {wanted}."
    return see(rng, say.ANY.pick(rng, split, a=a(wanted)), told, [shown.picture])


def as_json(rng: random.Random, split: str) -> Sample:
    shown = scene(rng, rng.randint(1, 6), distinct=rng.random() < 0.6)
    told = json.dumps({"shapes": [{"color": t.color, "shape": t.shape} for t in shown.things]})
    return see(rng, say.AS_JSON.pick(rng, split), told, [shown.picture])


SKILLS: dict[str, Skill] = {
    "shapes": mixed(
        (describe, 3),
        (count, 2.5),
        (locate, 2),
        (larger, 1),
        (more, 1.2),
        (side, 1.5),
        (colour, 1),
        (is_there, 1.2),
    ),
    "shapes_json": as_json,
    "two_images": two_images,
}
