"""The tables of docs/measured.md, as Markdown: each from the records that it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from bench.gpu import against
from bench.gpu.against import Compared
from bench.gpu.records import Record

GIB = 2**30


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
    graphs = f"{gib(split.get('graphs_estimated_gib'))}; {gib(split.get('graphs_gib'))}"
    return (
        f"`{record['name']}`: {asked['about']}",
        f"{asked['context']:,}",
        *(gib(split.get(key)) for key in ("weights_gib", "activation_gib", "non_torch_gib")),
        graphs if "graphs_gib" in split else "-",
        gib(split.get("kv_gib")),
        f"{split['kv_tokens']:,}" if "kv_tokens" in split else "-",
        card(record),
        ready(record),
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
    return f"`{each.name}`", gib(each.total), gib(each.planned_total), errors[0], *tokens, errors[1], share


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
        rows.append((f"`{each.name}`", gib(each.need), *(f"{value / each.need - 1:+.1%}" for value in all_)))
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
            ms(load["per_token_ms"]),
            ms(load["per_token_p95_ms"]),
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
        gib(split.get("limit_gib")),
        gib(split.get("weights_gib")),
        card(record),
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


def gib(value: float | None) -> str:
    """With two digits."""
    return "-" if value is None else f"{value:.2f}"


def ms(value: float | None) -> str:
    """With one digit."""
    return "-" if value is None else f"{value:.1f}"


def card(record: Record) -> str:
    """GiB, the most that the driver saw in use on any of its cards."""
    return gib(max(record["nvml"]["taken_gib"], default=None))


def ready(record: Record) -> str:
    """Seconds to the first answer, and whether its Python had imported the engine before."""
    return f"{record['ready_s']:.0f} s{'' if record.get('python') == 'cold' else ' (warm)'}"
