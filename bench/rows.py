"""What benches share: the rows of their table, how they are printed, and what a page shows."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

TEXT = {
    "head": "| measured | value | 95 % interval | bar | value / bar | n |\n|---|---:|---|---:|---:|---:|",
    "row": "| {what} | {value:.3f}{unit} | {interval} | {bar:g}{unit} | {share:.2f} | {n} |",
    "interval": "{low:.3f} to {high:.3f}",
}


@dataclass(frozen=True)
class Row:
    """One measured value beside its bar: it should be no more."""

    what: str
    value: float
    bar: float
    n: int
    """How many measurements are in the value."""
    unit: str = ""
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        known = self.low is not None
        interval = TEXT["interval"].format(low=self.low, high=self.high) if known else ""
        return TEXT["row"].format(**asdict(self), interval=interval, share=self.value / self.bar)


def around_the_median(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of a median, by ranks: it asks nothing of how the noise is distributed."""
    ordered, half = sorted(values), 0.98 * math.sqrt(len(values))
    low, high = math.floor(len(values) / 2 - half), math.ceil(len(values) / 2 + half) - 1
    return ordered[max(0, low)], ordered[min(len(values) - 1, high)]


def options(about: str) -> argparse.ArgumentParser:
    """A parser that knows `--json`."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--json", type=Path, help="write the rows here too")
    return parser


def report(model: str, rows: Iterable[Row], path: Path | None) -> None:
    """Print the rows as they come, and write them to a file."""
    print(f"{model}\n\n{TEXT['head']}")
    found = []
    for row in rows:
        found.append(asdict(row))
        print(row, flush=True)
    if path:
        path.write_text(json.dumps({"model": model, "rows": found}, indent=1))


def printed(page: Page, word: str) -> str:
    """What a cell of the open notebook has printed after this word, on the same line."""
    line = page.locator(".jp-OutputArea-output", has_text=f"{word}: ").last.text_content() or ""
    return line.partition(f"{word}: ")[2]
