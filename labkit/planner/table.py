"""A plan in words and columns: Markdown for a notebook, aligned text for a terminal."""

from __future__ import annotations

import textwrap
from itertools import starmap
from typing import TYPE_CHECKING

from labkit.planner.rows import Row

if TYPE_CHECKING:
    from labkit.planner.planning import Plan

TEXT = {
    "title": "{model} on {cards}",
    "no_gpu": "this machine, which has no GPU",
    "card": "{total:.1f} GiB of memory",
    "price": "{price} dollars a day",
    "no_price": "no price known (price_per_day)",
    "range": "{low:.2f} to {high:.2f}",
    "one": "{low:.2f}",
    "need": "{context:,} tokens of context for {users}",
    "user": "one user",
    "users": "{users} users each",
    "images": "{images} images in a request",
    "text_only": "text only",
    "legend": "Sizes in GiB, all cards together. ~ an estimate, not yet measured. tok/s: one stream, memory "
    "bandwidth over the weights. dollars/million: for a million tokens, every user busy all day at that "
    "speed, so no less than this.",
    "first": "To start with: `labkit up {variant}{cards}` ({title}).",
    "fits": "yes",
    "does_not": "no",
    "unknown": "-",
    "why": "Why not, and what would fit:",
}

COLUMNS = (
    "recipe",
    "weights",
    "KV cache",
    "vision",
    "graphs",
    "overhead",
    "total",
    "fits",
    "longest context",
    "tok/s at most",
    "dollars/million at least",
)
_WIDTH = 110


def as_markdown(plan: Plan) -> str:
    """A table with its heading, the reasons below it."""
    title, facts = _heading(plan)
    lines = [f"**{title}**", "", facts, ""]
    lines += ["| " + " | ".join(COLUMNS) + " |", "|---|" + "---:|" * (len(COLUMNS) - 1)]
    lines += ["| " + " | ".join(_cells(row)) + " |" for row in plan.rows]
    lines += ["", TEXT["legend"].replace("~", r"\~"), *_first(plan)]
    lines += [""] + [f"*{note}*\n" for note in plan.notes] if plan.notes else []
    if plan.advice:
        lines += [
            "",
            TEXT["why"],
            "",
            *(f"- **{each.title}**: {each.why}. {each.instead}." for each in plan.advice),
        ]
    # A bare dollar sign starts a formula in Jupyter's Markdown.
    return "\n".join(lines)


def as_text(plan: Plan) -> str:
    """The same for a terminal. A column's heading may take two lines."""
    words = [heading.split(" ", 1) for heading in COLUMNS]
    table = [[pair[0] for pair in words], [pair[1] if len(pair) > 1 else "" for pair in words]]
    table += [_cells(row) for row in plan.rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [*_heading(plan), ""]
    for cells in table:
        padded = [cells[0].ljust(widths[0]), *starmap(str.rjust, zip(cells[1:], widths[1:], strict=True))]
        lines.append("  ".join(padded).rstrip())
    prose = ["", TEXT["legend"], *_first(plan), *plan.notes]
    if plan.advice:
        prose += ["", TEXT["why"], *(f"- {each}" for each in plan.advice)]
    for line in prose:
        lines.append(textwrap.fill(line, _WIDTH, subsequent_indent="  " if line.startswith("- ") else ""))
    return "\n".join(lines)


def _first(plan: Plan) -> list[str]:
    """What to take, as a paragraph of its own; nothing where no card is there."""
    found = plan.first
    if found is None:
        return []
    cards = f" --cards {plan.cards.count}" if plan.cards.count > 1 else ""
    return ["", TEXT["first"].format(variant=found.variant, cards=cards, title=found.title)]


def _heading(plan: Plan) -> tuple[str, str]:
    """What the plan is for, and the facts that it starts from."""
    cards, need = plan.cards, plan.need
    title = TEXT["title"].format(model=plan.model, cards=cards if cards.count else TEXT["no_gpu"])
    users = TEXT["user"] if need.users == 1 else TEXT["users"].format(users=need.users)
    facts = [TEXT["need"].format(context=need.context, users=users)]
    if need.images:
        facts.append(TEXT["images"].format(images=need.images))
    if not need.vision:
        facts.append(TEXT["text_only"])
    if cards.count:
        price = (
            TEXT["price"].format(price=_range(cards.dollars_a_day))
            if cards.dollars_a_day
            else TEXT["no_price"]
        )
        facts = [TEXT["card"].format(total=cards.total_gib), price, *facts]
    return title, " · ".join(facts)


def _cells(row: Row) -> list[str]:
    memory, unknown = row.memory, TEXT["unknown"]
    parts = (memory.weights, memory.kv_cache, memory.vision, memory.graphs)
    return [
        row.title,
        *(f"{part:.2f}" for part in parts),
        f"{'' if row.measured else '~'}{memory.overhead:.2f}",
        f"{memory.total:.1f}",
        TEXT["fits"] if row.fits else TEXT["does_not"],
        f"{row.longest_context:,}" if row.longest_context else unknown,
        f"{row.decode_ceiling:.0f}" if row.decode_ceiling and row.longest_context else unknown,
        _range(row.dollars_a_million) if row.dollars_a_million and row.longest_context else unknown,
    ]


def _range(dollars: tuple[float, float]) -> str:
    low, high = dollars
    return TEXT["one" if low == high else "range"].format(low=low, high=high)
