"""Several measurements side by side: a table, a plot, and the sentence that they add up to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labkit.errors import LabkitError
from labkit.probes.speed import Speed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEXT = {
    "two": "There is nothing to compare yet: measure with another number of streams, and hand both over.",
    "lesson": "{many} streams gave **{gain:.1f} times** the tokens of {few}. The middle one of them "
    "waited {late:.2f} s for its first token, instead of {soon:.2f} s.",
    "head": "| streams | tokens/s in total | tokens/s each | first token, s | all done, s |",
    "total": "tokens a second, all streams",
    "alone": "one after the other",
    "measured": "at once",
    "first": "seconds to the first token",
    "streams": "requests at once",
}

_DONE, _ALONE = "#0072B2", "#999999"  # Okabe and Ito's palette, as in the planner's chart


@dataclass(frozen=True)
class Comparison:
    """Measurements, fewest streams first. In a notebook it shows itself as a table; `chart()` draws it."""

    speeds: tuple[Speed, ...]

    @property
    def gain(self) -> float:
        """How many times the tokens a second of the fewest streams the most streams gave."""
        return self.speeds[-1].tokens_per_s / self.speeds[0].tokens_per_s

    def chart(self) -> Figure:
        """Two panels: tokens a second in total, and every stream's wait for its first token."""
        from matplotlib import pyplot

        figure, (rate, wait) = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
        names = [str(len(each.streams)) for each in self.speeds]
        totals = [each.tokens_per_s for each in self.speeds]
        bars = rate.bar(names, totals, color=_DONE, width=0.6, label=TEXT["measured"])
        rate.bar_label(bars, fmt="%.0f", padding=2)
        alone = self.speeds[0].tokens_per_s
        rate.axhline(alone, color=_ALONE, linestyle="--", label=TEXT["alone"])
        rate.set(title=TEXT["total"], ylim=(0, 1.18 * max(totals)))
        rate.legend(frameon=False, loc="upper left")
        for name, each in zip(names, self.speeds, strict=True):
            waits = [stream.first_token_s for stream in each.streams]
            wait.plot([name] * len(waits), waits, "o", color=_DONE, alpha=0.4, markeredgewidth=0)
            wait.plot([name], [each.first_token_s], "_", color="black", markersize=26)
        wait.set(title=TEXT["first"])
        wait.margins(x=0.2)
        wait.set_ylim(bottom=0)
        for axes in (rate, wait):
            axes.set_xlabel(TEXT["streams"])
            axes.spines[["top", "right"]].set_visible(False)
        pyplot.close(figure)
        return figure

    def __str__(self) -> str:
        return "\n".join([*map(str, self.speeds), self._lesson().replace("*", "")])

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        rows = [
            f"| {len(each.streams)} | {each.tokens_per_s:.0f} | {each.tokens_per_s_each:.0f} "
            f"| {each.first_token_s:.2f} | {each.seconds:.2f} |"
            for each in self.speeds
        ]
        return "\n".join([TEXT["head"], "|---:|---:|---:|---:|---:|", *rows, "", self._lesson()])

    def _lesson(self) -> str:
        few, many = self.speeds[0], self.speeds[-1]
        return TEXT["lesson"].format(
            many=len(many.streams),
            few=len(few.streams),
            gain=self.gain,
            late=many.first_token_s,
            soon=few.first_token_s,
        )


def compare(*speeds: Speed) -> Comparison:
    """Measurements of `speed` beside each other. Raises LabkitError for fewer than two numbers of streams."""
    if len({len(each.streams) for each in speeds}) < 2:
        raise LabkitError(TEXT["two"])
    return Comparison(tuple(sorted(speeds, key=lambda each: len(each.streams))))
