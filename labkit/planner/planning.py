"""The plan: every recipe of a model on one kind of cards, with what would help where it does not fit."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from labkit import catalog, hardware
from labkit.catalog.schema import Model, RecipeEntry
from labkit.errors import LabkitError
from labkit.planner.cards import Cards, here, named, of_catalog
from labkit.planner.rows import Need, Row, row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEXT = {
    "not_positive": "{what} must be a whole number of at least {least}, and it is {value!r}.",
    "price": "price_per_day must be more than 0 dollars, and it is {value!r}.",
    "context": "{title} reads at most {longest:,} tokens, and context asks for {context:,}.",
    "images_without_vision": "images=1 or more needs vision=True.",
    "no_vision": "{title} reads no images: images must be 0.",
    "images": "{images} images of the largest size are {tokens:,} tokens, and the context is {context:,}. "
    "Ask for fewer images or a longer context.",
    "shorter": "A context of {longest:,} tokens fits",
    "text_only": "it fits without vision (vision=False)",
    "cards": "{cards} would hold it",
    "nothing": "No card in the catalog would hold it, nor four of a kind",
}
DEFAULT_MODEL = "mistral-small-3.1"


@dataclass(frozen=True)
class Advice:
    """A recipe that does not fit: why not, and what would."""

    title: str
    why: str
    instead: str

    def __str__(self) -> str:
        return f"{self.title}: {self.why}. {self.instead}."


@dataclass(frozen=True)
class Plan:
    """Every recipe on `cards`. In a notebook it shows itself as a table; `chart()` draws it."""

    model: str
    cards: Cards
    need: Need
    rows: tuple[Row, ...]
    advice: tuple[Advice, ...]
    notes: tuple[str, ...] = ()

    @property
    def fitting(self) -> tuple[Row, ...]:
        """The recipes that fit, in the catalog's order."""
        return tuple(row for row in self.rows if row.fits)

    @property
    def first(self) -> Row | None:
        """The recipe to start with: the first that fits of those that the catalog names; None for no card."""
        fitting = {(row.variant, row.engine): row for row in self.fitting}
        wanted = ((each, name) for name, engine in catalog.engines().items() for each in engine.start_with)
        return next((fitting[each] for each in wanted if each in fitting), None)

    def find(self, variant: str, engine: str) -> Row:
        """The row of a variant ("BF16") in an engine ("vllm"). Raises LookupError."""
        for each in self.rows:
            if (each.variant, each.engine) == (variant, engine):
                return each
        raise LookupError(f"no recipe {engine} {variant}")

    def to_dict(self) -> dict[str, Any]:
        """All of it in plain types, for JSON; sizes in GiB."""
        plain = asdict(self)
        for entry, each in zip(plain["rows"], self.rows, strict=True):
            entry["memory"]["total"] = each.memory.total
        return plain

    def chart(self) -> Figure:
        """A stacked bar for each recipe, and the cards' memory as a line."""
        from labkit.planner.chart import chart

        return chart(self)

    def __str__(self) -> str:
        from labkit.planner.table import as_text

        return as_text(self)

    def _repr_markdown_(self) -> str:
        from labkit.planner.table import as_markdown

        return as_markdown(self)


def plan(
    gpu: str | None = None,
    count: int | None = None,
    context: int = 32768,
    users: int = 1,
    images: int = 0,
    vision: bool = True,
    price_per_day: float | None = None,
    model: str = DEFAULT_MODEL,
) -> Plan:
    """What of `model` fits on a named GPU ("4090", "2x4090", "H100"), by default on this machine.

    `count`: cards; by default one of a named GPU, and all that are here. `context`: tokens for each of
    `users`. `images`: of the largest size, in one request. `price_per_day`: US dollars for the whole machine,
    where the guide names no price or you know a better one. Raises LabkitError for what makes no sense.
    """
    described = catalog.model(model)
    need = Need(context, users, images, vision)
    _check(described, need, count, price_per_day)
    machine = hardware.machine() if gpu is None else None
    cards = here(machine, count) if machine else named(gpu or "", count or 1)
    if price_per_day is not None:
        cards = replace(cards, dollars_a_day=(price_per_day, price_per_day))
    ram = machine.ram_free_gib if machine else None
    recipes = _recipes(described)
    rows = tuple(row(of, recipe, cards, need, ram) for of, recipe in recipes)
    advice = tuple(
        Advice(each.title, each.why, _instead(of, recipe, cards, need, each))
        for (of, recipe), each in zip(recipes, rows, strict=True)
        if each.why
    )
    notes = tuple(filter(None, [machine.gpu_problem])) if machine else ()
    return Plan(described.title, cards, need, rows, advice, (*cards.notes, *notes))


def _recipes(model: Model) -> list[tuple[Model, RecipeEntry]]:
    own = [(model, recipe) for recipe in model.recipes]
    if not model.twin:
        return own
    twin = catalog.model(model.twin)
    return [*own, (twin, twin.recipes[0])]  # the others would fit just as well


def _instead(model: Model, recipe: RecipeEntry, cards: Cards, need: Need, found: Row) -> str:
    """What would fit: here with less, and the smallest cards that hold it as it was asked for."""
    ways = []
    if cards.count and found.longest_context:
        ways.append(TEXT["shorter"].format(longest=found.longest_context))
    elif (
        cards.count and need.vision and row(model, recipe, cards, replace(need, vision=False, images=0)).fits
    ):
        ways.append(TEXT["text_only"])
    options = [
        of_catalog(name, card, number)
        for number in (1, 2, 4)
        for name, card in catalog.gpus().items()
        if row(model, recipe, of_catalog(name, card, number), need).fits
    ]
    if options:
        least = min(options, key=lambda option: option.total_gib)
        alone = min((o for o in options if o.count == 1), key=lambda o: o.total_gib, default=least)
        named_ = dict.fromkeys([str(alone), str(least)])
        ways.append(TEXT["cards"].format(cards=" or ".join(named_)))
    elif not ways:
        ways.append(TEXT["nothing"])
    return "; ".join(ways)


def _check(model: Model, need: Need, count: int | None, price: float | None) -> None:
    """Refuse what makes no sense, in a sentence."""
    numbers = {"context": (need.context, 1), "users": (need.users, 1), "images": (need.images, 0)}
    if count is not None:
        numbers["count"] = (count, 1)
    for what, (value, least) in numbers.items():
        if not isinstance(value, int) or value < least:
            raise LabkitError(TEXT["not_positive"].format(what=what, least=least, value=value))
    if price is not None and not price > 0:
        raise LabkitError(TEXT["price"].format(value=price))
    longest = model.text.context
    if need.context > longest:
        raise LabkitError(TEXT["context"].format(title=model.title, longest=longest, context=need.context))
    if not need.images:
        return
    if not model.vision:
        raise LabkitError(TEXT["no_vision"].format(title=model.title))
    if not need.vision:
        raise LabkitError(TEXT["images_without_vision"])
    tokens = need.images * model.vision.image_tokens
    if tokens > need.context:
        raise LabkitError(TEXT["images"].format(images=need.images, tokens=tokens, context=need.context))
