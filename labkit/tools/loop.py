"""The loop: ask, validate, execute, hand the results back, ask again, until the model has said all."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from labkit.errors import LabkitError
from labkit.reply import Reply, ToolCall
from labkit.tools import mending
from labkit.tools.executing import Approve, Done, Limits, execute, failed
from labkit.tools.tool import Tool, toolbox
from labkit.tools.trace import TEXT, Event, Run

if TYPE_CHECKING:
    from labkit.session import Session

TOO_MANY = "too many calls at once: only the first {most} of an answer are run"

_SHORTEST_S = 0.1
_AS_TEXT = ("[TOOL_CALLS]", '[{"name":')


class Loop:
    """One run, while it goes on."""

    def __init__(
        self,
        session: Session,
        messages: list[dict[str, Any]],
        tools: Sequence[Tool | Callable[..., Any]],
        *,
        approve: Approve | None = None,
        max_rounds: int = 8,
        max_calls: int = 16,
        tool_seconds: float = 20.0,
        seconds: float = 120.0,
        max_characters: int = 4000,
        watch: Callable[[Event], None] | None = None,
        hear: Callable[[str], None] | None = None,
        **request: Any,
    ) -> None:
        self._session, self._tools, self._approve = session, toolbox(tools), approve
        self._watch, self._hear = watch, hear
        self._max_rounds, self._max_calls = max_rounds, max_calls
        self._tool_seconds, self._seconds, self._characters = tool_seconds, seconds, max_characters
        self._request = request
        self._since = time.monotonic()
        self.run = Run(mending.history(messages))
        self._taken = {call["id"] for each in self.run.messages for call in each.get("tool_calls") or ()}

    def go(self) -> Run:
        """Until the model has said all, or a limit is met. Raises LabkitError if the first request fails."""
        try:
            while not self.run.ended:
                self._round()
        except KeyboardInterrupt:
            self._end("stopped")
        self.run.seconds = time.monotonic() - self._since
        return self.run

    def _round(self) -> None:
        if self._left() <= 0:
            return self._end("time", seconds=self._seconds)
        if self.run.rounds == self._max_rounds:
            return self._end("rounds", rounds=self._max_rounds)
        self.run.rounds += 1
        try:
            reply = self._ask()
        except LabkitError as error:
            if self.run.rounds == 1:
                raise
            return self._end("failed", why=str(error))
        if not self._heard(reply):
            return None
        calls = self._mended(reply.tool_calls)
        self.run.messages.append(_message(reply, calls))
        if calls:
            return self._answer(calls)
        if reply.text.lstrip().startswith(_AS_TEXT) and self._request.get("tool_choice") != "none":
            return self._end("unparsed")
        return self._end("answered" if reply.text.strip() else "empty")

    def _ask(self) -> Reply:
        """Ask, and read the answer to its end, or up to the run's."""
        self._note("asked", f"messages: {len(self.run.messages)}, tools: {len(self._tools)}")
        schemas = [each.schema for each in self._tools.values()]
        request = {"timeout": max(_SHORTEST_S, self._left()), **self._request}
        reply = self._session.chat(list(self.run.messages), tools=schemas, **request)
        if self._request.get("tool_choice") not in (None, "none"):
            self._request["tool_choice"] = "auto"  # forced once: forced for ever, it would never answer
        try:
            for piece in reply.pieces():
                if self._left() <= 0:
                    reply.stop()
                elif self._hear is not None:
                    self._hear(piece)
        except KeyboardInterrupt:
            reply.stop()
            self.run.text = reply.text
            raise
        return reply

    def _heard(self, reply: Reply) -> bool:
        """Count the answer. False where it is not whole: then nothing in it is run."""
        interrupted = reply.interrupted  # first, or the reply would say so by itself as well
        self.run.text = reply.text
        if reply.usage is not None:
            self.run.prompt_tokens += reply.usage.prompt_tokens
            self.run.completion_tokens += reply.usage.completion_tokens
        words = f"{reply.text[:160]!r}" if reply.text else f"calls: {len(reply.tool_calls)}"
        took = {"seconds": reply.seconds, "first_token_s": reply.first_token_s}
        self._note("replied", words, text=reply.text, **took)
        if self._left() <= 0:
            self._end("time", seconds=self._seconds)
        elif interrupted:
            self._end("interrupted", why=interrupted)
        elif reply.finish_reason == "length":
            self._end("length")
        return not self.run.ended

    def _mended(self, calls: list[ToolCall]) -> list[ToolCall]:
        """The calls with ids that the template takes, each its own."""
        made = []
        for call in calls:
            id = mending.call_id(call.id or "", self._taken)
            self._taken.add(id)
            if id != call.id:
                self._note("mended", f"the id {call.id!r} became {id!r}", was=call.id, id=id)
            made.append(ToolCall(mending.text(call.name), call.arguments, id, mending.text(call.raw)))
        return made

    def _answer(self, calls: list[ToolCall]) -> None:
        """Execute the calls, and put their results into the conversation."""
        for call in calls:
            self._note("calls", str(call), id=call.id, name=call.name, raw=call.raw)
        limits = Limits(max(_SHORTEST_S, min(self._tool_seconds, self._left())), self._characters)
        approve = self._agreed if self._approve else None
        done = execute(calls[: self._max_calls], self._tools, limits, approve)
        words = TOO_MANY.format(most=self._max_calls)
        done += [failed(call, "too_many", words) for call in calls[self._max_calls :]]
        for each in done:
            self._record(each)

    def _agreed(self, call: ToolCall) -> bool | str:
        """What the one who is asked says, and how long that took."""
        assert self._approve is not None
        since = time.monotonic()
        said = self._approve(call)
        words = f"{call}: {'allowed' if said is True else said or 'refused'}"
        self._note("approval", words, seconds=time.monotonic() - since, id=call.id)
        return said

    def _record(self, done: Done) -> None:
        self.run.done.append(done)
        told = {"fault": done.fault, "seconds": done.seconds, "cut": done.cut, "id": done.call.id}
        self._note("fault" if done.fault else "result", f"{done.call.name}: {done.content}", **told)
        self.run.messages.append(
            {
                "role": "tool",
                "tool_call_id": done.call.id,
                "name": mending.name(done.call.name),
                "content": done.content,
            }
        )

    def _left(self) -> float:
        return self._since + self._seconds - time.monotonic()

    def _end(self, ended: str, **found: Any) -> None:
        self.run.ended = ended
        self._note("ended", TEXT[ended].format(**found), why=ended)

    def _note(self, kind: str, words: str, **data: Any) -> None:
        event = Event(time.monotonic() - self._since, self.run.rounds, kind, words, data)
        self.run.events.append(event)
        if self._watch is not None:
            self._watch(event)


def _message(reply: Reply, calls: list[ToolCall]) -> dict[str, Any]:
    """The answer as it goes back. Arguments that are no JSON object become {}: the template parses them."""
    message: dict[str, Any] = {"role": "assistant", "content": mending.text(reply.text)}
    if calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {
                    "name": mending.name(call.name),
                    "arguments": mending.text(json.dumps(call.arguments, ensure_ascii=False)),
                },
            }
            for call in calls
        ]
    return message
