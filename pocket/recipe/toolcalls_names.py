"""Tools nobody has seen: names, parameters, descriptions and values are random, so all must be copied."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable

from pocket.recipe.toolcalls_families import Arg, Pairs, Slot, Tool, function_schema, property_schema
from pocket.recipe.toolcalls_values import WORDS, Value, code, listed, made_up, number, quote, wording

SIGNS = string.ascii_letters * 2 + string.digits * 2 + string.punctuation + "äöüßÄÖÜéñø€" + "    "
PLAIN = re.compile(r"[A-Za-z0-9_äöüßÄÖÜ-]+$")


def printable_pieces(rng: random.Random, pieces: int) -> str:
    """A random string of some pieces of one to four signs."""
    return "".join("".join(rng.choices(SIGNS, k=rng.randint(1, 4))) for _ in range(pieces))


random_text: Callable[[random.Random, int], str] = printable_pieces
"""A random string of so many pieces; `toolcalls.random_text` is the hook that sets it."""


def identifier(rng: random.Random) -> str:
    """A valid tool or parameter name (letters, digits, _ and -), from random tokens, syllables or words."""
    style = rng.random()
    if style < 0.4:
        name = re.sub(r"[^A-Za-z0-9_-]", "", random_text(rng, rng.randint(1, 4)))
    elif style < 0.7:
        name = rng.choice("__-").join(made_up(rng) for _ in range(rng.randint(1, 2)))
    elif style < 0.85:
        name = "_".join(rng.choice(WORDS["word"]) for _ in range(rng.randint(1, 2)))
    else:
        name = code(rng)
    return name[:32] if len(name) > 1 else made_up(rng) + rng.choice(string.ascii_lowercase)


def value_text(rng: random.Random) -> str:
    """Any text, never empty, with no space at its ends and at most one kind of quote mark."""
    if rng.random() < 0.3:
        return rng.choice((made_up(rng), code(rng), rng.choice(WORDS["word"])))
    text = "".join(c for c in random_text(rng, rng.randint(1, 6)) if c.isprintable() and c != "\ufffd")
    return text.replace(rng.choice("\"'"), "").strip() or code(rng)


def said_text(value: str, rng: random.Random) -> str:
    return value if PLAIN.match(value) and rng.random() < 0.5 else quote(value, rng)


def description(rng: random.Random) -> str:
    """One to four words without sense."""
    words = []
    for _ in range(rng.randint(1, 4)):
        style = rng.random()
        raw = random_text(rng, rng.randint(1, 2)) if style < 0.3 else ""
        word = "".join(c for c in raw if c.isalnum()) or rng.choice((made_up(rng), rng.choice(WORDS["word"])))
        words.append(word)
    return " ".join(words)


class NamedSlot(Slot):
    """A parameter with a made-up name and values of any text."""

    def draw(self, rng: random.Random, split: str) -> Value:
        kind = self.arg.kind[0]
        if kind == "text":
            text = value_text(rng)
            return text, said_text(text, rng)
        if kind == "list":
            texts = list(dict.fromkeys(value_text(rng) for _ in range(rng.randint(1, 3))))
            return texts, listed([quote(t, rng) for t in texts], rng)
        if kind == "pairs":
            rows = {value_text(rng): number(1, 900, rng) for _ in range(rng.randint(1, 3))}
            value = [dict(zip(self.keys, row, strict=True)) for row in rows.items()]
            said = [f"{self.keys[0]} {quote(s, rng)} with {self.keys[1]} {n}" for s, n in rows.items()]
            return value, listed(said, rng)
        return super().draw(rng, split)


def _kind(rng: random.Random) -> list[str]:
    kind = rng.choice(("text", "text", "text", "int", "int", "num", "bool", "enum", "list", "pairs"))
    if kind == "int":
        return ["int", "0", rng.choice(("9", "99", "999", "99999"))]
    if kind == "num":
        return ["num", "0", rng.choice(("9", "999"))]
    if kind == "enum":
        return [
            "enum",
            *dict.fromkeys(rng.choice((made_up(rng), code(rng))) for _ in range(rng.randint(2, 4))),
        ]
    return [kind]


def _slot(name: str, rng: random.Random) -> NamedSlot:
    kind = _kind(rng)
    pairs = Pairs([], "", [], ["num"], []) if kind[0] == "pairs" else None
    keys = (identifier(rng), identifier(rng)) if pairs else ("", "")
    if pairs and keys[0] == keys[1]:
        keys = (keys[0], keys[1] + "2")
    arg = Arg([name], kind, [], rng.random() < 0.3, pairs)
    about = description(rng) if rng.random() < 0.3 else ""
    return NamedSlot(name, arg, property_schema(arg, about, keys), keys)


def named_tool(rng: random.Random, low: int = 0) -> Tool:
    """A tool with random names and `low` to four parameters."""
    name, about = identifier(rng), description(rng)
    names = dict.fromkeys(identifier(rng) for _ in range(rng.choice((low, 1, 1, 2, 2, 3, 4))))
    slots: dict[str, Slot] = {n: _slot(n, rng) for n in names}
    return Tool(name, about, slots, function_schema(name, about, slots))


def named_request(tool: Tool, values: dict[str, Value], rng: random.Random, split: str) -> str:
    """A request that tells the tool by its name or its description, and its arguments by theirs."""
    if not values:
        return wording("bare", rng, split).replace("{t}", tool.name).replace("{d}", tool.about)
    pair = wording("pair", rng, split)
    parts = [
        pair.replace("{p}", tool.slots[key].name, 1).replace("{v}", said) for key, (_, said) in values.items()
    ]
    if rng.random() < 0.15:
        rng.shuffle(parts)
    said = ", ".join(parts) if rng.random() < 0.4 else listed(parts, rng)
    template = wording("use", rng, split)
    return template.replace("{t}", tool.name).replace("{d}", tool.about).replace("{a}", said)
