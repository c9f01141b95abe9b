from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from labkit import running
from labkit.cli import main
from labkit.engines.contract import Endpoint


@pytest.mark.parametrize(
    "arguments", [["--engine", "transformers"], ["NF4"], ["BF16", "--engine", "transformers"]]
)
def test_transformers_is_no_server(
    arguments: list[str], lab_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "start", lambda *args, **more: pytest.fail("it must not be started"))
    failed = CliRunner().invoke(main, ["up", *arguments])
    assert failed.exit_code == 1 and len(failed.output.splitlines()) == 1
    assert failed.output.startswith("labkit: Transformers runs inside a Python program and ends with it")
    assert "engine='transformers')" in failed.output


@pytest.mark.parametrize("named", [["pocket"], ["--variant", "pocket"], []])
def test_the_variant_is_named_or_the_twin(
    named: list[str], lab_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    def start(variant: str, name: str, **more: object) -> Endpoint:
        asked.append((variant, name))
        return Endpoint(name, variant, "", note="the note")

    monkeypatch.setattr(running, "start", start)
    done = CliRunner().invoke(main, ["up", "--engine", "ollama", *named])
    assert (done.exit_code, done.output, asked) == (0, "the note\n", [("pocket", "ollama")])


def test_the_variant_named_twice() -> None:
    assert CliRunner().invoke(main, ["up", "pocket", "--variant", "pocket"]).exit_code == 2


@pytest.mark.parametrize(
    "option", [["--port", "9000"], ["--flag", "x"], ["--replicas", "2"], ["--cards", "2"]]
)
def test_words_of_vllm_are_refused_elsewhere(option: list[str], lab_home: Path) -> None:
    failed = CliRunner().invoke(main, ["up", "--engine", "ollama", *option])
    assert failed.exit_code == 1 and f"{option[0]} is a word of vLLM's" in failed.output


def test_words_of_vllm_are_handed_on(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []

    def start(variant: str, name: str, *, show: object, timeout: float, **options: object) -> Endpoint:
        asked.append(options)
        return Endpoint(name, variant, "")

    monkeypatch.setattr(running, "start", start)
    words = ["--replicas", "2", "--cards", "2", "--port", "9000", "--flag", "--seed", "--flag", "1"]
    assert CliRunner().invoke(main, ["up", "--quiet", *words]).exit_code == 0
    assert asked == [{"port": 9000, "replicas": 2, "cards": 2, "extra_flags": ("--seed", "1")}]
    assert CliRunner().invoke(main, ["up", "--quiet"]).exit_code == 0 and asked[1] == {}
