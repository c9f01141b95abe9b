"""A plan as a picture."""

from __future__ import annotations

from dataclasses import astuple
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from labkit.planner.planning import Plan

PARTS = {  # in the order of Memory's fields; Okabe and Ito's palette, told apart by colour-blind readers too
    "weights": "#0072B2",
    "KV cache": "#E69F00",
    "vision": "#009E73",
    "CUDA graphs": "#CC79A7",
    "overhead": "#999999",
}
_WIDTH = 0.07
"""Of the picture: a total at the end of its bar. It must not stand on the lines of what there is."""
TEXT = {
    "title": "{model} on {cards}: {context:,} tokens of context",
    "users": " for each of {users} users",
    "no_gpu": "a machine without a GPU",
    "axis": "memory, GiB",
    "line": "{cards}: {total:.1f} GiB",
    "budget": "what the engine may take",
    "fits": "{total:.1f}",
    "does_not": "{total:.1f}, does not fit",
}


def chart(plan: Plan) -> Figure:
    """A stacked bar for each recipe that runs on a GPU, and the cards' memory as a line."""
    from matplotlib import pyplot

    rows = [row for row in plan.rows if row.device == "cuda"]
    figure, axes = pyplot.subplots(figsize=(9, 1.4 + 0.45 * len(rows)), layout="constrained")
    left = [0.0] * len(rows)
    for index, (part, colour) in enumerate(PARTS.items()):
        sizes = [astuple(row.memory)[index] for row in rows]
        axes.barh([row.title for row in rows], sizes, left=left, color=colour, label=part, height=0.65)
        left = [start + size for start, size in zip(left, sizes, strict=True)]
    span = 1.22 * max(*left, plan.cards.total_gib)
    for place, (row, end) in enumerate(zip(rows, left, strict=True)):
        words = TEXT["fits" if row.fits else "does_not"].format(total=end)
        hides = end < plan.cards.total_gib and end + _WIDTH * span > (row.budget_gib or 0.0)
        start = plan.cards.total_gib if hides else end
        label = axes.annotate(
            words, (start, place), (6, 0), textcoords="offset points", va="center", fontsize=9
        )
        label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
    if plan.cards.count:
        total = plan.cards.total_gib
        words = TEXT["line"].format(cards=plan.cards, total=total)
        axes.axvline(total, color="black", linestyle="--", linewidth=1.2, label=words)
        budgets = [row.budget_gib or 0.0 for row in rows]
        axes.plot(budgets, range(len(rows)), "|", color="black", markersize=18, label=TEXT["budget"])
    users = TEXT["users"].format(users=plan.need.users) if plan.need.users > 1 else ""
    cards = plan.cards if plan.cards.count else TEXT["no_gpu"]
    title = TEXT["title"].format(model=plan.model, cards=cards, context=plan.need.context)
    axes.set_title(title + users, loc="left", fontsize=11)
    axes.set_xlabel(TEXT["axis"])
    axes.set_xlim(0, span)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    pyplot.close(figure)
    return figure
