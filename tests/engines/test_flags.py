from __future__ import annotations

import pytest

from labkit.engines import flags, vllm
from labkit.engines.flags import explain
from labkit.engines.recipe import Recipe, recipe_for_variant

RECIPES = [
    Recipe("/m", "m", "cpu", cards=2, offline=True),
    recipe_for_variant("FP8", cards=2),
    recipe_for_variant("BF16", vision=False),
]


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_word_that_labkit_composes_is_explained(recipe: Recipe) -> None:
    composed = vllm.command(recipe, 8000)
    found = explain(composed)
    named = [word for word in composed.argv if word.startswith("--")] + [name for name, _ in composed.env]
    assert [each.flag for each in found] == named
    assert set(named) <= set(flags.known())


def test_values_are_told_from_flags() -> None:
    line = (
        "vllm serve M --enable-auto-tool-choice --max-model-len 4096 --limit-mm-per-prompt '{\"image\": 2}'"
    )
    assert [each[:2] for each in explain(line)] == [
        ("--enable-auto-tool-choice", ""),
        ("--max-model-len", "4096"),
        ("--limit-mm-per-prompt", '{"image": 2}'),
    ]
    assert [each[:2] for each in explain(["--max-model-len=4096", "--api-key", "x", "y"])] == [
        ("--max-model-len", "4096"),
        ("--api-key", "x"),
    ]


def test_what_docker_itself_is_given_is_passed_over() -> None:
    recipe = recipe_for_variant("BF16")
    assert explain(vllm.docker(recipe)) == explain(list(vllm.serve(recipe).argv))


def test_a_flag_that_nobody_explained_is_still_listed() -> None:
    (found,) = explain("vllm serve m --seed 1")
    assert found == ("--seed", "1", "`vllm serve --help=seed` tells.", "vLLM's own default counts.")


def test_it_shows_itself_as_a_table() -> None:
    shown = explain(vllm.command(RECIPES[0], 8000))._repr_markdown_()
    lines = shown.splitlines()
    assert lines[:2] == ["| flag | value | what it does | without it |", "|---|---|---|---|"]
    assert all(line.replace("\\|", "").count("|") == 5 for line in lines)
    assert "| `VLLM_CPU_OMP_THREADS_BIND` | `0\\|1` |" in shown
