"""A reply that streams: read it as it comes, print it, or let a notebook cell show it live."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from labkit.diagnosis import with_cure
from labkit.display import Panel, in_notebook

TEXT = {
    "lost": "The server went away in mid-answer; what had come is kept. Start it again with labkit.start() "
    "(or `labkit up`), then ask again.",
    "silent": "The server has sent nothing for too long, so this answer was given up; what had come is kept. "
    "`labkit status` says how it is.",
    "failed": "The engine failed in mid-answer ({why}); what had come is kept.",
    "failed_more": "`labkit logs` says more; labkit.start() starts it again if need be.",
    "cut": "The answer ended too early, without a last word from the server; what had come is kept. "
    "`labkit status` says how it is.",
    "stopped": "You stopped this answer; what had come is kept.",
    "length": "cut off at max_tokens",
    "waiting": "…",
}


class Stream(Protocol):
    """What the openai client returns for `stream=True`, as far as it is used here."""

    def __iter__(self) -> Iterator[Any]: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class ToolCall:
    """One call that the model asks for."""

    name: str
    arguments: dict[str, Any]
    """Parsed; empty where the model wrote something that is not a JSON object (then see `raw`)."""
    id: str
    raw: str
    """The arguments as the model wrote them."""

    def __str__(self) -> str:
        inside = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items()) or self.raw
        return f"{self.name}({inside})" if self.arguments else f"{self.name}({self.raw.strip('{}')})"

    @property
    def message(self) -> dict[str, Any]:
        """As it stands in a message's `tool_calls`."""
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": self.raw}}


