"""Whose request goes to the server next: everybody in turn, so that nobody's flood is another's wait."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from labkit.workshop.room import Turns

_LETTERS_OF_A_TOKEN = 4


class Refused(Exception):
    """A learner's queue is full."""


def weight(asked: Any, turns: Turns) -> int:
    """As how many requests one counts, by what it asks: its text, pictures and the number of its answers.

    At most `most`, so that it passes some time. What is no request at all counts as one.
    """
    answers = asked.get("n") if isinstance(asked, dict) else 1
    answers = answers if isinstance(answers, int) and answers > 1 else 1
    return min(turns.most, turns.slots, answers * (1 + _letters(asked, turns) // turns.letters))


def _letters(part: Any, turns: Turns) -> int:
    if isinstance(part, str):  # a picture counts as a turn, whatever its size in bytes
        return turns.letters if part.startswith("data:") else len(part)
    if isinstance(part, dict | list):
        return sum(_letters(each, turns) for each in (part.values() if isinstance(part, dict) else part))
    return _LETTERS_OF_A_TOKEN if isinstance(part, int) else 0  # a prompt may be a list of tokens


class Turnstile:
    """Lets requests through: at most `slots` in all and `most` of one learner; those that wait, in turn.

    A request waits behind the learner's own, never behind another's: each free slot goes to the next learner,
    not to the next request. One that counts as several is waited for by those behind it, or it would never
    come in.
    """

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.running: Counter[str] = Counter()
        """Requests at the server now, by learner; one that counts as several, so often."""
        self._waiting: OrderedDict[str, deque[tuple[asyncio.Future[None], int]]] = OrderedDict()

    def waiting(self, name: str) -> int:
        """How many requests of a learner wait here, each counted once."""
        return len(self._waiting.get(name, ()))

    @asynccontextmanager
    async def turn(self, name: str, weight: int = 1) -> AsyncIterator[None]:
        """Wait for `weight` slots and hold them. Raises Refused, at once, where the queue is full."""
        await self._enter(name, weight)
        try:
            yield
        finally:
            self._leave(name, weight)

    async def _enter(self, name: str, weight: int) -> None:
        if self.waiting(name) >= self.turns.queue:
            raise Refused
        ticket: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, deque()).append((ticket, weight))
        self._call()
        try:
            await ticket
        except asyncio.CancelledError:
            if ticket.done() and not ticket.cancelled():  # let in at the moment of leaving
                self._leave(name, weight)
            else:
                ticket.cancel()
                self._call()  # those who waited for its room
            raise

    def _leave(self, name: str, weight: int) -> None:
        self.running[name] -= weight
        self._call()

    def _call(self) -> None:
        """Let in whoever may, the learner who was let in longest ago first."""
        while (name := self._next()) is not None:
            ticket, weight = self._waiting[name].popleft()
            self._waiting.move_to_end(name)
            self._tidy(name)
            self.running[name] += weight
            ticket.set_result(None)

    def _next(self) -> str | None:
        for name in list(self._waiting):
            self._tidy(name)
            if name in self._waiting:
                weight = self._waiting[name][0][1]
                if self.running[name] + weight <= self.turns.most:
                    return name if self.running.total() + weight <= self.turns.slots else None
        return None

    def _tidy(self, name: str) -> None:
        """Forget the tickets of those who left, and a queue in which nobody waits."""
        left = deque(each for each in self._waiting.get(name, ()) if not each[0].done())
        if left:
            self._waiting[name] = left
        else:
            self._waiting.pop(name, None)
