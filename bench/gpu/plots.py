"""The plots of docs/measured.md, as SVG."""

from __future__ import annotations

from pathlib import Path

from bench.gpu.records import Record

_LEAST = 3
"""Numbers of streams that make a line."""
TEXT = {
    "memory": "Memory in vLLM, GiB",
    "speed": "Tokens a second, all streams",
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
    good = [each for each in found if each["status"] == "measured"]
    split = [each for each in good if "kv_gib" in (each.get("memory") or {}) and each["machine"]["gpus"]]
    loaded = [each for each in good if len(each.get("speeds") or ()) > 1]
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {}
    if split:
        drawn["memory"] = _memory(split, folder / "memory.svg")
    if loaded:
        drawn["speed"] = _speed(loaded, folder / "speed.svg")
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


def _speed(found: list[Record], path: Path) -> Path:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4), layout="constrained")
    for each in found:
        if len(each["speeds"]) < _LEAST:
            continue  # a straight line between two ends says what nobody measured
        at = [one["streams"] for one in each["speeds"]]
        axes.plot(at, [one["tokens_per_s"] for one in each["speeds"]], "o-", label=each["name"])
    axes.set(title=TEXT["speed"], xlabel=TEXT["streams"], xscale="log")
    ticks = sorted({one["streams"] for each in found for one in each["speeds"]})
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
