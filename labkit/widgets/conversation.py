"""The playground's conversation as data: questions, answers with their numbers, the messages of a request."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from labkit import reply
from labkit.errors import LabkitError
from labkit.widgets.drop import Photo

if TYPE_CHECKING:
    from labkit.reply import Reply, ToolCall

TEXT = {
    "first": "first token after {seconds:.2f} s",
    "rate": "{rate:.0f} tokens/s",
    "counts": "{prompt:,} tokens read, {tokens:,} written",
    "pieces": "about {pieces:,} tokens written: the server counts at the end",
    "not_run": "not run: the playground only shows calls",
    "shown": "I asked for these calls.",
    "length": "cut off at max tokens",
    "failed": "This request failed: {why}.",
}
_STOP_S = 1.0


@dataclass(frozen=True)
class Settings:
    """How to sample: one column of the playground."""

    temperature: float = 0.15
    top_p: float = 1.0
    max_tokens: int = 512

    def __str__(self) -> str:
        return f"temperature {self.temperature:g}, top-p {self.top_p:g}, at most {self.max_tokens:,} tokens"


@dataclass(frozen=True)
class Answer:
    """What came back under one setting."""

    settings: Settings
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    pieces: int = 0
    """Pieces of text that came: nearly a token each."""
    first_token_s: float | None = None
    """From asking to the first piece."""
    seconds: float = 0.0
    """From asking to the end."""
    prompt_tokens: int | None = None
    """Tokens read, as the server counted them; None where it did not."""
    tokens: int | None = None
    """Tokens written, as the server counted them."""
    finish_reason: str | None = None
    fault: str = ""
    """Why it is not whole, in a sentence."""

    @property
    def empty(self) -> bool:
        """Whether nothing came that a conversation could go on from."""
        return not (self.text or self.calls)

    @property
    def stopped(self) -> bool:
        """Whether the learner ended it."""
        return self.fault == reply.TEXT["stopped"]

    @property
    def tokens_per_s(self) -> float | None:
        """From the first token on, without the wait for it; None for fewer than two tokens."""
        written = self.tokens or self.pieces
        if self.first_token_s is None or written < 2 or self.seconds <= self.first_token_s:
            return None
        return (written - 1) / (self.seconds - self.first_token_s)

    def numbers(self) -> str:
        """Time to first token, tokens a second, tokens read and written, in a line."""
        said = []
        if self.first_token_s is not None:
            said.append(TEXT["first"].format(seconds=self.first_token_s))
        if (rate := self.tokens_per_s) is not None:
            said.append(TEXT["rate"].format(rate=rate))
        if self.tokens is not None:
            said.append(TEXT["counts"].format(prompt=self.prompt_tokens, tokens=self.tokens))
        elif self.pieces:
            said.append(TEXT["pieces"].format(pieces=self.pieces))
        if self.finish_reason == "length":
            said.append(TEXT["length"])
        return " · ".join(said)

    def shown(self) -> str:
        """Its words, then its calls."""
        return "\n".join([self.text] * bool(self.text) + [str(each) for each in self.calls])

    def messages(self) -> list[dict[str, Any]]:
        """As messages that a conversation can go on from.

        Every call needs a result, and words after it (Mistral's template wants both): here it says that
        nothing was run.
        """
        words = {"role": "assistant", "content": self.text}
        if not self.calls:
            return [words]
        asked = [each.message for each in self.calls]
        results = [
            {"role": "tool", "tool_call_id": each.id, "content": TEXT["not_run"]} for each in self.calls
        ]
        return [words | {"tool_calls": asked}, *results, {"role": "assistant", "content": TEXT["shown"]}]


@dataclass(frozen=True)
class Turn:
    """A question, and its answers: one a column."""

    text: str
    photos: tuple[Photo, ...] = ()
    answers: tuple[Answer, ...] = ()

    def answer(self, column: int) -> Answer:
        """The column's own answer; the first one's where it has none."""
        own = self.answers[column : column + 1]
        return own[0] if own and not own[0].empty else next(each for each in self.answers if not each.empty)

    def message(self) -> dict[str, Any]:
        """The question as a message."""
        if not self.photos:
            return {"role": "user", "content": self.text}
        seen = [{"type": "image_url", "image_url": {"url": each.url}} for each in self.photos]
        return {"role": "user", "content": [*seen, {"type": "text", "text": self.text}]}


def messages(turns: Sequence[Turn], column: int = 0, system: str = "") -> list[dict[str, Any]]:
    """The conversation as one column remembers it. A turn without answers is the question to be asked."""
    found: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    for turn in turns:
        found += [turn.message(), *(turn.answer(column).messages() if turn.answers else ())]
    return found


def listen(
    asking: Sequence[Asking],
    heard: Callable[[int, str], None],
    done: Callable[[int], None],
    stopping: threading.Event,
) -> tuple[Answer, ...]:
    """Make these requests at the same time, and hear them here until all have ended or `stopping` is set.

    heard: told of each piece as it comes, with the number of its request. done: told when one has ended.
    """
    out: queue.SimpleQueue[tuple[int, str | None]] = queue.SimpleQueue()
    for number, each in enumerate(asking):
        each.start(number, out)
    still = set(range(len(asking)))
    while still and not stopping.is_set():
        try:
            number, piece = out.get(timeout=0.05)
        except queue.Empty:
            continue
        if piece is not None:
            heard(number, piece)
            continue
        still.remove(number)
        done(number)
    for number in still:
        asking[number].give_up()
    for number in still:
        asking[number].join(_STOP_S)
        done(number)
    return tuple(each.answer() for each in asking)


@dataclass
class Asking:
    """One request in work, in a thread of its own: its pieces go into a queue as they come, None at the end.

    So that Stop works even while the server says nothing.
    """

    settings: Settings
    ask: Callable[[], Reply]
    _pieces: list[str] = field(default_factory=list)
    _answer: Answer | None = None
    _first: float | None = None
    _given_up: threading.Event = field(default_factory=threading.Event)

    def start(self, number: int, out: queue.SimpleQueue[tuple[int, str | None]]) -> None:
        """Begin; what comes goes into `out`, with this number."""
        self._number, self._out, self._asked_at = number, out, time.monotonic()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def give_up(self) -> None:
        """No more pieces, please."""
        self._given_up.set()

    def join(self, seconds: float) -> None:
        """Wait so long for the connection to close; a silent server is left behind."""
        self._thread.join(seconds)

    def answer(self) -> Answer:
        """The answer at its end; once given up, whatever has come."""
        return self._answer or Answer(
            self.settings,
            text="".join(self._pieces),
            pieces=len(self._pieces),
            first_token_s=self._first,
            seconds=time.monotonic() - self._asked_at,
            fault=reply.TEXT["stopped"],
        )

    def _read(self) -> None:
        try:
            self._answer = self._whole()
        except LabkitError as error:
            self._answer = Answer(self.settings, fault=str(error))
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            self._answer = Answer(self.settings, fault=TEXT["failed"].format(why=why))
        finally:
            self._out.put((self._number, None))

    def _whole(self) -> Answer:
        found = self.ask()
        for piece in found.pieces() if not self._given_up.is_set() else ():
            if self._given_up.is_set():
                break
            self._first = self._first or time.monotonic() - self._asked_at
            self._pieces.append(piece)
            self._out.put((self._number, piece))
        if self._given_up.is_set():
            found.stop()
        fault, usage = found.interrupted or "", found.usage
        return Answer(
            self.settings,
            text="".join(self._pieces),
            calls=tuple(found.tool_calls),
            pieces=len(self._pieces),
            first_token_s=found.first_token_s,
            seconds=found.seconds,
            prompt_tokens=usage.prompt_tokens if usage else None,
            tokens=usage.completion_tokens if usage else None,
            finish_reason=found.finish_reason,
            fault=fault,
        )
