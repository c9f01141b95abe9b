"""A class of thirty against one twin, against two behind the router, and against two of which one is killed.

`python -m bench.replicas` starts and stops the servers itself, in a home of its own, so that the three
columns come from one run on one machine. Each learner asks, reads the answer, thinks, and asks again: with
`--pace 20` after twenty seconds on the average.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import labkit
from labkit import home
from labkit.errors import LabkitError
from labkit.probes.speed import percentile

Outcome = Literal["whole", "cut", "lost"]
QUESTIONS = (
    "What is the KV cache?",
    "What does --max-model-len do?",
    "How much memory do the weights take in 4 bits?",
    "Why is batching faster?",
    "What is the difference between BF16 and FP8?",
    "How do I call a function?",
)
COLUMNS = ("one", "two", "two, one killed")
TEXT = {
    "head": "| {learners} learners, a question every {pace:.0f} s | "
    + " | ".join(COLUMNS)
    + " |\n|---|---:|---:|---:|",
    "row": "| {name} | {values} |",
}
PATIENCE_S = 60.0
"""An answer that is not done after this hangs."""


@dataclass(frozen=True)
class Asked:
    """One question and what became of it."""

    at_s: float
    """Since the class began."""
    first_token_s: float | None
    seconds: float
    outcome: Outcome
    """"cut": it had begun to stream; "lost": it had not."""


def ask(session: labkit.Session, question: str, tokens: int, began: float) -> Asked:
    """Ask once, and read to the end."""
    at = time.monotonic()
    try:
        reply = session.chat(question, max_tokens=tokens, extra_body={"ignore_eos": True})
        whole = reply.interrupted is None
        first = reply.first_token_s
    except LabkitError:
        whole, first = False, None
    outcome: Outcome = "whole" if whole else "lost" if first is None else "cut"
    return Asked(at - began, first, time.monotonic() - at, outcome)


def lesson(
    session: labkit.Session,
    learners: int,
    pace: float,
    seconds: float,
    tokens: int,
    in_the_middle: Callable[[], None] = lambda: None,
) -> list[Asked]:
    """All learners for so many seconds; the answers that are under way at the end are read to their end."""
    found: list[Asked] = []
    began = time.monotonic()

    def learner(number: int) -> None:
        dice = random.Random(number)
        pause = dice.uniform(0, pace)
        while time.monotonic() + pause < began + seconds:
            time.sleep(pause)
            found.append(ask(session, dice.choice(QUESTIONS), tokens, began))
            pause = dice.expovariate(1 / pace)

    middle = threading.Timer(seconds / 2, in_the_middle)
    middle.start()
    with ThreadPoolExecutor(learners) as pool:
        list(pool.map(learner, range(learners)))
    middle.join()
    return found


def summary(asked: Sequence[Asked]) -> dict[str, Any]:
    """Counts, and seconds to the first token: the median and what 95 in 100 do not exceed."""
    count = Counter(each.outcome for each in asked)
    first = [each.first_token_s for each in asked if each.first_token_s is not None]
    return {
        "questions": len(asked),
        "first token, p50 (s)": round(percentile(first, 50), 3) if first else None,
        "first token, p95 (s)": round(percentile(first, 95), 3) if first else None,
        "whole answer, p95 (s)": round(percentile([each.seconds for each in asked], 95), 2)
        if asked
        else None,
        "cut in mid-stream": count["cut"],
        "lost before a word": count["lost"],
        "hanging": sum(each.seconds > PATIENCE_S for each in asked),
    }


def kill_one() -> None:
    """SIGKILL to the second replica's process: its engine dies with it."""
    server = home.read()
    assert server is not None
    os.kill(server.replicas[1].pid, signal.SIGKILL)


def measure(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """The three columns."""
    shape = (args.learners, args.pace, args.seconds, args.tokens)
    found = {}
    try:
        session = labkit.start(progress=False)
        ask(session, QUESTIONS[0], 8, 0)
        found[COLUMNS[0]] = summary(lesson(session, *shape))
        labkit.stop()
        session = labkit.start(progress=False, replicas=2)
        for _ in range(2):
            ask(session, QUESTIONS[0], 8, 0)
        found[COLUMNS[1]] = summary(lesson(session, *shape))
        found[COLUMNS[2]] = summary(lesson(session, *shape, kill_one))
        found[COLUMNS[2]]["status afterwards"] = labkit.status().message
    finally:
        labkit.stop()
    return found


def table(found: dict[str, dict[str, Any]], learners: int, pace: float) -> str:
    """As Markdown."""
    lines = [TEXT["head"].format(learners=learners, pace=pace)]
    for name in found[COLUMNS[0]]:
        values = " | ".join(str(found[column][name]) for column in COLUMNS)
        lines.append(TEXT["row"].format(name=name, values=values))
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write JSON where it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learners", type=int, default=30)
    parser.add_argument("--pace", type=float, default=20, help="seconds between a learner's questions")
    parser.add_argument("--seconds", type=float, default=90, help="for each column")
    parser.add_argument("--tokens", type=int, default=64, help="the length of each answer")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="labkit-bench-") as folder:
        os.environ["LABKIT_HOME"] = folder
        found = measure(args)
    print(table(found, args.learners, args.pace))
    print(found[COLUMNS[2]]["status afterwards"])
    if args.json:
        shape = {name: getattr(args, name) for name in ("learners", "pace", "seconds", "tokens")}
        args.json.write_text(json.dumps(shape | {"columns": found}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
