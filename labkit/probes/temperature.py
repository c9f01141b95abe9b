"""What temperature does to the choice of the next token, from the model's own scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy

from labkit.errors import LabkitError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEXT = {
    "flat": "Scores of one next token are wanted, a row with one number for each token, and these have the "
    "shape {shape}. `model(**inputs).logits[0, -1]` is such a row.",
    "above": "The temperature must be above 0 here: at 0 the likeliest token is taken, always.",
    "head": "| temperature | {words} | any other |",
    "axis": "temperature",
    "share": "chance to come next, %",
    "rest": "any of the other {n:,}",
    "guide": "the guide's 0.15",
}
_GUIDES = 0.15
_COLOURS = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#CC79A7")  # Okabe and Ito's palette
_REST = "#BBBBBB"
_SHOWN = (0.15, 0.7, 1.0, 1.5)


@dataclass(frozen=True)
class Temperature:
    """The scores of every possible next token, and the likeliest ones by name."""

    scores: numpy.ndarray
    """One for each token of the vocabulary, as the model gave them (logits)."""
    best: tuple[int, ...]
    words: tuple[str, ...]
    """The texts of `best`."""

    def at(self, temperature: float) -> list[float]:
        """The chance of each of `best`, and of all others together: they add up to 1. Raises LabkitError."""
        if temperature <= 0:
            raise LabkitError(TEXT["above"])
        chances = numpy.exp((self.scores - self.scores.max()) / temperature)
        named = chances[list(self.best)] / chances.sum()
        return [*named.tolist(), float(1 - named.sum())]

    def chart(self, most: float = 2.0) -> Figure:
        """The chances from temperature 0.05 to `most`, stacked up to 100 %."""
        from matplotlib import pyplot

        along = numpy.linspace(0.05, most, 120)
        shares = 100 * numpy.array([self.at(each) for each in along]).T
        rest = TEXT["rest"].format(n=len(self.scores) - len(self.best))
        figure, axes = pyplot.subplots(figsize=(9, 3.6), layout="constrained")
        names = [*map(repr, self.words), rest]
        axes.stackplot(along, shares, labels=names, colors=[*_COLOURS[: len(self.best)], _REST])
        axes.axvline(_GUIDES, color="black", linestyle="--", linewidth=1.2, label=TEXT["guide"])
        axes.set(xlabel=TEXT["axis"], ylabel=TEXT["share"], xlim=(along[0], most), ylim=(0, 100))
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1), reverse=True)
        axes.spines[["top", "right"]].set_visible(False)
        pyplot.close(figure)
        return figure

    def __str__(self) -> str:
        names = [*map(repr, self.words), TEXT["rest"].format(n=len(self.scores) - len(self.best))]
        rows = [
            f"{each:4.2f}  "
            + "  ".join(f"{name} {chance:.0%}" for name, chance in zip(names, self.at(each), strict=True))
            for each in _SHOWN
        ]
        return "\n".join(rows)

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        words = " | ".join(f"`{word!r}`".replace("|", "\\|") for word in self.words)
        rows = [
            f"| {each:g} | " + " | ".join(f"{chance:.1%}" for chance in self.at(each)) + " |"
            for each in _SHOWN
        ]
        return "\n".join([TEXT["head"].format(words=words), "|---:" * (len(self.words) + 2) + "|", *rows])


def temperature(logits: Any, tokenizer: Any, *, best: int = 5) -> Temperature:
    """The scores of the next token, ready to be looked at for any temperature.

    logits: a row with one score for each token, `model(**inputs).logits[0, -1]`, or anything like an array.
    best: how many tokens to tell by name, five at most. Raises LabkitError for another shape.
    """
    row = numpy.asarray(logits.detach().float().cpu() if hasattr(logits, "detach") else logits, dtype=float)
    if row.ndim != 1 or not row.size:
        raise LabkitError(TEXT["flat"].format(shape=row.shape))
    chosen = tuple(int(each) for each in row.argsort()[::-1][: min(best, len(_COLOURS))])
    return Temperature(row, chosen, tuple(tokenizer.decode([each]) for each in chosen))
