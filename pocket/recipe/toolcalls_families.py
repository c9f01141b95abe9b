"""Realistic tools: a family is one thing a tool can do, with many names and many ways to ask for it."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from pocket.recipe.sample import TEST
from pocket.recipe.toolcalls_values import (
    GERMAN,
    HERE,
    PHRASES,
    WORDS,
    Value,
    draw,
    listed,
    made_up,
    token_words,
    wording,
)

JSON_TYPES = {"int": "integer", "num": "number", "bool": "boolean"}
OPTIONAL_PART = re.compile(r"\[([^\[\]]*)\]")
BLANK = re.compile(r"\{(~?)(\w+)(?:\?([^|}]*)\|([^}]*))?\}")


@dataclass(frozen=True)
class Pairs:
    """An array of objects with a string and a number: {n} shares of {s}."""

    text_keys: list[str]
    text_kind: str
    number_keys: list[str]
    number_kind: list[str]
    styles: list[str]

    @staticmethod
    def parse(spec: str) -> Pairs:
        texts, numbers, *styles = (part.strip() for part in spec.split(";"))
        text_keys, text_kind = texts.split("=")
        number_keys, number_kind = numbers.split("=")
        return Pairs(text_keys.split(), text_kind, number_keys.split(), number_kind.split(), styles)


@dataclass(frozen=True)
class Arg:
    names: list[str]
    kind: list[str]
    about: list[str]
    optional: bool
    pairs: Pairs | None

    @staticmethod
    def parse(spec: str, optional: bool) -> Arg:
        names, kind, about = (part.strip() for part in spec.split("|"))
        pairs = Pairs.parse(kind.removeprefix("pairs ")) if kind.startswith("pairs ") else None
        return Arg(names.split(), kind.split(), about.split("; "), optional, pairs)


@dataclass(frozen=True)
class Slot:
    """One parameter of an offered tool. keys: the two keys of an array of objects."""

    name: str
    arg: Arg
    schema: dict[str, Any]
    keys: tuple[str, str] = ("", "")

    def draw(self, rng: random.Random, split: str) -> Value:
        if self.arg.pairs is None:
            return draw(self.arg.kind, rng, split)
        rows = dict(
            (draw([self.arg.pairs.text_kind], rng, split)[0], draw(self.arg.pairs.number_kind, rng, split)[0])
            for _ in range(rng.choice((1, 2, 2, 2, 3, 3)))
        )
        return self.pairs([*rows.items()], rng)

    def pairs(self, rows: list[tuple[Any, Any]], rng: random.Random) -> Value:
        """The array of objects for these rows, and its words."""
        assert self.arg.pairs
        style = rng.choice(self.arg.pairs.styles)
        value = [dict(zip(self.keys, row, strict=True)) for row in rows]
        return value, listed([style.format(s=s, n=n) for s, n in rows], rng)


@dataclass(frozen=True)
class Family:
    key: str
    group: str
    names: list[str]
    about: list[str]
    args: dict[str, Arg]
    do: list[str]
    ask: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    say: list[list[str]] = field(default_factory=list)
    de: list[str] = field(default_factory=list)
    each: str = ""
    not_with: list[str] = field(default_factory=list)
    general: bool = False

    def templates(self, mode: str, split: str) -> list[str]:
        """The wordings of this split. The last one of a list of two or more belongs to the exam."""
        every: list[str] = getattr(self, mode)
        if len(every) < 2:
            return every if split != TEST else []
        return every[-1:] if split == TEST else every[:-1]


@dataclass
class Tool:
    """A tool as it is offered: its schema, and what its parameters mean. family is None for made-up names."""

    name: str
    about: str
    slots: dict[str, Slot]
    schema: dict[str, Any]
    family: Family | None = None

    def draw(self, rng: random.Random, split: str, optional: float = 0.45) -> dict[str, Value]:
        """Values for all required arguments and some of the optional ones, in schema order."""
        return {key: slot.draw(rng, split) for key, slot in self.slots.items()
                if not slot.arg.optional or rng.random() < optional}  # fmt: skip

    def arguments(self, values: dict[str, Value]) -> dict[str, Any]:
        return {slot.name: values[key][0] for key, slot in self.slots.items() if key in values}


def _family(key: str, raw: dict[str, Any]) -> Family:
    args = {name.rstrip("?"): Arg.parse(spec, name.endswith("?")) for name, spec in raw.pop("args").items()}
    return Family(key=key, args=args, names=raw.pop("names").split(), de=GERMAN.get(key, []), **raw)


FAMILIES: dict[str, Family] = {
    key: _family(key, raw)
    for key, raw in yaml.safe_load((HERE / "toolcalls_families.yaml").read_text("utf-8")).items()
}
EVERY_FAMILY = list(FAMILIES.values())


def names_of(names: list[str], split: str, seen_too: bool = False) -> list[str]:
    """The names of a tool or a parameter for this split: of three or more, the last is the exam's.

    seen_too: the exam also uses the trained names.
    """
    if len(names) < 3 or (seen_too and split == TEST):
        return names
    return names[-1:] if split == TEST else names[:-1]


def asked_family(rng: random.Random) -> Family:
    """The family a sample is about; the guide's two tools come often."""
    if rng.random() < 0.12:
        return FAMILIES[rng.choice(("stock_price", "portfolio"))]
    return rng.choice(EVERY_FAMILY)


