"""How reliably the model calls: questions with known calls, asked live, and compared exactly."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labkit.probes.call_cases import CASES, TOOLS, Call, Case
from labkit.probes.interval import wilson
from labkit.tools import toolbox

if TYPE_CHECKING:
    from labkit.session import Session

TEXT = {
    "line": "{right} of {n} right: {share:.1%}, and with 95 % confidence between {low:.1%} and {high:.1%}",
    "head": "| asked | wanted | got |\n|---|---|---|",
    "none": "no call",
    "words": "in words: {text}",
}


@dataclass(frozen=True)
class Answered:
    """One case, and what the model made of it."""

    case: Case
    calls: tuple[Call, ...]
    text: str

    @property
    def right(self) -> bool:
        """Whether just the wanted calls were made, with just the wanted arguments, in whatever order."""
        return _ordered(self.calls) == _ordered(self.case.calls)


@dataclass(frozen=True)
class Calling:
    """A measurement. In a notebook it shows its share and the wrong answers."""

    answers: tuple[Answered, ...]

    @property
    def n(self) -> int:
        return len(self.answers)

    @property
    def right(self) -> int:
        return sum(each.right for each in self.answers)

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the share, from 0 to 1."""
        return wilson(self.right, self.n)

    @property
    def wrong(self) -> tuple[Answered, ...]:
        return tuple(each for each in self.answers if not each.right)

    def __str__(self) -> str:
        rows = [" | ".join([each.case.question, *_sides(each)]) for each in self.wrong]
        return "\n".join([self._line(), *rows])

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        if not self.wrong:
            return f"**{self._line()}**"
        rows = ["| " + " | ".join([each.case.question, *_sides(each)]) + " |" for each in self.wrong]
        return "\n".join([f"**{self._line()}**", "", TEXT["head"], *rows]).replace("$", r"\$")

    def _line(self) -> str:
        low, high = self.interval
        share = self.right / self.n if self.n else 0.0
        return TEXT["line"].format(right=self.right, n=self.n, share=share, low=low, high=high)


def calling(session: Session, *, cases: Sequence[Case] = CASES, streams: int = 4) -> Calling:
    """Ask every case once, all tools on offer, at temperature 0.15, and compare the calls.

    cases: forty by default. streams: so many are asked at once. Raises LabkitError if the server refuses.
    """
    schemas = [each.schema for each in toolbox(TOOLS).values()]

    def ask(case: Case) -> Answered:
        reply = session.chat(case.question, tools=schemas, max_tokens=300)
        return Answered(case, tuple((call.name, call.arguments) for call in reply.tool_calls), reply.text)

    with ThreadPoolExecutor(streams) as pool:
        return Calling(tuple(pool.map(ask, cases)))


def _ordered(calls: Sequence[Call]) -> list[tuple[str, str]]:
    """In an order of their own; 5 and 5.0 are the same number."""
    return sorted((name, json.dumps(_numbers(arguments), sort_keys=True)) for name, arguments in calls)


def _numbers(value: object) -> object:
    if isinstance(value, dict):
        return {key: _numbers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_numbers(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _sides(answer: Answered) -> tuple[str, str]:
    got = _said(answer.calls)
    if not answer.calls and answer.text:
        got = TEXT["words"].format(text=answer.text[:80])
    return _said(answer.case.calls), got.replace("|", "\\|")


def _said(calls: Sequence[Call]) -> str:
    lines = [f"`{name}({', '.join(f'{k}={v!r}' for k, v in given.items())})`" for name, given in calls]
    return ", ".join(lines) or TEXT["none"]
