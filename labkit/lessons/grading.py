"""The properties that checks look at: a reply's words and calls, numbers, a figure, a command.

Each function returns what it found, or raises `NotYet` with a sentence for the learner.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from labkit.lessons.exercise import NotYet, shown
from labkit.reply import ToolCall

TEXT = {
    "no_reply": "A reply was wanted, and {found} is {kind}. Keep what the model gives back: "
    "`reply = session.chat(...)`, then check `reply`.",
    "interrupted": "The answer broke off: {why}",
    "length": "The answer was cut off at max_tokens. Ask again with more, such as `max_tokens=500`.",
    "no_number": "A number was wanted, and {found} is {kind}. Give it without quotes and without a unit.",
    "range": "{found} is not between {low:g} and {high:g}{unit}. Look at the cell that measures it, then try "
    "again.",
    "no_figure": "A figure was wanted, and {found} is {kind}. Keep it: `figure, axes = plt.subplots()`, "
    "draw, then check `figure`.",
    "empty_figure": "The figure has nothing drawn in it yet. Plot into its axes, then check it again.",
    "no_command": "A command was wanted as a list of strings, and {found} is {kind}. Write each word as a "
    'string of its own: `["vllm", "serve", ...]`.',
    "no_word": "Each word of a command is a string, and {found} is {kind}. Put it in quotes.",
}

_NUMBER = re.compile(r"(?<![\w.])[-\u2212]?\d+(?:,\d{3}(?!\d))*(?:\.\d+)?")


@dataclass(frozen=True)
class Heard:
    """A whole reply of the model."""

    text: str
    calls: tuple[ToolCall, ...]


def reply(answer: Any) -> Heard:
    """What the model said. `answer`: a labkit Reply, or the whole answer of the plain openai client."""
    if hasattr(answer, "choices"):
        return _completion(answer)
    if not (hasattr(answer, "text") and hasattr(answer, "tool_calls")):
        raise NotYet(_unfit("no_reply", answer))
    heard = Heard(answer.text, tuple(answer.tool_calls))
    if answer.interrupted:
        raise NotYet(TEXT["interrupted"].format(why=answer.interrupted))
    if answer.finish_reason == "length":
        raise NotYet(TEXT["length"])
    return heard


def numbers(text: str) -> list[float]:
    """The numbers in a text, in its order: "1,200" is 1200; the 1 of "Q1" is none."""
    return [float(each.replace(",", "").replace("\u2212", "-")) for each in _NUMBER.findall(text)]


def number(answer: Any, low: float, high: float, unit: str = "") -> float:
    """A number from `low` to `high`, both included. unit: its name, for the sentence."""
    if isinstance(answer, bool | str) or not hasattr(answer, "__float__"):
        raise NotYet(_unfit("no_number", answer))
    value = float(answer)
    if math.isnan(value) or not low <= value <= high:
        raise NotYet(TEXT["range"].format(found=shown(answer), low=low, high=high, unit=unit and f" {unit}"))
    return value


def figure(answer: Any) -> list[Any]:
    """The axes of a Matplotlib figure (or of the figure of an axes) that something is drawn in."""
    whole = answer if hasattr(answer, "get_axes") else getattr(answer, "figure", None)
    if whole is None or not hasattr(whole, "get_axes"):
        raise NotYet(_unfit("no_figure", answer))
    drawn = [axes for axes in whole.get_axes() if axes.has_data()]
    if not drawn:
        raise NotYet(TEXT["empty_figure"])
    return drawn


def flags(answer: Any) -> dict[str, str | None]:
    """The flags of a command given as a list of strings, with their values; None where a flag has none.

    `--flag value` and `--flag=value` are the same.
    """
    if isinstance(answer, str | bytes) or not isinstance(answer, Iterable):
        raise NotYet(_unfit("no_command", answer))
    found: dict[str, str | None] = {}
    open_flag: str | None = None
    for word in answer:
        if not isinstance(word, str):
            raise NotYet(_unfit("no_word", word))
        if word.startswith("--"):
            open_flag, equals, value = word.partition("=")
            found[open_flag] = value if equals else None
        elif open_flag and found[open_flag] is None:
            found[open_flag] = word
    return found


def _completion(answer: Any) -> Heard:
    choice = answer.choices[0]
    if choice.finish_reason == "length":
        raise NotYet(TEXT["length"])
    calls = [
        ToolCall(call.function.name, _object(call.function.arguments), call.id, call.function.arguments)
        for call in choice.message.tool_calls or ()
    ]
    return Heard(choice.message.content or "", tuple(calls))


def _object(raw: str) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _unfit(key: str, answer: Any) -> str:
    kind = type(answer).__name__
    article = "an" if kind[0].lower() in "aeiou" else "a"
    return TEXT[key].format(found=shown(answer), kind=f"{article} {kind}")