def cased(name: str, style: str) -> str:
    if style == "camel":
        first, *rest = name.split("_")
        return first + "".join(part.capitalize() for part in rest)
    return name.replace("_", "-") if style == "kebab" else name


def property_schema(arg: Arg, about: str, keys: tuple[str, str]) -> dict[str, Any]:
    """The JSON schema of one parameter."""
    head = arg.kind[0]
    schema: dict[str, Any] = {"type": JSON_TYPES.get(head, "string")}
    if head == "enum":
        schema["enum"] = arg.kind[1:]
    elif arg.pairs:
        kinds = {keys[0]: {"type": "string"}, keys[1]: {"type": JSON_TYPES[arg.pairs.number_kind[0]]}}
        schema = {"type": "array", "items": {"type": "object", "properties": kinds, "required": [*keys]}}
    elif head in ("list", "nums"):
        schema = {"type": "array", "items": {"type": "number" if head == "nums" else "string"}}
    if not about:
        return schema
    return schema | {"description": about} if len(about) % 3 else {"description": about} | schema


def function_schema(name: str, about: str, slots: dict[str, Slot]) -> dict[str, Any]:
    """An OpenAI tool schema; what is free in it (`required: []`, `additionalProperties`) varies."""
    parameters: dict[str, Any] = {"type": "object", "properties": {s.name: s.schema for s in slots.values()}}
    required = [s.name for s in slots.values() if not s.arg.optional]
    if required or len(name) % 2:
        parameters["required"] = required
    if len(about) % 7 == 0:
        parameters["additionalProperties"] = False
    return {"type": "function", "function": {"name": name, "description": about, "parameters": parameters}}


def filler(rng: random.Random) -> str:
    return str(rng.choice(PHRASES["filler"])).format(w=rng.choice(WORDS["word"]), n=rng.randint(1, 90))


def invented(rng: random.Random) -> str:
    """A name that says nothing of what it names: "river_zorbel"."""
    how_many = rng.randint(1, 2)
    parts = [rng.choice(token_words) if rng.random() < 0.5 else made_up(rng) for _ in range(how_many)]
    return "_".join(parts).lower()


def loosely(about: str, name: str, rng: random.Random) -> str:
    """A description as people write it in a hurry: a noun, a few words, the name again, or nothing."""
    kind = rng.random()
    if kind < 0.2:
        return ""
    if kind < 0.4:
        return name.replace("_", " ").capitalize()
    first, _, rest = about.partition(" ")
    noun = first not in ("How", "When", "What", "Whether") and rest.startswith(("the ", "a ", "an "))
    about = rest[0].upper() + rest[1:] if noun else about
    return re.split(r" (?:in|of|for|on|from|with) ", about)[0] if rng.random() < 0.3 else about


