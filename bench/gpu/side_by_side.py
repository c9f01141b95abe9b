"""One card, two that share each layer, and two replicas: the records that are read beside each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

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
    variant: str
    record: Record
    loads: dict[int, dict[str, Any]]
    """By streams, as `loading.ask` measures them."""


def again(record: Record) -> bool:
    """Whether it is the start of another record once more, under other loads (`x-crowd` of `x`)."""
    return str(record["name"]).endswith(_CROWD)


def ways(found: Iterable[Record]) -> list[Way]:
    """Those that there are records of, measured on the machine with two cards; [] where it has none."""
    by_name = {each["name"]: each for each in found}
    every = []
    for name, configuration in WAYS.items():
        main = by_name.get(configuration)
        if main is None:
            continue
        asked = [main, *_crowd(by_name, configuration)]
        every.append(Way(name, main["configuration"]["variant"], main, _loads(asked, "speeds")))
    both = [each.record for each in every if len(each.record["machine"]["gpus"]) > 1]
    return [each for each in every if any(each.record["commit"] == one["commit"] for one in both)]


def apart(found: Iterable[Record], way: Way) -> Way | None:
    """The same replicas without a router before them; None for what is no replicas."""
    by_name = {each["name"]: each for each in found}
    asked = [way.record, *_crowd(by_name, way.record["name"])]
    loads = _loads(asked, "apart")
    return Way(TEXT["apart"].format(name=way.name), way.variant, way.record, loads) if loads else None


def table(found: Sequence[Record], of: Callable[[Sequence[str], Iterable[Sequence[str]]], str]) -> str:
    """As Markdown, by the function that makes tables; "" where there is nothing to compare."""
    every = ways(found)
    first = {each.variant: each for each in reversed(every)}
    rows = [_row(each, first[each.variant]) for each in every]
    rows += [_row(one, first[one.variant]) for each in every if (one := apart(found, each))]
    streams = [TEXT["head"].format(streams=count, s="s" if count > 1 else "") for count in STREAMS]
    head = ("", "card, GiB", "KV tokens", "ready", *streams)
    return of(head, rows) if len(every) > 1 else ""


def _row(way: Way, first: Way) -> tuple[str, ...]:
    record, copies = way.record, way.record["configuration"]["replicas"]
    tokens = f"{record['memory']['kv_tokens']:,}"
    cells = []
    for count in STREAMS:
        load, base = way.loads.get(count), first.loads.get(count)
        if load is None or base is None:
            cells.append("-")
            continue
        ratio = load["tokens_per_s"] / base["tokens_per_s"]
        facts = {"rate": load["tokens_per_s"], "ratio": ratio, "first": load["first_token_ms"] / 1000}
        cells.append(TEXT["cell"].format(**facts))
    ready = f"{record['ready_s']:.0f} s{'' if record['python'] == 'cold' else ' (warm)'}"
    card = f"{max(record['nvml']['taken_gib']):.2f}"
    return way.name, card, tokens if copies == 1 else f"{copies} x {tokens}", ready, *cells


def _crowd(by_name: dict[str, Record], name: str) -> list[Record]:
    crowd = name.removesuffix("-guide") + _CROWD
    return [by_name[crowd]] if crowd in by_name else []


def _loads(asked: Iterable[Record], key: str) -> dict[int, dict[str, Any]]:
    return {load["streams"]: load for record in asked for load in record.get(key) or ()}
