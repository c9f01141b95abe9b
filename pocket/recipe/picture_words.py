"""The words that stand in pictures: labels, titles, shops, goods, signs, random letters and random tokens.

Words of the exam are never trained on (see `in_exam`). Much of the training is random: letters, so that the
twin reads and does not guess, and tokens, so that it has written each piece of which words are made.
"""

from __future__ import annotations

import random
import string
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import yaml

from pocket.recipe.sample import TEST, TRAIN, held_out

_LISTS: dict[str, str] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
NOUNS, GOODS, SHOP_FIRST, SHOP_SECOND, SIGN_WORDS = (
    _LISTS[k].split() for k in ("nouns", "goods", "shop_first", "shop_second", "sign_words")
)
TITLES = _LISTS["titles"].split(" | ")
_BY_NAME = {
    "nouns": NOUNS,
    "goods": GOODS,
    "shop_first": SHOP_FIRST,
    "sign_words": SIGN_WORDS,
    "titles": TITLES,
}
# Labels that are few and well known stand in both splits; the values are what the exam asks.
MONTHS, DAYS, TICKERS = (_LISTS[k].split() for k in ("months", "days", "tickers"))
LETTERS = list(string.ascii_uppercase)
QUARTERS = ["Q1", "Q2", "Q3", "Q4"]
TOKENS = 0.4
"""The share of training's words that are random tokens."""


class Vocabulary:
    """The tokens a reader's answers are made of: plain letters, without the space before them.

    whole: all of them, in any case. A word that is one token is like a letter: nobody can spell it from parts
    that were seen elsewhere, so training must have it. drawn: those of 2 to 10 letters, shortest first.
    """

    def __init__(self, tokens: Iterable[str]) -> None:
        letters = {t.strip() for t in tokens}
        self.whole = frozenset(t for t in letters if t.isascii() and t.isalpha() and len(t) > 1)
        known_case = [t for t in self.whole if t.islower() or t.isupper() or t.istitle()]
        self.drawn = sorted((t for t in known_case if len(t) <= 10), key=lambda t: (len(t), t))
        lengths = [len(t) for t in self.drawn]
        self.up_to = [bisect_right(lengths, n) for n in range(11)]

    def pick(self, rng: random.Random, longest: int) -> str:
        return self.drawn[rng.randrange(self.up_to[min(10, longest)])]


vocabulary = Vocabulary(("an", "er", "in", "on", "st", "the", "ing", "com", "pro", "tion", "able", "time"))


def use_tokens(tokens: Sequence[str]) -> None:
    """Draw training's pseudo-words from this vocabulary, and keep its whole words out of the exam."""
    global vocabulary
    vocabulary = Vocabulary(tokens)
    listed.cache_clear()


def in_exam(word: str) -> bool:
    """Whether only the exam may show this word, whatever its case: "BREAD" and "bread" are one word."""
    forms = {word, word.lower(), word.upper(), word.capitalize()}
    return held_out(word.lower()) and not forms & vocabulary.whole


def kept(choices: Sequence[str], split: str) -> list[str]:
    """The words of this split."""
    return [w for w in choices if in_exam(w) == (split == TEST)]


@lru_cache(maxsize=256)
def listed(choices: str, split: str, longest: int = 99) -> tuple[str, ...]:
    """The words of the list of this name that belong to this split and have at most `longest` letters."""
    return tuple(w for w in kept(_BY_NAME[choices], split) if len(w) <= longest)


def fresh(rng: random.Random, split: str, make: Callable[[random.Random], str]) -> str:
    """Make strings until one belongs to this split."""
    for _ in range(300):
        value = make(rng)
        if in_exam(value) == (split == TEST):
            return value
    raise ValueError(f"No string for the split {split!r} in 300 tries. Its maker has too few values.")


# Alone, c and C look alike, and I, l and 1, O and 0 do anywhere: no eye could tell which was meant.
ALIKE = set("cosuvwxz")
CLEAR_LETTERS = "".join(c for c in string.ascii_letters if c not in ALIKE | set("IlO"))
CLEAR_CAPITALS = "".join(c for c in string.ascii_uppercase if c not in "IO")
CLEAR_DIGITS = "23456789"


def _is_clear(made: str) -> bool:
    """Whether one can tell small letters from capitals, and a first I from a first l."""
    if made.isupper():
        return True
    return not set(made.lower()) <= ALIKE and made[0] not in "lI" and made[1:] not in ("l", "I")


def random_letters(rng: random.Random, length: int, plain: bool = False) -> str:
    """A random string that can be read for sure: capitals, small or a capital first.

    Unless `plain`, one in twenty is of mixed case, one in ten has digits.
    """
    kind = rng.random() if length > 2 else rng.choice((0.0, 0.9))
    if plain:
        kind *= 0.85
    if kind < 0.35:
        return "".join(rng.choices(string.ascii_uppercase, k=length))
    if kind < 0.85:
        small = "".join(rng.choices(string.ascii_lowercase, k=length))
        made = small if kind < 0.55 else small.capitalize()
        return made if _is_clear(made) else random_letters(rng, length, plain)
    if kind < 0.9:
        return "".join(rng.choices(CLEAR_LETTERS, k=length))
    return "".join(rng.choices(CLEAR_CAPITALS + CLEAR_DIGITS, k=length))


