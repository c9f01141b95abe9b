"""How sure the model was: a live answer, each token with its chance and its rivals."""

from __future__ import annotations

import html
import math
import queue
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any

from labkit.errors import LabkitError
from labkit.refusals import explained
from labkit.reply import Reply
from labkit.session import compose

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from labkit.session import Session

TEXT = {
    "best": "`best` must be from 1 to 20, which is all that vLLM and OpenAI's API give, and it is {best!r}.",
    "none": "This engine sends no probabilities: the answer came without logprobs. vLLM and Transformers "
    "give them, and so does a recent Ollama.",
    "line": "{n} tokens: {sure} of them at 90 % or more, {unsure} below 50 %; entropy at least {mean:.2f} "
    "bits in the mean, and {most:.2f} where it is highest",
    "stopped": "Stopped after {line}",
    "empty": "no tokens",
    "least": "least sure: {tokens}",
    "token": "{text!r} {chance}",
    "legend": "chance of the token, in the model's own scores:",
    "axis": "token of the answer",
    "entropy": "entropy, bits (at least)",
}
SCALE = ("90 % or more", "50 to 90 %", "20 to 50 %", "5 to 20 %", "below 5 %")
STEPS = (0.9, 0.5, 0.2, 0.05)
"""The chances that part the five steps of the scale."""
STYLES = (
    "",
    "background: rgba(213, 94, 0, 0.16);",
    "background: rgba(213, 94, 0, 0.32); text-decoration: underline;",
    "background: rgba(213, 94, 0, 0.48); text-decoration: underline double;",
    "background: rgba(213, 94, 0, 0.64); text-decoration: underline wavy;",
)
"""Of the steps, the surest first: one hue, laid over the page's own paper, and lines for eyes without it."""
_MOST = 20
_SHOWN = 3
_LINE_END = "⏎"
_LOOK_S = 0.05


@dataclass(frozen=True)
class Scored:
    """One token of an answer."""

    text: str
    chance: float
    """From 0 to 1, in the model's own scores: before temperature and top-p sharpen or cut them."""
    best: tuple[tuple[str, float], ...] = ()
    """The likeliest tokens at this place with their chances, the likeliest first."""

    @property
    def ranked(self) -> list[tuple[str, float]]:
        """What was told: `best`, and the token itself where it is not among them; the likeliest first."""
        own = (self.text, self.chance)
        return sorted([*self.best, *([] if own in self.best else [own])], key=lambda each: -each[1])

    @property
    def entropy(self) -> float:
        """Bits, at least: exact over the tokens that were told, all others counted as one outcome.

        0 where one token has it all; 1 is a coin. To split the others further could only add to it.
        """
        told = [chance for _, chance in self.ranked]
        rest = max(0.0, 1.0 - sum(told))
        return sum((-each * math.log2(each) for each in [*told, rest] if each > 0), 0.0)

    @property
    def step(self) -> int:
        """Of the scale: 0 (90 % or more) to 4 (below 5 %)."""
        return sum(self.chance < each for each in STEPS)

    @property
    def shown(self) -> str:
        """Its text, with line ends to be seen."""
        return self.text.replace("\n", _LINE_END)


@dataclass(frozen=True)
class Logprobs:
    """An answer with its chances. A notebook shows it in colour; point at a token for the alternatives."""

    tokens: tuple[Scored, ...]
    finish_reason: str | None = None
    """ "stop", "length"; None where the answer was stopped."""
    text: str = field(default="", repr=False)
    """The answer. The texts of the tokens make it up, the sign of its end aside."""

    @property
    def least_sure(self) -> list[Scored]:
        """The three tokens with the lowest chances, the lowest first."""
        return sorted(self.tokens, key=lambda each: each.chance)[:_SHOWN]

    def line(self) -> str:
        """The whole in a sentence."""
        if not self.tokens:
            return TEXT["empty"]
        entropies = [each.entropy for each in self.tokens]
        line = TEXT["line"].format(
            n=len(self.tokens),
            sure=sum(each.step == 0 for each in self.tokens),
            unsure=sum(each.step > 1 for each in self.tokens),
            mean=sum(entropies) / len(entropies),
            most=max(entropies),
        )
        return line if self.finish_reason else TEXT["stopped"].format(line=line)

    def __str__(self) -> str:
        named = [_named(each.text, each.chance) for each in self.least_sure]
        least = TEXT["least"].format(tokens=", ".join(named))
        return "\n".join([self.text, self.line(), *([least] if named else [])])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        words = "".join(map(_marked, self.tokens))
        steps = zip(STYLES, SCALE, strict=True)
        scale = " ".join(f'<span style="{style} padding: 0 4px;">{words}</span>' for style, words in steps)
        line = html.escape(self.line())
        return (
            f'<div style="white-space: pre-wrap; line-height: 1.9;">{words}</div>'
            f"<p>{line}<br><small>{TEXT['legend']} {scale}</small></p>"
        )

    def chart(self) -> Figure:
        """The entropy along the answer."""
        from matplotlib import pyplot

        figure, axes = pyplot.subplots(figsize=(9, 2.8), layout="constrained")
        axes.bar(range(1, len(self.tokens) + 1), [each.entropy for each in self.tokens], color="#0072B2")
        axes.set(xlabel=TEXT["axis"], ylabel=TEXT["entropy"])
        axes.spines[["top", "right"]].set_visible(False)
        pyplot.close(figure)
        return figure


