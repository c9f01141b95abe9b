"""Answering: tokens become what an OpenAI answer consists of, pieces of text and calls of tools."""

from __future__ import annotations

import json
import secrets
import string
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from labkit.engines.transformers_engine.asking import CALLS, Request
from labkit.engines.transformers_engine.generating import Generation, Token

HALF = "\ufffd"
"""What a decoder writes for a letter whose other half is still to come."""
NEVER = -9999.0
"""OpenAI's log probability for what cannot come; JSON has no infinity."""
_ALPHABET = string.ascii_letters + string.digits
_ID_LENGTH = 9


@dataclass
class Answer:
    """One answer while it is made."""

    model: str
    asked: Request
    tokenizer: Any
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))
    made: int = 0
    finish_reason: str = "length"

    @property
    def usage(self) -> dict[str, int]:
        have = self.asked.prompt_tokens
        return {"prompt_tokens": have, "completion_tokens": self.made, "total_tokens": have + self.made}

    def head(self, kind: str) -> dict[str, Any]:
        """What every record begins with."""
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}

    def choices(self, generation: Generation) -> Iterator[dict[str, Any]]:
        """{"delta", "logprobs"} again and again: pieces of text as they come, calls once they are whole."""
        words, text = Stops(self.asked.stop), _Text(self.tokenizer)
        calling = self.asked.begun
        scores: list[dict[str, Any]] = []
        mark = self.tokenizer.convert_tokens_to_ids(CALLS)
        try:
            for token in generation:
                self.made += 1
                if token.id == self.tokenizer.eos_token_id and not self.asked.ignore_eos:
                    self.finish_reason = "stop"
                    break
                if token.logprob is not None:
                    scores.append(self._score(token))
                if calling is None and token.id == mark:
                    calling = ""
                elif calling is not None:
                    calling += text.feed(token.id)
                elif piece := words.feed(text.feed(token.id)):
                    yield self._choice({"content": piece}, scores)
                    scores = []
                if words.hit:
                    self.finish_reason = "stop"
                    break
        finally:
            generation.cancel()
        if calling is None:
            if rest := words.rest(text.rest()):
                yield self._choice({"content": rest}, scores)
        elif (found := calls(calling + text.rest())) is None:
            yield self._choice({"content": calling + text.rest()}, scores)
        else:
            self.finish_reason = "tool_calls"
            yield self._choice({"tool_calls": [{"index": i, **call} for i, call in enumerate(found)]}, scores)

    def _choice(self, delta: dict[str, Any], scores: list[dict[str, Any]]) -> dict[str, Any]:
        told = {"content": scores, "refusal": None} if self.asked.top_logprobs is not None else None
        return {"delta": delta, "logprobs": told}

    def _score(self, token: Token) -> dict[str, Any]:
        best = [self._named(each, value) for each, value in token.best]
        return self._named(token.id, token.logprob or 0.0) | {"top_logprobs": best}

    def _named(self, token: int, logprob: float) -> dict[str, Any]:
        text = self.tokenizer.decode([token])
        return {"token": text, "logprob": max(logprob, NEVER), "bytes": list(text.encode())}


class Stops:
    """Lets text through up to the first of some words. What may be the beginning of one is held back."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self._words, self._held = words, ""
        self.hit = False

    def feed(self, piece: str) -> str:
        """What of the text so far can be said now; nothing after a word was met."""
        if self.hit:
            return ""
        text = self._held + piece
        if found := [text.index(word) for word in self._words if word in text]:
            self.hit, self._held = True, ""
            return text[: min(found)]
        starts = (n for word in self._words for n in range(1, len(word)) if text.endswith(word[:n]))
        end = len(text) - max(starts, default=0)
        self._held = text[end:]
        return text[:end]

    def rest(self, piece: str) -> str:
        """What is left at the end."""
        return self.feed(piece) + self._held


class _Text:
    """Tokens to text, piece by piece: a letter of several tokens comes out when it is whole."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._tokens: list[int] = []
        self._before = 0  # what was said last is decoded again, since a token's text may hang on it

    def feed(self, token: int) -> str:
        """What this token adds, "" while a letter is unfinished."""
        self._tokens.append(token)
        new = self.rest()
        if new.endswith(HALF):
            return ""
        self._tokens = self._tokens[self._before :]
        self._before = len(self._tokens)
        return new

    def rest(self) -> str:
        """What has not been said."""
        said = self._decode(self._tokens[: self._before])
        return self._decode(self._tokens)[len(said) :]

    def _decode(self, tokens: list[int]) -> str:
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True)) if tokens else ""


def calls(text: str) -> list[dict[str, Any]] | None:
    """The calls in what follows [TOOL_CALLS], as OpenAI has them; None where it is no list of calls.

    An id that is not nine letters or digits is replaced: the template would refuse it on the second turn.
    """
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if not isinstance(found, list) or not found:
        return None
    if not all(isinstance(call, dict) and isinstance(call.get("name"), str) for call in found):
        return None
    return [
        {
            "id": _id(call.get("id")),
            "type": "function",
            "function": {
                "name": call["name"],
                "arguments": json.dumps(call.get("arguments") or {}, ensure_ascii=False),
            },
        }
        for call in found
    ]


def _id(given: Any) -> str:
    if isinstance(given, str) and len(given) == _ID_LENGTH and set(given) <= set(_ALPHABET):
        return given
    return "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))
