"""A needle in a haystack: one sentence hidden in a long text, asked for, at every depth and length."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labkit import catalog
from labkit.errors import LabkitError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from labkit.session import Session

TEXT = {
    "needle": "The {thing} of {name} is {value}.",
    "question": "What is the {thing} of {name}?",
    "length": "A length is a whole number of at least {least} tokens, and it is {value!r}.",
    "depth": "A depth is between 0 (the beginning) and 1 (the end), and it is {value!r}.",
    "draws": "draws must be a whole number of at least 1, and it is {value!r}.",
    "line": "{right} of {n} needles found",
    "head": "| length, tokens | KV cache | {depths} |",
    "depth_head": "at {depth:.0%}",
    "kv": "{mib:,.1f} MiB",
    "missed": "{length:,} tokens, at {depth:.0%}: wanted {value}, got: {answer}",
    "x": "depth: where it is hidden, % of the text",
    "y": "length, tokens",
    "colour": "needles found, %",
}
LENGTHS = (500, 1000, 2000, 4000, 8000)
DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
LEAST = 100
_MIB = 2**20
_THINGS = ("lucky number", "secret word", "password", "favourite colour", "locker")
_NAMES = ("Zoe", "Anna", "Hugo", "Clara", "Ben", "Nina", "Otto", "Paula", "Emil", "Greta")
_VALUES = (
    "lantern",
    "harbour",
    "cobalt",
    "meadow",
    "violin",
    "copper",
    "walnut",
    "saffron",
    "glacier",
    "maple",
)
_WHO = ("The engineer", "A visitor", "My neighbour", "The baker", "Our guest", "A teacher", "The driver")
_DID = ("opened", "counted", "painted", "repaired", "moved", "measured", "found", "cleaned")
_WHAT = (
    "the window",
    "an old map",
    "three chairs",
    "the blue folder",
    "a broken cable",
    "the coffee machine",
)
_WHEN = ("on Monday", "before lunch", "last week", "in the evening", "after the meeting", "at noon")


@dataclass(frozen=True)
class Hidden:
    """One needle: where it was hidden, and what the model said of it."""

    length: int
    """The whole prompt, in tokens, as the server counted it."""
    wanted_length: int
    """The prompt that was asked for; the two are a few tokens apart."""
    depth: float
    """0: at the beginning of the text, 1: at its end."""
    value: str
    answer: str

    @property
    def found(self) -> bool:
        """Whether the answer holds the value, as a word of its own."""
        return re.search(rf"(?<!\w){re.escape(self.value)}(?!\w)", self.answer) is not None


@dataclass(frozen=True)
class Needles:
    """All cells of a measurement, in the order in which they were asked."""

    hidden: tuple[Hidden, ...]
    kv_bytes_each: float
    """KV cache of one token of this model, in bytes, at 16 bits a number."""
    lengths: tuple[int, ...] = field(default=())
    depths: tuple[float, ...] = field(default=())

    def share(self, length: int, depth: float) -> float | None:
        """The share found in one cell, from 0 to 1; None before it was asked."""
        cell = [each.found for each in self.hidden if (each.wanted_length, each.depth) == (length, depth)]
        return sum(cell) / len(cell) if cell else None

    def kv_mib(self, length: int) -> float:
        """The KV cache that a prompt of this length takes, in MiB."""
        return length * self.kv_bytes_each / _MIB

    @property
    def missed(self) -> tuple[Hidden, ...]:
        return tuple(each for each in self.hidden if not each.found)

    def chart(self) -> Figure:
        """A heat map: depth to the right, length upwards."""
        from matplotlib import pyplot

        figure, axes = pyplot.subplots(figsize=(7, 3), layout="constrained")
        shares = [[self.share(each, depth) for depth in self.depths] for each in self.lengths]
        cells = [[math.nan if share is None else 100 * share for share in each] for each in shares]
        drawn = axes.imshow(cells, vmin=0, vmax=100, cmap="viridis", aspect="auto", origin="lower")
        axes.set_xticks(range(len(self.depths)), [f"{100 * each:.0f}" for each in self.depths])
        names = [f"{each:,} ({TEXT['kv'].format(mib=self.kv_mib(each))})" for each in self.lengths]
        axes.set_yticks(range(len(self.lengths)), names)
        axes.set(xlabel=TEXT["x"], ylabel=TEXT["y"])
        figure.colorbar(drawn, label=TEXT["colour"])
        pyplot.close(figure)
        return figure

    def __str__(self) -> str:
        line = TEXT["line"].format(right=len(self.hidden) - len(self.missed), n=len(self.hidden))
        return "\n".join([line, *map(said, self.missed)])

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        depths = " | ".join(TEXT["depth_head"].format(depth=each) for each in self.depths)
        lines = [TEXT["head"].format(depths=depths), "|---:|---:|" + "---:|" * len(self.depths)]
        for length in self.lengths:
            shares = (self.share(length, each) for each in self.depths)
            cells = ("" if each is None else f"{each:.0%}" for each in shares)
            kv = TEXT["kv"].format(mib=self.kv_mib(length))
            lines.append(f"| {length:,} | {kv} | {' | '.join(cells)} |")
        return "\n".join([*lines, "", *(f"- {said(each)}" for each in self.missed)])


def needle(
    session: Session,
    *,
    lengths: tuple[int, ...] = LENGTHS,
    depths: tuple[float, ...] = DEPTHS,
    draws: int = 1,
    seed: int = 0,
    watch: Callable[[Needles], bool] | None = None,
) -> Needles:
    """Hide a sentence at each depth of texts of each length, and ask for it, greedily.

    lengths: of the whole prompt, in tokens. depths: 0 (the beginning) to 1 (the end). draws: needles a cell,
    each in another text. watch: gets the measurement after every answer; it ends where that gives False, and
    where the kernel is interrupted, with what is done. Raises LabkitError for what makes no sense, where the
    server refuses, as it does past its context, and where it dies in mid-answer.
    """
    _check(lengths, depths, draws)
    model = catalog.model("pocket" if "pocket" in session.model else "mistral-small-3.1")
    each_token = model.text.kv_bytes()
    hidden: list[Hidden] = []
    try:
        for one in _asked(session, lengths, depths, draws, random.Random(seed)):
            hidden.append(one)
            so_far = Needles(tuple(hidden), each_token, tuple(lengths), tuple(depths))
            if watch is not None and not watch(so_far):
                break
    except KeyboardInterrupt:
        pass
    return Needles(tuple(hidden), each_token, tuple(lengths), tuple(depths))


def said(hidden: Hidden) -> str:
    """One needle that was not found, in a line."""
    return TEXT["missed"].format(
        length=hidden.length, depth=hidden.depth, value=hidden.value, answer=hidden.answer or "-"
    )


def _asked(
    session: Session, lengths: tuple[int, ...], depths: tuple[float, ...], draws: int, rng: random.Random
) -> Iterator[Hidden]:
    for length in lengths:
        for _ in range(draws):
            for depth in depths:
                thing, name, value = rng.choice(_THINGS), rng.choice(_NAMES), rng.choice(_VALUES)
                value = str(rng.randint(10, 9999)) if thing in ("lucky number", "locker") else value
                sentence = TEXT["needle"].format(thing=thing, name=name, value=value)
                question = TEXT["question"].format(thing=thing, name=name)
                prompt = _prompt(session, length, depth, sentence, question, rng)
                reply = session.chat(prompt, temperature=0, max_tokens=60)
                if why := reply.interrupted:
                    raise LabkitError(why)
                text = reply.text
                counted = reply.usage.prompt_tokens if reply.usage else length
                yield Hidden(counted, length, depth, value, text)


def _prompt(
    session: Session, length: int, depth: float, needle: str, question: str, rng: random.Random
) -> str:
    """A text of about `length` tokens; the engine's own count of a first try says how many sentences."""
    sentences = [_filler(rng) for _ in range(20)]
    each = (session.count(" ".join(sentences)) - session.count("")) / len(sentences)
    rest = length - session.count(f"{needle}\n\n{question}")
    body = [_filler(rng) for _ in range(max(0, int(rest / each)))]
    body.insert(round(depth * len(body)), needle)
    return f"{' '.join(body)}\n\n{question}"


def _filler(rng: random.Random) -> str:
    return f"{rng.choice(_WHO)} {rng.choice(_DID)} {rng.choice(_WHAT)} {rng.choice(_WHEN)}."


def _check(lengths: tuple[int, ...], depths: tuple[float, ...], draws: int) -> None:
    for each in lengths:
        if not isinstance(each, int) or each < LEAST:
            raise LabkitError(TEXT["length"].format(least=LEAST, value=each))
    for place in depths:
        if not 0 <= place <= 1:
            raise LabkitError(TEXT["depth"].format(value=place))
    if not isinstance(draws, int) or draws < 1:
        raise LabkitError(TEXT["draws"].format(value=draws))
