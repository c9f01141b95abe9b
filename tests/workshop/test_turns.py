from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from labkit.workshop.room import Turns
from labkit.workshop.turns import Refused, Turnstile, weight


def run(what: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(what, 10))


class Asker:
    """Requests that stay at the server until they are let go; `order` says who was let in, in order."""

    def __init__(self, turns: Turns) -> None:
        self.turnstile, self.order = Turnstile(turns), list[str]()
        self.done: dict[str, asyncio.Event] = {}

    def ask(self, name: str, id: str, weight: int = 1) -> asyncio.Task[None]:
        self.done[id] = asyncio.Event()

        async def one() -> None:
            async with self.turnstile.turn(name, weight):
                self.order.append(id)
                await self.done[id].wait()

        return asyncio.create_task(one())


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_flood_has_its_limit_and_another_walks_past_it() -> None:
    async def scene() -> None:
        asker = Asker(Turns(slots=4, most=2, queue=50))
        tasks = [asker.ask("ann", f"a{n}") for n in range(10)]
        await settle()
        assert asker.order == ["a0", "a1"] and asker.turnstile.waiting("ann") == 8
        tasks.append(asker.ask("bob", "b0"))
        await settle()
        assert asker.order[-1] == "b0"
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert asker.turnstile.running.total() == 0 and asker.turnstile.waiting("ann") == 0

    run(scene())


def test_a_free_slot_goes_to_the_next_learner_not_to_the_next_request() -> None:
    async def scene() -> None:
        asker = Asker(Turns(slots=1, most=1, queue=50))
        tasks = [asker.ask(id[0], id) for id in ("a0", "a1", "a2", "b0", "c0", "b1")]
        await settle()
        for id in ("a0", "a1", "b0", "c0", "a2"):
            asker.done[id].set()
            await settle()
        assert asker.order == ["a0", "a1", "b0", "c0", "a2", "b1"]
        asker.done["b1"].set()
        await asyncio.gather(*tasks)

    run(scene())


def test_a_full_queue_is_refused_at_once_and_only_for_its_owner() -> None:
    async def scene() -> None:
        asker = Asker(Turns(slots=2, most=1, queue=2))
        tasks = [asker.ask("ann", f"a{n}") for n in range(3)]
        await settle()
        with pytest.raises(Refused):
            async with asker.turnstile.turn("ann"):
                pass
        tasks.append(asker.ask("bob", "b0"))
        await settle()
        assert "b0" in asker.order
        for each in asker.done.values():
            each.set()
        await asyncio.gather(*tasks)
        assert asker.turnstile.running.total() == 0

    run(scene())


def test_who_leaves_the_queue_leaves_no_hole() -> None:
    async def scene() -> None:
        asker = Asker(Turns(slots=1, most=1, queue=9))
        first, gone, last = (asker.ask("ann", id) for id in ("a0", "a1", "a2"))
        await settle()
        gone.cancel()
        await settle()
        asker.done["a0"].set()
        await settle()
        assert asker.order == ["a0", "a2"]
        asker.done["a2"].set()
        await asyncio.gather(first, last)
        assert asker.turnstile.running.total() == 0

    run(scene())


def test_who_leaves_just_when_let_in_gives_the_slot_on() -> None:
    async def scene() -> None:
        asker = Asker(Turns(slots=1, most=1, queue=9))
        tasks = [asker.ask(name, f"{name}0") for name in ("ann", "bob", "cy")]
        await settle()
        asker.done["ann0"].set()
        await asyncio.sleep(0)
        tasks[1].cancel()  # bob's ticket may have been called already
        await settle()
        assert "cy0" in asker.order
        asker.done["cy0"].set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert asker.turnstile.running.total() == 0

    run(scene())


def test_a_heavy_request_is_waited_for_and_then_others_go_on() -> None:
    async def scene() -> None:
        asker = Asker(Turns(slots=4, most=3, queue=50))
        tasks = [asker.ask("ann", f"a{n}") for n in range(2)]
        tasks += [asker.ask("bob", "b0", 3), asker.ask("cy", "c0"), asker.ask("cy", "c1")]
        await settle()
        assert asker.order == ["a0", "a1"], "cy would take the room that bob waits for"
        asker.done["a0"].set()
        await settle()
        assert asker.order == ["a0", "a1", "b0"] and asker.turnstile.running.total() == 4
        asker.done["b0"].set()
        await settle()
        assert asker.order[3:] == ["c0", "c1"], "what it leaves holds several"
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert asker.turnstile.running.total() == 0

    run(scene())


def test_who_waited_for_a_heavy_request_goes_on_when_it_is_given_up() -> None:
    async def scene() -> None:
        asker = Asker(Turns(slots=3, most=3, queue=50))
        tasks = [asker.ask("ann", "a0"), asker.ask("bob", "b0", 3), asker.ask("cy", "c0")]
        await settle()
        tasks[1].cancel()
        await settle()
        assert asker.order == ["a0", "c0"]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(scene())


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **more}


PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 90_000}}


@pytest.mark.parametrize(
    ("asked", "counts"),
    [
        (said("What is a GPU?"), 1),
        (said("x" * 12_000), 4),
        (said("Hi", n=5), 5),
        (said("Hi", n=900), 16),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}, PICTURE]}]}, 2),
        ({"prompt": list(range(1500))}, 2),
        ({"prompt": ["x" * 5000, "x" * 5000]}, 3),
        ({"n": "many", "messages": None}, 1),
        (None, 1),
        ([], 1),
    ],
)
def test_as_how_many_a_request_counts(asked: Any, counts: int) -> None:
    assert weight(asked, Turns()) == counts
