"""How fast the live model writes, for one reader or for many at once."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from statistics import mean, median
from threading import Barrier, Event

from labkit.errors import LabkitError
from labkit.probes.stream import Stream, ask_once
from labkit.session import Session

TEXT = {
    "least": "{name} must be a whole number of at least 1, and it is {value!r}.",
    "fewer": "requests must be at least streams ({streams}), or they never run at once; it is {value}.",
    "shown": "{streams}: {rate:.0f} tokens/s in total, {each:.0f} tokens/s each, "
    "first token after {first:.2f} s",
    "one": "1 stream",
    "many": "{n} streams",
}
FORMULAS = {
    "tokens a second": "tokens written by all requests, divided by the seconds from the start of the first "
    "to the end of the last",
    "time to first token (TTFT)": "from sending a request to the first token of its answer: the wait for a "
    "place and the reading of the prompt",
    "time per output token (TPOT)": "for each request: (seconds to its last token - TTFT) / (tokens - 1)",
}
"""How the numbers are reckoned, the same as in `vllm bench serve` 0.32 (vllm/benchmarks/serve.py)."""

_WORDS = ("the", "server", "reads", "its", "weights", "once", "for", "every", "token")
_LOOK_S = 0.25
_LEAVE_S = 2.0
"""How long a stream that was told to stop may take; it is left to itself after that."""


@dataclass(frozen=True)
class Speed:
    """Requests made at once, and how long they took."""

    streams: tuple[Stream, ...]
    """Each request, in the order in which they ended."""
    seconds: float
    """From the first request to the end of the last."""
    prompt_tokens: int
    """Tokens read for each, chat template included: the mean of the server's counts."""
    most_at_once: int | None = None
    """How many ran at once, where there were more requests than that; None: all of them."""

    @property
    def at_once(self) -> int:
        """How many requests ran at once."""
        return self.most_at_once or len(self.streams)

    @property
    def tokens(self) -> int:
        """Tokens written, all streams together."""
        return sum(each.tokens for each in self.streams)

    @property
    def tokens_per_s(self) -> float:
        """All streams together."""
        return self.tokens / self.seconds

    @property
    def tokens_per_s_each(self) -> float:
        """The median stream's."""
        return median(each.tokens_per_s for each in self.streams)

    @property
    def first_token_s(self) -> float:
        """The median stream's wait for its first token."""
        return median(each.first_token_s for each in self.streams)

    def first_token(self, percent: float) -> float:
        """The wait for the first token that so many percent of the requests do not exceed, in seconds."""
        return percentile([each.first_token_s for each in self.streams], percent)

    def per_token(self, percent: float) -> float | None:
        """The same for the time per output token; None where no answer had two tokens."""
        found = [each.per_token_s for each in self.streams if each.per_token_s is not None]
        return percentile(found, percent) if found else None

    def __str__(self) -> str:
        return TEXT["shown"].format(
            streams=TEXT["one" if self.at_once == 1 else "many"].format(n=self.at_once),
            rate=self.tokens_per_s,
            each=self.tokens_per_s_each,
            first=self.first_token_s,
        )

    __repr__ = __str__


@dataclass(frozen=True)
class Now:
    """A measurement while it runs."""

    at_once: int
    tokens: int
    """Pieces of text that have come, all streams together: nearly a token each."""
    seconds: float
    """Since the first request."""
    done: int
    """Requests answered."""
    requests: int
    """Requests in all."""

    @property
    def tokens_per_s(self) -> float:
        return self.tokens / self.seconds if self.seconds > 0 else 0.0


def speed(
    session: Session,
    *,
    streams: int = 1,
    prompt_tokens: int = 64,
    max_tokens: int = 128,
    requests: int | None = None,
    watch: Callable[[Now], None] | None = None,
    stopping: Event | None = None,
) -> Speed:
    """Ask `streams` questions at once, and time the answers.

    prompt_tokens: the length of each question, about; every one begins differently, so that none is answered
    from the prefix cache. max_tokens: the length of each answer; vLLM is told to go on to the end
    (`ignore_eos`), another engine may stop earlier and is counted for what it wrote. requests: questions in
    all, by default one a stream; with more, a stream asks the next one as soon as it has its answer. watch:
    told four times a second how it goes. stopping: ends it when set, with KeyboardInterrupt. Raises
    LabkitError.
    """
    count = streams if requests is None else requests
    given = {"streams": streams, "prompt_tokens": prompt_tokens, "max_tokens": max_tokens, "requests": count}
    for name, value in given.items():
        if not isinstance(value, int) or value < 1:
            raise LabkitError(TEXT["least"].format(name=name, value=value))
    if count < streams:
        raise LabkitError(TEXT["fewer"].format(streams=streams, value=count))
    words = _words_for(session, prompt_tokens)
    stopping = stopping or Event()
    ask_once(session, 1, _prompt(words), [0], stopping)  # no stream pays for what is loaded on first use
    return _together(session, streams, count, words, max_tokens, watch, stopping)


def percentile(values: Sequence[float], percent: float) -> float:
    """Between the two nearest values, as numpy.percentile and `vllm bench serve` do."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    low = ordered[int(place)]
    return low + (place - int(place)) * (ordered[min(int(place) + 1, len(ordered) - 1)] - low)


def _together(
    session: Session,
    streams: int,
    requests: int,
    words: int,
    max_tokens: int,
    watch: Callable[[Now], None] | None,
    stopping: Event,
) -> Speed:
    """So many streams, begun at the same moment, that share the requests."""
    gate = Barrier(streams + 1)  # the first stream's tokens must not keep the last one from starting
    questions = iter([_prompt(words) for _ in range(requests)])
    answers: list[tuple[Stream, int]] = []
    pieces = [[0] for _ in range(streams)]

    def ask(mine: list[int]) -> None:
        gate.wait()
        while not stopping.is_set() and (question := next(questions, None)):
            answers.append(ask_once(session, max_tokens, question, mine, stopping))

    pool = ThreadPoolExecutor(streams)
    try:
        asked = [pool.submit(ask, mine) for mine in pieces]
        gate.wait()
        began = time.monotonic()
        for seconds in _until_done(asked, began, stopping):
            if watch is not None:
                come = sum(count for (count,) in pieces)
                watch(Now(streams, come, seconds, len(answers), requests))
        seconds = time.monotonic() - began
    except BaseException:
        stopping.set()
        wait(asked, timeout=_LEAVE_S)
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    read = round(mean(tokens for _, tokens in answers))
    return Speed(tuple(each for each, _ in answers), seconds, read, None if requests == streams else streams)


def _until_done(asked: list[Future[None]], began: float, stopping: Event) -> Iterator[float]:
    """The seconds that have passed, until all is done. Raises what a stream raised."""
    while True:
        done, left = wait(asked, timeout=_LOOK_S, return_when=FIRST_EXCEPTION)
        for each in done:
            each.result()
        if stopping.is_set():
            raise KeyboardInterrupt
        if not left:
            return
        yield time.monotonic() - began


def _prompt(words: int) -> str:
    """A question of so many words, after a start of its own."""
    return " ".join([uuid.uuid4().hex[:6], *(_WORDS[i % len(_WORDS)] for i in range(words))])


def _words_for(session: Session, tokens: int) -> int:
    """How many words make about so many tokens. Measured: tokenizers differ."""
    short, long = session.count(_prompt(1)), session.count(_prompt(101))
    return max(1, round(1 + (tokens - short) * 100 / max(1, long - short)))
