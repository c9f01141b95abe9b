"""What bench/gpu measures: the data, the commands that come of it, and how time is spent."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.gpu import configurations, records, run, serving, shapes
from bench.gpu.configurations import Configuration
from labkit import catalog, hardware
from labkit.errors import LabkitError
from labkit.nvml import Gpu

FOLDER = configurations.FOLDER
EVERY = configurations.read(FOLDER / "configurations.yaml")


def a(**given: Any) -> Configuration:
    usual = {"name": "a", "about": "", "variant": "BF16", "priority": 1, "seconds": 10}
    return Configuration.model_validate(usual | given)


def test_every_variant_and_card_is_in_the_catalog_and_the_first_is_the_guides_own() -> None:
    known = {(entry.engine, entry.variant) for entry in catalog.model("mistral-small-3.1").recipes}
    assert {(each.engine, each.variant) for each in EVERY} <= known
    assert {each.card for each in EVERY if each.card} <= set(catalog.gpus())
    assert EVERY[0].name == "bf16-guide" and not EVERY[0].warm
    assert len(configurations.choose(EVERY, 1)) >= 20 and len(configurations.choose(EVERY, 2)) >= 7


def test_a_small_card_is_imposed_with_its_own_defaults() -> None:
    for each in EVERY:
        if each.engine == "vllm" and each.card:
            assert "--max-num-batched-tokens 2048" in each.flags, each.name
    served = next(each for each in EVERY if each.name == "w4a16-24gb-served")
    assert served.share(79.18) == pytest.approx(0.95 * 23.64 / 79.18)


def test_the_command_is_labkits_with_dummy_weights_last(tmp_path: Path) -> None:
    folder = shapes.mistral_folder("mistral-small-3.1", "BF16", tmp_path / "shape")
    asked = a(vision=False, card="RTX A6000", flags="--enforce-eager", gpus=2)
    command, port = serving.composed(asked, folder, 79.18, "cuda", place=1)
    words = list(command.argv)
    formats = [words[at + 1] for at, word in enumerate(words) if word == "--load-format"]
    assert formats == ["mistral", "dummy"] and words[-1] == "--enforce-eager"
    assert words[words.index("--gpu-memory-utilization") + 1] == "0.54"
    assert words[words.index("--port") + 1] == str(port) and "--language-model-only" in words
    assert dict(command.env)["CUDA_VISIBLE_DEVICES"] == "2,3"


def test_replicas_do_not_get_the_same_port_before_the_first_has_taken_it(tmp_path: Path) -> None:
    folder = shapes.mistral_folder("mistral-small-3.1", "BF16", tmp_path / "shape")
    given = [serving.composed(a(replicas=2), folder, 79.18, "cuda", place) for place in (0, 1)]
    assert len({port for _, port in given}) == 2
    assert [dict(command.env)["CUDA_VISIBLE_DEVICES"] for command, _ in given] == ["0", "1"]


def test_a_record_names_the_cards_that_its_configuration_used() -> None:
    gpus = tuple(Gpu(str(number), 79.2, 78.0, "580.1", "13.0") for number in range(3))
    machine = replace(hardware.machine(), gpus=gpus)
    said = records.machine_of(machine, 1, of=2)
    assert (said["gpus"], said["cards_beside"]) == (["0"], 1)


def test_the_shape_is_the_official_one(tmp_path: Path) -> None:
    folder = shapes.mistral_folder("mistral-small-3.1", "W4A16", tmp_path)
    params = json.loads((folder / "params.json").read_text())
    vision, quantization = params.pop("vision_encoder"), params.pop("quantization")
    assert params == {
        "dim": 5120,
        "n_layers": 40,
        "head_dim": 128,
        "hidden_dim": 32768,
        "n_heads": 32,
        "n_kv_heads": 8,
        "rope_theta": 1e9,
        "norm_eps": 1e-5,
        "vocab_size": 131072,
        "max_position_embeddings": 131072,
    }
    assert (vision["hidden_size"], vision["image_size"], vision["intermediate_size"]) == (1024, 1540, 4096)
    assert quantization["config_groups"]["group_0"]["weights"]["num_bits"] == 4
    tekken = json.loads((folder / "tekken.json").read_text())
    assert tekken["config"]["version"] == "v7" and len(tekken["vocab"]) == 130_072


def test_names_are_told_apart(tmp_path: Path) -> None:
    entry = "{name: x, about: y, variant: BF16, priority: 1, seconds: 1"
    for bad, words in ((f"\n- {entry}}}\n- {entry}}}", "Two"), (f"\n- {entry}, baseline: z}}", "z")):
        path = tmp_path / "bad.yaml"
        path.write_text(f"configurations:{bad}")
        with pytest.raises(LabkitError, match=words):
            configurations.read(path)
    with pytest.raises(LabkitError, match="bf16-gide"):
        configurations.choose(EVERY, 1, ("bf16-gide",))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which configurations are served; serving is what it would be, without an engine."""
    served: list[str] = []

    def serve(bench: Any, asked: Configuration, record: Any, deadline: float) -> None:
        served.append(asked.name)
        if asked.name == "bad":
            raise ValueError("No available memory for the cache blocks.")
        record["memory"] = {"kv_tokens": 16}

    monkeypatch.setattr(run, "_serve", serve)
    monkeypatch.setattr("bench.gpu.run.vllm.build", lambda: "cpu")
    return served


def test_time_is_kept_a_failure_is_a_record_and_a_second_run_goes_on(
    asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, work = tmp_path / "out", tmp_path / "work"
    chosen = [
        a(name=name, warm=False, seconds=seconds) for name, seconds in (("bad", 5), ("long", 900), ("b", 5))
    ]
    kept = run.run(chosen, 1, out, work, seconds=60)
    assert asked == ["bad", "b"] and [each["status"] for each in kept] == ["failed", "measured"]
    assert "left out: about 900 s" in capsys.readouterr().out
    assert kept[0]["why"] == "ValueError: No available memory for the cache blocks." and kept[0]["diagnosis"]
    assert json.loads((out / "records.json").read_text()) == kept and (out / "logs.tar.gz").exists()
    run.run(chosen, 1, tmp_path / "second", work, seconds=60)
    assert asked == ["bad", "b", "bad"]
    assert {each["name"] for each in records.load(tmp_path / "second")} == {"bad", "b"}
