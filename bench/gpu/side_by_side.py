"""One card, two that share each layer, and two replicas: the records that are read beside each other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bench.gpu import tables
from bench.gpu.records import Record

STREAMS = (1, 16, 64, 128, 256)
_CROWD = "-crowd"
TEXT = {
    "head": "{streams} stream{s}",
    "cell": "{rate:.0f} ({ratio:.2f}x), {first:.2f} s",
    "apart": "{name}, apart",
}
WAYS = {
    "BF16, one card": "bf16-guide",
    "BF16, tensor parallel 2": "bf16-tp2",
    "BF16, two replicas": "bf16-replicas",
    "FP8, one card": "fp8-guide",
    "FP8, tensor parallel 2": "fp8-tp2",
    "FP8, two replicas": "fp8-replicas",
}
"""By name, the configuration; the first of each variant is the one that the others are compared with."""


@dataclass(frozen=True)
class Way:
    """One way to use the cards: its start, and all that was asked of it."""

    name: str
    record: Record
    loads: dict[int, dict[str, Any]]
    """By streams, as `loading.ask` measures them."""
    apart: dict[int, dict[str, Any]]
    """The same of replicas without a router before them."""

    @property
    def variant(self) -> str:
        return str(self.record["configuration"]["variant"])


def once(found: Iterable[Record]) -> list[Record]:
    """Without those that are the start of another record once more, under other loads (`x-crowd` of `x`)."""
    return [each for each in found if not each["name"].endswith(_CROWD)]


def ways(found: Iterable[Record]) -> list[Way]:
    """Those that there are records of, measured on the machine with two cards; [] where it has none."""
    by_name = {each["name"]: each for each in found}
    every = []
    for name, configuration in WAYS.items():
        if main := by_name.get(configuration):
            asked = [main, *_crowd(by_name, configuration)]
            every.append(Way(name, main, _loads(asked, "speeds"), _loads(asked, "apart")))
    runs = {each.record["commit"] for each in every if len(each.record["machine"]["gpus"]) > 1}
    return [each for each in every if each.record["commit"] in runs]


def table(found: Iterable[Record]) -> str:
    """As Markdown; "" where there is nothing to compare."""
    every = ways(found)
    first = {each.variant: each.loads for each in reversed(every)}
    rows = [_row(each.name, each, each.loads, first[each.variant]) for each in every]
    rows += [
        _row(TEXT["apart"].format(name=each.name), each, each.apart, first[each.variant])
        for each in every
        if each.apart
    ]
    streams = [TEXT["head"].format(streams=count, s="s" if count > 1 else "") for count in STREAMS]
    head = ("", "card, GiB", "KV tokens", "ready", *streams)
    return tables.table(head, rows) if len(every) > 1 else ""


def _row(
    name: str, way: Way, loads: dict[int, dict[str, Any]], first: dict[int, dict[str, Any]]
) -> tuple[str, ...]:
    copies = way.record["configuration"]["replicas"]
    tokens = f"{way.record['memory']['kv_tokens']:,}"
    cells = []
    for count in STREAMS:
        load, base = loads.get(count), first.get(count)
        if load is None or base is None:
            cells.append("-")
            continue
        ratio = load["tokens_per_s"] / base["tokens_per_s"]
        facts = {"rate": load["tokens_per_s"], "ratio": ratio, "first": load["first_token_ms"] / 1000}
        cells.append(TEXT["cell"].format(**facts))
    tokens = tokens if copies == 1 else f"{copies} x {tokens}"
    return name, tables.card(way.record), tokens, tables.ready(way.record), *cells


def _crowd(by_name: dict[str, Record], name: str) -> list[Record]:
    crowd = name.removesuffix("-guide") + _CROWD
    return [by_name[crowd]] if crowd in by_name else []


def _loads(asked: Iterable[Record], key: str) -> dict[int, dict[str, Any]]:
    return {load["streams"]: load for record in asked for load in record.get(key) or ()}
