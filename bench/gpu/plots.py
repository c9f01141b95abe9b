"""The plots of docs/measured.md, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from bench.gpu import side_by_side
from bench.gpu.records import Record

CARDS = ("C0o-", "C1o-", "C2o-", "C0s--", "C1s--", "C2s--")
"""A colour for each way to use the cards, a line for each variant."""
_LEAST = 3
"""Numbers of streams that make a line: a straight one between two ends says what nobody measured."""
TEXT = {
    "memory": "Memory in vLLM, GiB",
    "speed": "Tokens a second, all streams",
    "cards": "Tokens a second, all streams: one card and two",
    "streams": "streams",
}
PARTS = {
    "weights_gib": ("weights", "#0072b2"),
    "activation_gib": ("step", "#009e73"),
    "non_torch_gib": ("libraries", "#999999"),
    "graphs_estimated_gib": ("graphs", "#e69f00"),
    "kv_gib": ("KV cache", "#56b4e9"),
}


def draw(found: list[Record], folder: Path) -> dict[str, Path]:
    """Draw what there are records for. Returns the files by name; drawn twice they are the same."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "measured", "svg.fonttype": "none", "font.size": 9})
    every = [each for each in found if each["status"] == "measured"]
    good = side_by_side.once(every)
    split = [each for each in good if "kv_gib" in (each.get("memory") or {}) and each["machine"]["gpus"]]
    lines = {
        each["name"]: each["speeds"]
        for each in good
        if len(each.get("speeds") or ()) >= _LEAST and len(each["machine"]["gpus"]) == 1
    }
    ways = {each.name: list(each.loads.values()) for each in side_by_side.ways(every)}
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {}
    if split:
        drawn["memory"] = _memory(split, folder / "memory.svg")
    if lines:
        drawn["speed"] = _speed(TEXT["speed"], lines, folder / "speed.svg")
    if ways:
        drawn["cards"] = _speed(TEXT["cards"], ways, folder / "cards.svg", CARDS)
    return drawn


def _memory(found: list[Record], path: Path) -> Path:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 0.9 + 0.28 * len(found)), layout="constrained")
    names = [each["name"] for each in found]
    left = [0.0] * len(found)
    for key, (label, colour) in PARTS.items():
        widths = [each["memory"].get(key, 0.0) for each in found]
        axes.barh(names, widths, left=left, color=colour, label=label)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.set_title(TEXT["memory"])
    figure.legend(frameon=False, ncols=len(PARTS), loc="outside lower center")
    return _save(figure, axes, path)


def _speed(
    title: str,
    lines: dict[str, list[dict[str, Any]]],
    path: Path,
    styles: Sequence[str] = ("o-",),
) -> Path:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4), layout="constrained")
    for (name, loads), style in zip(lines.items(), cycle(styles), strict=False):
        at = [each["streams"] for each in loads]
        axes.plot(at, [each["tokens_per_s"] for each in loads], style, label=name)
    axes.set(title=title, xlabel=TEXT["streams"], xscale="log")
    ticks = sorted({each["streams"] for loads in lines.values() for each in loads})
    axes.set_xticks(ticks, list(map(str, ticks)))
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    return _save(figure, axes, path)


def _save(figure: object, axes: object, path: Path) -> Path:
    from matplotlib import pyplot

    axes.spines[["top", "right"]].set_visible(False)  # type: ignore[attr-defined]
    figure.savefig(path, metadata={"Date": None})  # type: ignore[attr-defined]
    pyplot.close(figure)  # type: ignore[arg-type]
    return path
