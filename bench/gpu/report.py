"""docs/measured.md and its plots, from the records: `python -m bench.gpu report`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.gpu import against, others, plots, records, side_by_side
from bench.gpu.against import Compared
from bench.gpu.records import Record
from labkit.errors import LabkitError

GIB = 2**30
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
    once = [each for each in good if not side_by_side.again(each)]
    starts = [each for each in vllm if not side_by_side.again(each)]
    yield TEXT["head"]
    yield from [TEXT["machines"], "", machines(found), ""]
    if beside := [f"`{each['name']}`" for each in found if each["machine"].get("cards_beside")]:
        yield from [TEXT["beside"].format(names=", ".join(beside)), ""]
    yield from [TEXT["memory"], memory(starts), "", *_plot(drawn, "memory", docs)]
    compared = [each for each in map(against.compare, once) if each is not None]
    yield from [TEXT["planner"], planner(compared), ""]
    if said := others.read():
        names = {key.replace("-", "_"): value for key, value in said["versions"].items()}
        yield from [TEXT["others"].format(**names), beside_others(compared, said), ""]
    yield from [TEXT["speed"], speeds(vllm), "", *_plot(drawn, "speed", docs)]
    if rows := side_by_side.table(vllm, table):
        yield from [TEXT["two"], rows, "", *_plot(drawn, "cards", docs)]
    if any(each.get("pictures") for each in good):
        yield from [TEXT["pictures"], pictures(good), ""]
    if rows := tuned([each for each in once if len(each["machine"]["gpus"]) < 2]):
        yield from [TEXT["tuned"], rows, ""]
    if inside := [each for each in good if each["configuration"]["engine"] == "transformers"]:
        yield from [TEXT["transformers"], transformers(inside), ""]
    if failed := [each for each in found if each["status"] != "measured"]:
        yield from [TEXT["failed"], failures(failed), ""]


def _plot(drawn: dict[str, Path], name: str, docs: Path) -> list[str]:
    return [f"![{name}]({drawn[name].relative_to(docs)})", ""] if name in drawn else []


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; all columns but the first are numbers."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def machines(found: list[Record]) -> str:
    """Each machine once, with what was installed on it."""
    rows = {}
    for each in found:
        machine, versions = each["machine"], each["versions"]
        name = f"{len(machine['gpus'])}x {machine['gpus'][0]}" if machine["gpus"] else "no GPU"
        told = ", ".join(f"{key} {value}" for key, value in versions.items())
        rate = f"{each['copy_gb_s'] / 1000:.2f} TB/s" if each.get("copy_gb_s") else "-"
        rows[name] = (name, f"{machine['driver']}", rate, told, each["at"][:10])
    return table(("machine", "driver", "copy rate, measured", "versions", "day"), rows.values())


def memory(found: list[Record]) -> str:
    """How vLLM split the memory."""
    head = ("configuration", "context", "weights", "step", "libraries", "graphs", "KV cache", "KV tokens")
    return table((*head, "card", "ready"), map(_memory_row, found))


def _memory_row(record: Record) -> tuple[str, ...]:
    split, asked = record["memory"], record["configuration"]
    graphs = f"{_gib(split.get('graphs_estimated_gib'))}; {_gib(split.get('graphs_gib'))}"
    return (
        f"`{record['name']}`: {asked['about']}",
        f"{asked['context']:,}",
        *(_gib(split.get(key)) for key in ("weights_gib", "activation_gib", "non_torch_gib")),
        graphs if "graphs_gib" in split else "-",
        _gib(split.get("kv_gib")),
        f"{split['kv_tokens']:,}" if "kv_tokens" in split else "-",
        _gib(max(record["nvml"]["taken_gib"], default=None)),
        f"{record['ready_s']:.0f} s{'' if record.get('python') == 'cold' else ' (warm)'}",
    )


def planner(found: Iterable[Compared]) -> str:
    """Planned and measured, with the error."""
    head = (
        "configuration",
        "total, GiB",
        "planned",
        "error",
        "KV tokens",
        "planned",
        "error",
        "of the ceiling",
    )
    return table(head, map(_planner_row, found))


def _planner_row(each: Compared) -> tuple[str, ...]:
    tokens = [f"{value:,}" if value else "-" for value in (each.kv_tokens, each.planned_kv_tokens)]
    errors = [f"{value:+.1%}" if value is not None else "-" for value in (each.total_error, each.kv_error)]
    share = f"{each.share_of_ceiling:.0%}" if each.share_of_ceiling else "-"
    return f"`{each.name}`", _gib(each.total), _gib(each.planned_total), errors[0], *tokens, errors[1], share


def beside_others(found: Iterable[Compared], said: dict[str, Any]) -> str:
    """The planner's error beside theirs, on one card."""
    rows = []
    for each in found:
        token = said["hf_mem"]["kv_token_fp8" if each.kv_bytes == 1 else "kv_token"]
        weights = said["hf_mem"]["weights"]
        theirs = (
            weights.get(each.variant, weights["BF16"]) + each.context * token,
            said["accelerate"][each.variant],
        )
        all_ = [each.planned_need, *(value / each.cards / GIB for value in theirs)]
        rows.append((f"`{each.name}`", _gib(each.need), *(f"{value / each.need - 1:+.1%}" for value in all_)))
    return table(("configuration", "needs, GiB", "labkit.plan", "hf-mem", "accelerate"), rows)


