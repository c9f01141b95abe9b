"""Executing calls: in threads, each for so many seconds. Whatever happens becomes a text for the model."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_jsonable_python

from labkit.reply import ToolCall
from labkit.tools import mending
from labkit.tools.tool import BadArguments, Tool

TEXT = {
    "unknown_tool": "there is no tool {name}; there are: {known}",
    "no_tools": "there is no tool {name}, and no other",
    "bad_json": "the arguments are no JSON object: {raw}",
    "bad_arguments": "bad arguments: {why}",
    "refused": "not allowed{why}",
    "raised": "{kind}: {words}",
    "left": "no answer after {seconds:g} seconds",
    "not_json": "the tool returned {kind}, which is no JSON",
    "cut": "{start} ... (cut: {all:,} characters, of which the first {kept:,} are shown)",
    "no_one": ": nobody is here to approve it",
    "approval_raised": ": asking for approval failed ({words})",
}

Approve = Callable[[ToolCall], bool | str]
"""Asked before a call that needs it: True allows it, False refuses, a text refuses and says why."""

_SHOWN = 80


@dataclass(frozen=True)
class Done:
    """One call and what came of it."""

    call: ToolCall
    content: str
    """The text that the model reads: the result as JSON (a text as it is), or {"error": ...}."""
    fault: str
    """"" where the tool answered; otherwise a key of `TEXT`: unknown_tool, bad_json, bad_arguments, refused,
    raised, left, not_json."""
    result: Any
    """What the function returned; None where there is a fault."""
    seconds: float
    cut: bool = False
    """Whether the result was too long, and only its beginning was handed on."""


@dataclass(frozen=True)
class Limits:
    """What a call may take."""

    seconds: float
    characters: int


def execute(
    calls: Sequence[ToolCall], tools: dict[str, Tool], limits: Limits, approve: Approve | None
) -> list[Done]:
    """Every call, all at once, in their order; approvals are asked first, one after the other. Never raises,
    but for Ctrl-C. What takes too long is left alone: its thread goes on, and nobody waits for it."""
    ready = [_prepared(call, tools, approve) for call in calls]
    running = [each if isinstance(each, Done) else _Running(*each, limits) for each in ready]
    return [each if isinstance(each, Done) else each.wait() for each in running]


def _prepared(
    call: ToolCall, tools: dict[str, Tool], approve: Approve | None
) -> Done | tuple[ToolCall, Tool, dict[str, Any]]:
    """What is to be run, or why it is not."""
    if call.name not in tools:
        key = "unknown_tool" if tools else "no_tools"
        return failed(call, "unknown_tool", TEXT[key].format(name=call.name, known=", ".join(tools)))
    if not call.arguments and not _is_object(call.raw):
        return failed(call, "bad_json", TEXT["bad_json"].format(raw=call.raw[:_SHOWN]))
    chosen = tools[call.name]
    try:
        arguments = chosen.validated(call.arguments)
    except BadArguments as error:
        return failed(call, "bad_arguments", TEXT["bad_arguments"].format(why=error))
    if chosen.approval and (why := _refusal(call, approve)) is not None:
        return failed(call, "refused", TEXT["refused"].format(why=why))
    return call, chosen, arguments


def failed(call: ToolCall, fault: str, words: str, seconds: float = 0.0) -> Done:
    """A call that came to nothing, told to the model as {"error": words}."""
    content = json.dumps({"error": mending.text(words)}, ensure_ascii=False)
    return Done(call, content, fault, None, seconds)


def _refusal(call: ToolCall, approve: Approve | None) -> str | None:
    """Why the call is refused; None if it is allowed. Only a plain True allows."""
    if approve is None:
        return TEXT["no_one"]
    try:
        said = approve(call)
    except Exception as error:
        return TEXT["approval_raised"].format(words=_words(error))
    if said is True:
        return None
    return f": {said}" if isinstance(said, str) and said else ""


class _Running:
    """One call in a thread of its own."""

    def __init__(self, call: ToolCall, tool: Tool, arguments: dict[str, Any], limits: Limits) -> None:
        self._call, self._tool, self._arguments, self._limits = call, tool, arguments, limits
        self._since = time.monotonic()
        self._done: Done | None = None
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"tool {call.name}")
        self._thread.start()

    def wait(self) -> Done:
        left = self._since + self._limits.seconds - time.monotonic()
        self._thread.join(max(0.0, left))
        if self._done is None:
            words = TEXT["left"].format(seconds=self._limits.seconds)
            return failed(self._call, "left", words, time.monotonic() - self._since)
        return self._done

    def _run(self) -> None:
        try:
            result = self._tool.function(**self._arguments)
            if inspect.iscoroutine(result):
                result = asyncio.run(result)
        except BaseException as error:  # SystemExit too: a tool does not end the program
            words = TEXT["raised"].format(kind=type(error).__name__, words=_words(error))
            if isinstance(error, ValueError):  # the tool's own words about what it was given
                words = _words(error)
            self._done = failed(self._call, "raised", words, time.monotonic() - self._since)
            return
        self._done = self._told(result, time.monotonic() - self._since)

    def _told(self, result: Any, seconds: float) -> Done:
        try:
            text = result if isinstance(result, str) else _json(result)
        except Exception:  # also what a strange object raises when it is looked at
            words = TEXT["not_json"].format(kind=type(result).__name__)
            return failed(self._call, "not_json", words, seconds)
        content = mending.text(text)
        if not (cut := len(content) > self._limits.characters):
            return Done(self._call, content, "", result, seconds)
        kept = self._limits.characters
        content = TEXT["cut"].format(start=content[:kept], all=len(content), kept=kept)
        return Done(self._call, content, "", result, seconds, cut)


def _json(result: Any) -> str:
    return json.dumps(to_jsonable_python(result), ensure_ascii=False, allow_nan=False)


def _is_object(raw: str) -> bool:
    try:
        return isinstance(json.loads(raw or "{}"), dict)
    except (ValueError, RecursionError):
        return False


def _words(error: BaseException) -> str:
    """The error's own words, on one line and short; its words may fail as well."""
    try:
        return " ".join(str(error).split())[:200] or "no reason given"
    except Exception:
        return "no reason given"
