"""Argument values of the tool curriculum: what is meant (a JSON value) and how a user says it (text)."""

from __future__ import annotations

import json
import random
import string
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pocket.recipe.sample import TEST, of_split

HERE = Path(__file__).parent
WORDS: dict[str, list[str]] = {
    kind: words.split()
    for kind, words in yaml.safe_load((HERE / "toolcalls_words.yaml").read_text("utf-8")).items()
}
PHRASES: dict[str, Any] = yaml.safe_load((HERE / "toolcalls_phrases.yaml").read_text("utf-8"))
GERMAN: dict[str, Any] = yaml.safe_load((HERE / "toolcalls_german.yaml").read_text("utf-8"))
PHRASES["de"] = GERMAN.pop("wrap")
CLOSED = {"day", "month", "unit", "currency", "ext", "sky", "verb", "color", "column"}
"""Kinds too small to split: both splits use all their words."""
GLUE = set(WORDS["glue"])
OTHER_QUOTE = {'"': "'", "'": '"'}

token_words: list[str] = list(WORDS["word"])
"""Hook: plain words to copy. The mixture puts all words of one token here: `token_words[:] = words`."""

Value = tuple[Any, str]
"""A value and its words in a request."""


@cache
def words(kind: str, split: str) -> list[str]:
    """The words of a kind that a split may use."""
    return WORDS[kind] if kind in CLOSED else of_split(WORDS[kind], split)


def wording(kind: str, rng: random.Random, split: str) -> str:
    """A phrase of a kind from toolcalls_phrases.yaml that this split may use."""
    return str(rng.choice(PHRASES[kind][split]))


def quote(value: str, rng: random.Random) -> str:
    mark = rng.choice('""\'')
    mark = OTHER_QUOTE[mark] if mark in value else mark
    return mark + value + mark


