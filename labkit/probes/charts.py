"""How well the model reads charts: drawn with known values, asked live, wrong answers shown."""

from __future__ import annotations

import base64
import html
import io
import random
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labkit.errors import LabkitError
from labkit.probes.interval import wilson

if TYPE_CHECKING:
    from PIL.Image import Image

    from labkit.session import Session

TEXT = {
    "line": "{right} of {n} right: {share:.1%}, and with 95 % confidence between {low:.1%} and {high:.1%}; "
    "{tokens:.0f} tokens a question",
    "wrong": "wanted {wanted:g}, got: {got}",
    "longest": "The longest edge of a chart must be 1 pixel or more, not {longest}.",
    "question": "What is the value of {label}?",
}
_WORDS = """Mon Tue Wed Thu Fri Sat Sun Apples Pears Plums Figs Kiwis North South East West Anna Ben Clara
Hugo Jan Feb Mar Apr May Jun Jul Aug Bus Train Tram Ship Red Blue Green"""
LABELS = tuple(_WORDS.split())
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Chart:
    """One question about one chart, and its true answer."""

    picture: Image
    question: str
    value: float


@dataclass(frozen=True)
class Read:
    """A chart, and what the model said of it."""

    chart: Chart
    answer: str
    tokens: int = 0
    """The whole prompt, picture included, as the server counted it."""

    @property
    def right(self) -> bool:
        """Whether the answer holds one number, the true one. A thousands comma does not matter."""
        found = {float(each) for each in _NUMBER.findall(re.sub(r"(?<=\d),(?=\d{3}\b)", "", self.answer))}
        return found == {self.chart.value}


@dataclass(frozen=True)
class Charts:
    """A measurement. In a notebook it shows its share, and the wrong ones with their pictures."""

    reads: tuple[Read, ...]

    @property
    def n(self) -> int:
        return len(self.reads)

    @property
    def right(self) -> int:
        return sum(each.right for each in self.reads)

    @property
    def tokens(self) -> float:
        """The prompt of one question, picture included, in tokens: the mean."""
        return sum(each.tokens for each in self.reads) / max(1, self.n)

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the share, from 0 to 1."""
        return wilson(self.right, self.n)

    @property
    def wrong(self) -> tuple[Read, ...]:
        return tuple(each for each in self.reads if not each.right)

    def __str__(self) -> str:
        low, high = self.interval
        share = self.right / self.n if self.n else 0.0
        line = TEXT["line"].format(
            right=self.right, n=self.n, share=share, low=low, high=high, tokens=self.tokens
        )
        return "\n".join([line, *(f"{each.chart.question} {_fault(each)}" for each in self.wrong)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        line, *_ = str(self).splitlines()
        cards = "".join(map(_card, self.wrong))
        return f'<b>{line}</b><div style="display:flex;flex-wrap:wrap">{cards}</div>'


def made(n: int = 20, seed: int = 0, longest: int = 336) -> list[Chart]:
    """`n` charts of 3 to 6 bars, each with a question about one of them; the same seed, the same charts.

    They are drawn with 336 x 252 pixels, and scaled down where `longest` is less.
    """
    from pocket.drawings import draw_bar_chart

    rng = random.Random(seed)
    found = []
    for _ in range(n):
        values: dict[str, float] = {
            label: rng.randint(3, 99) for label in rng.sample(LABELS, rng.randint(3, 6))
        }
        label = rng.choice(list(values))
        picture = draw_bar_chart(values, horizontal=rng.random() < 0.3)
        picture.thumbnail((longest, longest))
        found.append(Chart(picture, TEXT["question"].format(label=label), values[label]))
    return found


def charts(session: Session, *, n: int = 20, seed: int = 0, streams: int = 4, longest: int = 336) -> Charts:
    """Ask about `n` charts at temperature 0.15, `streams` at once, and compare with what was drawn.

    longest: the charts' longer edge at most, in pixels; less costs fewer tokens. Raises LabkitError if it is
    less than 1, or if the server refuses.
    """
    if longest < 1:
        raise LabkitError(TEXT["longest"].format(longest=longest))

    def ask(chart: Chart) -> Read:
        reply = session.chat(chart.question, image=chart.picture, max_tokens=100)
        return Read(chart, reply.text, reply.usage.prompt_tokens if reply.usage else 0)

    with ThreadPoolExecutor(streams) as pool:
        return Charts(tuple(pool.map(ask, made(n, seed, longest))))


def _fault(read: Read) -> str:
    return TEXT["wrong"].format(wanted=read.chart.value, got=read.answer)


def _card(read: Read) -> str:
    picture = f'<img src="{_png(read.chart.picture)}" style="width:100%" alt="a bar chart">'
    words = "<br>".join(map(html.escape, (read.chart.question, _fault(read))))
    return f'<figure style="margin:4px;width:250px">{picture}<figcaption>{words}</figcaption></figure>'


def _png(picture: Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
