"""docs/measured.md and its plots, from the records: `python -m bench.gpu report`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bench.gpu import against, others, plots, records, side_by_side, tables
from bench.gpu.records import Record
from labkit.errors import LabkitError

DOCS = Path(__file__).parents[2] / "docs"
TEXT = {
    "none": "There are no records yet: put a run's records.json into {folder} under a name of its own.",
    "head": """\
# Measured on a GPU

Made by `python -m bench.gpu report` from `bench/results/`; do not edit. How to repeat it: \
[bench/gpu/README.md](../bench/gpu/README.md). The model is Mistral Small 3.1 in its real shape with random \
weights: memory and speed depend on shapes, not on what the weights say. GiB are 2^30 bytes.
""",
    "machines": "## Where",
    "beside": "While these were measured, another card of the same machine trained the twin: {names}.",
    "memory": """\
## Memory in vLLM

As vLLM's own log splits it. *Step*: the most that a step needs while it computes, images included. \
*Libraries*: what CUDA takes beside torch. *Graphs*: set aside for CUDA graphs, and what they took. \
*Card*: the most that the driver saw in use, CUDA's context included.
""",
    "planner": """\
## The planner against the records

The planner computes from shapes. Of the records it takes only what does not depend on them: what CUDA, NCCL \
and the libraries hold (`labkit/catalog/engines.yaml`), and a variant's weights where they were measured. \
*Total* is weights, step, libraries, graphs and cache; *KV tokens* is the room that is left for the \
conversation in what vLLM was given. *Of the ceiling*: \
one stream's tokens a second (1 / TPOT) over the measured copy rate divided by the bytes of the weights.
""",
    "speed": """\
## Speed in vLLM

Questions of 512 tokens (128 for one stream) and answers of 256, no two questions alike. TTFT and TPOT are \
medians, in milliseconds.
""",
    "two": """\
## Two cards, side by side

One card; both cards at every layer (`--tensor-parallel-size 2`, 65,536 tokens of context); or a whole \
model on each, behind one address (vLLM's router). Measured one after the other on the same machine, whose \
two cards are joined by NVLink. Tokens a second, the factor over the one card, and the median TTFT. *Card*: \
the most that the driver saw in use on either. *Ready*: warm, its Python had imported vLLM; and the replicas \
find what the one card has compiled. *Apart*: the same two replicas, each asked by itself, without the router.

Tensor parallel is faster for one reader, and up to 128 at once. With 256 at once in BF16 the replicas \
overtake it, and the one card falls back: its cache holds 155,216 tokens, and so many conversations of 768 \
want 196,608. The router takes 2 % at most. FP8 replicas were not asked by 128 and 256.
""",
    "pictures": """\
## Pictures

One request with so many pictures of 1540 x 1540 pixels: the wait for the first token.
""",
    "others": """\
## What other estimates say

The error over what one user with the whole context needs: the total above with as much cache as that takes. \
hf-mem {hf_mem} adds up the checkpoint on the hub and the cache; `accelerate estimate-memory` {accelerate} \
the weights in a data type. Both ask the hub, so their own arithmetic was fed with the local description \
(`bench/gpu/others.py`). FP8 and NF4 are made while loading, so hf-mem sees the checkpoint in BF16. For two \
cards both are divided by two.
""",
    "tuned": """\
## Beside the guide's command

Tokens a second on the same kind of card, beside the configuration that each is compared with. The flags of \
`bf16-tuned` and `fp8-tuned` give nothing over the guide's that the noise does not, and send tokens in \
fours, so labkit's recipes keep the guide's flags: what pays is the variant. `labkit plan` names it. A cache \
in 8 bits (`fp8-kv8`) holds twice the tokens, and gains a little where many ask at once.
""",
    "transformers": """\
## Transformers

In one process, random weights quantized layer by layer. *Peak*: the most that the driver saw in use.
""",
    "failed": """\
## What does not fit

These were asked for to see them fail: in the engine's words, and in the planner's, which did not try.
""",
}


def write(results: Path = records.RESULTS, docs: Path = DOCS) -> Path:
    """Make the page and its plots. Raises LabkitError where there are no records."""
    found = records.committed(results)
    if not found:
        raise LabkitError(TEXT["none"].format(folder=results))
    drawn = plots.draw(found, docs / "measured")
    page = docs / "measured.md"
    page.write_text("\n".join(_sections(found, drawn, docs)).rstrip() + "\n", "utf-8")
    return page


def _sections(found: list[Record], drawn: dict[str, Path], docs: Path) -> Iterable[str]:
    good = [each for each in found if each["status"] == "measured"]
    vllm = [each for each in good if each["configuration"]["engine"] == "vllm" and each.get("memory")]
    once = side_by_side.once(good)
    yield TEXT["head"]
    yield from [TEXT["machines"], "", tables.machines(found), ""]
    if beside := [f"`{each['name']}`" for each in found if each["machine"].get("cards_beside")]:
        yield from [TEXT["beside"].format(names=", ".join(beside)), ""]
    yield from [TEXT["memory"], tables.memory(side_by_side.once(vllm)), "", *_plot(drawn, "memory", docs)]
    compared = [each for each in map(against.compare, once) if each is not None]
    yield from [TEXT["planner"], tables.planner(compared), ""]
    if said := others.read():
        names = {key.replace("-", "_"): value for key, value in said["versions"].items()}
        yield from [TEXT["others"].format(**names), tables.beside_others(compared, said), ""]
    yield from [TEXT["speed"], tables.speeds(vllm), "", *_plot(drawn, "speed", docs)]
    if rows := side_by_side.table(vllm):
        yield from [TEXT["two"], rows, "", *_plot(drawn, "cards", docs)]
    if any(each.get("pictures") for each in good):
        yield from [TEXT["pictures"], tables.pictures(good), ""]
    if rows := tables.tuned([each for each in once if len(each["machine"]["gpus"]) < 2]):
        yield from [TEXT["tuned"], rows, ""]
    if inside := [each for each in good if each["configuration"]["engine"] == "transformers"]:
        yield from [TEXT["transformers"], tables.transformers(inside), ""]
    if failed := [each for each in found if each["status"] != "measured"]:
        yield from [TEXT["failed"], tables.failures(failed), ""]


def _plot(drawn: dict[str, Path], name: str, docs: Path) -> list[str]:
    return [f"![{name}]({drawn[name].relative_to(docs)})", ""] if name in drawn else []
