"""The planner held against the records: what it says of the same configuration, and by how much it misses.

The planner computes from shapes and knows nothing of the records but what the catalog cites. It is asked for
the card as the record's engine saw it, with the flags of the record.
"""

from __future__ import annotations

import argparse
import shlex
from dataclasses import dataclass

from bench.gpu.configurations import Configuration
from bench.gpu.records import Record
from labkit import catalog
from labkit.catalog.schema import Model, RecipeEntry
from labkit.planner.cards import Cards
from labkit.planner.rows import Need, Row, Told, row

GIB = 2**30


@dataclass(frozen=True)
class Compared:
    """One record beside the plan. GiB on each card; None where the record does not say it."""

    name: str
    engine: str
    total: float
    """As the engine accounts for it: weights, the largest step, libraries, graphs and KV cache."""
    planned_total: float
    kv_tokens: int | None
    planned_kv_tokens: int | None
    ceiling: float | None
    """Tokens a second for one stream at most, by the measured copy rate."""
    one_stream: float | None
    """Tokens a second of one stream, measured: 1 / the time per output token."""
    nvml: float | None
    """What the card itself says was taken at most."""
    need: float
    """What one user with the whole context needs: the total with as much cache as that takes."""
    planned_need: float
    variant: str
    cards: int
    """That share each layer."""
    context: int
    """Tokens that the cache holds in `need`."""
    kv_bytes: float

    @property
    def total_error(self) -> float:
        return self.planned_total / self.total - 1

    @property
    def kv_error(self) -> float | None:
        if not self.kv_tokens or self.planned_kv_tokens is None:
            return None
        return self.planned_kv_tokens / self.kv_tokens - 1

    @property
    def share_of_ceiling(self) -> float | None:
        return self.one_stream / self.ceiling if self.one_stream and self.ceiling else None


def compare(record: Record) -> Compared | None:
    """The record beside the plan; None for a record without memory figures (it failed, or has no GPU)."""
    memory = record.get("memory") or {}
    if record["status"] != "measured" or not record["machine"]["gpus"]:
        return None
    asked = Configuration.model_validate(record["configuration"])
    if asked.engine == "vllm" and "kv_gib" in memory and "activation_gib" in memory:
        return _vllm(record, asked, memory)
    if asked.engine == "transformers" and record["nvml"]["taken_gib"]:
        return _transformers(record, asked)
    return None


def planned(record: Record, asked: Configuration, need: Need, told: Told) -> Row:
    """The planner's row for the record's configuration and card."""
    model, recipe = _recipe(asked)
    memory_gib = record["machine"]["memory_gib"]
    share = asked.share(memory_gib)
    if asked.engine == "vllm":
        share = round(share, 2)  # as labkit writes the flag
        memory_gib = _total(record) or memory_gib
    told = Told(share, told.step_tokens, told.sequences, told.graphs, told.kv_bytes)
    cards = Cards(record["machine"]["gpus"][0], asked.gpus, memory_gib, record.get("copy_gb_s"))
    return row(model, recipe, cards, need, told=told)


def why_not(record: Record) -> str | None:
    """What the planner says against the record's configuration; None where it says that it fits."""
    asked = Configuration.model_validate(record["configuration"])
    return planned(record, asked, _need(asked), told_of(asked)).why


def _need(asked: Configuration) -> Need:
    """One user with what the configuration asks for. Transformers holds no more than its longest request."""
    if asked.engine == "vllm":
        return Need(asked.context, 1, 0, asked.vision)
    longest = max([load.prompt + load.answer for load in asked.loads] or [0])
    images, vision = max(asked.pictures, default=0), catalog.model(asked.model).vision
    if vision:
        longest = max(longest, images * vision.image_tokens)
    return Need(longest, 1, images, bool(images))


def told_of(asked: Configuration) -> Told:
    """What the configuration's flags tell the engine, as the planner takes it."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--max-num-batched-tokens", type=int)
    parser.add_argument("--max-num-seqs", type=int)
    parser.add_argument("--enforce-eager", action="store_true")
    parser.add_argument("--kv-cache-dtype", default="auto")
    found, _ = parser.parse_known_args(shlex.split(asked.flags))
    return Told(
        step_tokens=found.max_num_batched_tokens,
        sequences=found.max_num_seqs,
        graphs=not found.enforce_eager,
        kv_bytes=1 if found.kv_cache_dtype.startswith("fp8") else 2,
    )


def _vllm(record: Record, asked: Configuration, memory: dict[str, float]) -> Compared:
    told = told_of(asked)
    plan = planned(record, asked, _need(asked), told)
    tokens = int(memory["kv_tokens"])
    graphs = memory.get("graphs_estimated_gib", 0.0)  # what vLLM sets aside before it takes the cache
    total = sum(memory[key] for key in ("weights_gib", "activation_gib", "non_torch_gib", "kv_gib")) + graphs
    model = catalog.model(asked.model)
    fixed = (plan.memory.total - plan.memory.kv_cache) / asked.gpus
    token = model.text.kv_bytes(told.kv_bytes) / asked.gpus / GIB
    return Compared(
        name=record["name"],
        engine=asked.engine,
        total=total,
        planned_total=fixed + tokens * token,
        kv_tokens=tokens,
        planned_kv_tokens=plan.kv_tokens,
        ceiling=plan.decode_ceiling,
        one_stream=_one_stream(record),
        nvml=_taken(record),
        need=total - memory["kv_gib"] + asked.context * token,
        planned_need=fixed + asked.context * token,
        variant=asked.variant,
        cards=asked.gpus,
        context=asked.context,
        kv_bytes=told.kv_bytes,
    )


def _transformers(record: Record, asked: Configuration) -> Compared:
    need = _need(asked)
    plan = planned(record, asked, need, Told())
    taken = _taken(record)
    assert taken is not None
    return Compared(
        name=record["name"],
        engine=asked.engine,
        total=taken,
        planned_total=plan.memory.total,
        kv_tokens=None,
        planned_kv_tokens=None,
        ceiling=plan.decode_ceiling,
        one_stream=_one_stream(record),
        nvml=taken,
        need=taken,
        planned_need=plan.memory.total,
        variant=asked.variant,
        cards=asked.gpus,
        context=need.context,
        kv_bytes=2,
    )


def _recipe(asked: Configuration) -> tuple[Model, RecipeEntry]:
    model = catalog.model(asked.model)
    for entry in model.recipes:
        if (entry.engine, entry.variant) == (asked.engine, asked.variant):
            return model, entry
    raise LookupError(f"no recipe {asked.engine} {asked.variant}")


def _total(record: Record) -> float | None:
    """The card's memory as vLLM saw it: what it asked for over the share that it was given."""
    memory, command = record.get("memory") or {}, shlex.split(record["command"])
    if "requested_gib" not in memory or "--gpu-memory-utilization" not in command:
        return None
    share = float(command[command.index("--gpu-memory-utilization") + 1])
    return float(memory["requested_gib"]) / share


def _one_stream(record: Record) -> float | None:
    found = [each["per_token_ms"] for each in record.get("speeds", ()) if each["streams"] == 1]
    return 1000 / found[0] if found and found[0] else None


def _taken(record: Record) -> float | None:
    return max(record["nvml"]["taken_gib"], default=None)
