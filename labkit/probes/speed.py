"""How fast the live model writes, for one reader or for many at once."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import mean, median
from threading import Barrier

from labkit.errors import LabkitError
from labkit.session import Session

TEXT = {
    "least": "{name} must be a whole number of at least 1, and it is {value!r}.",
    "cut": "A stream broke off while it was measured: {why}",
    "nothing": "The server at {url} sent no tokens, or did not count them, so there is no speed to measure.",
    "shown": "{streams}: {rate:.0f} tokens/s in total, {each:.0f} tokens/s each, "
    "first token after {first:.2f} s",
    "one": "1 stream",
    "many": "{n} streams",
}

_WORDS = ("the", "server", "reads", "its", "weights", "once", "for", "every", "token")


@dataclass(frozen=True)
class Stream:
    """One request of a measurement."""

    tokens: int
    """Tokens written, as the server counted them."""
    first_token_s: float
    """From asking to the first piece of the answer."""
    seconds: float
    """From asking to the end."""

    @property
    def tokens_per_s(self) -> float:
        """What its reader saw, the wait for the first token included."""
        return self.tokens / self.seconds


@dataclass(frozen=True)
class Speed:
    """Requests made at once, and how long they took."""

    streams: tuple[Stream, ...]
    seconds: float
    """From the first request to the end of the last."""
    prompt_tokens: int
    """Tokens read for each, chat template included: the mean of the server's counts."""

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

    def __str__(self) -> str:
        n = len(self.streams)
        return TEXT["shown"].format(
            streams=TEXT["one" if n == 1 else "many"].format(n=n),
            rate=self.tokens_per_s,
            each=self.tokens_per_s_each,
            first=self.first_token_s,
        )

    __repr__ = __str__


def speed(session: Session, *, streams: int = 1, prompt_tokens: int = 64, max_tokens: int = 128) -> Speed:
    """Ask `streams` questions at once, and time the answers.

    prompt_tokens: the length of each question, about; every one begins differently, so that none is answered
    from the prefix cache. max_tokens: the length of each answer; vLLM is told to go on to the end
    (`ignore_eos`), another engine may stop earlier and is counted for what it wrote. Raises LabkitError.
    """
    for name, value in {"streams": streams, "prompt_tokens": prompt_tokens, "max_tokens": max_tokens}.items():
        if not isinstance(value, int) or value < 1:
            raise LabkitError(TEXT["least"].format(name=name, value=value))
    words = _words_for(session, prompt_tokens)  # a first request too: no stream pays for the connection
    gate = Barrier(streams + 1)  # the first stream's tokens must not keep the last one from starting
    with ThreadPoolExecutor(streams) as pool:
        asked = [pool.submit(_ask, session, max_tokens, _prompt(words), gate) for _ in range(streams)]
        gate.wait()
        began = time.monotonic()
        answers = [each.result() for each in asked]
        seconds = time.monotonic() - began
    return Speed(tuple(each for each, _ in answers), seconds, round(mean(read for _, read in answers)))


def _ask(session: Session, max_tokens: int, prompt: str, gate: Barrier) -> tuple[Stream, int]:
    """One stream, begun when all are there, and the tokens of its question."""
    gate.wait()
    reply = session.chat(prompt, max_tokens=max_tokens, extra_body={"ignore_eos": True})
    if why := reply.interrupted:
        raise LabkitError(TEXT["cut"].format(why=why))
    if reply.first_token_s is None or not (reply.usage and reply.usage.completion_tokens):
        raise LabkitError(TEXT["nothing"].format(url=session.url))
    usage = reply.usage
    return Stream(usage.completion_tokens, reply.first_token_s, reply.seconds), usage.prompt_tokens


def _prompt(words: int) -> str:
    """A question of so many words, after a start of its own."""
    return " ".join([uuid.uuid4().hex[:6], *(_WORDS[i % len(_WORDS)] for i in range(words))])


def _words_for(session: Session, tokens: int) -> int:
    """How many words make about so many tokens. Measured: tokenizers differ."""
    short, long = session.count(_prompt(1)), session.count(_prompt(101))
    return max(1, round(1 + (tokens - short) * 100 / max(1, long - short)))
