"""Signs: a word, a price, a number, a date, a code, or a page of text.

From one large letter to twelve small ones: easy draws teach the letters, hard ones teach to read on.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from dataclasses import dataclass, replace

from PIL import Image

from pocket.drawings.paper import draw_words
from pocket.drawings.style import COLOURS, luminance
from pocket.recipe import picture_words as words
from pocket.recipe import pictures
from pocket.recipe.pictures import holding, see
from pocket.recipe.sample import TEST, TRAIN, Sample
from pocket.recipe.wordings import documents as say

MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


@dataclass(frozen=True)
class Note:
    """Text for a sign. kind: "text", or a key of KIND."""

    kind: str
    lines: tuple[str, ...]


def _one(kind: str, make: Callable[[random.Random], str]) -> Callable[[random.Random, str], Note]:
    return lambda rng, split: Note(kind, (words.fresh(rng, split, make),))


def _price(rng: random.Random) -> str:
    amount = f"{rng.randint(0, rng.choice((9, 99, 999)))}.{rng.choice((rng.randint(0, 99), 50, 99, 0)):02d}"
    return rng.choices(
        (f"${amount}", f"€{amount}", f"{amount} €", f"{amount.replace('.', ',')} €"), (4, 3, 2, 1)
    )[0]


def _number(rng: random.Random) -> str:
    whole = str(rng.randrange(10 ** rng.randint(2, 6)))
    return whole if rng.random() < 0.8 else f"{rng.randrange(1000)}.{rng.randrange(100)}"


def a_date(rng: random.Random) -> str:
    year, month, day = rng.randint(1990, 2035), rng.randint(1, 12), rng.randint(1, 28)
    return rng.choice(
        (
            f"{year}-{month:02d}-{day:02d}",
            f"{day:02d}.{month:02d}.{year}",
            f"{month:02d}/{day:02d}/{year}",
            f"{day} {MONTHS[month - 1]} {year}",
            f"{MONTHS[month - 1]} {day}, {year}",
        )
    )


def _time(rng: random.Random) -> str:
    return rng.choice(
        (
            f"{rng.randrange(24):02d}:{rng.randrange(60):02d}",
            f"{rng.randint(1, 12)}:{rng.randrange(60):02d} {rng.choice(('am', 'pm'))}",
        )
    )


def _code(rng: random.Random) -> str:
    def some(alphabet: str, most: int) -> str:
        return "".join(rng.choices(alphabet, k=rng.randint(2, most)))

    return rng.choice(
        (
            f"{some(words.CLEAR_CAPITALS, 4)}-{some(string.digits, 5)}",
            f"{some(words.CLEAR_CAPITALS, 3)}{some(string.digits, 4)}",
            f"{some(string.digits, 4)}-{some(words.CLEAR_CAPITALS + words.CLEAR_DIGITS, 4)}",
            f"{some(words.CLEAR_CAPITALS, 3)}-{some(string.digits, 3)}-{some(words.CLEAR_CAPITALS, 3)}",
        )
    )


def _sign(rng: random.Random, split: str) -> Note:
    """Two or three words of a sign, in one to three lines."""
    chosen = " ".join(words.sign_words(rng, split, rng.randint(2, 3)))
    chosen = rng.choices((chosen, chosen.title(), chosen.capitalize()), (3, 1, 1))[0]
    return Note("text", tuple(chosen.split()) if rng.random() < 0.5 or len(chosen) > 13 else (chosen,))


def _word(rng: random.Random, split: str) -> Note:
    if rng.random() < 0.4:
        return Note("text", tuple(words.sign_words(rng, split, 1)))
    return Note("text", (words.noun(rng, split),))


def _letters(rng: random.Random, split: str) -> Note:
    return Note("text", (words.letters(rng, split, 3, 8),))


def _easy(rng: random.Random, split: str) -> Note:
    made = words.letters(rng, split, 1, 3)
    return Note("text", (words.fresh(rng, split, _number) if made.isdigit() else made,))


def _hard(rng: random.Random, split: str) -> Note:
    """Up to four lines of words, numbers and random strings of up to twelve characters."""

    def part() -> str:
        kind = rng.random()
        if kind < 0.6:
            return words.letters(rng, split, 2, 12)
        return (
            words.noun(rng, split)
            if kind < 0.8
            else words.fresh(rng, split, rng.choice((_number, _price, _code)))
        )

    return Note("text", tuple(part() for _ in range(rng.randint(1, 4))))


def _page(rng: random.Random, split: str) -> Note:
    """A page full of random strings, or of digits: many letters to learn from in one picture."""

    def part() -> str:
        if digits:
            return (
                "".join(rng.choices("0123456789.", (1,) * 10 + (0.7,), k=rng.randint(2, 4))).strip(".") or "7"
            )
        return words.letters(rng, split, 2, 6)

    digits = rng.random() < 0.4
    columns = rng.randint(1, 3)
    return Note("text", tuple(" ".join(part() for _ in range(columns)) for _ in range(rng.randint(3, 6))))


MAKERS: tuple[Callable[[random.Random, str], Note], ...] = (
    _word,
    _sign,
    _letters,
    _one("price", _price),
    _one("number", _number),
    _one("date", a_date),
    _one("time", _time),
    _one("code", _code),
    _easy,
    _hard,
    _page,
)
WEIGHTS = {TRAIN: (2, 2, 4, 1.2, 1.2, 1, 0.5, 1.2, 2, 4, 5), TEST: (4, 3, 2, 3, 2, 1.5, 0.5, 2, 0, 0, 0)}


def draw_note(rng: random.Random, note: Note, easy: bool) -> Image.Image:
    """Put a note on paper or on a board, in letters of 16 to 48 pixels."""
    longest = max(len(line) for line in note.lines)
    largest = max(17, min(48, int(310 / (longest * 0.7)), int(310 / (len(note.lines) * 1.25))))
    font_size = rng.randint(min(28, largest) if easy else 16, largest)
    size = holding(rng, longest * font_size * 0.7 + 28, len(note.lines) * font_size * 1.25 + 28, 112)
    look = pictures.style(rng, font_size, font_size)
    panel = None
    if rng.random() < 0.3:
        coloured = rng.random() < 0.5
        panel = pictures.shade(rng, rng.choice(list(COLOURS))) if coloured else pictures.paper(rng, 0.4)
    ground = panel or look.paper
    bright = [c for c in look.palette if abs(luminance(c) - luminance(ground)) > 110]
    look = replace(
        look, ink=rng.choice(bright) if bright and rng.random() < 0.35 else pictures.ink(rng, ground)
    )
    scale = pictures.drawn_scale(rng)
    drawn = draw_words(
        note.lines,
        pictures.scaled(size, scale),
        replace(look, size=round(font_size * scale)),
        panel,
        frame=rng.random() < 0.15,
        shift=(rng.random(), rng.random()),
        align=rng.choice(("left", "center", "center", "right")),
    )
    return pictures.as_seen(drawn, size)


def a_word(rng: random.Random, split: str) -> Sample:
    maker = rng.choices(MAKERS, WEIGHTS[split])[0]
    note = maker(rng, split)
    picture = draw_note(rng, note, easy=maker is _easy)
    if rng.random() < (0.45 if split == TRAIN else 0.25) or len(note.lines) > 3:
        return see(rng, say.READ.pick(rng, split), "; ".join(note.lines), [picture])
    written = " ".join(note.lines)
    if note.kind in say.KIND and rng.random() < 0.6:
        return see(rng, say.KIND[note.kind].pick(rng, split), f"The {note.kind} is {written}.", [picture])
    return see(rng, say.SAYS.pick(rng, split), f"The picture says {written}.", [picture])


def short_note(rng: random.Random, split: str) -> Note:
    """A word, a sign or a random string: what the exam asks too."""
    return rng.choice((_word, _sign, _letters))(rng, split)


def a_letter(rng: random.Random, split: str) -> Sample:
    """One to three large characters: where reading begins."""
    note = _easy(rng, split)
    return see(rng, say.READ.pick(rng, split), note.lines[0], [draw_note(rng, note, easy=True)])
