"""Replies as a server would have sent them, without one; and an answer that breaks when it is looked at."""

from __future__ import annotations

import json
from types import SimpleNamespace as Box
from typing import Any

from labkit.reply import Reply


class Saved:
    """A stream of chunks from memory."""

    def __init__(self, *chunks: Any) -> None:
        self.chunks = chunks

    def __iter__(self) -> Any:
        return iter(self.chunks)

    def close(self) -> None:
        pass


def saved(
    text: str = "",
    *calls: dict[str, Any] | str,
    name: str = "price",
    end: str | None = "stop",
    tokens: int | None = None,
) -> Reply:
    """A whole reply: its text, and a call for each dict of arguments (or str, raw). end: None breaks off.

    tokens: the prompt's, as the server counted them.
    """
    made = [
        Box(index=i, id=f"call{i}", function=Box(name=name, arguments=raw))
        for i, raw in enumerate(each if isinstance(each, str) else json.dumps(each) for each in calls)
    ]
    delta = Box(content=text, tool_calls=made)
    usage = Box(prompt_tokens=tokens) if tokens is not None else None
    return Reply(Saved(Box(choices=[Box(delta=delta, finish_reason=end)], usage=usage)), 0.0)


class Broken:
    """Every attribute raises, and so does its repr."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("boom")

    def __repr__(self) -> str:
        raise RuntimeError("boom")
