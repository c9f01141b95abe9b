"""One timed request of a measurement."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Any

from labkit.errors import LabkitError
from labkit.session import Session

if TYPE_CHECKING:
    import httpx2

TEXT = {
    "cut": "A stream broke off while it was measured: {why}. If the server is gone, start it again with "
    "labkit.start() (or `labkit up`); then measure again.",
    "early": "it ended without a last word from the server",
    "refused": "The server at {url} did not accept a request of the measurement: {why}",
    "nothing": "The server at {url} sent no tokens, or did not count them, so there is no speed to measure.",
}
_LONGEST = 300


@dataclass(frozen=True)
class Stream:
    """One request of a measurement."""

    tokens: int
    """Tokens written, as the server counted them."""
    first_token_s: float
    """From asking to the first token."""
    seconds: float
    """From asking to the last token."""

    @property
    def tokens_per_s(self) -> float:
        """What its reader saw, the wait for the first token included."""
        return self.tokens / self.seconds

    @property
    def per_token_s(self) -> float | None:
        """Seconds for each token after the first; None where there is only one."""
        return (self.seconds - self.first_token_s) / (self.tokens - 1) if self.tokens > 1 else None


def ask_once(
    session: Session, max_tokens: int, prompt: str, pieces: list[int], stopping: Event
) -> tuple[Stream, int]:
    """One request, and the tokens of its question; `pieces` counts what comes. Raises LabkitError.

    It is sent as it is, and the lines of the answer are read as they are: a client that makes objects of
    both takes 2 ms before the request goes out, and slows a server on the same two cores by some percent.
    """
    import httpx2

    body = {
        "model": session.model,
        "messages": [{"role": "user", "content": prompt}],
        "temperature": 0.15,
        "max_tokens": max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
        "ignore_eos": True,
    }
    key = {"Authorization": f"Bearer {session.api_key}"}
    request = session.http.build_request("POST", f"{session.url}/chat/completions", json=body, headers=key)
    asked_at = time.monotonic()
    first = last = 0.0
    usage: dict[str, Any] = {}
    finished = False
    try:
        with closing(session.http.send(request, stream=True)) as response:
            if response.is_error:
                raise LabkitError(TEXT["refused"].format(url=session.url, why=_reason(response)))
            for chunk in _chunks(response.iter_lines()):
                if stopping.is_set():
                    raise KeyboardInterrupt
                if fault := chunk.get("error"):
                    raise _cut(fault.get("message", fault))
                usage = chunk.get("usage") or usage
                for choice in chunk.get("choices", ())[:1]:
                    finished = finished or bool(choice.get("finish_reason"))
                    if _holds_a_token(choice):
                        last = time.monotonic() - asked_at
                        first = first or last
                        pieces[0] += 1
    except httpx2.HTTPError as error:
        raise _cut(str(error) or type(error).__name__) from None
    if not finished:
        raise _cut(TEXT["early"])
    if not first or not usage.get("completion_tokens"):
        raise LabkitError(TEXT["nothing"].format(url=session.url))
    return Stream(usage["completion_tokens"], first, last), usage["prompt_tokens"]


def _cut(why: object) -> LabkitError:
    return LabkitError(TEXT["cut"].format(why=str(why).rstrip(".")))


def _chunks(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.startswith("data: {"):
            yield json.loads(line[len("data: ") :])


def _holds_a_token(choice: dict[str, Any]) -> bool:
    """Some servers send the role before there is a token; and a token may be no text yet (half a letter)."""
    delta = choice.get("delta") or {}
    return bool(delta.get("content")) or "role" not in delta


def _reason(response: httpx2.Response) -> str:
    """The server's own words, without the envelope."""
    text = response.read().decode("utf-8", "replace")
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return text.strip()[:_LONGEST] or f"HTTP {response.status_code}"
