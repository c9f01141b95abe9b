"""A long conversation of which one turn is refused, to be found by halving."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from labkit.session import Session

TEXT = {
    "pile": "A conversation of {turns} turns with tools. The server refuses it. Requests so far: {tries}.",
    "question": "What is the weather in town {number}?",
}
TURNS = 16


class Pile:
    """Sixteen turns with a tool's result each; the server refuses one of them, and says of all only that.

    `works(turns)` asks the model with some of them, and counts.
    """

    def __init__(self, session: Session, bad: int | None = None) -> None:
        self.session = session
        self.tries = 0
        """How many requests have been sent."""
        self._bad = random.randrange(TURNS) if bad is None else bad

    def works(self, turns: Iterable[int]) -> bool:
        """Whether the server takes a conversation of these turns (0 to 15). It is one request."""
        import openai

        self.tries += 1
        messages = [message for number in turns for message in self._turn(number)]
        try:
            self.session.client.with_options(max_retries=0).chat.completions.create(
                model=self.session.model,
                messages=messages,  # type: ignore[arg-type]
                temperature=0.15,
                max_tokens=1,
            )
        except openai.BadRequestError:
            return False
        return True

    def is_bad(self, turn: object) -> bool:
        """Whether it is this one."""
        return turn == self._bad

    def _turn(self, number: int) -> list[dict[str, Any]]:
        id = "call_1" if number == self._bad else f"call{number:05}"
        function = {"name": "get_weather", "arguments": f'{{"town": {number}}}'}
        return [
            {"role": "user", "content": TEXT["question"].format(number=number)},
            {"role": "assistant", "tool_calls": [{"id": id, "type": "function", "function": function}]},
            {"role": "tool", "tool_call_id": id, "content": '{"sky": "clear"}'},
        ]

    def __len__(self) -> int:
        return TURNS

    def __repr__(self) -> str:
        return TEXT["pile"].format(turns=TURNS, tries=self.tries)
