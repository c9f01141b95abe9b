"""Two or more pictures in one message: the same or not, what differs, how many, what is in the third."""

from __future__ import annotations

import random
from dataclasses import replace

from pocket.drawings.shapes import draw_shapes
from pocket.recipe import pictures
from pocket.recipe.pictures import mixed, see
from pocket.recipe.sample import Sample
from pocket.recipe.scenes import a, description, name, scene, some_names
from pocket.recipe.wordings import shapes as say

ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"]


def _few(rng: random.Random, most: int) -> int:
    """How many shapes a picture has: half the draws have one or two."""
    return rng.randint(1, 2 if rng.random() < 0.5 else most)


def same(rng: random.Random, split: str) -> Sample:
    first = scene(rng, 1)
    second = scene(rng, 1, only=first.things[0].shape if rng.random() < 0.45 else "")
    one, two = first.things[0].shape, second.things[0].shape
    verdict = "yes, the same" if one == two else "no, not the same"
    told = f"The first shows {a(one)}, the second shows {a(two)}: {verdict}."
    return see(rng, say.SAME.pick(rng, split), told, [first.picture, second.picture])


def fuller(rng: random.Random, split: str) -> Sample:
    most = rng.choice((3, 6))
    numbers = rng.randint(1, most), rng.randint(1, most)
    shown = [scene(rng, n, distinct=False).picture for n in numbers]
    if numbers[0] == numbers[1]:
        told = f"Both have the same number of shapes: {numbers[0]}."
    else:
        winner = "first" if numbers[0] > numbers[1] else "second"
        told = f"The {winner} has more shapes: {max(numbers)} and {min(numbers)}."
    return see(rng, say.FULLER.pick(rng, split), told, shown)


def differs(rng: random.Random, split: str) -> Sample:
    """The same picture twice; in the second one thing may have another colour or shape."""
    size, ground = pictures.picture_size(rng), pictures.paper(rng, dark=0.25)
    shown = scene(rng, _few(rng, 4), size=size)
    things = [
        replace(t, rgb=tone, color=c, shape=s)
        for t, (c, s, tone) in zip(
            shown.things, some_names(rng, ground, len(shown.things), True), strict=True
        )
    ]
    changed = list(things)
    i = rng.randrange(len(things))
    if rng.random() < 0.7:
        taken = {name(t) for t in things}
        while name(changed[i]) in taken:
            color, shape, tone = some_names(rng, ground, 1, True)[0]
            changed[i] = (
                replace(things[i], color=color, rgb=tone)
                if rng.random() < 0.5
                else replace(things[i], shape=shape)
            )
        told = f"The first has {a(name(things[i]))}, the second has {a(name(changed[i]))}."
    else:
        told = "Nothing is different."
    drawn = [draw_shapes(t, size, ground) for t in (things, changed)]
    return see(rng, say.DIFFERS.pick(rng, split), told, drawn)


def both(rng: random.Random, split: str) -> Sample:
    shown = [scene(rng, _few(rng, 3)) for _ in range(2)]
    told = f"The first shows {description(shown[0].things)}. The second shows {description(shown[1].things)}."
    return see(rng, say.BOTH.pick(rng, split), told, [s.picture for s in shown])


def many(rng: random.Random, split: str) -> Sample:
    """One to ten small pictures of one thing each: how many, what is in the nth, which shows a thing."""
    shown = [scene(rng, 1, size=(112, 112)) for _ in range(rng.randint(1, 10))]
    number, drawn, kind = len(shown), [s.picture for s in shown], rng.random()
    i = rng.randrange(number)
    thing = name(shown[i].things[0])
    if kind < 0.4 or number == 1:
        told = "You sent 1 picture." if number == 1 else f"You sent {number} pictures."
        return see(rng, say.SENT.pick(rng, split), told, drawn)
    if kind < 0.75 or sum(name(s.things[0]) == thing for s in shown) > 1:
        return see(
            rng,
            say.NTH.pick(rng, split, nth=ORDINALS[i]),
            f"The {ORDINALS[i]} picture shows {a(thing)}.",
            drawn,
        )
    return see(
        rng, say.FIND.pick(rng, split, a=a(thing)), f"The {ORDINALS[i]} picture shows {a(thing)}.", drawn
    )


two_images = mixed((same, 2), (fuller, 1.2), (differs, 1.5), (both, 2), (many, 2.5))
