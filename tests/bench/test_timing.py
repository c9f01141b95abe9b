"""The arithmetic of the timing benches: ratios of pairs, flat or not, what stands in the table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.rows import Row, around_the_median, report
from bench.speed import rows
from bench.streaming import EDGE, TOKENS, _tokens, flat
from labkit.engines.recipe import Command
from labkit.probes.quoted import Quoted, Times
from labkit.probes.speed import Speed, Stream


def test_flat_compares_the_last_thousand_updates_with_the_first() -> None:
    same = flat("same", [(at, 0.001) for at in range(1, TOKENS + 1)])
    grows = flat("grows", [(at, 0.001 * at) for at in range(1, TOKENS + 1)])
    assert same.value == pytest.approx(1) and same.n == TOKENS
    assert grows.value == pytest.approx((TOKENS - EDGE / 2) / (EDGE / 2), rel=0.01)
    assert grows.value > grows.bar


@pytest.mark.parametrize(
    ("words", "length"), [(1, 6), (10, 60), (11, 67), (5000, 6 * 10 + 7 * 90 + 8 * 900 + 9 * 4000)]
)
def test_tokens_are_counted_by_their_letters(words: int, length: int) -> None:
    assert _tokens(length) == words


def test_the_interval_of_a_median_lies_around_it() -> None:
    low, high = around_the_median([float(each) for each in range(1, 42)])
    assert (low, high) == (15, 27)  # ranks 15 to 27 of 41: the binomial's 95 %
    assert around_the_median([2.0]) == (2.0, 2.0)


def pair(ours: float, theirs: float) -> tuple[Speed, Quoted]:
    """Ours as many times slower than ten tokens a second."""
    mine = Speed((Stream(11, ours, 11 * ours),), 11 * ours, 64)
    first, each = Times(1000 * theirs, 1000 * theirs, 0), Times(1000 * theirs, 1000 * theirs, 0)
    return mine, Quoted(Command(()), 1, 1, 64, 11, 11 * theirs, 1 / theirs, first, each)


def test_the_ratio_is_the_pairs_median() -> None:
    rate, mean_first, *_ = rows([pair(0.2, 0.1), pair(0.2, 0.1), pair(0.9, 0.1)])
    assert rate.ratio == pytest.approx(0.5) and mean_first.ratio == pytest.approx(2), "one noisy pair counts"
    assert (mean_first.low, mean_first.high) == (pytest.approx(2), pytest.approx(9)) and rate.pairs == 3
    assert "| 0.500 | 0.111 to 0.500 |" in str(rate)


def test_the_table_and_the_file_say_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = [Row("a", 0.1, 0.2, 3, " s"), Row("b", 1.0, 1.02, 40, low=0.99, high=1.01)]
    report("twin", found, tmp_path / "rows.json")
    shown = capsys.readouterr().out
    assert "| a | 0.100 s |  | 0.2 s | 0.50 | 3 |" in shown and "0.990 to 1.010" in shown
    kept = json.loads((tmp_path / "rows.json").read_text())
    assert kept["model"] == "twin" and [each["value"] for each in kept["rows"]] == [0.1, 1.0]
