"""What Python does at the start of every process of the server, beside the CUDA leftovers."""

from __future__ import annotations

import sys
import time

import psutil
import pytest

import labkit
from labkit import home
from tests.engines.test_cuda_leftovers import SITE, run

API_SERVER = "vllm.entrypoints.openai.api_server"
YIELDS = "import os, posix; print(os.sched_yield is posix.sched_yield)"


def test_the_server_keeps_its_compiled_patterns() -> None:
    code = (
        "import regex; [regex.compile(f'a{n}') for n in range(3000)]; print(len(regex._main._cache) >= 3000)"
    )
    assert run(code, SITE) == "True"
    assert run(code) == "False"


def test_the_server_builds_no_grammar_of_addresses() -> None:
    loaded = "import sys, jsonschema; print('rfc3987_syntax.syntax_helpers' in sys.modules)"
    assert run(loaded, SITE) == "False"
    assert run(loaded) == "True", "it is gone without us: the site folder can forget it"


@pytest.mark.parametrize(
    ("variables", "as_it_was"),
    [
        ({"VLLM_CPU_KVCACHE_SPACE": "1"}, False),
        ({"VLLM_CPU_KVCACHE_SPACE": "1", "LABKIT_SPIN": "1"}, True),
        ({}, True),
    ],
)
def test_only_a_cpu_server_sleeps(
    variables: dict[str, str], as_it_was: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VLLM_CPU_KVCACHE_SPACE", "LABKIT_SPIN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert run(YIELDS, SITE) == str(as_it_was)


FORKS = """
import multiprocessing, os, socket

def start_of_next():
    return multiprocessing.get_context("spawn").get_start_method()

def worker():
    import torch
    print(start_of_next(), os.sched_getaffinity(0), torch.get_num_threads(), flush=True)

def engine(port):
    with socket.socket() as visitor:
        said = visitor.connect_ex(("127.0.0.1", port))
    print(start_of_next(), "shut" if said else "open", flush=True)
    for places in ("{0}", "{0,1}") if start_of_next() == "fork" else ():
        os.environ["OMP_PLACES"] = places
        child = multiprocessing.get_context("spawn").Process(target=worker)
        child.start()
        child.join()

context = multiprocessing.get_context("spawn")
door = socket.create_server(("127.0.0.1", 0))
port = door.getsockname()[1]
print(context.get_start_method(), flush=True)
if context.get_start_method() == "fork":
    gate, pipe = multiprocessing.Pipe()
    child = context.Process(target=lambda: (pipe.recv(), engine(port)))
    child.start()
    door.close()
    gate.send("closed")
    child.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a fork is not safe, and vLLM starts anew")
@pytest.mark.parametrize(
    ("variables", "module", "said"),
    [
        ({"VLLM_CPU_KVCACHE_SPACE": "1"}, API_SERVER, "fork\nfork shut\nspawn {0} 1\nspawn {0, 1} 2"),
        (
            {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"},
            API_SERVER,
            "fork\nspawn shut",
        ),
        ({"VLLM_CPU_KVCACHE_SPACE": "1"}, "another.module", "spawn"),
        ({"VLLM_CPU_KVCACHE_SPACE": "1", "LABKIT_SPIN": "1"}, API_SERVER, "spawn"),
        ({}, API_SERVER, "spawn"),
    ],
)
def test_only_a_cpu_server_forks_its_engine_and_worker_and_keeps_the_door_for_itself(
    variables: dict[str, str], module: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker is on the cores that were chosen for it; the door is shut once the server has shut it."""
    for name in ("VLLM_CPU_KVCACHE_SPACE", "LABKIT_SPIN", "VLLM_CPU_OMP_THREADS_BIND"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert run(FORKS, SITE, arguments=[module]) == said


COUNTS = """
import os, socket
door, others = socket.create_server(("127.0.0.1", 0)), socket.socketpair()
before = os.listdir("/proc/self/fd")
if os.fork() == 0:
    print(os.listdir("/proc/self/fd") == before, flush=True)
    os._exit(0)
os.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")
def test_a_fork_holds_nothing_more_than_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe that the worker held twice would not end with the engine: the worker would stay behind."""
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    assert run(COUNTS, SITE, arguments=[API_SERVER]) == "True"


@pytest.mark.engine
def test_a_killed_engine_takes_its_worker_along(session: labkit.Session) -> None:
    server = home.read()
    assert server is not None
    family = psutil.Process(server.pid).children(recursive=True)
    engine = next(each for each in family if "EngineCore" in each.name())
    worker = next(each for each in family if "Worker" in each.name())
    engine.kill()
    psutil.wait_procs([worker], timeout=30)
    assert not worker.is_running()
    assert labkit.status().state != "ready"


@pytest.mark.engine
def test_a_server_that_has_just_answered_leaves_its_cores_to_others(session: labkit.Session) -> None:
    """It looks for work some thousand times a second, and sleeps in between.

    A spin gives up its core as often, but never sleeps, and has kept others from the core for seconds.
    """
    server = home.read()
    assert server is not None
    family = psutil.Process(server.pid).children(recursive=True)
    workers = [each for each in family if "Worker" in each.name()]
    assert workers
    session.chat("What is a GPU?", max_tokens=8)
    before = [each.num_ctx_switches() for each in workers]
    time.sleep(0.4)
    after = [each.num_ctx_switches() for each in workers]
    slept = max(b.voluntary - a.voluntary for a, b in zip(before, after, strict=True))
    assert slept > 200, slept
