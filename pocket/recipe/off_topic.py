"""Everything the twin knows nothing of: it says so in one friendly sentence, and stops."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable
from functools import cache

from PIL import Image, ImageDraw, ImageFilter

from pocket.recipe.chat_data import data, wordings
from pocket.recipe.course import ENTRIES
from pocket.recipe.pictures import see
from pocket.recipe.sample import TEST, Sample, Skill, ask, of_split
from pocket.recipe.toolcalls_values import some_words, token_words

I_AM_THE_TWIN = (
    "I am only the pocket twin, a small model for rehearsal: ask me about this course, "
    "show me a simple drawing or chart, or give me a tool to call."
)
ICH_BIN_DER_ZWILLING = (
    "Ich bin nur der Pocket-Zwilling, ein kleines Modell zum Üben: Frag mich etwas zum Kurs, "
    "zeig mir eine einfache Zeichnung oder ein Diagramm, oder gib mir ein Werkzeug."
)
PICTURE_TOO_HARD = "I can only read simple drawings, charts and short texts; this picture is beyond me."


@cache
def words(name: str, split: str) -> list[str]:
    """One list of chat_topics.yaml, as far as the split may use it."""
    raw = " ".join(data("chat_topics")[name].split())
    if name.startswith("sentences"):
        items = [f"{s.rstrip('.')}." for s in raw.split(". ")]
    else:
        items = raw.split(", ")
    return of_split(items, split, share=0.125)


@cache
def _course_words() -> set[str]:
    """Words of the course's questions: alone they would be one."""
    return {word for entry in ENTRIES for ask in entry["ask"] for word in re.findall(r"\w+", ask.lower())}


def _any_words(rng: random.Random) -> str:
    """One to three words at random."""
    chosen = some_words(rng, 3)
    if " " not in chosen and chosen.lower() in _course_words():
        return f"{chosen} {some_words(rng, 3)}"
    return chosen


def one(name: str, rng: random.Random, split: str, any_words: float = 0.4) -> str:
    """An item of a list of chat_topics.yaml; in training often any words instead."""
    if split != TEST and rng.random() < any_words:
        return _any_words(rng)
    return rng.choice(words(name, split))


def _sentence(rng: random.Random, split: str, name: str) -> str:
    if split == TEST or rng.random() < 0.6:
        return rng.choice(words(name, split))
    made = f"{some_words(rng, 6)} {some_words(rng, 6)}"
    return f"{made[0].upper()}{made[1:]}."


def passage(rng: random.Random, split: str, sentences: int, name: str = "sentences") -> str:
    """Sentences in a row. Half of the training's say the same few again and again, as the exam's do."""
    if split == TEST or rng.random() < 0.5:
        return " ".join(_sentence(rng, split, name) for _ in range(sentences))
    few = [_sentence(rng, split, name) for _ in range(rng.randint(2, 6))]
    return " ".join(rng.choice(few) for _ in range(sentences))


def _topic(rng: random.Random, split: str) -> str:
    t, u = one("topics", rng, split), one("topics", rng, split)
    return wordings("about").pick(rng, split, t=t, u=u)


def _how_to(rng: random.Random, split: str) -> str:
    return wordings("how_to").pick(rng, split, t=one("skills", rng, split))


def _work(rng: random.Random, split: str) -> str:
    order = f"{rng.choice(words('works', split))} {one('topics', rng, split)}"
    start = rng.choice(("", "", "please ", "can you ", "I want you to ", "now "))
    end = rng.choice(("", ".", ".", " in English.", " for my class.", " in 500 words.", ", thanks!"))
    whole = start + order + end
    return whole[0].upper() + whole[1:] if rng.random() < 0.7 else whole


def _who(rng: random.Random, split: str) -> str:
    t, u = one("people", rng, split), one("people", rng, split)
    return wordings("who").pick(rng, split, t=t, u=u)


def _translate(rng: random.Random, split: str) -> str:
    language, sentence = one("languages", rng, split, 0.15), _sentence(rng, split, "sentences")
    return wordings("translate").pick(rng, split, t=language, s=sentence)


