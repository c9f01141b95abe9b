"""Our speed probe against vLLM's own load generator: `python -m bench.speed`, with a server running.

`labkit.probes.speed` and `vllm bench serve` ask the same server, with prompts and answers of the same lengths
and as many requests at once; in pairs, in turns first and second, for one pair's noise hits both. Each row is
the median of the pairs' ratios. A pair takes about 25 s on two cores, most of it the loading of vLLM.

With `--steady` they ask a server that answers by the clock, and not the twin, whose own times differ by more
than the bar from one run to the next on a busy machine.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

import labkit
from bench import steady
from bench.rows import around_the_median
from labkit.display import Progress
from labkit.engines import twin
from labkit.probes.quoted import Quoted, quoted
from labkit.probes.speed import Speed, speed
from labkit.session import Session

TEXT = {
    "head": "| probe / vllm bench serve | at once | ratio | 95 % interval | bar | ours | theirs | pairs |\n"
    "|---|---:|---:|---|---|---:|---:|---:|",
    "row": "| {what} | {at_once} | {ratio:.3f} | {low:.3f} to {high:.3f} | 0.97 to 1.03 | {ours:.1f} "
    "| {theirs:.1f} | {pairs} |",
    "rate": "output tokens a second",
    "mean_first": "mean TTFT, ms",
    "median_first": "median TTFT, ms",
    "mean_each": "mean TPOT, ms",
    "median_each": "median TPOT, ms",
}
WAYS: dict[str, tuple[Callable[[Speed], float], Callable[[Quoted], float]]] = {
    "rate": (lambda ours: ours.tokens_per_s, lambda theirs: theirs.tokens_per_s),
    "mean_first": (
        lambda ours: 1000 * mean(each.first_token_s for each in ours.streams),
        lambda theirs: theirs.first_token.mean,
    ),
    "median_first": (lambda ours: 1000 * ours.first_token_s, lambda theirs: theirs.first_token.p50),
    "mean_each": (
        lambda ours: 1000 * mean(each.per_token_s or 0 for each in ours.streams),
        lambda theirs: theirs.per_token.mean,
    ),
    "median_each": (lambda ours: 1000 * (ours.per_token(50) or 0), lambda theirs: theirs.per_token.p50),
}


@dataclass(frozen=True)
class Row:
    """One measure at one number of streams: our numbers over theirs."""

    what: str
    at_once: int
    ratio: float
    low: float
    high: float
    ours: float
    """The median of our runs."""
    theirs: float
    pairs: int

    def __str__(self) -> str:
        return TEXT["row"].format(**asdict(self))


def pair(session: Session, first: bool, **asked: Any) -> tuple[Speed, Quoted]:
    """One run of each, ours first or second."""
    if first:
        ours = speed(session, **asked)
        return ours, quoted(session, **asked)
    theirs = quoted(session, **asked)
    return speed(session, **asked), theirs


def rows(pairs: list[tuple[Speed, Quoted]]) -> list[Row]:
    """The ratios of every measure, each with the interval of its median."""
    found = []
    for key, (of_ours, of_theirs) in WAYS.items():
        both = [(of_ours(ours), of_theirs(theirs)) for ours, theirs in pairs]
        ratios = [mine / other for mine, other in both]
        low, high = around_the_median(ratios)
        ours, theirs = (median(each[side] for each in both) for side in (0, 1))
        found.append(Row(TEXT[key], pairs[0][0].at_once, median(ratios), low, high, ours, theirs, len(both)))
    return found


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=8, help="so many runs of each (default: 8)")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8], help="at once (default: 1 8)")
    parser.add_argument("--rounds", type=int, default=8, help="requests for each stream (default: 8)")
    parser.add_argument("--prompt-tokens", type=int, default=128, help="read in each (default: 128)")
    parser.add_argument("--max-tokens", type=int, default=64, help="written in each (default: 64)")
    parser.add_argument("--json", type=Path, help="write the rows here too")
    parser.add_argument("--steady", action="store_true", help="ask a server that answers by the clock")
    args = parser.parse_args()
    with steady.running(twin.pocket(Progress())) if args.steady else nullcontext(None) as url:
        measure(args, labkit.connect(url))


def measure(args: argparse.Namespace, session: Session) -> None:
    """All rows, printed as they come."""
    found = []
    print(f"{session.model}\n\n{TEXT['head']}")
    for streams in args.streams:
        asked = {"streams": streams, "requests": args.rounds * streams}
        asked |= {"prompt_tokens": args.prompt_tokens, "max_tokens": args.max_tokens}
        pairs = [pair(session, number % 2 == 0, **asked) for number in range(args.pairs)]
        for row in rows(pairs):
            found.append(row)
            print(row, flush=True)
    if args.json:
        args.json.write_text(json.dumps({"model": session.model, "rows": list(map(asdict, found))}, indent=1))


if __name__ == "__main__":
    main()
