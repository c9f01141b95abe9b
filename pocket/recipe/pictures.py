"""What the picture skills share: question wordings, picture sizes, and looks."""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections.abc import Callable, Sequence

from PIL import Image

from pocket.drawings.style import COLOURS, FACES, RGB, Style, blend, distance, luminance
from pocket.recipe.sample import TEST, TRAIN, Sample, Skill, ask, image, text

_CHOICE = re.compile(r"\[([^\[\]]*\|[^\[\]]*)\]")

BEFORE_QUESTION = (
    "Hi! ",
    "Hello, ",
    "Hi, ",
    "A question: ",
    "Look at this. ",
    "Please help me: ",
    "Can you help? ",
)
LOOSELY = ("So, ", "And ", "OK, ", "Next: ", "Quick: ", "One more thing: ", "My question: ", "Then ")
BEFORE_ORDER = ("Please ", "Hi! ", "Hello, please ", "Look at this. ", "Now ")
AFTER = (" Thanks.", " Thank you!", " Please be brief.")


def expand(template: str) -> list[str]:
    """Every reading of a template: "a [b|c]" is "a b" and "a c"."""
    found = _CHOICE.search(template)
    if not found:
        return [" ".join(template.split())]
    return [
        reading
        for option in found[1].split("|")
        for reading in expand(template[: found.start()] + option + template[found.end() :])
    ]


def _words(readings: Sequence[str]) -> set[str]:
    return set(re.findall(r"[a-zäöüß]+", " ".join(readings).lower()))


class Wordings:
    """The ways to ask one thing. A seventh of them, at least two, is kept for the exam: new sentences, but
    of words that the others have too.

    Templates may offer choices, "[picture|image]", and have slots, "{name}".
    """

    before_question: Sequence[str] = BEFORE_QUESTION
    before_order: Sequence[str] = BEFORE_ORDER
    loosely: Sequence[str] = LOOSELY
    after: Sequence[str] = AFTER

    def __init__(self, *templates: str) -> None:
        readings = sorted(
            {r for t in templates for r in expand(t)}, key=lambda r: hashlib.sha256(r.encode()).digest()
        )
        exam: list[str] = []
        for reading in readings:
            rest = [r for r in readings if r != reading and r not in exam]
            if len(exam) < max(2, round(len(readings) / 7)) and _words([reading]) <= _words(rest):
                exam.append(reading)
        self.by_split = {TEST: exam, TRAIN: [r for r in readings if r not in exam]}

    def pick(self, rng: random.Random, split: str, **slots: object) -> str:
        """One wording, sometimes in small letters, without its last mark, or politer."""
        wording = rng.choice(self.by_split[split])
        if split == TRAIN:
            wording = self._loosened(wording, rng)
        asks = wording.endswith("?")
        rough = rng.random()
        if rough < 0.1:
            wording = wording.lower()
        elif rough < 0.15:
            wording = wording[0].lower() + wording[1:].rstrip("?.")
        elif rough < 0.2:
            wording = wording.rstrip("?.")
        elif rough < 0.3:
            before = rng.choice(self.before_question if asks else self.before_order)
            glued = before.endswith(("ease ", "Now ", "itte ", ", "))
            wording = before + (wording[0].lower() + wording[1:] if glued else wording)
        elif rough < 0.36:
            wording += rng.choice(self.after)
        return wording.format(**slots)

    def _loosened(self, wording: str, rng: random.Random) -> str:
        """Now and then said less exactly, in training: a small word is missing, or a new start is put first.

        What must be understood is the question, not this sentence: the exam's are all new.
        """
        style = rng.random()
        small = [w for w in ("the ", "this ", "all ", "is ", "in the ") if f" {w}" in wording]
        if style < 0.1 and small:
            return wording.replace(" " + rng.choice(small), " ", 1)
        if style < 0.2 and wording[0] != "{":
            return rng.choice(self.loosely) + wording[0].lower() + wording[1:]
        return wording


