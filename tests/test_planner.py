from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.patches import Rectangle
from matplotlib.text import Annotation

import labkit
from labkit.cli import main
from labkit.planner.chart import PARTS
from labkit.planner.working import graphs
from tests.fake_pynvml import Card, Driver, NVMLError, NVMLError_LibraryNotFound


def test_the_guides_first_row_q4_on_a_4090() -> None:
    found = labkit.plan("4090", context=4096).find("Q4_K_M", "ollama")
    assert found.fits and found.memory.total == pytest.approx(16, rel=0.03)


def test_the_guides_second_row_bf16_does_not_fit_two_4090s() -> None:
    found = labkit.plan("2x4090")
    bf16 = found.find("BF16", "vllm")
    assert not bf16.fits and bf16.memory.total * 2**30 / 1e9 == pytest.approx(55, rel=0.12)
    (advice,) = (each for each in found.advice if each.title == "vLLM BF16")
    assert "more than the 44.9 GiB that vLLM can take of 2x RTX 4090" in str(advice)
    assert advice.instead == "A100 80GB or 2x RTX 5090 would hold it"
    assert found.find("FP8", "vllm").fits and found.find("W4A16", "vllm").fits


def test_the_guides_third_row_bf16_on_an_h100() -> None:
    assert labkit.plan("H100").find("BF16", "vllm").fits


@pytest.mark.parametrize(
    ("variant", "weights", "tokens"), [("BF16", 44.76, 155_216), ("FP8", 24.49, 282_928)]
)
def test_the_measured_h100_runs_within_3_percent(variant: str, weights: float, tokens: int) -> None:
    found = labkit.plan("H100").find(variant, "vllm")
    assert found.measured and "--gpu-memory-utilization 0.90" in found.flags
    assert found.kv_tokens == pytest.approx(tokens, rel=0.03)
    assert found.memory.kv_cache == pytest.approx(5.0)
    tower = labkit.plan("H100", vision=False).find(variant, "vllm").memory.vision
    assert tower == 0 and found.memory.weights + 0.8177 == pytest.approx(weights, abs=0.01)


@pytest.mark.parametrize(
    ("gpu", "variant", "engine", "speed"),
    [("3090", "Q4_K_M", "ollama", 65), ("4090", "Q4_K_M", "ollama", 70), ("H100", "BF16", "vllm", 71)],
)
def test_the_decode_ceiling_is_bandwidth_over_weights(
    gpu: str, variant: str, engine: str, speed: float
) -> None:
    assert labkit.plan(gpu).find(variant, engine).decode_ceiling == pytest.approx(speed, abs=0.6)


def test_two_cards_read_together_only_with_tensor_parallelism() -> None:
    one, two = labkit.plan("H100"), labkit.plan("H100", count=2)
    for variant, engine, factor in (("BF16", "vllm", 2), ("fp16", "ollama", 1), ("BF16", "transformers", 1)):
        alone, both = one.find(variant, engine).decode_ceiling, two.find(variant, engine).decode_ceiling
        assert alone and both == pytest.approx(factor * alone)
    assert "--tensor-parallel-size 2" in two.find("BF16", "vllm").flags
    assert not two.find("BF16", "vllm").measured


@pytest.mark.parametrize("gpu", ["4090", "2x4090", "A6000", "H100"])
def test_the_longest_context_fits_and_a_little_more_does_not(gpu: str) -> None:
    found = labkit.plan(gpu, context=1024, users=3)
    for row in found.fitting:
        if row.device == "cpu" or row.longest_context == 131072:
            continue
        assert labkit.plan(gpu, context=row.longest_context, users=3).find(row.variant, row.engine).fits
        over = labkit.plan(gpu, context=row.longest_context + 16, users=3).find(row.variant, row.engine)
        assert not over.fits and over.why and "KV cache wants" in over.why


def test_the_cache_grows_with_users_and_not_with_the_variant() -> None:
    one, four = labkit.plan("H100"), labkit.plan("H100", users=4)
    for few, many in zip(one.rows, four.rows, strict=True):
        assert many.memory.kv_cache == pytest.approx(4 * few.memory.kv_cache)
    assert len({row.memory.kv_cache for row in one.rows if row.device == "cuda"}) == 1


def test_text_only_makes_room_where_the_engine_can_leave_the_tower_out() -> None:
    both, text = labkit.plan("4090"), labkit.plan("4090", vision=False)
    found = text.find("W4A16", "vllm")
    assert found.memory.vision == 0 and "--language-model-only" in found.flags
    assert found.longest_context > both.find("W4A16", "vllm").longest_context
    assert 0 < text.find("Q4_K_M", "ollama").memory.vision < both.find("Q4_K_M", "ollama").memory.vision


