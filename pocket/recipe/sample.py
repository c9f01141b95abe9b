"""What one lesson for the twin is: a short conversation whose last message is the right answer.

Every curriculum module exports `SKILLS`, a mapping from a skill's name to a function

    skill(rng: random.Random, split: str) -> Sample

which makes one sample from the random numbers alone, so that the truth is known and nothing is stored.
`split` is "train" or "test": what the exam asks (words, tool names, layouts) is never trained on.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

TRAIN, TEST = "train", "test"


@dataclass(frozen=True)
class Sample:
    """One conversation with a known answer.

    messages: OpenAI chat messages; the last one is the assistant's. Content is a string, or
        a list of {"type": "text", "text": str} and {"type": "image", "image": PIL.Image} chunks.
        A tool call is {"role": "assistant", "tool_calls": [{"id", "type": "function", "function":
        {"name": str, "arguments": dict}}]}; a result is {"role": "tool", "tool_call_id", "name", "content"}.
    tools: OpenAI tool schemas offered with the conversation, if any.
    every_answer: whether all of the assistant's messages are learned, or (as in the exam) the last one only.
    """

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] = field(default_factory=list)
    every_answer: bool = False

    @property
    def answer(self) -> dict[str, Any]:
        return self.messages[-1]


Skill = Callable[[random.Random, str], Sample]


def ask(question: Any, answer: str) -> Sample:
    """The plainest sample: one question (text, or chunks with images), one answer."""
    return Sample([{"role": "user", "content": question}, {"role": "assistant", "content": answer}])


def and_then(first: Sample, *others: Sample) -> Sample:
    """One conversation of several questions on the same pictures, which only the first one shows.

    Looking is what costs in training: what has been looked at is asked about more than once. A question whose
    answer has been given is left out.
    """
    messages = list(first.messages)
    for other in others:
        question, answer = other.messages
        if answer in messages:
            continue
        words = [chunk["text"] for chunk in question["content"] if chunk["type"] == "text"]
        messages += [{"role": "user", "content": words[0]}, answer]
    return Sample(messages, first.tools, every_answer=True)


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def image(picture: Any) -> dict[str, Any]:
    return {"type": "image", "image": picture}


def held_out(key: str, share: float = 0.15) -> bool:
    """Whether a word, name or layout belongs to the exam. Fixed for ever by a hash of the key itself."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") < share * 2**32


def of_split(words: Sequence[T], split: str, share: float = 0.15) -> list[T]:
    """Those of `words` that this split may use."""
    return [w for w in words if held_out(str(w), share) == (split == TEST)]