def offer(family: Family, rng: random.Random, split: str, plain: bool = False) -> Tool:
    """The family as a tool, with names of this split. plain: as the guide has it.

    In training, schemas say less than in the exam (they are half of all that the twin reads), and half of the
    names are invented: a twin that knows a family by its names cannot call it by the exam's. A third of the
    others are described loosely.
    """
    plain = plain or (family.key in ("stock_price", "portfolio") and rng.random() < 0.5)
    strange = split != TEST and not plain
    style = "snake" if plain else rng.choice(("snake", "snake", "snake", "camel", "kebab"))
    known = family.names[0] if plain else rng.choice(names_of(family.names, split))
    told = not strange or rng.random() < 0.5
    name = cased(known if told else invented(rng), style)
    about = rng.choice(family.about)
    if split != TEST and told and rng.random() < 0.33:
        about = loosely(about, known, rng)
    about += "" if rng.random() < 0.7 or not about else "."
    if rng.random() < (0.15 if split == TEST else 0.06):
        about = f"{about.rstrip('.')}. {filler(rng)}".removeprefix(". ")
    described = rng.random() < (0.6 if split == TEST else 0.35)

    def pick(names: list[str]) -> str:
        if strange and described and rng.random() < 0.4:
            return invented(rng)
        return names[0] if plain else rng.choice(names_of(names, split, seen_too=True))

    slots: dict[str, Slot] = {}
    for key, arg in family.args.items():
        keys = (pick(arg.pairs.text_keys), pick(arg.pairs.number_keys)) if arg.pairs else ("", "")
        while arg.pairs and keys[0] == keys[1]:
            keys = (keys[0], pick(arg.pairs.number_keys))
        schema = property_schema(arg, rng.choice(arg.about) if described else "", keys)
        argument = cased(pick(arg.names), style)
        while any(argument == slot.name for slot in slots.values()):
            argument = cased(pick(arg.names), style)
        slots[key] = Slot(argument, arg, schema, keys)
    return Tool(name, about, slots, function_schema(name, about, slots), family)


def size(thing: Any) -> float:
    """About how many tokens a schema or a text has; rare signs cost one each."""
    text = thing if isinstance(thing, str) else json.dumps(thing, ensure_ascii=False)
    return len(text) / 2.9 + 0.8 * (len(text.encode()) - len(text))


def fill(template: str, values: dict[str, Value], rng: random.Random) -> str:
    """A template with its blanks filled; parts in [] fall away with their argument."""

    def blank(found: re.Match[str]) -> str:
        filler_kind, key, yes, no = found.groups()
        if filler_kind:
            return rng.choice(WORDS[key])
        if yes is not None:
            return yes if values[key][0] else no
        return values[key][1]

    def part(found: re.Match[str]) -> str:
        keys = [m[1] for m in BLANK.findall(found[1])]
        return found[1] if all(key in values for key in keys) else ""

    return BLANK.sub(blank, OPTIONAL_PART.sub(part, template))


def wrap(mode: str, core: str, rng: random.Random, split: str) -> str:
    return wording(mode, rng, split).replace("{x}", core).replace("{X}", core[0].upper() + core[1:])


def phrase(
    tool: Tool, values: dict[str, Value], rng: random.Random, split: str, mode: str = ""
) -> tuple[str, str]:
    """The bare request for a tool of a family: ("do", "ask" or, now and then, "de" for German; its words)."""
    assert tool.family
    plain = all(not tool.slots[key].arg.optional for key in values)
    if not mode and plain and tool.family.de and rng.random() < 0.2:
        mode = "de"
    modes = [mode] if mode else [m for m in ("do", "ask") if tool.family.templates(m, split)]
    mode = rng.choice(modes)
    return mode, fill(rng.choice(tool.family.templates(mode, split)), values, rng)
