"""What a piece of work costs on a rented card, by the guide's prices."""

from __future__ import annotations

from dataclasses import dataclass

from labkit import catalog
from labkit.errors import LabkitError

TEXT = {
    "cost": "{minutes:g} minutes on an {gpu}: {low} to {high}",
    "no_price": "The guide names no price for {gpu!r}. It names one for: {known}.",
}

_MINUTES_A_DAY = 24 * 60


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
    prices = {name: card.dollars_a_day for name, card in catalog.gpus().items() if card.dollars_a_day}
    if gpu not in prices:
        raise LabkitError(TEXT["no_price"].format(gpu=gpu, known=", ".join(prices)))
    low, high = (price * minutes / _MINUTES_A_DAY for price in prices[gpu])
    return Cost(gpu, minutes, low, high)


def _money(dollars: float) -> str:
    """Cents below a dollar, since a lesson costs a cent or two."""
    return f"{dollars:.2f} dollars" if dollars >= 1 else f"{dollars * 100:.1f} cents"