class GermanWordings(Wordings):
    """The same in German."""

    before_question = ("Hallo! ", "Guten Tag, ", "Eine Frage: ", "Schau dir das an. ")
    loosely = ("Und ", "Gut, ", "Also: ", "Noch etwas: ", "Kurz: ", "Meine Frage: ")
    before_order = ("Bitte ", "Hallo! ", "Hallo, bitte ", "Schau dir das an. ")
    after = (" Danke.", " Vielen Dank!", " Bitte kurz.")


def see(rng: random.Random, question: str, answer: str, pictures: Sequence[Image.Image]) -> Sample:
    """A question about pictures, which stand before the text (mostly) or after it."""
    chunks = [image(p) for p in pictures]
    asked = [text(question)]
    return ask(chunks + asked if rng.random() < 0.65 else asked + chunks, answer)


def listing(parts: Sequence[str]) -> str:
    """a, b and c"""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def picture_size(rng: random.Random, shortest: tuple[int, int] = (168, 168)) -> tuple[int, int]:
    """Width and height in pixels, multiples of 28, from `shortest` to 336."""
    return rng.randrange(shortest[0], 337, 28), rng.randrange(shortest[1], 337, 28)


def holding(rng: random.Random, wide: float, high: float, slack: int) -> tuple[int, int]:
    """A picture's size, in multiples of 28 from 112 to 336: room for so many pixels, up to `slack` more."""

    def side(least: float) -> int:
        start = min(336, max(112, math.ceil(least / 28) * 28))
        return rng.randrange(start, min(336, start + slack) + 1, 28)

    return side(wide), side(high)


def drawn_scale(rng: random.Random) -> float:
    """How much larger than seen a picture is drawn: mostly 1; else it is scaled as a preprocessor would."""
    return 1.0 if rng.random() < 0.75 else rng.choice((0.85, 1.2, 1.4, 1.7))


def scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    return round(size[0] * scale), round(size[1] * scale)


def as_seen(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The picture at the size the vision tower gets."""
    return picture if picture.size == size else picture.resize(size, Image.Resampling.BICUBIC)


def shade(rng: random.Random, name: str) -> RGB:
    """One of the many colours of that name."""
    anchors = COLOURS[name]
    if rng.random() < 0.3:
        return anchors[0]
    return blend(rng.choice(anchors), rng.choice(anchors), rng.random())


def paper(rng: random.Random, dark: float = 0.2) -> RGB:
    """A background: white (often), nearly white, a light tint, or dark."""
    kind = rng.random()
    if kind < dark:
        base = rng.randint(0, 45)
        return (base, base + rng.randint(0, 12), base + rng.randint(0, 25))
    if kind < dark + 0.35:
        return (255, 255, 255)
    return (rng.randint(225, 255), rng.randint(225, 255), rng.randint(220, 255))


def ink(rng: random.Random, on: RGB) -> RGB:
    """A text colour that reads well on this background."""
    if luminance(on) < 110:
        return (
            (255, 255, 255)
            if rng.random() < 0.5
            else (rng.randint(215, 255), rng.randint(215, 255), rng.randint(200, 255))
        )
    return (0, 0, 0) if rng.random() < 0.4 else (rng.randint(0, 70), rng.randint(0, 60), rng.randint(0, 90))


def style(rng: random.Random, smallest: int, largest: int, faces: Sequence[str] = tuple(FACES)) -> Style:
    """A look for charts and signs. smallest, largest: the font size in pixels."""
    ground = paper(rng)
    colours = [c for c in (shade(rng, n) for n in COLOURS) if distance(c, ground) > 160]
    palette = rng.sample(colours, min(6, len(colours)))
    if rng.random() < 0.4:
        palette = palette[:1] * 6
    return Style(
        rng.choice(faces),
        rng.randint(smallest, largest),
        ink(rng, ground),
        ground,
        tuple(palette),
        rng.random() < 0.3,
        rng.random() < 0.8,
        rng.uniform(0.2, 0.55),
    )


def mixed(*weighted: tuple[Skill, float]) -> Skill:
    """One skill out of several, each drawn with its weight."""
    skills, weights = [s for s, _ in weighted], [w for _, w in weighted]

    def draw(rng: random.Random, split: str) -> Sample:
        chosen: Callable[[random.Random, str], Sample] = rng.choices(skills, weights)[0]
        return chosen(rng, split)

    return draw
