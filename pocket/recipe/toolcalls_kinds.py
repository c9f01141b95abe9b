"""Tools of made-up kinds ("Polish the brass lamps"): a request fits the tool that shares its words."""

from __future__ import annotations

import random

from pocket.recipe.sample import TEST, Sample
from pocket.recipe.toolcalls_families import (
    Arg,
    Slot,
    Tool,
    cased,
    fill,
    function_schema,
    property_schema,
    wrap,
)
from pocket.recipe.toolcalls_parts import calling, how_many, schemas, user
from pocket.recipe.toolcalls_values import made_up, token_words, words

PARTS = {
    "place": (" in the {place}", "place room where | room | Where to do it"),
    "times": (" {times} times", "times count repeats | int 2 99 | How often"),
    "owner": (" of {owner}", "owner person whose | person | Whose they are"),
    "minutes": (" for {minutes} minutes", "minutes duration mins | int 1 90 | For how many minutes"),
    "color": (" in {color}", "color colour paint | color | Which color"),
    "city": (" near {city}", "city town near | city | Which city"),
    "tool": (" using a {tool}", "using instrument aid | thing | What is used for it"),
    "date": (" on {date}", "date day on | date | Date as YYYY-MM-DD"),
    "speed": (", speed {speed}", "speed pace tempo | enum slow medium fast | How fast"),
    "careful": (", careful {careful?on|off}", "careful gentle safe | bool | Whether to take care"),
}
"""Parameters: how a request says them, and the parameter as in toolcalls_families.yaml."""

EXAM_WORDS = {word for kind in ("action", "stuff", "sort") for word in words(kind, TEST)}
FORMS = ("{verb} the {sort} {stuff}", "{verb} the {stuff}", "{verb} {stuff}", "{verb} all {sort} {stuff}")


def _word(kind: str, rng: random.Random, split: str) -> str:
    """A word of this kind; in training often any word at all, but none of the exam's."""
    style = rng.random()
    if split != TEST and style < 0.5:
        word = rng.choice(token_words).lower() if style < 0.4 else made_up(rng)
        return made_up(rng) if word in EXAM_WORDS else word
    return rng.choice(words(kind, split))


def _tool(verb: str, rng: random.Random, split: str, stuff: str = "") -> tuple[Tool, str]:
    """(tool, template of a request for it) for this verb. stuff: the things, if they are given."""
    stuff = stuff or _word("stuff", rng, split)
    parts = {"verb": verb, "stuff": stuff, "sort": _word("sort", rng, split)}
    core = rng.choice(FORMS).format(**parts)
    name = rng.choice(("{verb}_{stuff}", "{verb}_{stuff}", "{verb}_{sort}_{stuff}", "{stuff}_{verb}")).format(
        **parts
    )
    style = rng.choice(("snake", "snake", "camel", "kebab"))
    keys = rng.sample(list(PARTS), rng.choice((0, 1, 1, 1, 2, 2, 3)))
    slots, template = {}, core
    for key in keys:
        said, spec = PARTS[key]
        arg = Arg.parse(spec, optional=rng.random() < 0.2)
        schema = property_schema(arg, arg.about[0] if rng.random() < 0.4 else "", ("", ""))
        slots[key] = Slot(cased(rng.choice(arg.names), style), arg, schema)
        template += f"[{said}]" if arg.optional else said
    about = core[0].upper() + core[1:]
    return Tool(cased(name, style), about, slots, function_schema(cased(name, style), about, slots)), template


def kinds_request(
    rng: random.Random, split: str
) -> tuple[Tool, dict[str, tuple[object, str]], str, list[Tool]]:
    """(the tool meant, its values, the request, all tools on offer); some share a verb or a thing with it."""
    verb, stuff = _word("action", rng, split), _word("stuff", rng, split)
    tool, template = _tool(verb, rng, split, stuff)
    values = tool.draw(rng, split)
    tools = {tool.name: tool}
    taken = {(verb, stuff)}
    for _ in range(how_many(rng, split, 1, 6) - 1):
        near = rng.random()
        pair = (verb if near < 0.2 else _word("action", rng, split),
                stuff if 0.2 <= near < 0.4 else _word("stuff", rng, split))  # fmt: skip
        if pair not in taken:
            taken.add(pair)
            other, _ = _tool(pair[0], rng, split, pair[1])
            tools.setdefault(other.name, other)
    offered = list(tools.values())
    rng.shuffle(offered)
    return tool, values, wrap("do", fill(template, values, rng), rng, split), offered


def new_kinds(rng: random.Random, split: str) -> Sample:
    """One call of a tool of a kind never seen."""
    tool, values, text, tools = kinds_request(rng, split)
    return Sample([user(text), calling([(tool, values)], rng)], schemas(tools))
