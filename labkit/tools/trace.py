"""What happened in a run, as data: every message, every event with its time, and the tokens it took."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from labkit.tools.executing import Done

TEXT = {
    "head": "| s | round | what | |\n|---:|---:|---|---|",
    "asked": "asked the model",
    "replied": "the model answered",
    "calls": "the model called",
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
    "total": "rounds: {rounds} · calls: {calls} · tokens: {tokens:,} · {seconds:.2f} s",
}


@dataclass(frozen=True)
class Event:
    """One thing that happened."""

    at: float
    """Seconds since the run began."""
    round: int
    kind: str
    """ "asked", "replied", "calls", "result", "fault", "mended" or "ended"."""
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


def _cell(event: Event) -> str:
    text = " ".join(event.words.split())
    text = text if len(text) <= 160 else text[:159] + "…"
    code = event.kind in ("calls", "result", "fault")
    quote = "``" if "`" in text else "`"
    return (f"{quote}{text}{quote}" if code else text.replace("$", r"\$")).replace("|", "\\|")
