"""The plainest questions about pictures, in German: a workshop may ask in it."""

from __future__ import annotations

import random
from collections.abc import Sequence

from pocket.drawings.shapes import Thing
from pocket.recipe import charts, documents, signs
from pocket.recipe.pictures import mixed, see
from pocket.recipe.sample import Sample, Skill
from pocket.recipe.scenes import scene
from pocket.recipe.wordings import german as say

COLOURS = {
    "red": "rot",
    "green": "grün",
    "blue": "blau",
    "yellow": "gelb",
    "orange": "orangefarben",
    "purple": "violett",
    "pink": "rosafarben",
    "brown": "braun",
    "cyan": "cyanfarben",
    "gray": "grau",
    "black": "schwarz",
    "white": "weiß",
}
SHAPES = {
    "circle": ("Kreis", "Kreise", "er"),
    "square": ("Quadrat", "Quadrate", "es"),
    "triangle": ("Dreieck", "Dreiecke", "es"),
    "star": ("Stern", "Sterne", "er"),
    "heart": ("Herz", "Herzen", "es"),
    "diamond": ("Raute", "Rauten", "e"),
    "hexagon": ("Sechseck", "Sechsecke", "es"),
    "cross": ("Kreuz", "Kreuze", "es"),
}
"""One, several, and how an adjective ends before it: "ein roter Kreis", "ein rotes Herz"."""
KINDS = {"bar": "Balkendiagramm", "line": "Liniendiagramm", "pie": "Kreisdiagramm"}


def ein(thing: Thing) -> str:
    """ "ein roter Kreis" """
    noun, _, ending = SHAPES[thing.shape]
    return f"{'eine' if ending == 'e' else 'ein'} {COLOURS[thing.color]}{ending} {noun}"


def listing(parts: Sequence[str]) -> str:
    """a, b und c"""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " und " + parts[-1]


def describe(rng: random.Random, split: str) -> Sample:
    shown = scene(rng, rng.randint(1, 5), distinct=rng.random() < 0.6)
    told = listing([ein(t) for t in shown.things])
    return see(rng, say.DESCRIBE.pick(rng, split), f"{told[0].upper()}{told[1:]}.", [shown.picture])


def count(rng: random.Random, split: str) -> Sample:
    shown = scene(rng, rng.randint(1, 6), distinct=False)
    one, many, number = "Form", "Formen", len(shown.things)
    if rng.random() < 0.6:
        shape = rng.choice(shown.things).shape
        one, many, _ = SHAPES[shape]
        number = sum(t.shape == shape for t in shown.things)
    told = f"Es gibt 1 {one}." if number == 1 else f"Es gibt {number} {many}."
    return see(rng, say.COUNT.pick(rng, split, things=many), told, [shown.picture])


def chart(rng: random.Random, split: str) -> Sample:
    shown = rng.choices([charts.bar_chart, charts.line_chart, charts.pie_chart], (6, 2, 2))[0](rng, split)
    values = shown.values
    label = rng.choice(list(values))
    top, low = max(values, key=lambda k: values[k]), min(values, key=lambda k: values[k])
    titled = f" mit dem Titel {shown.title}" if shown.title else ""
    listed = ", ".join(f"{name} {shown.told(name)}" for name in values)
    wordings, told = rng.choice(
        (
            (say.DESCRIBE, f"Ein {KINDS[shown.kind]}{titled}: {listed}."),
            (say.VALUE, f"Der Wert von {label} ist {shown.told(label)}."),
            (say.HIGHEST, f"{top} ist am höchsten, mit {shown.told(top)}."),
            (say.LOWEST, f"{low} ist am niedrigsten, mit {shown.told(low)}."),
        )
    )
    return see(rng, wordings.pick(rng, split, label=label), told, [shown.picture])


def sign(rng: random.Random, split: str) -> Sample:
    note = signs.short_note(rng, split)
    told = f"Auf dem Bild steht {' '.join(note.lines)}."
    return see(rng, say.SAYS.pick(rng, split), told, [signs.draw_note(rng, note, easy=False)])


def receipt(rng: random.Random, split: str) -> Sample:
    paper = documents.a_receipt(rng, split)
    item, price = rng.choice(paper.items)
    picture = documents.print_receipt(rng, paper)
    if rng.random() < 0.5:
        return see(rng, say.TOTAL.pick(rng, split), f"Die Summe ist {paper.total}.", [picture])
    return see(rng, say.PRICE.pick(rng, split, item=item), f"{item} kostet {price}.", [picture])


SKILLS: dict[str, Skill] = {
    "pictures_de": mixed((describe, 3), (count, 2), (chart, 4), (sign, 2), (receipt, 2)),
}
