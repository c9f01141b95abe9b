"""Does one learner's flood make another wait? `python -m bench.fairness`: a table, with and without the gate.

One learner asks short questions, one after the other; another sends 50 requests at once, again and again. The
time to the first token of the first is compared with what it is alone.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

import labkit
from labkit import home, starting
from labkit.workshop.gate import PRIORITY, SHARING, Gate
from labkit.workshop.room import Turns, turns_here

TEXT = {
    "head": "| way | flood | alone p50, p95 | flooded p50, p95 | times (p50) | flood's requests |\n"
    "|---|---|---:|---:|---:|---:|",
    "row": "| {way} | {kind} | {p50:.0f}, {p95:.0f} ms | {f50:.0f}, {f95:.0f} ms | {times:.2f} | {sent} |",
}
FLOOD = 50
KINDS = {"short": "What is a GPU? ", "long": "The cat sat on the mat and read the paper again. " * 250}
"""What a flood's requests say: a question, or a text of about 3,000 tokens."""
_WARM_S, _LONGEST_S = 6.0, 30.0


@dataclass(frozen=True)
class Place:
    """Where somebody asks: address, key, model."""

    url: str
    key: str
    model: str


def first_token_s(place: Place, client: httpx.Client, question: str = "What is the KV cache?") -> float:
    """Seconds from the request to the first piece of text."""
    body = {"model": place.model, "stream": True, "max_tokens": 24, "temperature": 0}
    body["messages"] = [{"role": "user", "content": question}]
    asked = time.perf_counter()
    found = None
    headers = {"Authorization": f"Bearer {place.key}"}
    with client.stream("POST", f"{place.url}/chat/completions", json=body, headers=headers) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            if found is None and _text(line):
                found = time.perf_counter() - asked
    assert found is not None, "no text came"
    return found


def _text(line: str) -> str:
    if not line.startswith("data: {"):
        return ""
    choices = json.loads(line[6:])["choices"]
    return str(choices[0]["delta"].get("content") or "") if choices else ""


def _flood(place: Place, kind: str, size: int, stop: Any, sent: Any) -> None:
    """In a process of its own, which ends with ours: `size` at once, each begun again when it has ended."""
    parent = os.getppid()

    def one() -> None:
        body = {"model": place.model, "max_tokens": 200, "temperature": 1, "ignore_eos": True}
        headers = {"Authorization": f"Bearer {place.key}"}
        with httpx.Client(trust_env=False, timeout=300, headers=headers) as client:
            while not stop.is_set() and os.getppid() == parent:
                # A number in front, or the server's prefix cache would know the text.
                body["messages"] = [{"role": "user", "content": f"{random.random()} {KINDS[kind]}"}]
                done = client.post(f"{place.url}/chat/completions", json=body)
                if done.status_code != 200:
                    time.sleep(0.5)
                    continue
                with sent.get_lock():
                    sent.value += 1

    with ThreadPoolExecutor(size) as pool:
        for _ in range(size):
            pool.submit(one)


@contextmanager
def flooding(place: Place, kind: str = "short", size: int = FLOOD) -> Iterator[Any]:
    """A flood while the block runs, once it has begun in earnest; gives the count of answers that came."""
    spawn = multiprocessing.get_context("spawn")
    stop, sent = spawn.Event(), spawn.Value("i", 0)
    flood = spawn.Process(target=_flood, args=(place, kind, size, stop, sent), daemon=True)
    flood.start()
    until = time.monotonic() + _WARM_S
    while not sent.value and time.monotonic() < until:
        time.sleep(0.05)
    try:
        yield sent
    finally:
        stop.set()
        flood.join(0.5)
        flood.kill()
        flood.join()


def sample(place: Place, count: int) -> list[float]:
    """So many times to the first token, in seconds, one after the other; fewer if half a minute is short."""
    found: list[float] = []
    with httpx.Client(trust_env=False, timeout=300) as client:
        first_token_s(place, client)
        until = time.monotonic() + _LONGEST_S
        while len(found) < count and (time.monotonic() < until or len(found) < 2):
            found.append(first_token_s(place, client))
    return found


@contextmanager
def gated(session: labkit.Session, turns: Turns) -> Iterator[tuple[Place, Place]]:
    """A gate before the server; gives the places of two learners."""
    server = home.read()
    priority = server is not None and set(PRIORITY) <= set(server.flags)
    gate = Gate(session.url, session.api_key, {"key-a": "ann", "key-b": "bob"}, turns, priority)
    config = uvicorn.Config(gate.app, port=0, log_level="warning", timeout_graceful_shutdown=1)
    served = uvicorn.Server(config)
    thread = threading.Thread(target=served.run, daemon=True)
    thread.start()
    while not served.started:
        time.sleep(0.01)
    url = f"http://127.0.0.1:{served.servers[0].sockets[0].getsockname()[1]}/v1"
    try:
        yield Place(url, "key-a", session.model), Place(url, "key-b", session.model)
    finally:
        served.should_exit = True
        thread.join()


def measure(quiet: Place, loud: Place, kind: str, count: int) -> dict[str, Any]:
    """The quiet one's times alone and in the flood, in milliseconds."""
    alone = sample(quiet, count)
    with flooding(loud, kind) as sent:
        flooded = sample(quiet, count)
        done = sent.value
    p50, f50 = statistics.median(alone), statistics.median(flooded)
    p95, f95 = (statistics.quantiles(each, n=20, method="inclusive")[-1] for each in (alone, flooded))
    found = {"p50": p50, "p95": p95, "f50": f50, "f95": f95}
    return {name: 1000 * value for name, value in found.items()} | {"times": f50 / p50, "sent": done}


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=40, help="questions of the quiet learner in each case")
    parser.add_argument(
        "--most", type=int, default=turns_here().most, help="the gate's limit for one learner"
    )
    parser.add_argument("--gate-only", action="store_true", help="leave the server alone out")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    starting.up(extra_flags=SHARING)  # the server of a class
    session, rows = labkit.connect(), list[dict[str, Any]]()
    print(f"{session.model}, {FLOOD} requests at once\n\n{TEXT['head']}", flush=True)
    direct = Place(session.url, session.api_key, session.model)
    turns = Turns(most=args.most)
    with gated(session, turns) as (quiet, loud):
        ways = [(f"the gate ({args.most})", quiet, loud)]
        ways = ways if args.gate_only else [("the server alone", direct, direct), *ways]
        for way, a, b in ways:
            for kind in KINDS:
                rows.append({"way": way, "kind": kind} | measure(a, b, kind, args.count))
                print(TEXT["row"].format(**rows[-1]), flush=True)
                time.sleep(3)
    if args.json:
        args.json.write_text(
            json.dumps({"model": session.model, "turns": asdict(turns), "rows": rows}, indent=1)
        )


if __name__ == "__main__":
    main()