def test_images_take_memory_in_transformers_and_none_in_vllm_which_looks_at_as_many_as_a_step_holds() -> None:
    few, many = (labkit.plan("H100", images=n) for n in (1, 10))
    in_vllm, in_transformers = (
        many.find("BF16", engine).memory.total - few.find("BF16", engine).memory.total
        for engine in ("vllm", "transformers")
    )
    square = (10 * 110**2) ** 2 * 2 / 2**30  # one mask for the patches of all images
    assert in_vllm == 0 and in_transformers == pytest.approx(square, rel=0.2)


def test_transformers_reads_a_long_prompt_at_once_and_needs_more_than_its_cache() -> None:
    short, long = (
        labkit.plan("H100", context=n, vision=False).find("BF16", "transformers") for n in (1024, 65536)
    )
    cache = long.memory.kv_cache - short.memory.kv_cache
    assert long.memory.total - short.memory.total > 2 * cache


def test_a_small_card_takes_smaller_steps_so_less_memory_to_work_in() -> None:
    small, large, a100 = (
        labkit.plan(card).find("W4A16", "vllm").memory.overhead for card in ("A6000", "H100", "A100 80GB")
    )
    assert large - small == pytest.approx(2.03 - 0.83, abs=0.02) and a100 == small  # docs/measured.md
    assert labkit.plan("H100", vision=False).find("W4A16", "vllm").memory.overhead < large


@pytest.mark.parametrize(
    ("gpu", "context", "variant"),
    [
        ("4090", 32768, "W4A16"),
        ("4090", 131072, None),
        ("2x4090", 32768, "FP8"),
        ("A6000", 32768, "FP8"),
        ("H100", 32768, "FP8"),
    ],
)
def test_the_recipe_to_start_with(gpu: str, context: int, variant: str | None) -> None:
    found = labkit.plan(gpu, context=context)
    assert (found.first.variant if found.first else None) == variant
    cards = " --cards 2" if gpu.startswith("2x") else ""
    command = f"`labkit up {variant}{cards}`"
    assert (command in str(found)) == (command in found._repr_markdown_()) == bool(variant)


def test_without_a_card_no_recipe_is_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", Driver())
    assert labkit.plan().first is None and "labkit up" not in str(labkit.plan())


def test_three_cards_do_not_share_eight_heads() -> None:
    found = labkit.plan("3xH100").find("BF16", "vllm")
    assert not found.fits and found.why and "8 KV heads do not divide by 3" in found.why
    assert labkit.plan("3xH100").find("fp16", "ollama").fits


