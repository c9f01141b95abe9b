"""What happened in a run, as data: every message, every event with its time, and the tokens it took."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from labkit.errors import LabkitError
from labkit.tools.executing import Done

TEXT = {
    "head": "| s | round | what | |\n|---:|---:|---|---|",
    "asked": "asked the model",
    "replied": "the model answered",
    "calls": "the model called",
    "approval": "you were asked",
    "result": "result",
    "fault": "fault",
    "ended": "ended",
    "mended": "mended",
    "answered": "The model had said all.",
    "rounds": "The model still called tools when its rounds were up ({rounds}). `max_rounds=` allows more.",
    "time": "The run took more than {seconds:g} seconds, so it was ended. `seconds=` allows more.",
    "interrupted": "{why}",
    "stopped": "You stopped this run; what had come is kept.",
    "length": "The answer was cut off at max_tokens; calls in it were not run. `max_tokens=` allows more.",
    "empty": "The model said nothing, and called nothing.",
    "unparsed": "The call stands in the answer as text: the server did not parse it. vLLM needs "
    "`--tool-call-parser mistral --enable-auto-tool-choice`.",
    "failed": "{why}",
    "no_call": "This run has no call with the id {id}.",
    "total": "rounds: {rounds} · calls: {calls} · tokens: {tokens:,} · {seconds:.2f} s",
}


@dataclass(frozen=True)
class Event:
    """One thing that happened."""

    at: float
    """Seconds since the run began."""
    round: int
    kind: str
    """ "asked", "replied", "calls", "approval", "result", "fault", "mended" or "ended"."""
    words: str
    data: dict[str, Any] = field(default_factory=dict)
    """Its numbers and names; what is in it depends on the kind."""

    def __str__(self) -> str:
        return f"{self.at:6.2f} s  {TEXT[self.kind]}: {self.words}"


@dataclass
class Run:
    """A finished run of the loop. In a notebook it shows its answer, with the trace above it."""

    messages: list[dict[str, Any]]
    """The whole conversation, ready to go on with: `session.run(question, after=run)`."""
    events: list[Event] = field(default_factory=list)
    done: list[Done] = field(default_factory=list)
    """Every call with its result or fault, in the model's order."""
    text: str = ""
    """The model's last words."""
    ended: str = ""
    """Why it ended: "answered", or what went wrong: "rounds", "time", "interrupted", "stopped", "length",
    "empty", "unparsed", "failed"."""
    rounds: int = 0
    """Requests to the model."""
    prompt_tokens: int = 0
    """Of all requests together; each one carries the whole conversation again."""
    completion_tokens: int = 0
    seconds: float = 0.0

    @property
    def calls(self) -> list[tuple[str, dict[str, Any]]]:
        """The calls as (name, arguments): what a test compares."""
        return [(each.call.name, each.call.arguments) for each in self.done]

    @property
    def faults(self) -> list[Done]:
        """The calls that came to nothing, whatever the reason."""
        return [each for each in self.done if each.fault]

    def changed(self, done: Done) -> list[dict[str, Any]]:
        """The conversation up to the results of one answer, in which the call of `done` (known by its id) is
        changed to that of `done`, and so is its result. What came later is left out: the model has not yet
        read it. `session.run(messages, tools=tools)` goes on from there.

        Raises LabkitError where this run has no such call.
        """
        made: list[dict[str, Any]] = []
        found = False
        for message in self.messages:
            calls = message.get("tool_calls") or []
            if found and message.get("role") != "tool":
                break
            if any(each["id"] == done.call.id for each in calls):
                found = True
                message = {**message, "tool_calls": [_edited(each, done) for each in calls]}
            elif message.get("tool_call_id") == done.call.id:
                message = {**message, "content": done.content}
            made.append(message)
        if not found:
            raise LabkitError(TEXT["no_call"].format(id=done.call.id))
        return made

    def trace(self) -> dict[str, Any]:
        """All of it as plain data, fit for a JSON file."""
        calls = [{**asdict(each), "result": None} for each in self.done]
        events = [asdict(each) for each in self.events]
        numbers = {name: getattr(self, name) for name in ("text", "ended", "rounds", "seconds")}
        tokens = {"prompt_tokens": self.prompt_tokens, "completion_tokens": self.completion_tokens}
        return {**numbers, **tokens, "messages": self.messages, "events": events, "calls": calls}

    @property
    def total(self) -> str:
        """Rounds, calls, tokens and seconds, in a line."""
        tokens = self.prompt_tokens + self.completion_tokens
        return TEXT["total"].format(
            rounds=self.rounds, calls=len(self.done), tokens=tokens, seconds=self.seconds
        )

    def __str__(self) -> str:
        return "\n".join([*map(str, self.events), "", self.text or f"({self.events[-1].words})", self.total])

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        rows = [
            f"| {each.at:.2f} | {each.round} | {TEXT[each.kind]} | {_cell(each)} |" for each in self.events
        ]
        answer = self.text.replace("$", r"\$") or f"*{self.events[-1].words}*"
        return "\n".join([TEXT["head"], *rows, "", f"*{self.total}*", "", answer])


def _edited(call: dict[str, Any], done: Done) -> dict[str, Any]:
    """A call of a message, with the arguments of `done` where it is that call."""
    if call["id"] != done.call.id:
        return call
    return {**call, "function": {**call["function"], "arguments": json.dumps(done.call.arguments)}}


def _cell(event: Event) -> str:
    text = " ".join(event.words.split())
    text = text if len(text) <= 160 else text[:159] + "…"
    code = event.kind in ("calls", "approval", "result", "fault")
    quote = "``" if "`" in text else "`"
    return (f"{quote}{text}{quote}" if code else text.replace("$", r"\$")).replace("|", "\\|")
