from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from labkit import LabkitError
from labkit.engines import recipe as recipes
from labkit.engines.recipe import recipe_for, recipe_for_variant


@pytest.mark.parametrize(
    ("name", "format_"), [("mistralai/Mistral-Small-3.1-24B-Instruct-2503", "mistral"), ("other/model", "hf")]
)
def test_the_format_of_a_hub_name(name: str, format_: str) -> None:
    found = recipe_for(name, "cuda")
    assert (found.format, found.offline, found.served_name) == (format_, False, name)


def test_the_format_of_a_folder(tmp_path: Path) -> None:
    assert recipe_for(str(tmp_path), "cpu").format == "hf"
    (tmp_path / "params.json").touch()
    found = recipe_for(str(tmp_path), "cpu")
    assert (found.format, found.offline, found.served_name) == ("mistral", True, tmp_path.name)


def test_the_twin_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes.os, "sched_getaffinity", lambda pid: {3, 1})
    (tmp_path / "params.json").touch()
    found = recipe_for_variant("pocket", cards=2, folder=str(tmp_path))
    assert (found.model, found.device, found.format) == (str(tmp_path), "cpu", "mistral")
    assert (found.offline, found.cores) == (True, (1, 3))
    (tmp_path / "params.json").unlink()
    assert recipe_for_variant("pocket", folder=str(tmp_path)).format == "hf"
    assert recipe_for_variant("pocket", folder=str(tmp_path), device="cuda").device == "cuda"


@pytest.mark.parametrize(
    ("variant", "asked", "why"),
    [
        ("Q4_K_M", {}, "vLLM does not run the variant 'Q4_K_M'. It runs: W4A16, FP8, BF16, pocket."),
        ("BF16", {"cards": 3}, "over 3 cards: .* Take 1 or 2 or 4 or 8."),
        ("BF16", {"cards": 0}, "over 0 cards"),
        ("pocket", {"cards": 4}, "its 8 heads and 2 KV heads .* Take 1 or 2."),
        ("BF16", {"context": 131_073}, "reads 1 to 131,072 tokens, and context asks for 131073."),
        ("BF16", {"context": 0}, "context asks for 0."),
        ("BF16", {"context": "32k"}, "context asks for '32k'."),
    ],
)
def test_a_recipe_that_cannot_be(variant: str, asked: dict[str, Any], why: str) -> None:
    with pytest.raises(LabkitError, match=why):
        recipe_for_variant(variant, **asked)


def test_more_ranks_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes.os, "sched_getaffinity", lambda pid: {0})
    with pytest.raises(LabkitError, match="2 ranks need a processor core each, and 1 may be used here"):
        recipe_for_variant("pocket", cards=2)