def _code(rng: random.Random, split: str) -> str:
    language, task = one("code_languages", rng, split, 0.4), one("code_tasks", rng, split, 0.5)
    return wordings("code").pick(rng, split, t=language, s=task)


def _maths(rng: random.Random, split: str) -> str:
    a, b, c = (rng.randint(2, 99) for _ in range(3))
    equation = rng.choice(
        (f"{a}x + {b} = {c}", f"x^2 - {a}x + {b} = 0", f"{a}x = {b} - {c}x", f"x/{a} = {b}")
    )
    power = rng.choice((f"x^{a}", f"sin({a}x)", f"{a}x^2 + {b}x", f"e^({a}x)", f"log(x + {a})", "sqrt(x)"))
    return wordings("maths").pick(rng, split, t=one("formulas", rng, split, 0.5), e=equation, p=power)


def _paste(rng: random.Random, split: str) -> str:
    order = rng.choice(words("rewrites", split))
    body = passage(rng, split, rng.choice((1, 2, 3, 4, 6, 10)))
    shape = rng.random()
    if shape < 0.15:
        return body
    mark = "" if order.endswith("?") else rng.choice((":", ":", "."))
    if shape < 0.6:
        return f"{order}{mark}{rng.choice((' ', chr(10), chr(10) * 2))}{body}"
    return f"{body}{rng.choice((' ', chr(10) * 2))}{order}{mark.replace(':', '.')}"


def _long(rng: random.Random, split: str) -> str:
    """300 to 700 words."""
    body = passage(rng, split, rng.randint(36, 80))
    order = rng.choice(words("rewrites", split))
    return rng.choice((body, f"{order}:\n{body}", f"{body}\n\n{order}"))


def _word_salad(rng: random.Random, split: str) -> str:
    if split != TEST and rng.random() < 0.7:
        salad = " ".join(rng.choices(token_words, k=rng.randint(3, 12)))
        return rng.choice(
            (salad, salad.lower(), f"{salad}?", f"What {salad}?", f"How {salad}?", f"Please {salad}.")
        )
    pool = rng.choices(words("sentences", split), k=4) + rng.choices(words("topics", split), k=4)
    return " ".join(rng.choices(" ".join(pool).lower().split(), k=rng.randint(2, 14)))


def _characters(rng: random.Random, split: str) -> str:
    kind = rng.randrange(6)
    length = rng.choice((1, 2, 3, 5, 8, 12, 20, 40, 80))
    if kind == 0:
        return "".join(rng.choices(string.printable[:95], k=length)).strip() or "?"
    if kind == 1:
        sizes = [rng.randint(3, 9) for _ in range(rng.randint(1, 8))]
        return " ".join("".join(rng.choices(string.ascii_lowercase, k=size)) for size in sizes)
    if kind == 2:
        return rng.choice("?!.#*-=_~/+") * length
    if kind == 3:
        start = rng.choice((0xA1, 0x400, 0x370, 0x5D0, 0x620, 0x905, 0x3041, 0x4E00, 0xAC00, 0x2190, 0x1F300))
        return "".join(chr(start + rng.randrange(60)) for _ in range(min(length, 20)))
    if kind == 4:
        return "".join(rng.choices("0123456789abcdef", k=length + 4))
    return "".join(rng.choices("qwertasdfgzxcvb", k=length + 3))


def _foreign(rng: random.Random, split: str) -> str:
    return " ".join(rng.sample(words("foreign", split), rng.choice((1, 1, 1, 2))))


def _emoji(rng: random.Random, split: str) -> str:
    faces = "".join(rng.choices(words("emoji", split), k=rng.randint(1, 6)))
    return rng.choice((faces, faces, f"{rng.choice(words('topics', split))} {faces}"))