class Reply:
    """One answer of the model, while it comes and after.

    Iterate over it for pieces of text as they come; `print` it, or ask for any property, to wait for the
    whole; leave it as the last line of a cell to watch it. A server that dies ends the text, not
    the program: see `interrupted`.
    """

    def __init__(self, stream: Stream, asked_at: float, again: Callable[[], Stream] | None = None) -> None:
        """again: asks the same once more, for a server that goes away before its first word; behind a router
        another replica answers then."""
        self._stream = stream
        self._again = again
        self._chunks = iter(stream)
        self._asked_at = asked_at
        self._pieces: list[str] = []
        self._calls: dict[int, dict[str, str]] = {}
        self._finish_reason: str | None = None
        self._usage: Any = None
        self._first_token_s: float | None = None
        self._seconds: float | None = None
        self._interrupted: str | None = None
        self._told = False

    def __iter__(self) -> Iterator[str]:
        yield from self.pieces()
        self._tell()

    def pieces(self) -> Iterator[str]:
        """The same, for those who ask for `interrupted` afterwards: nothing is printed."""
        position = 0
        while position < len(self._pieces) or self._read():
            while position < len(self._pieces):
                yield self._pieces[position]
                position += 1

    @property
    def text(self) -> str:
        """The whole text, "" where the model only calls tools."""
        self._wait()
        return "".join(self._pieces)

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The calls that the model asks for, in its order."""
        self._wait()
        return self._parsed_calls()

    @property
    def message(self) -> dict[str, Any]:
        """The reply as a message, to append to a conversation."""
        calls = [each.message for each in self.tool_calls]
        return {"role": "assistant", "content": self.text} | ({"tool_calls": calls} if calls else {})

    @property
    def finish_reason(self) -> str | None:
        """ "stop", "length", "tool_calls"; None where the answer was interrupted."""
        self._wait()
        return self._finish_reason

    @property
    def usage(self) -> Any:
        """The server's count: `.prompt_tokens`, `.completion_tokens`, `.total_tokens`; or None."""
        self._wait()
        return self._usage

    @property
    def first_token_s(self) -> float | None:
        """Seconds from the question to the first piece of the answer; None if none came."""
        self._wait()
        return self._first_token_s

    @property
    def seconds(self) -> float:
        """Seconds from the question to the end of the answer."""
        self._wait()
        return self._seconds or 0.0

    @property
    def interrupted(self) -> str | None:
        """None for a whole answer; otherwise the sentence that says what went wrong."""
        while self._read():
            pass
        self._told = True
        return self._interrupted

    def stop(self) -> None:
        """Give up the rest of the answer. The engine stops making it."""
        if self._seconds is None:
            self._end(TEXT["stopped"])
            self._told = True

    def __str__(self) -> str:
        while self._read():
            pass
        self._told = True
        return "\n\n".join(self._parts(mark=""))

    def __repr__(self) -> str:
        state = "streaming" if self._seconds is None else self._interrupted or self._finish_reason
        return f"<Reply {''.join(self._pieces)[:60]!r} ({state})>"

    def _ipython_display_(self) -> None:
        """Live in a cell. An interrupt of the kernel stops the answer, and what had come stays."""
        try:
            if in_notebook():
                panel = Panel()
                while self._read():
                    panel.show("".join(self._pieces) or TEXT["waiting"], now=False)
                self._told = True
                panel.show("\n\n".join(self._parts(mark="*")))
            else:
                self._print_live()
        except KeyboardInterrupt:
            self.stop()
            if in_notebook():
                panel.show("\n\n".join(self._parts(mark="*")))
            else:
                print(f"\n\n{self._interrupted}")

    def _print_live(self) -> None:
        position = 0
        while position < len(self._pieces) or self._read():
            print("".join(self._pieces[position:]), end="", flush=True)
            position = len(self._pieces)
        self._told = True
        print("\n\n".join(["", *self._parts(mark="")[bool(self._pieces) :]]))

    def _parts(self, mark: str) -> list[str]:
        """What a reader sees: the text, the calls, and a remark if something is missing."""
        calls = "\n".join(map(str, self._parsed_calls()))
        if calls and mark:
            calls = f"```python\n{calls}\n```"
        remark = self._interrupted or (TEXT["length"] if self._finish_reason == "length" else "")
        if remark:
            remark = f"{mark}{remark}{mark}" if self._interrupted else f"{mark}({remark}){mark}"
        return [part for part in ("".join(self._pieces), calls, remark) if part]

    def _parsed_calls(self) -> list[ToolCall]:
        calls = []
        for _, call in sorted(self._calls.items()):
            try:
                arguments = json.loads(call["arguments"] or "{}")
            except (ValueError, RecursionError):  # the second for what is nested a thousand deep
                arguments = {}
            parsed = arguments if isinstance(arguments, dict) else {}
            calls.append(ToolCall(call["name"], parsed, call["id"], call["arguments"]))
        return calls

    def _wait(self) -> None:
        while self._read():
            pass
        self._tell()

    def _tell(self) -> None:
        """Say once that something is missing, for those who only take the text."""
        if self._interrupted and not self._told:
            self._told = True
            print(self._interrupted, file=sys.stderr)

    def _read(self) -> bool:
        """Take in the next chunk. False at the end, whatever the reason for it."""
        import openai

        if self._seconds is not None:
            return False
        try:
            self._take(next(self._chunks))
            return True
        except StopIteration:
            if not self._finish_reason:
                return self._asked_again() or self._end(TEXT["cut"])
            self._end(None)
        except openai.APITimeoutError:
            self._end(TEXT["silent"])
        except openai.APIConnectionError:
            return self._asked_again() or self._end(TEXT["lost"])
        except openai.APIError as error:
            sentence = TEXT["failed"].format(why=error.message.rstrip("."))
            self._end(with_cure(sentence, error, TEXT["failed_more"]))
        except KeyboardInterrupt:
            self._end(TEXT["stopped"])
            self._told = True
            raise
        return False

    def _asked_again(self) -> bool:
        """Ask once more where nothing has come yet. Whether there is a new answer to read."""
        import openai

        if self._again is None or self._pieces or self._calls:
            return False
        again, self._again = self._again, None
        self._stream.close()
        try:
            self._stream = again()
        except openai.OpenAIError:
            return False
        self._chunks = iter(self._stream)
        return True

    def _take(self, chunk: Any) -> None:
        self._usage = chunk.usage or self._usage
        for choice in chunk.choices[:1]:
            self._finish_reason = choice.finish_reason or self._finish_reason
            if choice.delta.content:
                self._pieces.append(choice.delta.content)
            for piece in choice.delta.tool_calls or ():
                call = self._calls.setdefault(piece.index, {"id": "", "name": "", "arguments": ""})
                call["id"] = piece.id or call["id"]
                call["name"] += piece.function.name or ""
                call["arguments"] += piece.function.arguments or ""
            if self._first_token_s is None and (self._pieces or self._calls):
                self._first_token_s = time.monotonic() - self._asked_at

    def _end(self, interrupted: str | None) -> bool:
        self._seconds = time.monotonic() - self._asked_at
        self._interrupted = interrupted
        self._stream.close()
        return False
