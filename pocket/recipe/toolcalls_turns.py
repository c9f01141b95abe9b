"""Second turns: a follow-up that only makes sense with the first, and an agent that works in steps."""

from __future__ import annotations

import random

from pocket.recipe.sample import Sample
from pocket.recipe.toolcalls_families import FAMILIES, asked_family, fill, offer, phrase, wrap
from pocket.recipe.toolcalls_names import named_request
from pocket.recipe.toolcalls_parts import (
    Call,
    assistant,
    calling,
    few,
    finished,
    first_request,
    named_offer,
    offered,
    schemas,
    user,
)
from pocket.recipe.toolcalls_values import wording

WELCOME = "You are welcome!"
"""As in small_talk.yaml: thanks are answered the same with and without tools."""


def _next_of_each(rng: random.Random, split: str) -> Sample:
    """ "And MSFT?": the same call for another value."""
    family = FAMILIES["stock_price"] if rng.random() < 0.15 else None
    while family is None:
        family = asked_family(rng)
        family = family if family.each or family.again else None
    tool = offer(family, rng, split)
    own = family.again and (not family.each or rng.random() < 0.5)
    values = tool.draw(rng, split, optional=0.0 if family.again else 0.3)
    key = family.each or next(iter(k for k in tool.slots if f"{{{k}}}" in family.again[0]))
    text = wrap(*phrase(tool, values, rng, split), rng, split)
    before = finished(rng, split, text, [(tool, values)], errors=0)
    value = tool.slots[key].draw(rng, split)
    if own:
        follow = fill(rng.choice(family.templates("again", split)), {key: value}, rng)
    else:
        follow = wording("again", rng, split).replace("{v}", value[1])
    messages = [*before, user(follow), calling([(tool, values | {key: value})], rng)]
    return Sample(messages, schemas(offered([tool], rng, split, most=few(rng, split))))


def _changed_argument(rng: random.Random, split: str) -> Sample:
    """ "Now the same with days 3.": one argument changes, the others stay.

    Never after an error: it would be open whether the rejected value still stands.
    """
    if rng.random() < 0.5:
        (tool,), tools = named_offer(rng, split, low=1, most=few(rng, split))
        values = tool.draw(rng, split, optional=0.6)
        text = named_request(tool, values, rng, split)
    else:
        tool = offer(asked_family(rng), rng, split)
        values = tool.draw(rng, split)
        tools = offered([tool], rng, split, most=few(rng, split))
        text = wrap(*phrase(tool, values, rng, split), rng, split)
    key = rng.choice(list(tool.slots))
    value = tool.slots[key].draw(rng, split)
    template = wording("change", rng, split)
    follow = template.replace("{p}", tool.slots[key].name, 1).replace("{v}", value[1])
    before = finished(rng, split, text, [(tool, values)], errors=0)
    return Sample([*before, user(follow), calling([(tool, values | {key: value})], rng)], schemas(tools))


def _worth(rng: random.Random, split: str) -> Sample:
    """A price first, then "and what are 10 shares of it worth?"."""
    price, portfolio = offer(FAMILIES["stock_price"], rng, split), offer(FAMILIES["portfolio"], rng, split)
    values = price.draw(rng, split)
    before = finished(
        rng, split, wrap(*phrase(price, values, rng, split), rng, split), [(price, values)], errors=0
    )
    shares = rng.randint(1, 500)
    follow = wording("worth", rng, split).replace("{n}", str(shares))
    value = portfolio.slots["holdings"].pairs([(values["ticker"][0], shares)], rng)
    messages = [*before, user(follow), calling([(portfolio, {"holdings": value})], rng)]
    return Sample(messages, schemas(offered([price, portfolio], rng, split, most=few(rng, split))))


def _portfolio_chain(rng: random.Random, split: str) -> Sample:
    """The portfolio agent: prices first, then the value, then the sentence; one of the three steps."""
    price, portfolio = offer(FAMILIES["stock_price"], rng, split), offer(FAMILIES["portfolio"], rng, split)
    rows: dict[str, int] = {}
    for _ in range(rng.choice((1, 2, 2, 3))):
        rows[price.slots["ticker"].draw(rng, split)[0]] = rng.randint(1, 500)
    holdings = portfolio.slots["holdings"].pairs([*rows.items()], rng)
    request = wording("chain", rng, split).replace("{h}", holdings[1])
    calls: list[Call] = [(price, {"ticker": (ticker, ticker)}) for ticker in rows]
    messages = finished(rng, split, request, calls, errors=0)[:-1]
    tools = schemas(offered([price, portfolio], rng, split, most=few(rng, split)))
    step = rng.randint(1, 3)
    if step == 1:
        return Sample(messages[:2], tools)
    call: Call = (portfolio, {"holdings": holdings})
    if step == 2:
        return Sample([*messages, calling([call], rng)], tools)
    return Sample([*messages, *finished(rng, split, "", [call])[1:]], tools)


def _new_subject(rng: random.Random, split: str) -> Sample:
    """After a finished turn: another request, "say that again" or thanks."""
    text, calls, tools = first_request(rng, split)
    before = finished(rng, split, text, calls)
    kind = rng.random()
    if kind < 0.3:
        return Sample([*before, user(wording("repeat", rng, split)), before[-1]], schemas(tools))
    if kind < 0.45:
        return Sample([*before, user(wording("thanks", rng, split)), assistant(WELCOME)], schemas(tools))
    tool = rng.choice(tools)
    values = tool.draw(rng, split)
    if tool.family is None:
        follow = named_request(tool, values, rng, split)
    else:
        follow = wrap(*phrase(tool, values, rng, split), rng, split)
    return Sample([*before, user(follow), calling([(tool, values)], rng)], schemas(tools))


def tool_turns(rng: random.Random, split: str) -> Sample:
    """A later step of a conversation with tools."""
    steps = (_next_of_each, _changed_argument, _worth, _portfolio_chain, _new_subject)
    return rng.choices(steps, (35, 22, 10, 18, 15))[0](rng, split)
