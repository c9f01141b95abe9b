"""How far the answers to one prompt drift apart as the temperature rises."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property, lru_cache
from itertools import combinations
from statistics import mean
from threading import Event
from typing import TYPE_CHECKING

from labkit.errors import LabkitError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from labkit.session import Session

TEXT = {
    "range": "A temperature is a number from 0 to 2, and {value!r} is none.",
    "least": "{name} must be a whole number of at least 1, and it is {value!r}.",
    "head": "temperature | answers | different | as greedy | apart",
    "measures": "different: so many wordings; as greedy: equal to the first answer at temperature 0; apart: "
    "how much two answers differ in their words, the mean of all pairs, from 0 (not at all) to 1 (in all)",
    "axis": "temperature",
    "apart": "difference, 0 to 1",
    "one": "an answer against the greedy one",
    "pairs": "mean of all pairs",
    "why": "Why 0.15: Mistral recommends it for this model.",
    "seen": "Of your answers at {low:g}, {same} of {n} were the greedy one word for word, and at {high:g} "
    "it was {other} of {all}.",
    "reason": "A temperature T raises the ratio of two chances to the power 1/T: at 0.15, what is twice as "
    "likely is taken 100 times as often, so that sure words stay put; what is nearly as likely still comes.",
    "stopped": "Stopped after {done} of {all} answers.",
    "cut": "{cut} of {all} answers were cut off at max_tokens.",
}
TEMPERATURES = (0.0, 0.15, 0.5, 1.0, 1.5)
GUIDES = 0.15
"""The temperature of the guide and of Mistral's model card of Mistral Small 3.1."""
_LOOK_S = 0.05


@dataclass(frozen=True)
class Sample:
    """One answer."""

    temperature: float
    text: str
    finish_reason: str | None = "stop"


@dataclass(frozen=True)
class Row:
    """The answers at one temperature, and three measures of them."""

    temperature: float
    answers: tuple[str, ...]
    greedy: str | None
    """The first answer at temperature 0, once it is there."""

    @property
    def distinct(self) -> int:
        """How many different answers there are."""
        return len(set(self.answers))

    @property
    def same(self) -> int:
        """How many are the greedy answer, letter for letter."""
        return sum(each == self.greedy for each in self.answers)

    @cached_property
    def apart(self) -> float | None:
        """The mean `difference` of all pairs: 0 if all are equal, near 1 if they share next to nothing."""
        pairs = list(combinations(self.answers, 2))
        return mean(difference(*pair) for pair in pairs) if pairs else None

    @cached_property
    def away(self) -> tuple[float, ...]:
        """Each answer's `difference` from the greedy one; empty while that is not there."""
        return () if self.greedy is None else tuple(difference(self.greedy, each) for each in self.answers)

    @property
    def counted(self) -> list[tuple[str, int]]:
        """The different answers with their counts, the commonest first."""
        return Counter(self.answers).most_common()


@dataclass(frozen=True)
class Drift:
    """A measurement. In a notebook it shows its table."""

    samples: tuple[Sample, ...]
    planned: int = 0
    """How many answers were to be asked for; there are fewer where it was stopped."""

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """One for each temperature, the lowest first."""
        greedy = next((each.text for each in self.samples if each.temperature == 0), None)
        return tuple(
            Row(at, tuple(each.text for each in self.samples if each.temperature == at), greedy)
            for at in sorted({each.temperature for each in self.samples})
        )

    @property
    def stopped(self) -> str:
        """A sentence if it was stopped early, otherwise empty."""
        done = len(self.samples)
        return TEXT["stopped"].format(done=done, all=self.planned) if done < self.planned else ""

    def why(self) -> str:
        """Why 0.15, with what was measured here."""
        low = next((each for each in self.rows if each.temperature == GUIDES), None)
        high = self.rows[-1] if self.rows else None
        if not low or not high or low is high or low.greedy is None:
            return f"{TEXT['why']} {TEXT['reason']}"
        seen = TEXT["seen"].format(
            low=GUIDES,
            same=low.same,
            n=len(low.answers),
            high=high.temperature,
            other=high.same,
            all=len(high.answers),
        )
        return f"{TEXT['why']} {seen} {TEXT['reason']}"

    def chart(self) -> Figure:
        """Each answer's difference from the greedy one as a dot, the mean of all pairs as a line."""
        from matplotlib import pyplot

        figure, axes = pyplot.subplots(figsize=(7, 3.2), layout="constrained")
        dots = [(row.temperature, each) for row in self.rows for each in row.away]
        line = [(row.temperature, row.apart) for row in self.rows if row.apart is not None]
        if dots:
            axes.scatter(*zip(*dots, strict=True), color="#0072B2", alpha=0.5, label=TEXT["one"])
        if line:
            axes.plot(*zip(*line, strict=True), "D-", color="#D55E00", label=TEXT["pairs"])
        axes.set(xlabel=TEXT["axis"], ylabel=TEXT["apart"], ylim=(-0.05, 1.05))
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
        pyplot.close(figure)
        return figure

    def __str__(self) -> str:
        lines = [TEXT["head"], *(" | ".join(each) for each in self._cells()), self.stopped]
        return "\n".join(filter(None, lines))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        words = f"{self.stopped} {self.why()}".strip()
        return f"{self.table()}<p>{html.escape(words)}</p>"

    def table(self) -> str:
        """A row for each temperature, and what the columns mean, as HTML."""
        head = "".join(f"<th>{each}</th>" for each in TEXT["head"].split(" | "))
        rows = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in each)}</tr>" for each in self._cells())
        cut = sum(each.finish_reason == "length" for each in self.samples)
        notes = [TEXT["measures"] + ".", TEXT["cut"].format(cut=cut, all=len(self.samples)) if cut else ""]
        table = f"<table><tr>{head}</tr>{rows}</table><small>{' '.join(notes).strip()}</small>"
        # As wide as the page and no wider: what is wider scrolls in its own box.
        return f'<div style="contain: inline-size; overflow-x: auto; line-height: 1.4;">{table}</div>'

    def _cells(self) -> list[list[str]]:
        return [
            [
                f"{row.temperature:g}",
                f"{len(row.answers)}",
                f"{row.distinct}",
                "-" if row.greedy is None else f"{row.same}",
                "-" if row.apart is None else f"{row.apart:.2f}",
            ]
            for row in self.rows
        ]