def said(value: Any) -> str:
    """A value as it stands in JSON, strings without their quotes."""
    return str(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def listed(parts: list[str], rng: random.Random) -> str:
    """ "a, b and c"."""
    if len(parts) > 2 and rng.random() < 0.2:
        return ", ".join(parts)
    return " and ".join((", ".join(parts[:-1]), parts[-1])) if len(parts) > 1 else parts[0]


def made_up(rng: random.Random) -> str:
    """A word that could exist: "zorbel"."""
    parts = [rng.choice("bcdfghjklmnpqrstvwxyz") + rng.choice("aeiou") for _ in range(rng.randint(1, 3))]
    return "".join(parts) + (rng.choice("lnrstkmx") if rng.random() < 0.9 else "")


def code(rng: random.Random, low: int = 3, high: int = 9) -> str:
    """A string of letters and digits that means nothing: "AB-1234", "k3x9"."""
    letters = rng.choice((string.ascii_uppercase, string.ascii_lowercase, string.ascii_letters))
    signs = rng.choice((letters, letters + string.digits, letters + string.digits * 3))
    text = "".join(rng.choices(signs, k=rng.randint(low, high)))
    return f"{text[:2]}-{rng.randint(1, 9999)}" if rng.random() < 0.2 else text


def call_id(rng: random.Random) -> str:
    """Nine letters or digits, as Mistral's template wants them."""
    return "".join(rng.choices(string.ascii_letters + string.digits, k=9))


def number(low: float, high: float, rng: random.Random) -> int | float:
    """A whole number, or one with one or two decimals."""
    if rng.random() < 0.5:
        return rng.randint(int(low), int(high))
    value = round(rng.uniform(low, high), rng.choice((1, 2)))
    return int(value) if value == int(value) else value


def some_words(rng: random.Random, most: int) -> str:
    """One to `most` of the hooked words, in no order that makes sense."""
    return " ".join(rng.choices(token_words, k=rng.randint(1, most)))


def _free_text(rng: random.Random, split: str) -> str:
    style = rng.random()
    if style < 0.15:
        return " ".join(code(rng) for _ in range(rng.randint(1, 2)))
    if split != TEST and style < 0.5:
        text = some_words(rng, 4)
    elif style < 0.6:
        kind = rng.choice(("thing", "food"))
        text = f"{rng.choice(words('verb', split))} the {rng.choice(words(kind, split))}"
    else:
        kinds = rng.choices(("word", "topic", "thing", "person", "city"), k=rng.randint(1, 4))
        text = " ".join(rng.choice(words(kind, split)) for kind in kinds)
    return text[0].upper() + text[1:] if rng.random() < 0.5 else text


def _stem(rng: random.Random, split: str) -> str:
    if split != TEST and rng.random() < 0.4:
        return rng.choice(token_words).lower()
    return rng.choice((made_up(rng), code(rng).lower(), rng.choice(words("word", split)).lower()))


def _composed(kind: str, rng: random.Random, split: str) -> str:
    if kind == "text":
        return _free_text(rng, split)
    if kind == "code":
        return code(rng, 4, 10)
    if kind == "email":
        return f"{_stem(rng, split)}@{_stem(rng, split)}.{rng.choice(('com', 'org', 'de', 'net'))}"
    if kind == "file":
        folder = f"{_stem(rng, split)}/" if rng.random() < 0.3 else ""
        return f"{folder}{_stem(rng, split)}.{rng.choice(WORDS['ext'])}"
    if kind == "date":
        return f"{rng.randint(2023, 2029)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
    if kind == "time":
        return f"{rng.randint(0, 23):02}:{rng.choice((0, 5, 10, 15, 20, 30, 40, 45, 50, 55)):02}"
    if kind == "phone":
        return f"{rng.choice(('0', '+49', '+1', '+44'))}{rng.randint(10**6, 10**9)}"
    if kind == "host":
        return f"{_stem(rng, split)}{rng.choice(('', '-' + str(rng.randint(1, 20)), '.local', '.com'))}"
    if kind == "coin":
        return made_up(rng).capitalize() + rng.choice(("coin", ""))
    if kind == "code_line":
        return f"print({rng.randint(1, 99)} {rng.choice('+-*')} {rng.randint(1, 99)})"
    raise KeyError(kind)


def string_value(kind: str, rng: random.Random, split: str) -> Value:
    """A string of a kind: from the word list, or (so that it must be copied) made up."""
    if kind not in WORDS:
        value = _composed(kind, rng, split)
        return value, quote(value, rng) if kind in ("text", "code_line") or rng.random() < 0.1 else value
    style = 1.0 if kind in CLOSED else rng.random()
    if split != TEST and 0.25 <= style < 0.65:
        value = rng.choice(token_words)
        if kind == "ticker":
            value = value[:5].upper()
        elif WORDS[kind][0][0].isupper() and rng.random() < 0.5:
            value = value.capitalize()
    elif style >= 0.3:
        value = rng.choice(words(kind, split))
    elif kind == "ticker":
        value = "".join(rng.choices(string.ascii_uppercase, k=rng.randint(1, 5)))
    elif WORDS[kind][0][0].isupper():
        value = made_up(rng).capitalize()
    else:
        value = rng.choice((made_up(rng), code(rng)))
    return value, quote(value, rng) if value.lower() in GLUE or rng.random() < 0.12 else value


def draw(kind: list[str], rng: random.Random, split: str) -> Value:
    """A value of a kind from toolcalls_families.yaml, such as ["int", "1", "20"] or ["list", "person"]."""
    head, rest = kind[0], kind[1:]
    if head == "int":
        whole = rng.randint(int(rest[0]), int(rest[1]))
        return whole, str(whole)
    if head == "num":
        value = number(float(rest[0]), float(rest[1]), rng)
        return value, json.dumps(value)
    if head == "bool":
        flag = rng.random() < 0.5
        return flag, rng.choice((("false", "off"), ("true", "on"))[flag])
    if head == "enum":
        choice = rng.choice(rest)
        return choice, choice
    if head == "nums":
        numbers = [number(float(rest[0]), float(rest[1]), rng) for _ in range(rng.randint(2, 5))]
        return numbers, listed([json.dumps(n) for n in numbers], rng)
    if head == "list":
        pairs = dict(string_value(rest[0], rng, split) for _ in range(rng.randint(1, 3)))
        return list(pairs), listed(list(pairs.values()), rng)
    return string_value(head, rng, split)