def logprobs(
    session: Session,
    prompt: str | list[dict[str, Any]],
    *,
    best: int = 5,
    temperature: float = 0.15,
    max_tokens: int = 128,
    watch: Callable[[Scored], object] = lambda token: None,
    stopping: Event | None = None,
    **extra: Any,
) -> Logprobs:
    """Ask, and keep the chance of every token that comes.

    best: how many of the likeliest tokens to tell at each place, from 1 to 20. watch: gets each token as it
    comes, in the thread that called. stopping: set it from elsewhere, and the answer ends at once with what
    has come, as it does where the kernel is interrupted. extra: as for `session.chat`. Raises LabkitError
    if the server refuses, dies in mid-answer, or tells no chances.
    """
    if not isinstance(best, int) or not 1 <= best <= _MOST:
        raise LabkitError(TEXT["best"].format(best=best))
    stopping, given_up = stopping or Event(), Event()
    out: queue.SimpleQueue[Scored | None] = queue.SimpleQueue()

    def read() -> Reply:
        asked_at = time.monotonic()
        with explained(session):
            client = session.client.with_options(max_retries=0)
            stream: Any = client.chat.completions.create(  # type: ignore[call-overload]
                model=session.model,
                messages=compose(prompt),
                temperature=temperature,
                max_tokens=max_tokens,
                stream=True,
                stream_options={"include_usage": True},
                logprobs=True,
                top_logprobs=best,
                **extra,
            )
        reply = Reply(_Listened(stream, out), asked_at)
        for _ in reply.pieces():
            if given_up.is_set():
                reply.stop()
        return reply

    # Read in a thread of its own: a server that hangs must not keep the one who says stop.
    pool = ThreadPoolExecutor(1)
    job = pool.submit(read)
    job.add_done_callback(lambda _: out.put(None))
    tokens: list[Scored] = []
    try:
        while not stopping.is_set():
            with suppress(queue.Empty):
                if (token := out.get(timeout=_LOOK_S)) is None:
                    return _whole(job.result(), tokens)
                tokens.append(token)
                watch(token)
    except KeyboardInterrupt:
        pass
    finally:
        given_up.set()
        pool.shutdown(wait=False)
    return Logprobs(tuple(tokens), None, "".join(each.text for each in tokens))


def _whole(reply: Reply, tokens: list[Scored]) -> Logprobs:
    """An answer that was not stopped, if nothing is amiss with it."""
    if why := reply.interrupted:
        raise LabkitError(why)
    if not tokens and reply.text:
        raise LabkitError(TEXT["none"])
    return Logprobs(tuple(tokens), reply.finish_reason, reply.text)


class _Listened:
    """The stream on its way to the reply, which knows of text and not of chances."""

    def __init__(self, stream: Any, out: queue.SimpleQueue[Scored | None]) -> None:
        self._stream, self._out = stream, out

    def __iter__(self) -> Iterator[Any]:
        for chunk in self._stream:
            for choice in chunk.choices[:1]:
                for each in (choice.logprobs.content if choice.logprobs else None) or ():
                    self._out.put(_scored(each))
            yield chunk

    def close(self) -> None:
        self._stream.close()


def percent(chance: float) -> str:
    """A chance as it is read: "99.3 %"; what is less than a tenth of a percent as "<0.1 %"."""
    return "<0.1 %" if 0 < chance < 0.0005 else f"{100 * chance:.1f} %"


def told(token: Scored) -> str:
    """A token with its alternatives in one line, as a hover or a screen reader has it."""
    return "; ".join(_named(*each) for each in token.ranked)


def _named(text: str, chance: float) -> str:
    return TEXT["token"].format(text=text, chance=percent(chance))


def _scored(found: Any) -> Scored:
    best = tuple((_text(each), math.exp(each.logprob)) for each in found.top_logprobs or ())
    return Scored(_text(found), math.exp(found.logprob), best)


def _text(found: Any) -> str:
    """The token's text; where it is a part of a letter, its bytes as `probes.tokens` writes them."""
    raw = bytes(found.bytes or ())
    try:
        return raw.decode() or str(found.token)
    except UnicodeDecodeError:
        return f"<{raw.hex(' ').upper()}>"


def _marked(token: Scored) -> str:
    words = html.escape(token.text.replace("\n", f"{_LINE_END}\n"))
    return f'<span style="{STYLES[token.step]}" title="{html.escape(told(token))}">{words}</span>'
