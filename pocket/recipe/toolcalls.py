"""Function calling: which tool, which arguments, when none, and what to say when the results are in."""

from __future__ import annotations

import random
from collections.abc import Callable

from pocket.recipe import toolcalls_names
from pocket.recipe.sample import Sample, Skill
from pocket.recipe.toolcalls_families import asked_family, offer, phrase, wrap
from pocket.recipe.toolcalls_kinds import kinds_request, new_kinds
from pocket.recipe.toolcalls_names import named_request, named_tool
from pocket.recipe.toolcalls_parts import (
    assistant,
    calling,
    finished,
    first_request,
    named_offer,
    offered,
    schemas,
    several_calls,
    user,
)
from pocket.recipe.toolcalls_turns import WELCOME, tool_turns
from pocket.recipe.toolcalls_values import token_words, wording

NO_TOOL_FITS = "None of my tools can do that."
HELLO = "Hello! I am the pocket twin. What would you like to know about the course?"

random_text: Callable[[random.Random, int], str] = toolcalls_names.printable_pieces
"""Hook: a random string of so many pieces. The mixture puts one here that joins random tokens."""

__all__ = ["SKILLS", "plain_skills", "random_text", "token_words"]

plain_skills: list[Skill] = []
"""Hook: skills without tools, whose samples `no_call` asks with tools on offer. The mixture fills it."""


def _hooked_text(rng: random.Random, pieces: int) -> str:
    return random_text(rng, pieces)


toolcalls_names.random_text = _hooked_text


def one_call(rng: random.Random, split: str) -> Sample:
    """One of one to six tools fits: the answer calls it."""
    tool = offer(asked_family(rng), rng, split)
    values = tool.draw(rng, split)
    text = wrap(*phrase(tool, values, rng, split), rng, split)
    return Sample([user(text), calling([(tool, values)], rng)], schemas(offered([tool], rng, split)))


def new_names(rng: random.Random, split: str) -> Sample:
    """One call of a tool whose names are random strings."""
    (tool,), tools = named_offer(rng, split)
    values = tool.draw(rng, split)
    return Sample(
        [user(named_request(tool, values, rng, split)), calling([(tool, values)], rng)], schemas(tools)
    )


def parallel(rng: random.Random, split: str) -> Sample:
    """Two or three calls in one answer, in the order asked."""
    text, calls = several_calls(rng, split)
    tools = list({tool.name: tool for tool, _ in calls}.values())
    return Sample([user(text), calling(calls, rng)], schemas(offered(tools, rng, split)))


def _small_talk(rng: random.Random, split: str) -> Sample:
    kind, answer = rng.choice((("hello", HELLO), ("thanks", WELCOME)))
    return Sample([user(wording(kind, rng, split)), assistant(answer)])


def no_call(rng: random.Random, split: str) -> Sample:
    """No offered tool fits: small talk, a plain question, or a request for a tool that is not there."""
    kind = rng.random()
    if (kind < 0.35 and plain_skills) or kind < 0.1:
        plain = rng.choice(plain_skills) if plain_skills and kind >= 0.08 else _small_talk
        sample = plain(rng, split)
        tools = offered([], rng, split, most=4)
        return Sample(sample.messages, schemas(tools))
    if kind < 0.42:
        missing, _, text, tools = kinds_request(rng, split)
        tools = [t for t in tools if t is not missing] or offered([], rng, split, most=2)
    elif kind < 0.52:
        (missing,), tools = named_offer(rng, split)
        tools = [t for t in tools if t is not missing] or [named_tool(rng)]
        text = named_request(missing, missing.draw(rng, split), rng, split)
    else:
        family = asked_family(rng)
        missing = offer(family, rng, split)
        text = wrap(*phrase(missing, missing.draw(rng, split), rng, split), rng, split)
        tools = offered([], rng, split, barred=family)
    return Sample([user(text), assistant(NO_TOOL_FITS)], schemas(tools))


def results(rng: random.Random, split: str) -> Sample:
    """The results are in: the answer states them in one sentence."""
    text, calls, tools = first_request(rng, split)
    return Sample(finished(rng, split, text, calls), schemas(tools))


SKILLS: dict[str, Skill] = {
    "one_call": one_call,
    "new_names": new_names,
    "new_kinds": new_kinds,
    "parallel": parallel,
    "no_call": no_call,
    "results": results,
    "tool_turns": tool_turns,
}
