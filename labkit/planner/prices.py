"""What a piece of work costs on a rented card, by the guide's prices."""

from __future__ import annotations

from dataclasses import dataclass

from labkit import catalog
from labkit.errors import LabkitError
from labkit.planner.cards import named

TEXT = {
    "cost": "{minutes:g} minutes on an {gpu}: {low} to {high}",
    "no_price": "The guide names no price for {gpu!r}. It names one for: {known}.",
    "speed": "A speed is more than 0 tokens a second, and this is {value!r}.",
}

_MINUTES_A_DAY = 24 * 60
_SECONDS_A_DAY = 60 * _MINUTES_A_DAY


@dataclass(frozen=True)
class Cost:
    """A range of US dollars for `minutes` on one rented `gpu`."""

    gpu: str
    minutes: float
    low: float
    high: float

    def __str__(self) -> str:
        return TEXT["cost"].format(
            minutes=self.minutes, gpu=self.gpu, low=_money(self.low), high=_money(self.high)
        )

    def _repr_markdown_(self) -> str:
        return str(self)


def cost(gpu: str = "RTX 4090", minutes: float = 10) -> Cost:
    """What `minutes` on a rented `gpu` cost, from the guide's price a day (in labkit/catalog/gpus.yaml).

    Raises LabkitError for a card that the guide names no price for.
    """
    prices = _prices()
    if gpu not in prices:
        raise LabkitError(TEXT["no_price"].format(gpu=gpu, known=", ".join(prices)))
    low, high = (price * minutes / _MINUTES_A_DAY for price in prices[gpu])
    return Cost(gpu, minutes, low, high)


def per_million(tokens_per_s: float, gpu: str = "RTX 4090") -> tuple[float, float]:
    """US dollars for a million tokens, low and high, at a speed that is kept all day; by the guide's price.

    gpu: the machine's cards, such as "2x4090". Raises LabkitError for a card that has no price.
    """
    cards = named(gpu)
    if cards.dollars_a_day is None:
        raise LabkitError(TEXT["no_price"].format(gpu=cards.name, known=", ".join(_prices())))
    if not tokens_per_s > 0:
        raise LabkitError(TEXT["speed"].format(value=tokens_per_s))
    return shared_by_tokens(cards.dollars_a_day, tokens_per_s)


def shared_by_tokens(dollars_a_day: tuple[float, float], tokens_per_s: float) -> tuple[float, float]:
    """A day's price, low and high, as that of a million of its tokens."""
    low, high = (price / (tokens_per_s * _SECONDS_A_DAY) * 1e6 for price in dollars_a_day)
    return low, high


def _prices() -> dict[str, tuple[float, float]]:
    """A day's price of each card that has one."""
    return {name: card.dollars_a_day for name, card in catalog.gpus().items() if card.dollars_a_day}


def _money(dollars: float) -> str:
    """Cents below a dollar, since a lesson costs a cent or two."""
    return f"{dollars:.2f} dollars" if dollars >= 1 else f"{dollars * 100:.1f} cents"