def test_prices() -> None:
    pair = labkit.plan("2x4090")
    assert pair.cards.dollars_a_day == (1.0, 4.0)
    assert labkit.plan("H100").find("BF16", "vllm").dollars_a_million is None
    found = labkit.plan("H100", price_per_day=48, users=4).find("BF16", "vllm")
    assert found.decode_ceiling and found.dollars_a_million
    assert found.dollars_a_million[0] == pytest.approx(48e6 / (4 * found.decode_ceiling * 86400))


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("4090", "RTX 4090"),
        ("RTX 4090", "RTX 4090"),
        ("2 x rtx4090", "2x RTX 4090"),
        ("NVIDIA GeForce RTX 3090", "RTX 3090"),
        ("h100", "H100"),
        ("H100 80GB", "H100"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("A100-40", "A100 40GB"),
        ("a6000", "RTX A6000"),
    ],
)
def test_names_of_cards(said: str, meant: str) -> None:
    assert str(labkit.plan(said).cards) == meant


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"gpu": "4091"}, "no GPU '4091' in the catalog. It knows: RTX 4090, RTX 3090, .*H200"),
        ({"gpu": ""}, "no GPU ''"),
        ({"gpu": "0x4090"}, "no GPU '0x4090'"),
        ({"gpu": "A100"}, "more than one size. Say which: A100 40GB, A100 80GB"),
        ({"gpu": "2x4090", "count": 3}, "already says 2 cards, and count says 3"),
        ({"gpu": "4090", "count": 0}, "count must be a whole number of at least 1"),
        ({"gpu": "4090", "context": -1}, "context must be a whole number of at least 1, and it is -1"),
        ({"gpu": "4090", "context": 200_000}, "reads at most 131,072 tokens, and context asks for 200,000"),
        ({"gpu": "4090", "users": 0}, "users must be"),
        ({"gpu": "4090", "images": -1}, "images must be a whole number of at least 0"),
        ({"gpu": "4090", "images": 11}, "11 images of the largest size are 33,880 tokens"),
        ({"gpu": "4090", "images": 1, "vision": False}, "needs vision=True"),
        ({"gpu": "4090", "price_per_day": 0}, "must be more than 0 dollars"),
        ({"gpu": "4090", "price_per_day": float("nan")}, "must be more than 0 dollars"),
    ],
)
def test_bad_input_is_one_sentence(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(labkit.LabkitError, match=words):
        labkit.plan(**asked)


def test_this_machine_by_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", Driver(Card(free=4, processes={2**30: 19.0}), Card(free=24)))
    found = labkit.plan()
    assert str(found.cards) == "2x RTX 4090"
    assert "20.0 GiB of it is in use now (by a process outside this container" in str(found)
    assert str(labkit.plan(count=1).cards) == "RTX 4090"


def test_a_slice_stands_alone_and_an_unknown_card_has_no_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    piece = Card(name="NVIDIA A100-SXM4-80GB MIG 3g.40gb", total=39.5, free=39.5)
    split = Card(name="NVIDIA A100-SXM4-80GB", slices=[piece, piece])
    monkeypatch.setitem(sys.modules, "pynvml", Driver(split))
    found = labkit.plan()
    assert (found.cards.count, found.cards.memory_gib) == (1, pytest.approx(39.5))
    assert found.find("FP8", "vllm").fits and found.find("FP8", "vllm").decode_ceiling is None
    assert "is not in the catalog" in str(found)


def test_cards_that_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", Driver(Card(), Card(name="NVIDIA H200", total=140, free=140)))
    found = labkit.plan()
    assert str(found.cards) == "RTX 4090" and "The cards here differ" in str(found)


def test_without_a_gpu_only_the_twin_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", Driver(init=NVMLError_LibraryNotFound()))
    found = labkit.plan()
    assert [row.variant for row in found.rows if row.device == "cuda" and row.fits] == []
    assert "no GPU here. RTX 4090 would hold it." in str(found)
    assert found.find("pocket", "vllm").budget_gib is not None
    found.chart()


def test_a_broken_driver_is_said_in_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", Driver(init=NVMLError("Driver/library version mismatch")))
    assert "does not answer (Driver/library version mismatch)" in str(labkit.plan())


def test_the_notebooks_table() -> None:
    shown = labkit.plan("2x4090")._repr_markdown_()
    table = [line for line in shown.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 9 and len({line.count("|") for line in table}) == 1
    assert "**vLLM BF16**" in shown and "1.00 to 4.00 dollars a day" in shown
    assert "$" not in shown


def test_the_terminals_table_keeps_its_columns() -> None:
    lines = str(labkit.plan("4090")).splitlines()
    assert max(map(len, lines)) <= 110
    rows = [line for line in lines if line.startswith(("Ollama", "vLLM", "Transformers"))]
    assert (
        len(rows) == 9
        and len({line.index(next(w for w in ("yes", "no") if w in line)) // 4 for line in rows}) == 1
    )


def test_the_chart_stacks_the_same_sizes_and_draws_the_cards_memory() -> None:
    found = labkit.plan("2x4090")
    axes = found.chart().axes[0]
    rows = [row for row in found.rows if row.device == "cuda"]
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert len(bars) == len(PARTS) * len(rows)
    assert sum(bar.get_width() for bar in bars) == pytest.approx(sum(row.memory.total for row in rows))
    memory, budgets = (np.asarray(line.get_xdata(), dtype=float) for line in axes.lines)
    assert memory[0] == pytest.approx(2 * 23.64)
    assert list(budgets) == [row.budget_gib for row in rows] and max(budgets) <= memory[0]
    assert [text.get_text().endswith("does not fit") for text in axes.texts] == [not row.fits for row in rows]
    starts = [text.xy[0] for text in axes.texts if isinstance(text, Annotation)]
    for start, row in zip(starts, rows, strict=True):
        assert start == pytest.approx(row.memory.total) or start == pytest.approx(memory[0])
        assert not any(0 < line - start < 4 for line in (row.budget_gib or 0.0, memory[0])), (
            "a total hides a line"
        )


def test_the_command() -> None:
    shown = CliRunner().invoke(main, ["plan", "--gpu", "4090", "--count", "2"])
    assert shown.exit_code == 0 and "2x RTX 4090" in shown.output
    as_json = CliRunner().invoke(main, ["plan", "--gpu", "H100", "--price", "40", "--text-only", "--json"])
    found = json.loads(as_json.output)
    assert found["cards"]["dollars_a_day"] == [40, 40] and found["need"]["vision"] is False
    (bf16,) = (row for row in found["rows"] if (row["variant"], row["engine"]) == ("BF16", "vllm"))
    parts = bf16["memory"]
    assert parts.pop("total") == pytest.approx(sum(parts.values()))
    refused = CliRunner().invoke(main, ["plan", "--gpu", "nonsense"])
    assert refused.exit_code == 1 and refused.output.count("\n") == 1 and "RTX 4090" in refused.output


@pytest.mark.parametrize(
    ("tokens", "sequences", "count"),
    [(8192, 1024, 51 + 51), (2048, 256, 51 + 35), (8192, 128, 35 + 19), (2048, 64, 19 + 11), (16, 64, 5 + 5)],
)
def test_cuda_graphs_are_counted_as_vllm_captures_them(tokens: int, sequences: int, count: int) -> None:
    """In pieces, and whole: no more of these than requests at once."""
    assert graphs(tokens, sequences) == count
