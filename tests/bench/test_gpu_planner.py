"""The planner held against what was measured: at most 3 % off, recomputed from the committed records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import labkit
from bench.gpu import against, engine_log, records, report, side_by_side
from bench.gpu.against import Compared
from labkit.errors import LabkitError
from tests.bench.test_gpu_log import GPU

MOST = 0.03
RECORDS = records.committed()
COMPARED = [found for record in RECORDS if (found := against.compare(record))]


@pytest.mark.parametrize("found", COMPARED, ids=lambda found: found.name)
def test_the_total_is_within_3_percent(found: Compared) -> None:
    assert abs(found.total_error) <= MOST, (
        f"{found.planned_total:.2f} GiB planned, {found.total:.2f} measured"
    )


@pytest.mark.parametrize("found", [each for each in COMPARED if each.kv_tokens], ids=lambda found: found.name)
def test_the_room_for_the_conversation_is_within_3_percent(found: Compared) -> None:
    error = found.kv_error
    assert error is not None and abs(error) <= MOST, (
        f"{found.planned_kv_tokens:,} tokens planned, {found.kv_tokens:,} measured"
    )


@pytest.mark.parametrize(
    "record", [each for each in RECORDS if each["status"] == "failed"], ids=lambda record: record["name"]
)
def test_what_did_not_fit_is_foreseen(record: dict[str, Any]) -> None:
    assert against.why_not(record)


def test_there_is_enough_to_hold_it_against() -> None:
    assert len(COMPARED) >= 15


def test_the_recipe_to_start_with_is_faster_than_the_guides() -> None:
    """With as much context: 1.3 times at 64 streams, and no slower anywhere."""
    by_name = {record["name"]: record for record in RECORDS}
    first = labkit.plan("H100").first
    assert first is not None
    ours, guide = by_name[f"{first.variant.lower()}-guide"], by_name["bf16-guide"]
    assert ours["memory"]["kv_tokens"] >= guide["memory"]["kv_tokens"]
    rates = [{each["streams"]: each["tokens_per_s"] for each in record["speeds"]} for record in (ours, guide)]
    ratios = {streams: rates[0][streams] / rate for streams, rate in rates[1].items()}
    assert set(ratios) == {1, 4, 16, 64} and min(ratios.values()) >= 1 and ratios[64] >= 1.3, ratios


def test_what_the_page_says_of_two_cards() -> None:
    measured = [record for record in RECORDS if record["status"] == "measured"]
    ways = side_by_side.ways(measured)
    assert [way.name for way in ways] == list(side_by_side.WAYS)
    assert len({(way.record["commit"], way.record["copy_gb_s"]) for way in ways}) == 1, "not one run"
    rates = {way.name: {at: load["tokens_per_s"] for at, load in way.loads.items()} for way in ways}
    for variant in ("BF16", "FP8"):
        one, both, two = (
            rates[f"{variant}, {way}"] for way in ("one card", "tensor parallel 2", "two replicas")
        )
        for streams in set(both) & set(two) - {256}:
            assert both[streams] > two[streams] >= 0.99 * one[streams]
    assert rates["BF16, two replicas"][256] > rates["BF16, tensor parallel 2"][256]
    assert rates["BF16, one card"][256] < rates["BF16, one card"][128]
    assert max(rates["FP8, two replicas"]) == 64
    for way in ways:
        assert bool(way.apart) == ("replicas" in way.name)
        for streams, load in way.apart.items():
            assert way.loads[streams]["tokens_per_s"] > 0.98 * load["tokens_per_s"]


def test_lesson_02_says_the_same_of_two_cards() -> None:
    ways = {way.name: way.loads for way in side_by_side.ways(RECORDS)}
    lesson = (report.DOCS.parent / "notebooks" / "02_vllm_serving.ipynb").read_text("utf-8")
    for said, name in (("layers shared", "tensor parallel 2"), ("two replicas", "two replicas")):
        ratios = [
            ways[f"BF16, {name}"][streams]["tokens_per_s"] / ways["BF16, one card"][streams]["tokens_per_s"]
            for streams in (1, 64, 256)
        ]
        assert " | ".join([f"| {said}", *(f"{ratio:.2f}x" for ratio in ratios)]) in lesson


def test_no_stream_is_faster_than_the_ceiling() -> None:
    shares = [found.share_of_ceiling for found in COMPARED if found.share_of_ceiling]
    assert shares and max(shares) <= 1


def test_the_page_is_made_of_the_committed_records(tmp_path: Path) -> None:
    page = report.write(docs=tmp_path)
    assert page.read_text() == (report.DOCS / "measured.md").read_text()


def a_record(**more: Any) -> dict[str, Any]:
    """A record as the run writes it, with the log of test_gpu_log.py."""
    asked = {"name": "x", "about": "y", "variant": "BF16", "priority": 1, "seconds": 1, "utilization": 0.9}
    return {
        "name": "x",
        "status": "measured",
        "configuration": asked | {"baseline": None, "context": 32768, "engine": "vllm"},
        "machine": {"gpus": ["NVIDIA H100 80GB HBM3"], "memory_gib": 79.65, "driver": "580"},
        "versions": {"vllm": "0.24.0"},
        "copy_gb_s": 3000.0,
        "command": "python -m vllm --gpu-memory-utilization 0.90",
        "at": "2026-11-25T00:00:00Z",
        "nvml": {"before_gib": [0.5], "peak_gib": [75.0], "taken_gib": [74.5]},
        "memory": engine_log.numbers(GPU),
        "ready_s": 97.0,
        "speeds": [
            {"streams": 1, "per_token_ms": 17.65, "per_token_p95_ms": 18.0, "tokens_per_s": 56.5}
            | {"first_token_ms": 30.0, "first_token_p95_ms": 31.0}
        ],
    } | more


def test_a_record_beside_the_plan() -> None:
    found = against.compare(a_record())
    assert found is not None and found.kv_error is not None
    assert found.total == pytest.approx(71.26, abs=0.02)
    assert abs(found.total_error) < MOST and abs(found.kv_error) < MOST
    assert found.share_of_ceiling == pytest.approx(17.65e-3**-1 / (3000e9 / (43.94 * 2**30)), rel=0.01)


def test_a_wrong_plan_is_seen() -> None:
    memory = engine_log.numbers(GPU.replace("155,216", "165,216"))
    found = against.compare(a_record(memory=memory))
    assert found is not None and found.kv_error is not None and abs(found.kv_error) > MOST
    assert against.compare(a_record(status="failed")) is None


def test_the_page_has_a_row_for_each(tmp_path: Path) -> None:
    with pytest.raises(LabkitError, match="no records yet"):
        report.write(tmp_path, tmp_path)
    failed = a_record(name="z", status="failed", why="ValueError: No | memory", diagnosis=None)
    (tmp_path / "one.json").write_text(records.json.dumps([a_record(), failed]))
    page = report.write(tmp_path, tmp_path).read_text()
    assert page.count("| `x`") == 4 and "No \\| memory" in page
    assert (tmp_path / "measured" / "memory.svg").exists() and "155,216" in page
