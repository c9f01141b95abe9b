"""What conversations with tools are put together from: offers, requests, calls, and whole finished turns."""

from __future__ import annotations

import random
from typing import Any

from pocket.recipe.sample import TEST
from pocket.recipe.toolcalls_families import (
    EVERY_FAMILY,
    FAMILIES,
    Family,
    Tool,
    asked_family,
    fill,
    offer,
    phrase,
    size,
    wrap,
)
from pocket.recipe.toolcalls_names import named_request, named_tool
from pocket.recipe.toolcalls_results import Result, result, sentence
from pocket.recipe.toolcalls_values import Value, call_id, listed, said, wording

BUDGET = 800.0
"""Tokens that the offered schemas may take together, about."""

Call = tuple[Tool, dict[str, Value]]


HOW_MANY = {(1, 2): 50, (3, 4): 35, (5, 6): 15}
"""Tools on offer in training: mostly few, for schemas are long. The exam draws from 1 to 6 alike."""


def how_many(rng: random.Random, split: str, least: int, most: int) -> int:
    """How many tools to offer in all, where `least` are needed."""
    low, high = (1, most) if split == TEST else rng.choices(list(HOW_MANY), list(HOW_MANY.values()))[0]
    return max(least, min(most, rng.randint(low, high)))


def few(rng: random.Random, split: str) -> int:
    """The most tools on offer where the conversation is long: four, in training mostly two."""
    return 4 if split == TEST or rng.random() < 0.25 else 2


def schemas(tools: list[Tool]) -> list[dict[str, Any]]:
    return [tool.schema for tool in tools]


def calling(calls: list[Call], rng: random.Random) -> dict[str, Any]:
    """The assistant's message with these calls."""
    made = [
        {
            "id": call_id(rng),
            "type": "function",
            "function": {"name": tool.name, "arguments": tool.arguments(values)},
        }
        for tool, values in calls
    ]
    return {"role": "assistant", "content": "", "tool_calls": made}


def _results(message: dict[str, Any], results: list[Result]) -> list[dict[str, Any]]:
    return [
        {"role": "tool", "tool_call_id": call["id"], "name": call["function"]["name"], "content": r.content}
        for call, r in zip(message["tool_calls"], results, strict=True)
    ]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def offered(
    tools: list[Tool], rng: random.Random, split: str, most: int = 6, barred: Family | None = None
) -> list[Tool]:
    """These tools among others, in random order; others of the same group are likely (near misses)."""
    total, chosen = sum(size(t.schema) for t in tools), list(tools)
    pool = [
        f for f in EVERY_FAMILY if not (barred and (f.general or f is barred or f.key in barred.not_with))
    ]
    groups = {t.family.group for t in tools if t.family} | ({barred.group} if barred else set())
    used = {t.family.key for t in tools if t.family} | ({barred.key} if barred else set())
    near = [f for f in pool if f.group in groups and f.key not in used]
    for _ in range(how_many(rng, split, max(1, len(tools)), most) - len(tools)):
        family = rng.choice(near) if near and rng.random() < 0.4 else rng.choice(pool)
        tool = offer(family, rng, split)
        total += size(tool.schema)
        if total > BUDGET:
            break
        if family.key not in used and tool.name not in {t.name for t in chosen}:
            used.add(family.key)
            chosen.append(tool)
    rng.shuffle(chosen)
    return chosen


def _alike(a: Tool, b: Tool) -> bool:
    """Whether a request for one could be read as one for the other."""
    return any(x in y or y in x for x in (a.name, a.about) for y in (b.name, b.about))


def named_offer(
    rng: random.Random, split: str, wanted: int = 1, low: int = 0, most: int = 6
) -> tuple[list[Tool], list[Tool]]:
    """(tools to use, all tools on offer), all with made-up names."""
    tools = [named_tool(rng, low) for _ in range(wanted)]
    total, chosen = sum(size(t.schema) * 1.5 for t in tools), list(tools)
    for _ in range(how_many(rng, split, wanted, most) - wanted):
        tool = named_tool(rng)
        total += size(tool.schema) * 1.5
        if total > BUDGET:
            break
        if not any(_alike(tool, t) for t in chosen):
            chosen.append(tool)
    rng.shuffle(chosen)
    return tools, chosen