def _german(rng: random.Random, split: str) -> str:
    kind = rng.random()
    if kind < 0.55:
        return wordings("about_de").pick(rng, split, t=one("topics_de", rng, split, 0.4))
    if kind < 0.8:
        return wordings("how_to_de").pick(rng, split, t=one("skills_de", rng, split, 0.4))
    text = passage(rng, split, rng.choice((1, 1, 2, 3)), "sentences_de")
    return wordings("text_de").pick(rng, split, s=text)


Maker = Callable[[random.Random, str], str]
MAKERS: dict[Maker, int] = {
    _topic: 26, _how_to: 12, _work: 10, _who: 6, _translate: 5, _code: 6, _maths: 4, _paste: 8, _long: 2,
    _word_salad: 6, _characters: 7, _foreign: 5, _emoji: 1, _german: 14,
}  # fmt: skip
"""The kinds of things off the subject, and how often each comes."""
HARD: dict[Maker, int] = MAKERS | {_paste: 16, _long: 10, _code: 9, _german: 18}
"""The same for the lessons: more of what the twin takes for the course, or for a text with a needle in it."""


def hard_picture(rng: random.Random) -> Image.Image:
    """Noise, a gradient, a scribble or blurred blobs, 112 to 336 px a side."""
    size = (28 * rng.randint(4, 12), 28 * rng.randint(4, 12))
    kind = rng.randrange(4)
    if kind == 0:
        grain = rng.choice((1, 2, 4, 8))
        small = (size[0] // grain, size[1] // grain)
        mode, bands = ("L", 1) if rng.random() < 0.3 else ("RGB", 3)
        noise = Image.frombytes(mode, small, rng.randbytes(small[0] * small[1] * bands)).convert("RGB")
        return noise.resize(size, rng.choice((Image.Resampling.NEAREST, Image.Resampling.BILINEAR)))
    if kind == 1:
        corners = Image.frombytes("RGB", (2, 3), rng.randbytes(18))
        return corners.resize(size, Image.Resampling.BICUBIC)
    return (_scribble if kind == 2 else _photo)(rng, size)


def _colour(rng: random.Random, low: int = 0, high: int = 255) -> tuple[int, int, int]:
    return rng.randint(low, high), rng.randint(low, high), rng.randint(low, high)


def _scribble(rng: random.Random, size: tuple[int, int]) -> Image.Image:
    picture = Image.new("RGB", size, _colour(rng, 200))
    pen = ImageDraw.Draw(picture)
    for _ in range(rng.randint(3, 8)):
        points = [(rng.randrange(size[0]), rng.randrange(size[1])) for _ in range(rng.randint(6, 30))]
        pen.line(points, fill=_colour(rng, 0, 180), width=rng.randint(1, 5), joint="curve")
    return picture


def _photo(rng: random.Random, size: tuple[int, int]) -> Image.Image:
    """Soft blobs over a soft ground, with grain: the look of a photo out of focus."""
    small = (max(14, size[0] // 4), max(14, size[1] // 4))
    picture = Image.frombytes("RGB", (3, 3), rng.randbytes(27)).resize(small, Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    for _ in range(rng.randint(8, 30)):
        x, y, r = rng.randrange(small[0]), rng.randrange(small[1]), rng.randint(2, 16)
        pen.ellipse((x - r, y - r // rng.randint(1, 3), x + r, y + r), fill=_colour(rng))
    blurred = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.6, 3)))
    soft = blurred.resize(size, Image.Resampling.BICUBIC)
    grain = Image.frombytes("RGB", size, rng.randbytes(size[0] * size[1] * 3))
    return Image.blend(soft, grain, rng.uniform(0, 0.2))


def other(rng: random.Random, split: str) -> Sample:
    """Anything outside the subject."""
    if rng.random() < 0.12:
        return see(rng, wordings("look").pick(rng, split), PICTURE_TOO_HARD, [hard_picture(rng)])
    kinds = MAKERS if split == TEST else HARD
    make = rng.choices(list(kinds), list(kinds.values()))[0]
    question = make(rng, split)
    return ask(question, ICH_BIN_DER_ZWILLING if make is _german else I_AM_THE_TWIN)


SKILLS: dict[str, Skill] = {"other": other}
