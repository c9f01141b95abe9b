"""Ray Serve LLM with two real replicas of the twin: it answers, its door is locked, nothing is left of it."""

from __future__ import annotations

import importlib.util
import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psutil
import pytest
from click.testing import CliRunner
from PIL import Image

import labkit
from labkit import home, starting
from labkit import server as running
from labkit.cli import main
from labkit.engines import process

pytestmark = [
    pytest.mark.engine,
    pytest.mark.timeout(600),
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed"),
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two replicas need two cores"),
]

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[home.Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABKIT_HOME", str(tmp_path_factory.mktemp("ray")))
        patch.setattr(starting, "FIRST_PORT", 18300)
        patch.setattr(starting, "LAST_PORT", 18390)
        try:
            words = ["deploy", "ray", "--least", "2", "--most", "2", "--timeout", "500"]
            done = CliRunner().invoke(main, words)
            assert done.exit_code == 0, done.output
            server = home.read()
            assert server is not None
            yield server
        finally:
            labkit.stop()  # also what never came up: it would slow all tests after it


def who_answered(log: str) -> set[str]:
    """The replicas, by their pids, that have answered by what stands in Ray's log."""
    return set(re.findall(r"LLMServer\S* pid=(\d+)\).* CALL chat OK", running.tail(log)))


def test_two_replicas_behind_rays_door(deployed: home.Server) -> None:
    session = labkit.connect()
    assert session.url == deployed.url and deployed.flags == ("ray=(2, 2)",)
    assert session.chat("What is the KV cache?", temperature=0, max_tokens=32).text
    red = Image.new("RGB", (168, 112), "red")
    seen = session.chat("What is in this picture?", image=red, temperature=0, max_tokens=32)
    assert seen.text and seen.usage.prompt_tokens > 24
    (call,) = session.chat("What is the weather in Paris?", tools=[WEATHER], temperature=0).tool_calls
    assert call.name == "get_weather"
    assert httpx.get(f"{session.url}/models", trust_env=False).status_code == 401

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: session.chat("Hello!", max_tokens=16), range(16)))
    deadline = time.monotonic() + 20  # Ray hands on the lines of its processes a little later
    while len(who_answered(deployed.log)) < 2 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert len(who_answered(deployed.log)) == 2, "both replicas answer"

    family = {each.pid: each for each in process.family(deployed.pid, deployed.create_time)}
    names = [each.name() for each in family.values()]
    assert sum("EngineCore" in name for name in names) == 2, names
    every: list[Any] = psutil.net_connections("tcp")
    ours = [each for each in every if each.pid in family and each.status == psutil.CONN_LISTEN]
    addresses = {each.laddr.ip for each in ours}
    assert addresses <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}, "Ray listens on this machine only"
    assert all(session.api_key not in " ".join(each.cmdline()) for each in family.values())
    assert labkit.status().state == "ready"

    assert labkit.stop()
    time.sleep(0.5)
    assert not [each for each in family.values() if each.is_running() and each.status() != "zombie"]