def _same_tool(rng: random.Random, split: str, count: int) -> tuple[str, list[Call]]:
    """ "What is the price of AAPL and MSFT?": one call for each."""
    family = FAMILIES["stock_price"] if rng.random() < 0.2 else None
    while family is None:
        family = asked_family(rng)
        family = family if family.each else None
    tool = offer(family, rng, split)
    values = tool.draw(rng, split, optional=0.25)
    slot, each = tool.slots[family.each], dict[str, Value]()
    while len(each) < count:
        value = slot.draw(rng, split)
        each[said(value[0])] = value
    mode = rng.choice([m for m in ("do", "ask") if family.templates(m, split)])
    template = rng.choice([t for t in family.templates(mode, split) if "{~" not in t])
    together = values | {family.each: (None, listed([words for _, words in each.values()], rng))}
    text = wrap(mode, fill(template, together, rng), rng, split)
    return text, [(tool, values | {family.each: value}) for value in each.values()]


def _several_requests(rng: random.Random, split: str, count: int) -> tuple[str, list[Call]]:
    """Different requests in one message, now and then for the same tool twice."""
    tools: list[Tool] = []
    while len(tools) < count:
        tool = offer(asked_family(rng), rng, split)
        if tools and rng.random() < 0.2:
            tool = tools[-1]
        clash = any(t is not tool and (t.name == tool.name or t.family is tool.family) for t in tools)
        if not clash:
            tools.append(tool)
    calls: list[Call] = []
    while len(calls) < count:
        tool = tools[len(calls)]
        call = (tool, tool.draw(rng, split, optional=0.3))
        if call not in calls:
            calls.append(call)
    if rng.random() < 0.3:
        phrases = [phrase(tool, values, rng, split) for tool, values in calls]
        first, *rest = [
            core[0].upper() + core[1:] + ("?" if mode == "ask" else ".") for mode, core in phrases
        ]
        also = rng.choice(("", "And ", "Also: "))
        return " ".join([first, *(also + (r[0].lower() + r[1:] if also else r) for r in rest)]), calls
    cores = [phrase(tool, values, rng, split, "do")[1] for tool, values in calls]
    last = wording("join", rng, split).format(a=cores[-2], b=cores[-1])
    return wrap("do", ", ".join([*cores[:-2], last]), rng, split), calls


def several_calls(rng: random.Random, split: str) -> tuple[str, list[Call]]:
    count = rng.choice((2, 2, 2, 3))
    return (_same_tool if rng.random() < 0.5 else _several_requests)(rng, split, count)


def finished(
    rng: random.Random, split: str, text: str, calls: list[Call], errors: float = 0.12
) -> list[dict[str, Any]]:
    """A whole turn: request, calls, results, sentence."""
    message = calling(calls, rng)
    results = [
        result(tool, values, rng, split, errors, most=3 if len(calls) == 1 else 2) for tool, values in calls
    ]
    return [user(text), message, *_results(message, results), assistant(sentence(results))]


def first_request(rng: random.Random, split: str) -> tuple[str, list[Call], list[Tool]]:
    """(request, its calls, tools on offer), of every kind."""
    kind = rng.random()
    if kind < 0.3:
        (tool,), tools = named_offer(rng, split, low=1, most=few(rng, split))
        values = tool.draw(rng, split)
        return named_request(tool, values, rng, split), [(tool, values)], tools
    if kind < 0.55:
        text, calls = several_calls(rng, split)
    else:
        tool = offer(asked_family(rng), rng, split)
        values = tool.draw(rng, split)
        text, calls = wrap(*phrase(tool, values, rng, split), rng, split), [(tool, values)]
    return (
        text,
        calls,
        offered(list({t.name: t for t, _ in calls}.values()), rng, split, most=few(rng, split)),
    )