def drift(
    session: Session,
    prompt: str,
    *,
    temperatures: Sequence[float] = TEMPERATURES,
    n: int = 5,
    streams: int = 4,
    max_tokens: int = 64,
    watch: Callable[[Sample], object] = lambda sample: None,
    stopping: Event | None = None,
) -> Drift:
    """Ask the same `n` times at each temperature, `streams` at once, and compare the answers.

    Three measures for each temperature (`Drift.rows`):
    - `distinct`: how many different answers there are;
    - `same`: how many are the greedy answer, the first one at temperature 0, which is always asked for too;
    - `apart`: the mean `difference` of all pairs of answers, from 0 to 1.

    The temperatures take turns, so that all fill evenly. watch: gets each answer as it is done, in the thread
    that called. stopping: set it from elsewhere, and it ends at once with what is done, as it does where the
    kernel is interrupted; answers under way are given up. Raises LabkitError for a temperature outside 0 to
    2, and if the server refuses or dies.
    """
    for name, value in {"n": n, "streams": streams, "max_tokens": max_tokens}.items():
        if not isinstance(value, int) or value < 1:
            raise LabkitError(TEXT["least"].format(name=name, value=value))
    for at in temperatures:
        if not isinstance(at, int | float) or not 0 <= at <= 2:
            raise LabkitError(TEXT["range"].format(value=at))
    stopping = stopping or Event()
    end = Event()  # after a fault the others need not be answered

    def ask(temperature: float) -> Sample | None:
        if end.is_set():
            return None
        reply = session.chat(prompt, temperature=temperature, max_tokens=max_tokens)
        for _ in reply.pieces():
            if end.is_set():
                reply.stop()
                return None
        if why := reply.interrupted:
            raise LabkitError(why)
        return Sample(temperature, reply.text.strip(), reply.finish_reason)

    def safely(temperature: float) -> Sample | None:
        try:
            return ask(temperature)
        except BaseException:
            end.set()
            raise

    order = sorted({0.0, *map(float, temperatures)}) * n
    found: list[Sample] = []
    pool = ThreadPoolExecutor(min(streams, len(order)))
    left = {pool.submit(safely, at) for at in order}
    try:
        while left and not stopping.is_set():
            done, left = wait(left, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
            for each in done:
                if sample := each.result():
                    found.append(sample)
                    watch(sample)
    except KeyboardInterrupt:
        pass
    finally:
        end.set()
        pool.shutdown(wait=False, cancel_futures=True)  # a server that hangs must not keep us
    return Drift(tuple(found), len(order))


@lru_cache(maxsize=10_000)  # each answer that comes asks anew for all pairs
def difference(one: str, other: str) -> float:
    """How much two answers differ, word by word: from 0 (the same words) to 1 (none in common, in order).

    It is 1 - 2 M / T, where M counts the words that difflib matches, and T those of both answers together.
    """
    if one == other:
        return 0.0
    return 1.0 - SequenceMatcher(None, one.split(), other.split(), autojunk=False).ratio()