def speeds(found: list[Record]) -> str:
    """Each load of each configuration."""
    return _of_each(
        found,
        "speeds",
        ("configuration", "streams", "tokens/s", "TTFT", "TTFT p95", "TPOT", "TPOT p95"),
        lambda load: (
            str(load["streams"]),
            f"{load['tokens_per_s']:.0f}",
            f"{load['first_token_ms']:.0f}",
            f"{load['first_token_p95_ms']:.0f}",
            _ms(load["per_token_ms"]),
            _ms(load["per_token_p95_ms"]),
        ),
    )


def pictures(found: list[Record]) -> str:
    """Each request with pictures."""
    return _of_each(
        found,
        "pictures",
        ("configuration", "pictures", "prompt tokens", "first token, ms"),
        lambda one: (str(one["pictures"]), f"{one['prompt_tokens']:,}", f"{one['first_token_ms']:.0f}"),
    )


def _of_each(
    found: list[Record], key: str, head: Sequence[str], cells: Callable[[dict[str, Any]], Sequence[str]]
) -> str:
    rows = [(f"`{record['name']}`", *cells(one)) for record in found for one in record.get(key) or ()]
    return table(head, rows)


def tuned(found: list[Record]) -> str:
    """Configurations beside their baselines, by streams; "" where there are none."""
    by_name = {each["name"]: _rates(each) for each in found}
    rows = []
    for each in found:
        base = each["configuration"]["baseline"]
        for streams, rate in _rates(each).items():
            if before := by_name.get(base, {}).get(streams):
                names = (f"`{each['name']}` and `{base}`", str(streams))
                rows.append((*names, f"{before:.0f}", f"{rate:.0f}", f"{rate / before:.2f}x"))
    return table(("", "streams", "baseline", "tokens/s", "ratio"), rows) if rows else ""


def _rates(record: Record) -> dict[int, float]:
    return {each["streams"]: each["tokens_per_s"] for each in record.get("speeds") or ()}


def transformers(found: list[Record]) -> str:
    """Models inside a process."""
    head = ("configuration", "limit", "weights", "peak", "tokens/s, one stream", "ready")
    return table(head, map(_transformers_row, found))


def _transformers_row(record: Record) -> tuple[str, ...]:
    split, rate = record["memory"], _rates(record).get(1)
    return (
        f"`{record['name']}`: {record['configuration']['about']}",
        _gib(split.get("limit_gib")),
        _gib(split.get("weights_gib")),
        _gib(max(record["nvml"]["taken_gib"], default=None)),
        f"{rate:.1f}" if rate else "-",
        f"{record['ready_s']:.0f} s" if "ready_s" in record else "-",
    )


def failures(found: list[Record]) -> str:
    """What the engine said, what labkit.diagnose makes of it, and what the planner says without trying."""
    rows = []
    for each in found:
        words = str(each["why"]).replace("|", "\\|").replace("\n", " ")
        said = (each["diagnosis"] or "-", against.why_not(each) or "fits")
        rows.append((f"`{each['name']}`: {each['configuration']['about']}", words, *said))
    head = ("configuration", "what came of it", "labkit.diagnose", "labkit.plan")
    return table(head, rows).replace("---:", "---")


def _gib(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
