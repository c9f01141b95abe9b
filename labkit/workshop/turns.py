"""Whose request goes to the server next: everybody in turn, so that nobody's flood is another's wait."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from labkit.workshop.room import Turns


class Refused(Exception):
    """A learner's queue is full."""


class Turnstile:
    """Lets requests through: at most `slots` in all and `most` of one learner; those that wait, in turn.

    A request waits behind the learner's own, never behind another's: each free slot goes to the next learner,
    not to the next request.
    """

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.running: Counter[str] = Counter()
        """Requests at the server now, by learner."""
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    def waiting(self, name: str) -> int:
        """How many requests of a learner wait here."""
        return len(self._waiting.get(name, ()))

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """Wait for a slot and hold it. Raises Refused, at once, where the learner's queue is full."""
        await self._enter(name)
        try:
            yield
        finally:
            self._leave(name)

    async def _enter(self, name: str) -> None:
        if not self.waiting(name) and self._may(name):
            self.running[name] += 1
            return
        if self.waiting(name) >= self.turns.queue:
            raise Refused
        ticket: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, deque()).append(ticket)
        try:
            await ticket
        except asyncio.CancelledError:
            if ticket.done() and not ticket.cancelled():  # let in at the moment of leaving
                self._leave(name)
            else:
                self._tidy(name)
            raise

    def _may(self, name: str) -> bool:
        return self.running.total() < self.turns.slots and self.running[name] < self.turns.most

    def _leave(self, name: str) -> None:
        self.running[name] -= 1
        self._call_next()

    def _call_next(self) -> None:
        """Let in whoever may, the learner who was let in longest ago first."""
        for name in list(self._waiting):
            self._tidy(name)
            if name not in self._waiting or not self._may(name):
                continue
            ticket = self._waiting[name].popleft()
            self._waiting.move_to_end(name)
            self._tidy(name)
            self.running[name] += 1
            ticket.set_result(None)
            return

    def _tidy(self, name: str) -> None:
        """Forget the tickets of those who left, and a queue in which nobody waits."""
        left = deque(each for each in self._waiting.get(name, ()) if not each.done())
        if left:
            self._waiting[name] = left
        else:
            self._waiting.pop(name, None)
