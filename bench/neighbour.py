"""What the twin's server leaves of two cores: `python -m bench.neighbour`. Linux, no GPU.

A neighbour (a notebook, a browser) does a small piece of work, rests for 10 ms, and so on, while nobody asks,
while one answer streams, and while four do. The table says how long the piece takes, at the median and at
worst: with vLLM's own way of waiting and of starting (`LABKIT_SPIN=1`) and with labkit's. And what that
costs: the tokens a second of the answers, with no neighbour. Before that, how soon each server is there and
what it holds: the median of `--starts`, in turn.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from statistics import median
from threading import Event

import labkit
from bench.rows import options
from labkit import probes, starting
from labkit.display import Progress

TEXT = {
    "head": "| waiting | answers at once | neighbour's piece p50, worst | tokens/s alone |\n"
    "|---|---:|---:|---:|",
    "row": "| {way} | {streams} | {p50:.0f}, {worst:.0f} ms | {tokens_per_s:.0f} |",
    "start": "{way} way: ready after {seconds:.1f} s, {gib:.2f} GiB",
    "ratio": "With {streams} at once, labkit's way has {worst:.2f} times the worst piece and "
    "{rate:.2f} times the tokens a second of vLLM's.",
}
WAYS = {"vLLM's": "1", "labkit's": ""}
STREAMS = (0, 1, 4)
NEIGHBOUR = """
import json, sys, time
took, until = [], time.monotonic() + float(sys.argv[1])
while time.monotonic() < until:
    time.sleep(0.01)
    began, x = time.perf_counter(), 0
    for i in range(150_000):
        x += i
    took.append(1000 * (time.perf_counter() - began))
took.sort()
print(json.dumps([took[len(took) // 2], took[-1]]))
"""


@dataclass(frozen=True)
class Found:
    """One row; times in milliseconds."""

    way: str
    streams: int
    p50: float
    worst: float
    tokens_per_s: float

    def __str__(self) -> str:
        return TEXT["row"].format(**asdict(self))


@contextmanager
def answering(session: labkit.Session, streams: int) -> Iterator[None]:
    """So many answers stream while the block runs."""
    over = Event()

    def ask() -> None:
        while not over.is_set():
            reply = session.chat("Tell me about GPUs.", max_tokens=400, extra_body={"ignore_eos": True})
            for _ in reply:
                if over.is_set():
                    reply.stop()

    with ThreadPoolExecutor(max(1, streams)) as pool:
        asking = [pool.submit(ask) for _ in range(streams)]
        time.sleep(1 if streams else 0)
        try:
            yield
        finally:
            over.set()
    for each in asking:
        each.result()


def neighbour(seconds: float) -> tuple[float, float]:
    """The median and the longest of its pieces, in milliseconds."""
    done = subprocess.run(
        [sys.executable, "-c", NEIGHBOUR, str(seconds)], check=True, capture_output=True, text=True
    )
    p50, worst = json.loads(done.stdout)
    return p50, worst


def started(way: str) -> tuple[float, float]:
    """Seconds until a server that starts and waits this way has answered, and the GiB that it holds then."""
    os.environ["LABKIT_SPIN"] = WAYS[way]
    began = time.monotonic()
    starting.up(progress=Progress(on=False))
    seconds, gib = time.monotonic() - began, labkit.status().memory_gib
    labkit.stop()
    assert gib is not None
    return seconds, gib


def measured(way: str, seconds: float) -> Iterator[Found]:
    """A server that waits this way, and its neighbour."""
    os.environ["LABKIT_SPIN"] = WAYS[way]
    starting.up()
    try:
        session = labkit.connect()
        for streams in STREAMS:
            rate = probes.sweep(session, streams=(streams,)).speeds[0].tokens_per_s if streams else 0.0
            with answering(session, streams):
                p50, worst = neighbour(seconds)
            yield Found(way, streams, p50, worst, rate)
    finally:
        labkit.stop()


def main() -> None:
    """Measure, print."""
    parser = options(__doc__)
    parser.add_argument("--seconds", type=float, default=15, help="for each row")
    parser.add_argument("--starts", type=int, default=3, help="of each kind of server")
    args = parser.parse_args()
    rows: list[Found] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LABKIT_HOME"] = folder
        starting.pocket(Progress(on=False))
        turns = [{way: started(way) for way in WAYS} for _ in range(args.starts)]
        starts = {way: [median(turn[way][at] for turn in turns) for at in (0, 1)] for way in WAYS if turns}
        for way, (seconds, gib) in starts.items():
            print(TEXT["start"].format(way=way, seconds=seconds, gib=gib), flush=True)
        print(TEXT["head"], flush=True)
        for way in WAYS:
            for row in measured(way, args.seconds):
                rows.append(row)
                print(row, flush=True)
    print()
    spun, slept = ([row for row in rows if row.way == way and row.streams] for way in WAYS)
    for a, b in zip(spun, slept, strict=True):
        worst, rate = b.worst / a.worst, b.tokens_per_s / a.tokens_per_s
        print(TEXT["ratio"].format(streams=a.streams, worst=worst, rate=rate))
    if args.json:
        args.json.write_text(json.dumps({"rows": [asdict(row) for row in rows], "starts": starts}, indent=1))


if __name__ == "__main__":
    main()
