"""The words that stand in pictures: labels, titles, shops, goods, signs, and random letters.

Words of the exam are never trained on (see `sample.held_out`). Random letter strings are most of the
training, so that the twin reads letters and does not guess words.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import yaml

from pocket.recipe.sample import TEST, held_out

_LISTS: dict[str, str] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
NOUNS, GOODS, SHOP_FIRST, SHOP_SECOND, SIGN_WORDS = (
    _LISTS[k].split() for k in ("nouns", "goods", "shop_first", "shop_second", "sign_words")
)
TITLES = _LISTS["titles"].split(" | ")
# Labels that are few and well known stand in both splits; the values are what the exam asks.
MONTHS, DAYS, TICKERS = (_LISTS[k].split() for k in ("months", "days", "tickers"))
LETTERS = list(string.ascii_uppercase)
QUARTERS = ["Q1", "Q2", "Q3", "Q4"]


def kept(choices: Sequence[str], split: str) -> list[str]:
    """The words of this split, whatever their case: "BREAD" and "bread" are one word."""
    return [w for w in choices if held_out(w.lower()) == (split == TEST)]


def fresh(rng: random.Random, split: str, make: Callable[[random.Random], str]) -> str:
    """Make strings until one belongs to this split."""
    for _ in range(300):
        value = make(rng)
        if held_out(value.lower()) == (split == TEST):
            return value
    raise ValueError(f"No string for the split {split!r} in 300 tries. Its maker has too few values.")


# Alone, c and C look alike, and I, l and 1, O and 0 do anywhere: no eye could tell which was meant.
ALIKE = set("cosuvwxz")
CLEAR_LETTERS = "".join(c for c in string.ascii_letters if c not in ALIKE | set("IlO"))
CLEAR_CAPITALS = "".join(c for c in string.ascii_uppercase if c not in "IO")
CLEAR_DIGITS = "23456789"


def random_letters(rng: random.Random, length: int) -> str:
    """A random string that can be read for sure: capitals, small, a capital first, mixed, or with digits."""
    kind = rng.random() if length > 2 else rng.choice((0.0, 0.9))
    if kind < 0.36:
        return "".join(rng.choices(string.ascii_uppercase, k=length))
    if kind < 0.76:
        small = "".join(rng.choices(string.ascii_lowercase, k=length))
        if set(small) <= ALIKE or (kind >= 0.56 and "l" in small):
            return random_letters(rng, length)
        return small if kind < 0.56 else small.capitalize()
    if kind < 0.88:
        return "".join(rng.choices(CLEAR_LETTERS, k=length))
    return "".join(rng.choices(CLEAR_CAPITALS + CLEAR_DIGITS, k=length))


def letters(rng: random.Random, split: str, shortest: int, longest: int) -> str:
    """A random string of this split. One and two letters are too few to hold any out."""
    length = rng.randint(shortest, longest)
    if length < 3:
        return random_letters(rng, length)
    return fresh(rng, split, lambda r: random_letters(r, length))


@lru_cache(maxsize=256)
def _nouns(split: str, longest: int) -> tuple[str, ...]:
    return tuple(w for w in kept(NOUNS, split) if len(w) <= longest)


def noun(rng: random.Random, split: str, longest: int = 99) -> str:
    """An everyday word of this split, Capitalized, small or LARGE."""
    word = rng.choice(_nouns(split, max(4, longest)))
    return rng.choices([word.capitalize(), word, word.upper()], (6, 2, 2))[0]


def labels(rng: random.Random, split: str, count: int, longest: int) -> list[str]:
    """Different labels of one kind for one chart, each at most `longest` (3 or more) characters."""
    kind = rng.random()
    if kind < 0.08:
        start = rng.randrange(13 - count)
        return MONTHS[start : start + count]
    if kind < 0.11 and count <= 6:
        start = rng.randrange(8 - count)
        return DAYS[start : start + count]
    if kind < 0.17:
        start = rng.choice([0, rng.randrange(27 - count)])
        return LETTERS[start : start + count]
    if kind < 0.20 and count <= 4:
        return QUARTERS[:count]
    if kind < 0.25 and longest >= 4:
        start = rng.randrange(1990, 2031 - count)
        return [str(start + i) for i in range(count)]
    if kind < 0.31 and longest >= 4:
        return rng.sample(TICKERS, count)
    words = kind < (0.70 if split == TEST else 0.55) and longest >= 4
    found: dict[str, str] = {}
    while len(found) < count:
        made = noun(rng, split, longest) if words else letters(rng, split, 2, min(longest, 8))
        found.setdefault(made.lower(), made)
    return list(found.values())


def title(rng: random.Random, split: str) -> str:
    """A chart's title: a usual one, one with a year, or one made of random words."""
    kind = rng.random()
    usual = rng.choice(_titles(split))
    if kind < 0.55:
        return usual
    if kind < 0.75:
        return f"{usual} {rng.randint(1990, 2030)}"
    if kind < 0.9:
        second = rng.choice(("sales", "prices", "index", "count", "report"))
        return f"{noun(rng, split, 9).capitalize()} {second}"
    return letters(rng, split, 3, 8)


@lru_cache(maxsize=2)
def _titles(split: str) -> list[str]:
    return kept(TITLES, split)


@lru_cache(maxsize=2)
def _goods(split: str) -> list[str]:
    return kept(GOODS, split)


def goods(rng: random.Random, split: str, count: int, strange: float) -> list[str]:
    """Different names of things to buy; each is a random string with the chance `strange`."""
    found: dict[str, str] = {}
    while len(found) < count:
        made = letters(rng, split, 3, 9) if rng.random() < strange else rng.choice(_goods(split))
        found.setdefault(made.lower(), made)
    return list(found.values())


@lru_cache(maxsize=2)
def _shop_first(split: str) -> list[str]:
    return kept(SHOP_FIRST, split)


@lru_cache(maxsize=2)
def signs(split: str) -> list[str]:
    """The words that stand on signs."""
    return kept(SIGN_WORDS, split)


def shop(rng: random.Random, split: str, strange: float) -> str:
    """A shop's name."""
    if rng.random() < strange:
        return letters(rng, split, 3, 9)
    name = f"{rng.choice(_shop_first(split))} {rng.choice(SHOP_SECOND)}"
    return name.upper() if rng.random() < 0.4 else name
