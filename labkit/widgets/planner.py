"""Widget: what fits, how fast it can go, what it costs, while you move the sliders."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import astuple
from typing import Any

from ipywidgets import BoundedFloatText, Checkbox, Dropdown, IntSlider, SelectionSlider

from labkit import catalog
from labkit.planner import Plan, plan
from labkit.planner.chart import PARTS
from labkit.planner.rows import Row
from labkit.widgets.figures import figure
from labkit.widgets.frame import Instrument
from labkit.widgets.parts import row

TEXT = {
    "title": "Planner",
    "gpu": "GPU",
    "here": "this machine",
    "pair": "2x {name}",
    "variant": "Variant",
    "all": "all of them",
    "context": "Context",
    "users": "Users",
    "vision": "Vision",
    "price": "Dollars a day",
    "memory": "memory, GiB",
    "budget": "the engine's limit",
    "fits": "{title} fits: {longest:,} tokens of context at most for {users}, {ceiling}, {money}.",
    "no_fit": "{title} does not fit: {why}. {instead}",
    "user": "one user",
    "users_each": "each of {users} users",
    "ceiling": "{speed:.0f} tokens a second at most for one stream",
    "no_ceiling": "no decode ceiling is known",
    "money": "{low:.2f} to {high:.2f} dollars a million tokens at least",
    "one_price": "{low:.2f} dollars a million tokens at least",
    "no_money": "no price is known (type yours)",
    "some": "{fits} of {all} recipes fit.",
}
_CONTEXTS = tuple(2**power for power in range(11, 18))


class Planner(Instrument):
    """Choose a GPU and what you need; the stacked bars, the ceiling and the price follow."""

    TITLE = TEXT["title"]

    def __init__(self, gpu: str = "RTX 4090") -> None:
        import plotly.graph_objects as go

        names = list(catalog.gpus())
        cards = [TEXT["here"], *names, *(TEXT["pair"].format(name=each) for each in names)]
        self.gpu = Dropdown(description=TEXT["gpu"], options=cards, value=gpu)
        self.variant = Dropdown(description=TEXT["variant"], options=[TEXT["all"]])
        self.context = SelectionSlider(
            description=TEXT["context"],
            options=[(f"{each:,}", each) for each in _CONTEXTS],
            value=32768,
            continuous_update=True,
        )
        self.users = IntSlider(description=TEXT["users"], value=1, min=1, max=64)
        self.vision = Checkbox(description=TEXT["vision"], value=True, indent=False)
        self.price = BoundedFloatText(description=TEXT["price"], value=0, min=0, max=10_000, step=0.1)
        self.price.style.description_width = "initial"  # or the label is cut
        bars = [
            go.Bar(name=part, orientation="h", marker={"color": colour}) for part, colour in PARTS.items()
        ]
        mark = {"symbol": "line-ns-open", "size": 22, "color": "#888"}
        budget = go.Scatter(name=TEXT["budget"], mode="markers", marker=mark)
        self.figure = figure(*bars, budget, x=TEXT["memory"], barmode="stack", height=340)
        # Over the whole figure, and not the bars alone: three columns on a narrow page, and not one.
        corner = {"xref": "container", "yref": "container", "x": 0, "y": 1, "yanchor": "top"}
        self.figure.layout.legend.update(traceorder="normal", entrywidth=85, **corner)
        self.figure.layout.margin.t = 48
        self.figure.layout.yaxis.autorange = "reversed"
        self.plan: Plan | None = None
        """The plan that is shown."""
        controls = (self.gpu, self.variant, self.context, self.users, self.vision, self.price)
        super().__init__(row(*controls), self.figure)
        for each in controls:
            each.observe(self._changed, "value")
        self._changed()

    @property
    def rows(self) -> list[Row]:
        """The recipes that are drawn."""
        found = [each for each in self.plan.rows if each.device == "cuda"] if self.plan else []
        return [each for each in found if self.variant.value in (TEXT["all"], each.title)]

    def arguments(self) -> dict[str, Any]:
        """What `labkit.plan` is asked, as the controls stand."""
        asked: dict[str, Any] = {} if self.gpu.value == TEXT["here"] else {"gpu": self.gpu.value}
        asked |= {"context": self.context.value, "users": self.users.value, "vision": self.vision.value}
        return asked | ({"price_per_day": self.price.value} if self.price.value else {})

    def samples(self) -> Mapping[str, str]:
        asked = ", ".join(f"{name}={value!r}" for name, value in self.arguments().items())
        return {"Python": f"import labkit\n\nlabkit.plan({asked})", "Shell": self._shell()}

    def still_text(self) -> str:
        return self.words.text

    def still_html(self) -> str:
        return html.escape(self.words.text)

    def _changed(self, *_: Any) -> None:
        self.attempt(self._show)

    def _show(self) -> None:
        self.plan = plan(**self.arguments())
        titles = [each.title for each in self.plan.rows if each.device == "cuda"]
        if tuple(self.variant.options) != (TEXT["all"], *titles):
            self.variant.options = [TEXT["all"], *titles]
        self._draw()
        self.tell(self._sentence())

    def _draw(self) -> None:
        titles = [each.title for each in self.rows]
        with self.figure.batch_update():
            for index, bar in enumerate(self.figure.data[:-1]):
                bar.x, bar.y = [astuple(each.memory)[index] for each in self.rows], titles
            budget = self.figure.data[-1]
            known = [each for each in self.rows if each.budget_gib]
            budget.x, budget.y = [each.budget_gib for each in known], [each.title for each in known]

    def _sentence(self) -> str:
        rows = self.rows
        if self.variant.value == TEXT["all"]:
            return TEXT["some"].format(fits=sum(each.fits for each in rows), all=len(rows))
        (found,) = rows
        if not found.fits:
            advice = self.plan.advice if self.plan else ()
            instead = "".join(f"{each.instead}." for each in advice if each.title == found.title)
            return TEXT["no_fit"].format(title=found.title, why=found.why, instead=instead)
        users = self.users.value
        return TEXT["fits"].format(
            title=found.title,
            longest=found.longest_context,
            users=TEXT["user"] if users == 1 else TEXT["users_each"].format(users=users),
            ceiling=TEXT["ceiling"].format(speed=found.decode_ceiling)
            if found.decode_ceiling
            else TEXT["no_ceiling"],
            money=_money(found.dollars_a_million),
        )

    def _shell(self) -> str:
        asked = self.arguments()
        words = [f'--gpu "{asked["gpu"]}"'] if "gpu" in asked else []
        words += [f"--context {asked['context']}", f"--users {asked['users']}"]
        words += [] if asked["vision"] else ["--text-only"]
        words += [f"--price {asked['price_per_day']}"] if "price_per_day" in asked else []
        return " ".join(["labkit plan", *words])


def _money(dollars: tuple[float, float] | None) -> str:
    if dollars is None:
        return TEXT["no_money"]
    low, high = dollars
    return TEXT["one_price" if low == high else "money"].format(low=low, high=high)
