"""What streaming costs: `python -m bench.streaming`, with a server running (`labkit up`).

Streaming through a session against the bare openai client: the same request to the same server, in pairs, in
turns first and second; and 5,000 tokens through the widgets' Stream, in the kernel and in the page. The page
is JupyterLab in Debian's Chromium, on this machine: where that is not installed, those rows are left out.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import openai

import labkit
from bench.rows import Row, around_the_median, options, printed, report
from labkit.session import Session

TEXT = {
    "client": "time to last token, session / bare client",
    "kernel": "time per update in the kernel, last 1,000 tokens / first 1,000",
    "page": "time per update in the page, last 1,000 tokens / first 1,000",
}
PROMPT = "Write a very long story about a server."
TOKENS, EDGE = 5000, 1000
PACE_S = 0.004
OVERHEAD, FLAT = 1.02, 1.2

CELL = f"""
import json, time
from labkit.widgets.parts import Stream
stream = Stream("Five thousand tokens")
display(stream)
time.sleep(2)
took = []
for number in range({TOKENS}):
    began = time.perf_counter()
    stream.add(f"word{{number}} ")
    took.append(time.perf_counter() - began)
    time.sleep({PACE_S})
print("took:", json.dumps(took))
"""

# Times each append, with all that is done for its message, and the layout that it causes.
WATCH = """() => {
    const append = CharacterData.prototype.appendData;
    let length = 0;
    window.appends = [];
    CharacterData.prototype.appendData = function (piece) {
        const began = performance.now();
        append.call(this, piece);
        length += piece.length;
        queueMicrotask(() => {
            this.parentElement.getBoundingClientRect();
            window.appends.push([length, (performance.now() - began) / 1000]);
        });
    };
}"""


def against_the_client(session: Session, pairs: int, tokens: int) -> Row:
    """The median of the pairs' ratios, with its interval: a pair that a noise hit counts as one pair."""
    inside = openai.DefaultHttpxClient(trust_env=False)
    client = openai.OpenAI(base_url=session.url, api_key=session.api_key, http_client=inside)
    asked: dict[str, Any] = {"temperature": 0.0, "max_tokens": tokens, "extra_body": {"ignore_eos": True}}

    def ours() -> float:
        began = time.perf_counter()
        "".join(session.chat(PROMPT, **asked))
        return time.perf_counter() - began

    def bare() -> float:
        began = time.perf_counter()
        stream = client.chat.completions.create(
            model=session.model,
            messages=[{"role": "user", "content": PROMPT}],
            stream=True,
            stream_options={"include_usage": True},
            **asked,
        )
        "".join(each.choices[0].delta.content or "" for each in stream if each.choices)
        return time.perf_counter() - began

    ours(), bare()
    ratios = []
    for number in range(pairs):
        first, second = (ours, bare) if number % 2 else (bare, ours)
        one, two = first(), second()
        ratios.append(one / two if number % 2 else two / one)
    low, high = around_the_median(ratios)
    return Row(TEXT["client"], median(ratios), OVERHEAD, pairs, low=low, high=high)


def flat(what: str, costs: list[tuple[int, float]]) -> Row:
    """The last updates' median over the first's. costs: for each, the tokens so far, and its time."""
    first = [cost for at, cost in costs if at <= EDGE]
    last = [cost for at, cost in costs if at > TOKENS - EDGE]
    return Row(what, median(last) / median(first), FLAT, len(costs))


def in_the_page() -> Iterator[Row]:
    """The rows that need JupyterLab."""
    from tests.browser.lab import browser_page, open_cells, run_all_cells, running_lab

    with tempfile.TemporaryDirectory() as name, running_lab(Path(name)) as lab, browser_page() as page:
        open_cells(lab, page, CELL)
        page.evaluate(WATCH)
        run_all_cells(page)
        took, appends = json.loads(printed(page, "took")), page.evaluate("window.appends")
    yield flat(TEXT["kernel"], list(enumerate(took, 1)))
    yield flat(TEXT["page"], [(_tokens(length), cost) for length, cost in appends])


def _tokens(length: int) -> int:
    """How many of the words `word0 word1 ...` are so many characters."""
    number = 0
    while length > 0:
        length -= len(f"word{number} ")
        number += 1
    return number


def main() -> None:
    """Measure, print."""
    from tests.browser.lab import CHROMIUM

    parser = options(__doc__)
    parser.add_argument("--pairs", type=int, default=40, help="so many pairs of requests (default: 40)")
    parser.add_argument("--tokens", type=int, default=128, help="written in each (default: 128)")
    args = parser.parse_args()
    session = labkit.connect()

    def rows() -> Iterator[Row]:
        yield against_the_client(session, args.pairs, args.tokens)
        yield from in_the_page() if CHROMIUM else ()

    report(session.model, rows(), args.json)


if __name__ == "__main__":
    main()
