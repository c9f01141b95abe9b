from __future__ import annotations

import math
from typing import Any

import numpy
import pytest
from matplotlib.figure import Figure

from labkit.lessons import grading
from labkit.lessons.exercise import NotYet


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Mon 12, Tue 7, Wed 19.", [12, 7, 19]),
        ("Q1: 1,200; Q2: 3.5%", [1200, 3.5]),
        ("1,2,3 and 12,345,678", [1, 2, 3, 12345678]),
        ("16GB, 5-10, -4 and \u22122", [16, 5, 10, -4, -2]),
        ("version 1.2.3, none", [1.2]),
        ("", []),
    ],
)
def test_numbers_in_a_text(text: str, found: list[float]) -> None:
    assert grading.numbers(text) == found


@pytest.mark.parametrize("value", [3, 3.0, numpy.float32(3), numpy.int64(3)])
def test_a_number_in_its_range(value: Any) -> None:
    assert grading.number(value, 3, 4) == 3


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (5, "`5` is not between 3 and 4 GB"),
        (math.nan, "not between"),
        ("3", "`3` is a str"),
        (True, "a bool"),
    ],
)
def test_a_number_that_is_none_or_outside(value: Any, sentence: str) -> None:
    with pytest.raises(NotYet, match=sentence):
        grading.number(value, 3, 4, "GB")


def test_a_figure_is_one_with_something_in_it() -> None:
    figure = Figure()
    axes = figure.subplots()
    with pytest.raises(NotYet, match="nothing drawn"):
        grading.figure(figure)
    axes.plot([1, 2])
    assert grading.figure(figure) == grading.figure(axes) == [axes]
    with pytest.raises(NotYet, match="A figure was wanted"):
        grading.figure([1, 2])


def test_the_flags_of_a_command() -> None:
    command = [
        "vllm",
        "serve",
        "MODEL",
        "--max-model-len",
        "4096",
        "--enforce-eager",
        "--port=8000",
        "--x=a=b",
    ]
    assert grading.flags(command) == {
        "--max-model-len": "4096",
        "--enforce-eager": None,
        "--port": "8000",
        "--x": "a=b",
    }


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [("vllm serve", "list of strings"), (4096, "list of strings"), (["--port", 8000], "`8000` is an int")],
)
def test_what_is_no_command(answer: Any, sentence: str) -> None:
    with pytest.raises(NotYet, match=sentence):
        grading.flags(answer)