def random_tokens(rng: random.Random, longest: int) -> str:
    """One token as it is, Capitalized, small or LARGE; or two of them in one word. Two letters or more."""
    made = vocabulary.pick(rng, longest)
    if longest - len(made) > 1 and rng.random() < 0.45:
        made += vocabulary.pick(rng, longest - len(made)).lower()
    made = rng.choices((made, made.capitalize(), made.lower(), made.upper()), (3, 4, 2, 2))[0]
    if not (made.islower() or made.isupper() or made.istitle()):
        made = made.capitalize()
    return made if _is_clear(made) else made.upper()


def letters(rng: random.Random, split: str, shortest: int, longest: int) -> str:
    """A random string of this split. One and two letters are too few to hold any out."""
    if split == TRAIN and longest > 1 and rng.random() < TOKENS:
        return tokens(rng, longest)
    length = rng.randint(shortest, longest)
    if length < 3:
        return random_letters(rng, length, split == TEST)
    return fresh(rng, split, lambda r: random_letters(r, length, split == TEST))


def tokens(rng: random.Random, longest: int) -> str:
    """Random tokens as one word, for training."""
    return fresh(rng, TRAIN, lambda r: random_tokens(r, longest))


def word(rng: random.Random, split: str, choices: str, longest: int = 99) -> str:
    """A word of this split from the list of this name; in training, often random tokens instead."""
    if split == TRAIN and rng.random() < TOKENS:
        return tokens(rng, min(longest, 12))
    return rng.choice(listed(choices, split, longest))


def noun(rng: random.Random, split: str, longest: int = 99) -> str:
    """An everyday word of this split, Capitalized, small or LARGE; LARGE where its case could not be seen."""
    made = word(rng, split, "nouns", max(4, longest))
    made = rng.choices([made.capitalize(), made, made.upper()], (6, 2, 2))[0]
    return made if _is_clear(made) else made.upper()


def labels(rng: random.Random, split: str, count: int, longest: int) -> list[str]:
    """Different labels of one kind for one chart, each at most `longest` (3 or more) characters."""
    kind = rng.random()
    if kind < 0.07:
        start = rng.randrange(13 - count)
        return MONTHS[start : start + count]
    if kind < 0.1 and count <= 6:
        start = rng.randrange(8 - count)
        return DAYS[start : start + count]
    if kind < 0.15:
        start = rng.choice([0, rng.randrange(27 - count)])
        return LETTERS[start : start + count]
    if kind < 0.18 and count <= 4:
        return QUARTERS[:count]
    if kind < 0.23 and longest >= 4:
        start = rng.randrange(1990, 2031 - count)
        return [str(start + i) for i in range(count)]
    if kind < 0.28 and longest >= 4:
        return rng.sample(TICKERS, count)
    words = kind < 0.67 and len(listed("nouns", split, longest)) >= 2 * count
    found: dict[str, str] = {}
    while len(found) < count:
        made = noun(rng, split, longest) if words else letters(rng, split, 2, min(longest, 8))
        found.setdefault(made.lower(), made)
    return list(found.values())


def title(rng: random.Random, split: str) -> str:
    """A chart's title: a usual one, one with a year, or one made of random words."""
    kind = rng.random()
    if kind < 0.55:
        return _usual_title(rng, split)
    if kind < 0.75:
        return f"{_usual_title(rng, split)} {rng.randint(1990, 2030)}"
    if kind < 0.9:
        second = rng.choice(("sales", "prices", "index", "count", "report"))
        return f"{noun(rng, split, 9).capitalize()} {second}"
    return letters(rng, split, 3, 8)


def _usual_title(rng: random.Random, split: str) -> str:
    """A title of the list; in training, often one or two words of random tokens, the second one small."""
    if split == TEST or rng.random() > TOKENS:
        return rng.choice(listed("titles", split))
    made = tokens(rng, 9).capitalize()
    return f"{made} {tokens(rng, 8).lower()}" if rng.random() < 0.6 else made


def goods(rng: random.Random, split: str, count: int, strange: float) -> list[str]:
    """Different names of things to buy; each is a random string with the chance `strange`."""
    found: dict[str, str] = {}
    while len(found) < count:
        made = letters(rng, split, 3, 9) if rng.random() < strange else word(rng, split, "goods")
        found.setdefault(made.lower(), made)
    return list(found.values())


def sign_words(rng: random.Random, split: str, count: int) -> list[str]:
    """Different words that stand on signs, in capitals; in training, often random tokens."""
    found: list[str] = []
    while len(found) < count:
        made = word(rng, split, "sign_words", 14).upper()
        found += [made] * (made not in found)
    return found


def shop(rng: random.Random, split: str, strange: float) -> str:
    """A shop's name."""
    if rng.random() < strange:
        return letters(rng, split, 3, 9)
    name = f"{word(rng, split, 'shop_first', 10).capitalize()} {rng.choice(SHOP_SECOND)}"
    return name.upper() if rng.random() < 0.4 else name
