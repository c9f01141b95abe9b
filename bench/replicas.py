"""A class of thirty against one twin, against two behind the router, and against two of which one is killed.

`python -m bench.replicas` starts and stops the servers itself, in a home of its own, so that the three
columns come from one run on one machine. Each learner asks, reads the answer, thinks, and asks again: with
`--pace 20` after twenty seconds on the average.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import tempfile
from pathlib import Path
from typing import Any

import labkit
from labkit import home
from labkit.probes.crowd import QUESTIONS, Crowd, ask, crowd
from labkit.probes.speed import percentile

COLUMNS = ("one", "two", "two, one killed")
TEXT = {
    "head": "| {learners} learners, a question every {pace:.0f} s | "
    + " | ".join(COLUMNS)
    + " |\n|---|---:|---:|---:|",
    "row": "| {name} | {values} |",
}


def summary(found: Crowd) -> dict[str, Any]:
    """Counts, and seconds to the first token: the median and what 95 in 100 do not exceed."""
    waits = {percent: found.first_token(percent) for percent in (50, 95)}
    first = {percent: None if wait is None else round(wait, 3) for percent, wait in waits.items()}
    seconds = [each.seconds for each in found.questions]
    return {
        "questions": len(found.questions),
        "first token, p50 (s)": first[50],
        "first token, p95 (s)": first[95],
        "whole answer, p95 (s)": round(percentile(seconds, 95), 2) if seconds else None,
        "cut in mid-stream": found.count("cut"),
        "lost before a word": found.count("lost"),
        "hanging": found.hanging,
    }


def kill_one() -> None:
    """SIGKILL to the second replica's process: its engine dies with it."""
    server = home.read()
    assert server is not None
    os.kill(server.replicas[1].pid, signal.SIGKILL)


def measure(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """The three columns."""
    shape: dict[str, Any] = {name: getattr(args, name) for name in ("learners", "pace", "seconds")}
    shape["max_tokens"] = args.tokens
    found: dict[str, dict[str, Any]] = {}
    try:
        session = labkit.start(progress=False)
        _warm(session)
        found[COLUMNS[0]] = summary(crowd(session, **shape))
        labkit.stop()
        session = labkit.start(progress=False, replicas=2)
        _warm(session)
        found[COLUMNS[1]] = summary(crowd(session, **shape))
        found[COLUMNS[2]] = summary(crowd(session, **shape, midway=kill_one))
        found[COLUMNS[2]]["status afterwards"] = labkit.status().message
    finally:
        labkit.stop()
    return found


def _warm(session: labkit.Session) -> None:
    """One question for each of two replicas."""
    for _ in range(2):
        ask(session, QUESTIONS[0], 8, 0)


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
