"""The twin's two formats and its tokenizer: the same numbers, and a clear word where a file is broken."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from pocket import WEIGHTS
from pocket.formats import DamagedWeights, interleave, mistral_name, params, prepare, tekken

TEKKEN_SHA256 = "4b2b0857a2839ca0da777c6e3fd37711393cdf30e42c44796273f48a667b2a45"


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return json.loads((WEIGHTS / "config.json").read_text())


@pytest.fixture(scope="module")
def folder() -> Path:
    return prepare()


def test_shards_stay_small() -> None:
    shards = list(WEIGHTS.glob("*.safetensors"))
    assert shards and all(p.stat().st_size < 16_000_000 for p in shards)


def test_tokenizer_is_pinned(config: dict[str, Any]) -> None:
    assert hashlib.sha256(tekken(config)).hexdigest() == TEKKEN_SHA256


def test_every_tensor_has_a_place_in_both_formats(folder: Path) -> None:
    theirs: dict[str, torch.Tensor] = {}
    for shard in sorted(folder.glob("model-*.safetensors")):
        theirs |= load_file(shard)
    ours = load_file(folder / "consolidated.safetensors")
    assert {mistral_name(name) for name in theirs} == set(ours)
    assert sum(t.numel() for t in theirs.values()) == sum(t.numel() for t in ours.values()) > 17e6
    same = "language_model.model.layers.0.mlp.up_proj.weight"
    assert torch.equal(theirs[same], ours["layers.0.feed_forward.w3.weight"])


def test_shape_is_the_real_models_in_small(config: dict[str, Any]) -> None:
    text, vision = config["text_config"], config["vision_config"]
    assert text["num_attention_heads"] * text["head_dim"] != text["hidden_size"]
    for heads in (text["num_attention_heads"], text["num_key_value_heads"], vision["num_attention_heads"]):
        assert heads % 2 == 0
    assert config["tie_word_embeddings"] is False
    assert params(config)["vision_encoder"]["mm_projector_id"] == "patch_merge"


def test_interleave_pairs_neighbours() -> None:
    rows = torch.arange(16.0).view(16, 1)  # two heads of eight
    assert interleave(rows, 2).flatten().tolist() == [0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15]


def test_prepared_twice_is_made_once(folder: Path) -> None:
    before = (folder / "consolidated.safetensors").stat().st_mtime_ns
    assert prepare() == folder
    assert (folder / "consolidated.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize("how", ["cut short", "one bit", "gone"])
def test_damaged_shard_is_named(tmp_path: Path, how: str) -> None:
    weights = shutil.copytree(WEIGHTS, tmp_path / "weights")
    shard = min(weights.glob("model-*.safetensors"))
    data = bytearray(shard.read_bytes())
    if how == "gone":
        shard.unlink()
    else:
        data[len(data) // 2] ^= 1
        shard.write_bytes(data if how == "one bit" else data[:-100])
    with pytest.raises(DamagedWeights, match=shard.name):
        prepare(tmp_path / "out", weights)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise error

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(OSError, match="No space left") as caught:
        prepare(tmp_path / "deep" / "out")
    assert caught.value.errno == 28
    assert list((tmp_path / "deep").iterdir()) == []


def test_what_is_cached_needs_no_torch(folder: Path) -> None:
    code = "import sys; from pocket.formats import prepare; prepare(); print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
