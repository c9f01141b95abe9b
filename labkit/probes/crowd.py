"""A class at work: learners who ask, read, think and ask again, and what becomes of each question."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Literal

from labkit.errors import LabkitError
from labkit.probes.speed import percentile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from labkit.session import Session

Outcome = Literal["whole", "cut", "lost"]

TEXT = {
    "least": "{name} must be more than 0, and it is {value!r}.",
    "head": "| questions | answered whole | cut in mid-answer | lost before a word | hanging | "
    "first token p50, s | p95 |\n|---:|---:|---:|---:|---:|---:|---:|",
    "rate": "{learners} learners, a question every {pace:g} s each: {per_s:.1f} questions and {tokens:.0f} "
    "tokens a second.",
    "line": "{questions} questions: {whole} answered whole, {cut} cut, {lost} lost, {hanging} hanging",
    "title": "each dot is a question",
    "asked": "seconds since the class began",
    "first": "seconds to the first token",
    "struck": "struck here",
    "whole": "answered whole",
    "cut": "cut in mid-answer",
    "lost": "lost before a word",
}
QUESTIONS = (
    "What is the KV cache?",
    "What does --max-model-len do?",
    "How much memory do the weights take in 4 bits?",
    "Why is batching faster?",
    "What is the difference between BF16 and FP8?",
    "How do I call a function?",
)
PATIENCE_S = 60.0
"""An answer that is not done after this hangs."""
_COLOURS: dict[Outcome, str] = {"whole": "#009e73", "cut": "#e69f00", "lost": "#d55e00"}


@dataclass(frozen=True)
class Question:
    """One question and what became of it."""

    at_s: float
    """Since the class began."""
    first_token_s: float | None
    """None where nothing came."""
    seconds: float
    """Until the end of its answer."""
    outcome: Outcome
    """"cut": its answer had begun to stream; "lost": it had not."""
    tokens: int = 0
    """Of a whole answer, as the server counted them."""


@dataclass(frozen=True)
class Crowd:
    """A class and its questions. In a notebook it shows a table; `chart()` draws every question."""

    url: str
    """The server that was asked."""
    learners: int
    pace: float
    """Seconds between a learner's questions, on the average."""
    seconds: float
    """From the first learner's coming to the last answer."""
    questions: tuple[Question, ...]
    """In the order in which they ended."""
    began: float
    """Seconds since 1970."""
    struck_s: float | None = None
    """When `midway` was called, in seconds since the class began; None where nothing was."""

    def count(self, outcome: Outcome) -> int:
        """How many questions ended so."""
        return sum(each.outcome == outcome for each in self.questions)

    @property
    def hanging(self) -> int:
        """How many waited longer than `PATIENCE_S` for the end of their answer."""
        return sum(each.seconds > PATIENCE_S for each in self.questions)

    @property
    def after(self) -> tuple[Question, ...]:
        """The questions asked after it was struck."""
        struck = self.struck_s
        return tuple(each for each in self.questions if struck is not None and each.at_s > struck)

    @property
    def tokens_per_s(self) -> float:
        """Tokens that the class got, a second."""
        return sum(each.tokens for each in self.questions) / self.seconds

    def first_token(self, percent: float) -> float | None:
        """The wait for the first token that so many percent do not exceed, in seconds; None: none came."""
        waits = [each.first_token_s for each in self.questions if each.first_token_s is not None]
        return percentile(waits, percent) if waits else None

    def chart(self) -> Figure:
        """Each question by the time it was asked and its wait for the first token, or for the end where none
        came; a line where it was struck."""
        from matplotlib import pyplot

        figure, axes = pyplot.subplots(figsize=(9, 3.2), layout="constrained")
        for outcome, colour in _COLOURS.items():
            asked = [each for each in self.questions if each.outcome == outcome]
            dots = [
                (each.at_s, each.seconds if each.first_token_s is None else each.first_token_s)
                for each in asked
            ]
            if dots:
                marker = "x" if outcome == "lost" else "o"
                label = f"{TEXT[outcome]} ({len(dots)})"
                axes.scatter(*zip(*dots, strict=True), color=colour, marker=marker, label=label, zorder=3)
        if self.struck_s is not None:
            axes.axvline(self.struck_s, color="#555555", linestyle="--", label=TEXT["struck"])
        axes.set(title=TEXT["title"], xlabel=TEXT["asked"], ylabel=TEXT["first"])
        axes.set_ylim(bottom=-0.03)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
        pyplot.close(figure)
        return figure

    def __str__(self) -> str:
        return TEXT["line"].format(questions=len(self.questions), hanging=self.hanging, **self._counts())

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        waits = [self.first_token(percent) for percent in (50, 95)]
        shown = ["-" if wait is None else f"{wait:.2f}" for wait in waits]
        cells = [str(len(self.questions)), *map(str, self._counts().values()), str(self.hanging), *shown]
        per_s = len(self.questions) / self.seconds
        facts = {"learners": self.learners, "pace": self.pace, "per_s": per_s, "tokens": self.tokens_per_s}
        return f"{TEXT['head']}\n| {' | '.join(cells)} |\n\n{TEXT['rate'].format(**facts)}"

    def _counts(self) -> dict[str, int]:
        return {outcome: self.count(outcome) for outcome in _COLOURS}


def crowd(
    session: Session,
    *,
    learners: int = 30,
    pace: float = 20.0,
    seconds: float = 30.0,
    max_tokens: int = 64,
    midway: Callable[[], None] | None = None,
) -> Crowd:
    """A class of `learners` for so many seconds; answers under way at the end are read to their end.

    pace: seconds between a learner's questions, on the average (the pauses are random, and the same at every
    run). max_tokens: the length of each answer; vLLM is told to go on to it. midway: called once in the
    middle, such as to kill something. Raises LabkitError for numbers that make no sense, and whatever
    `midway` raises.
    """
    for name, value in {"learners": learners, "pace": pace, "seconds": seconds}.items():
        if not value > 0:
            raise LabkitError(TEXT["least"].format(name=name, value=value))
    found: list[Question] = []
    struck: float | None = None
    over, born, began = Event(), time.time(), time.monotonic()

    def learner(number: int) -> None:
        dice = random.Random(number)
        pause = dice.uniform(0, pace)
        while time.monotonic() + pause < began + seconds and not over.wait(pause):
            found.append(ask(session, dice.choice(QUESTIONS), max_tokens, began))
            pause = dice.expovariate(1 / pace)

    with ThreadPoolExecutor(learners) as pool:
        try:
            asked = [pool.submit(learner, number) for number in range(learners)]
            if midway is not None:
                time.sleep(seconds / 2)
                struck = time.monotonic() - began
                midway()
            for each in asked:
                each.result()
        except BaseException:
            over.set()
            raise
    took = max(seconds, time.monotonic() - began)
    return Crowd(session.url, learners, pace, took, tuple(found), born, struck)


def ask(session: Session, question: str, max_tokens: int, began: float) -> Question:
    """Ask once, and read to the end. began: when the class did, by `time.monotonic()`."""
    at = time.monotonic()
    try:
        reply = session.chat(question, max_tokens=max_tokens, extra_body={"ignore_eos": True})
        whole = reply.interrupted is None
        first = reply.first_token_s
        tokens = reply.usage.completion_tokens if whole and reply.usage else 0
    except LabkitError:
        whole, first, tokens = False, None, 0
    outcome: Outcome = "whole" if whole else "lost" if first is None else "cut"
    return Question(at - began, first, time.monotonic() - at, outcome, tokens)
