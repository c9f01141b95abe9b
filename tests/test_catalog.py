from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import labkit
from labkit import catalog

GIB = 2**30
ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", catalog.models())
def test_every_model_file_is_right(name: str) -> None:
    model = catalog.model(name)
    assert model.parameters > 0 and {recipe.variant for recipe in model.recipes} == set(model.variants)
    assert model.twin is None or model.twin in catalog.models()


def test_the_shape_gives_the_published_numbers() -> None:
    model = catalog.model("mistral-small-3.1")
    assert model.parameters == 24_011_361_280
    assert model.text.kv_bytes() == 160 * 1024
    assert model.vision and model.vision.image_tokens == 55 * 55 + 55


@pytest.mark.parametrize("variant", ["Q4_K_M", "BF16", "FP8", "W4A16"])
def test_the_bits_come_near_what_was_measured(variant: str) -> None:
    model = catalog.model("mistral-small-3.1")
    found = model.variants[variant]
    assert found.weights_gib
    computed = model.model_copy(
        update={"variants": {variant: found.model_copy(update={"weights_gib": None})}}
    ).weights(variant)
    assert computed / GIB == pytest.approx(found.weights_gib, rel=0.03)


def test_what_is_computed_comes_near_what_is_published() -> None:
    model = catalog.model("mistral-small-3.1")
    assert model.weights("NF4") / GIB == pytest.approx(13.4, rel=0.01)
    assert (model.weights("Q8_0") - model.vision_weights("Q8_0")) / 1e9 == pytest.approx(25, rel=0.01)


def test_the_twins_shape_is_that_of_its_weights() -> None:
    shards = (ROOT / "pocket" / "weights").glob("*.safetensors")
    stored = 0
    for shard in shards:
        with shard.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        header.pop("__metadata__", None)
        stored += sum(entry["data_offsets"][1] - entry["data_offsets"][0] for entry in header.values())
    assert catalog.model("pocket").weights("pocket") == stored


def test_prices_are_the_guides_and_no_others() -> None:
    prices = {name: card.dollars_a_day for name, card in catalog.gpus().items() if card.dollars_a_day}
    assert prices == {"RTX 4090": (0.5, 2.0), "RTX 3090": (0.3, 1.0)}


def test_every_engine_of_a_recipe_is_known() -> None:
    named = {recipe.engine for name in catalog.models() for recipe in catalog.model(name).recipes}
    assert named == set(catalog.engines())


def described() -> dict[str, Any]:
    """A made-up model, small enough to count by hand."""
    return {
        "title": "Tiny",
        "name": "somebody/tiny",
        "license": "Apache-2.0",
        "source": "made up",
        "text": {
            "layers": 2,
            "hidden": 8,
            "heads": 2,
            "kv_heads": 1,
            "head_dim": 4,
            "ffn": 16,
            "vocab": 32,
            "context": 4096,
        },
        "variants": {"BF16": {"bits": {"linear": 16, "embeddings": 16, "vision": 16}, "source": "2 bytes"}},
        "recipes": [{"variant": "BF16", "engine": "vllm", "format": "hf", "source": "somebody/tiny"}],
    }


def test_a_second_model_is_one_more_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(described()))
    tiny = catalog.model("tiny", tmp_path)
    # A layer: q and o 8x8, k and v 8x4, three 8x16, two norms of 8. Then two 32x8 and the last norm.
    assert tiny.parameters == 2 * (2 * 64 + 2 * 32 + 3 * 128 + 16) + 2 * 256 + 8
    assert tiny.text.kv_bytes() == 2 * 2 * 1 * 4 * 2
    monkeypatch.setattr(catalog, "model", lambda name: tiny)
    (only,) = labkit.plan("3090", context=4096, model="tiny").rows
    assert only.fits and only.title == "vLLM BF16" and only.memory.vision == 0
    with pytest.raises(labkit.LabkitError, match="Tiny reads no images"):
        labkit.plan("3090", context=4096, model="tiny", images=1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour": "blue"}, "at colour: Extra inputs"),
        ({"text": {**described()["text"], "layers": 0}}, r"at text\.layers: .*greater than 0"),
        ({"variants": {}}, "the variant 'BF16', which is not in"),
        ({"recipes": [{**described()["recipes"][0], "engine": "tgi"}]}, r"at recipes\.0\.engine"),
    ],
)
def test_a_wrong_file_is_told_in_a_sentence(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(described() | change))
    with pytest.raises(labkit.LabkitError, match=rf"wrong\.yaml is wrong {words}|{words}"):
        catalog.model("wrong", tmp_path)


def test_a_file_that_is_no_yaml(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("text: [")
    with pytest.raises(labkit.LabkitError, match="is not YAML"):
        catalog.model("wrong", tmp_path)


def test_an_unknown_model_names_the_known_ones() -> None:
    with pytest.raises(labkit.LabkitError, match=r"'nope'.*mistral-small-3\.1, pocket"):
        labkit.plan("4090", model="nope")
