"""From one reader to many: the speed at each number of streams, beside what the memory could give at most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from labkit.errors import LabkitError
from labkit.planner import plan
from labkit.probes.speed import FORMULAS, Now, Speed, speed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from labkit.session import Session

TEXT = {
    "least": "streams are whole numbers of at least 1, such as (1, 4, 16), and this is not one: {value!r}.",
    "none": "Name at least one number of streams.",
    "line": "{at_once} at once: {rate:.0f} tokens/s, first token after {first:.0f} ms, "
    "then {each:.1f} ms a token (medians)",
    "head": "| at once | tokens/s | ceiling | TTFT p50, ms | TTFT p95 | TPOT p50, ms | TPOT p95 |",
    "rate": "tokens a second, all streams",
    "ceiling": "decode ceiling",
    "share": "{top:.0f} (reached: {share:.0%})",
    "first": "time to first token, ms",
    "each": "time per output token, ms",
    "axis": "requests at once",
    "p50": "half of the requests (p50)",
    "p95": "95 % of them (p95)",
    "no_gpu": "No ceiling is drawn: there is no GPU here, so no data sheet gives a memory bandwidth.",
    "elsewhere": "No ceiling is drawn: the server runs on another machine. Name its GPU, such as "
    "gpu='RTX 4090'.",
    "unknown": "No ceiling is drawn: the catalog has no recipe of {model} for {cards}.",
    "no_bandwidth": "No ceiling is drawn: no data sheet gives a memory bandwidth for {model} on {cards}.",
    "known": "The ceiling is {rate:.0f} tokens a second for each stream: the memory bandwidth of {cards}, "
    "divided by the bytes of the weights ({title}), which are read once for a token of every stream. "
    "Caches and arithmetic keep the measured line below it.",
}
STREAMS = (1, 2, 4, 8, 16)
_REQUESTS = 4
THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Ceiling:
    """What decoding can give at most, by the data sheet."""

    tokens_per_s: float | None
    """For one stream; so many streams have so many times as much. None: not known."""
    why: str
    """Where it comes from, or why there is none, in a sentence."""

    def at(self, streams: int) -> float | None:
        """For all of so many streams together, in tokens a second."""
        return None if self.tokens_per_s is None else streams * self.tokens_per_s

    def beside(self, measured: Speed) -> str:
        """The ceiling for as many streams, and the share of it that was reached; "-" where none is known."""
        top = self.at(measured.at_once)
        return TEXT["share"].format(top=top, share=measured.tokens_per_s / top) if top else "-"


@dataclass(frozen=True)
class Sweep:
    """Measurements at growing numbers of streams. In a notebook it shows a table; `chart()` draws it."""

    speeds: tuple[Speed, ...]
    ceiling: Ceiling
    now: Now | None = None
    """The one that runs, while it runs."""

    def chart(self) -> Figure:
        """Three panels: tokens a second with the ceiling, time to first token, time per output token."""
        from matplotlib import pyplot

        figure, (rate, first, each) = pyplot.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
        at_once = [found.at_once for found in self.speeds]
        rate.plot(at_once, [found.tokens_per_s for found in self.speeds], "o-", color="#0072b2")
        if self.ceiling.tokens_per_s:
            tops = [self.ceiling.at(streams) for streams in at_once]
            rate.plot(at_once, tops, "--", color="#d55e00", label=TEXT["ceiling"])
            rate.legend(frameon=False)
        for percent, style in ((50, "o-"), (95, "^:")):
            name = TEXT[f"p{percent}"]
            waits = list(map(_ms, self.first_token(percent)))
            first.plot(at_once, waits, style, color="#009e73", label=name)
            each.plot(at_once, list(map(_ms, self.per_token(percent))), style, color="#cc79a7", label=name)
        for axes, title in ((rate, "rate"), (first, "first"), (each, "each")):
            axes.set(title=TEXT[title], xlabel=TEXT["axis"], xscale="log")
            axes.set_xticks(at_once, list(map(str, at_once)))
            axes.minorticks_off()
            axes.set_ylim(bottom=0)
            axes.spines[["top", "right"]].set_visible(False)
        for axes in (first, each):
            axes.legend(frameon=False)
        pyplot.close(figure)
        return figure

    def first_token(self, percent: float) -> list[float]:
        """The time to the first token at each number of streams, in seconds."""
        return [each.first_token(percent) for each in self.speeds]

    def per_token(self, percent: float) -> list[float | None]:
        """The time per output token at each number of streams, in seconds."""
        return [each.per_token(percent) for each in self.speeds]

    def __str__(self) -> str:
        lines = [
            TEXT["line"].format(
                at_once=each.at_once,
                rate=each.tokens_per_s,
                first=1000 * each.first_token_s,
                each=_ms(each.per_token(50)),
            )
            for each in self.speeds
        ]
        return "\n".join([*lines, self.ceiling.why])

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        return "\n".join([self.table(), "", self.ceiling.why, "", formulas()])

    def table(self) -> str:
        """The numbers in Markdown."""
        lines = [TEXT["head"], "|---:" * 7 + "|"]
        for each in self.speeds:
            waits = [f"{1000 * each.first_token(percent):.0f}" for percent in (50, 95)]
            steps = [f"{_ms(each.per_token(percent)):.1f}" for percent in (50, 95)]
            cells = [str(each.at_once), f"{each.tokens_per_s:.0f}", self.ceiling.beside(each)]
            lines.append(f"| {' | '.join([*cells, *waits, *steps])} |")
        return "\n".join(lines)


def sweep(
    session: Session,
    *,
    streams: Sequence[int] = STREAMS,
    prompt_tokens: int = 128,
    max_tokens: int = 64,
    rounds: int = 2,
    gpu: str | None = None,
    watch: Callable[[Sweep], None] | None = None,
    stopping: Event | None = None,
) -> Sweep:
    """Measure `speed` at each number of streams, the least first.

    rounds: answers for each stream, one after the other (four requests at least). gpu: the card that the
    server runs on, such as "RTX 4090", for the ceiling; by default this machine's. watch: told four times a
    second how it goes. stopping: ends it when set, as an interrupt of the kernel does; what was measured is
    kept. Raises LabkitError.
    """
    for value in streams:
        if not isinstance(value, int) or value < 1:
            raise LabkitError(TEXT["least"].format(value=value))
    if not streams:
        raise LabkitError(TEXT["none"])
    found = Sweep((), ceiling(session, gpu))

    def note(now: Now | None = None) -> None:
        if watch is not None:
            watch(Sweep(found.speeds, found.ceiling, now))

    try:
        for each in sorted(set(streams)):
            measured = speed(
                session,
                streams=each,
                prompt_tokens=prompt_tokens,
                max_tokens=max_tokens,
                requests=max(rounds * each, _REQUESTS),
                watch=note,
                stopping=stopping,
            )
            found = Sweep((*found.speeds, measured), found.ceiling)
            note()
    except KeyboardInterrupt:
        pass
    return found


def ceiling(session: Session, gpu: str | None = None) -> Ceiling:
    """What the planner says that this session's model can decode at most, on this machine or on `gpu`.

    Raises LabkitError for a GPU that the catalog does not know.
    """
    here = session.engine == "transformers" or urlsplit(session.url).hostname in THIS_MACHINE
    if gpu is None and not here:
        return Ceiling(None, TEXT["elsewhere"])
    made = plan(gpu)
    if not made.cards.count:
        return Ceiling(None, TEXT["no_gpu"])
    names = {session.model, served_from(session)}
    rows = [each for each in made.rows if each.source in names and each.device == "cuda"]
    rows = [each for each in rows if each.engine == session.engine] or rows
    facts = {"model": session.model, "cards": made.cards}
    if not rows:
        return Ceiling(None, TEXT["unknown"].format(**facts))
    rate = rows[0].decode_ceiling
    if rate is None:
        return Ceiling(None, TEXT["no_bandwidth"].format(**facts))
    return Ceiling(rate, TEXT["known"].format(rate=rate, title=rows[0].title, **facts))


def served_from(session: Session) -> str | None:
    """The folder or Hugging Face name that vLLM loaded the session's model from; None from other engines."""
    import openai

    try:
        listed = session.client.with_options(max_retries=0).models.list()
        roots = [getattr(each, "root", None) for each in listed if each.id == session.model]
    except (openai.OpenAIError, AttributeError):  # the second for an answer that is no JSON
        return None
    return roots[0] if roots else None


def formulas() -> str:
    """How the numbers are reckoned, as a list in Markdown."""
    return "\n".join(f"- **{name}**: {words}." for name, words in FORMULAS.items())


def _ms(seconds: float | None) -> float:
    return float("nan") if seconds is None else 1000 * seconds
