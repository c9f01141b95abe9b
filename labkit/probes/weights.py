"""What 4 bits do to the loaded model: bytes before and after, what stays, and the error of each layer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING, Any

from labkit import catalog
from labkit.engines import transformers_engine
from labkit.hardware import GIB

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from labkit.engines.transformers_engine.weights import Layer

TEXT = {
    "head": "| | here, BF16 | here, NF4 | 24 B, BF16 | 24 B, NF4 |",
    "text": "matrices of the {n} text layers",
    "vision": "vision tower and projector",
    "embeddings": "embedding and output layer, which stay",
    "rest": "norms and the like, which stay",
    "all": "**all**",
    "error": "NF4 changes the weights of the middle layer here by {error:.1%} (the norm of the difference "
    "over the norm of the weights).",
    "axis": "layer",
    "share": "error of its weights, %",
    "tower": "vision tower, then projector",
    "language": "text",
    "attention": "attention",
    "feed_forward": "feed-forward",
    "projector": "projector",
    "bell": "numbers of a bell curve",
}
_MIB = 2**20
_MODEL = "mistral-small-3.1"
_COLOURS = {"attention": "#0072B2", "feed_forward": "#E69F00", "projector": "#009E73"}
_STAY = ("embed_tokens.weight", "lm_head.weight")


@dataclass(frozen=True)
class Weights:
    """The loaded model's weights, in NF4. In a notebook it shows itself as a table; `chart()` draws it."""

    layers: tuple[Layer, ...]
    """The squeezed ones."""
    kept: dict[str, int]
    """Bytes of each tensor that stays in BF16, by name."""

    @cached_property
    def parts(self) -> dict[str, tuple[int, int]]:
        """Bytes before and after of: text, vision, embeddings, rest."""
        text = [each for each in self.layers if _of_text(each)]
        vision = [each for each in self.layers if not _of_text(each)]
        stay = sum(size for name, size in self.kept.items() if name.endswith(_STAY))
        rest = sum(self.kept.values()) - stay
        return {
            "text": _both(text),
            "vision": _both(vision),
            "embeddings": (stay, stay),
            "rest": (rest, rest),
        }

    def chart(self) -> Figure:
        """The error of every squeezed layer, from the first to the last, beside that of random numbers."""
        from matplotlib import pyplot

        figure, panels = pyplot.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
        for axes, start in zip(panels, ("vision", "language_model"), strict=True):
            axes.set_title(TEXT["tower" if start == "vision" else "language"], loc="left", fontsize=11)
            axes.set_xlabel(TEXT["axis"])
            axes.spines[["top", "right"]].set_visible(False)
        for kind, colour in _COLOURS.items():
            for axes, text in zip(panels, (False, True), strict=True):
                dots = [dot for dot in self._dots() if (dot[0], dot[1]) == (text, kind)]
                places, errors = [dot[2] for dot in dots], [100 * dot[3] for dot in dots]
                label = TEXT[kind] if dots else None
                axes.plot(places, errors, "o", color=colour, alpha=0.6, markeredgewidth=0, label=label)
        errors = [100 * each.error for each in self.layers]
        margin = 0.3 + max(errors) - min(errors)
        panels[0].set(ylabel=TEXT["share"], ylim=(min(errors) - margin / 2, max(errors) + margin))
        for axes in panels:
            axes.axhline(100 * bell(), color="black", linestyle="--", linewidth=1.2, label=TEXT["bell"])
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.legend(frameon=False, loc="upper left", ncols=2, fontsize=9)
        pyplot.close(figure)
        return figure

    def _dots(self) -> list[tuple[bool, str, int, float]]:
        """Each layer: whether it is the text's, its kind, its place from 1 on, its error."""
        found = []
        for each in self.layers:
            words = each.name.split(".")
            place = int(words[words.index("layers") + 1]) + 1 if "layers" in words else 0
            kind = "projector" if not place else "attention" if _attends(each.name) else "feed_forward"
            found.append((_of_text(each), kind, place, each.error))
        last = max((place for text, _, place, _ in found if not text), default=0)
        return [(text, kind, place or last + 1, error) for text, kind, place, error in found]

    def __str__(self) -> str:
        rows = [f"{name:10} {_size(before):>11} {_size(after):>11}" for name, before, after in self._rows()]
        return "\n".join([*rows, self._middle()])

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        numbers = _of_catalog()
        layers = {each.name.split("layers.")[1].split(".")[0] for each in self.layers if _of_text(each)}
        rows = []
        for name, before, after in self._rows():
            words = TEXT[name].format(n=len(layers))
            there = (f"{size / GIB:.2f} GiB" for size in numbers[name])
            sizes = " | ".join([_size(before), _size(after), *there])
            rows.append(f"| {words} | {sizes} |")
        return "\n".join([TEXT["head"], "|---|---:|---:|---:|---:|", *rows, "", self._middle()])

    def _rows(self) -> list[tuple[str, int, int]]:
        sums = [sum(both) for both in zip(*self.parts.values(), strict=True)]
        return [*((name, *both) for name, both in self.parts.items()), ("all", sums[0], sums[1])]

    def _middle(self) -> str:
        return TEXT["error"].format(error=median(each.error for each in self.layers))


def weights() -> Weights:
    """Look at the model that Transformers holds in this process. It reads the weights' files once more, so it
    takes a while for a large model. Raises LabkitError where none is loaded, or not in NF4."""
    layers = transformers_engine.weights_report()
    model = transformers_engine.current().model
    kept = {n: p.nbytes for n, p in model.named_parameters() if type(p).__name__ != "Params4bit"}
    return Weights(tuple(layers), kept)


def bell() -> float:
    """The error of NF4 on normally distributed random numbers, which it was made for."""
    import torch
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    numbers = torch.randn(256, 1024, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    packed, state = quantize_4bit(numbers, quant_type="nf4", compress_statistics=True)
    error = (dequantize_4bit(packed, state).float() - numbers.float()).norm() / numbers.float().norm()
    return float(error)


def _both(layers: list[Any]) -> tuple[int, int]:
    return sum(each.bytes_before for each in layers), sum(each.bytes_after for each in layers)


def _size(count: float) -> str:
    unit, name = (GIB, "GiB") if count >= GIB else (_MIB, "MiB")
    return f"{count / unit:.2f} {name}"


def _of_text(layer: Layer) -> bool:
    return layer.name.startswith("language_model.")


def _attends(name: str) -> bool:
    return "attention" in name or "self_attn" in name


def _of_catalog() -> dict[str, tuple[float, float]]:
    """The parts of the real model in bytes, BF16 and NF4, from its shape and the catalog's bits a weight."""
    model = catalog.model(_MODEL)
    bits = [model.variants[name].bits for name in ("BF16", "NF4")]
    counts = {
        "text": (model.text.matrices, [each.linear for each in bits]),
        "vision": (model.vision_parameters, [each.vision for each in bits]),
        "embeddings": (model.text.embeddings, [each.embeddings for each in bits]),
        "rest": (model.text.norms, [16.0, 16.0]),
    }
    parts = {name: (n * each[0] / 8, n * each[1] / 8) for name, (n, each) in counts.items()}
    before, after = (sum(both) for both in zip(*parts.values(), strict=True))
    return {**parts, "all": (before, after)}
