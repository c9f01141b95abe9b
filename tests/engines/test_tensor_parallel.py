"""The guide's two-GPU set-up, rehearsed: two vLLM workers share each layer of the twin on two cores."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from PIL import Image

from labkit import Session
from labkit.engines import process, vllm
from labkit.engines.recipe import recipe_for_variant
from pocket.formats import prepare

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

CORES = len(os.sched_getaffinity(0))


class Rehearsal(NamedTuple):
    pid: int
    born: float
    url: str
    model: str
    log: Path


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CASES: list[dict[str, Any]] = [
    {"prompt": "What is the KV cache?"},
    {"prompt": "What is in this picture?", "image": Image.new("RGB", (168, 112), "red")},
    {"prompt": "What is the weather in Paris?", "tools": [WEATHER]},
]


def answer(session: Session, **case: Any) -> tuple[str, list[str]]:
    """The greedy answer: its text, and its calls without their random ids."""
    reply = session.chat(**case, temperature=0, max_tokens=48)
    assert reply.text or reply.tool_calls
    return reply.text, [str(call) for call in reply.tool_calls]


@pytest.fixture
def rehearsal(lab_home: Path, tmp_path: Path) -> Iterator[Rehearsal]:
    """A server with `--tensor-parallel-size 2`, which may still be loading."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    recipe = recipe_for_variant("pocket", cards=2, folder=str(prepare()), context=4096)
    composed, log = vllm.command(recipe, port), tmp_path / "log"
    pid, born = process.spawn(composed.argv, vllm.environment(composed, "sesame"), log, tmp_path)
    yield Rehearsal(pid, born, f"http://127.0.0.1:{port}/v1", recipe.served_name, log)
    process.end(pid, born)


@pytest.mark.skipif(CORES < 2, reason="two ranks need two cores")
@pytest.mark.skipif(vllm.build() != "cpu", reason="with the CUDA build it needs two GPUs")
def test_two_workers_answer_as_one_does_and_leave_nothing_behind(
    session: Session, rehearsal: Rehearsal
) -> None:
    pid, born, url, model, log = rehearsal
    deadline = time.monotonic() + 500
    while not vllm.listens(log.read_text()):
        assert process.alive(pid, born), vllm.last_words(log.read_text())
        assert time.monotonic() < deadline, vllm.stage(log.read_text())
        time.sleep(0.5)
    split = Session(url, "sesame", model, engine="vllm")
    assert [answer(split, **case) for case in CASES] == [answer(session, **case) for case in CASES]

    family = process.family(pid, born)
    ranks = {word for each in family for word in ("Worker_TP0", "Worker_TP1") if word in each.cmdline()[0]}
    assert ranks == {"Worker_TP0", "Worker_TP1"}
    births = [(each.pid, each.create_time()) for each in family]
    assert process.end(pid, born) == len(family)
    assert not process.family(pid, born) and not any(process.alive(*each) for each in births)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/models")
