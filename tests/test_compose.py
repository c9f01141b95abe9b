"""docker/compose.yaml: valid by the Compose specification, the same flags as labkit's, closed to others."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from compose_spec import PyOptions

from labkit.engines import vllm
from labkit.engines.recipe import Recipe, recipe_for_variant

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PINS = dict(
    pin.split("==")
    for pins in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for pin in pins
)
TEXT = (ROOT / "docker" / "compose.yaml").read_text("utf-8")
KEY = {"LABKIT_API_KEY": "sesame"}


def filled_in(text: str, environment: dict[str, str]) -> str:
    """Put in the variables, as Compose does at first: ${NAME}, ${NAME:-other}, ${NAME:?why}."""

    def value(found: re.Match[str]) -> str:
        name, sign, rest = found.groups()
        if environment.get(name):
            return environment[name]
        if sign != "-":
            raise LookupError(f"{name} {rest}")
        return str(rest)

    return re.sub(r"\$\{(\w+)(?::([-?])([^}]*))?\}", value, text).replace("~/", "/home/me/")


def services(text: str = TEXT) -> dict[str, Any]:
    """The services. Raises ValueError where the specification's parser refuses the file."""
    compose = PyOptions(apply_merge=True).from_yaml(filled_in(text, KEY))
    compose.validate()
    return dict(compose.to_dict()["services"])


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("  ipc: host", "  ipx: host"),
        ("capabilities: [gpu]", "capability: [gpu]"),
        ("networks: [course]", "networks: [elsewhere]"),
        ("    profiles: [ollama]", "    profiles: {ollama: yes}"),
    ],
)
def test_a_mistake_in_the_file_is_noticed(right: str, wrong: str) -> None:
    assert right in TEXT
    with pytest.raises(ValueError):
        services(TEXT.replace(right, wrong))


def test_each_service_has_a_profile_of_its_own() -> None:
    found = {name: service["profiles"] for name, service in services().items()}
    assert found == {
        "vllm-text": ["text"],
        "vllm-vision": ["vision"],
        "ollama": ["ollama"],
        "jupyter": ["jupyter"],
    }


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("vllm-text", recipe_for_variant("BF16", vision=False)),
        ("vllm-vision", recipe_for_variant("BF16", cards=2, context=65536)),
    ],
)
def test_a_vllm_service_is_what_labkit_composes(name: str, recipe: Recipe) -> None:
    service, composed = services()[name], vllm.serve(recipe)
    assert ("vllm", "serve", *service["command"]) == composed.argv and "entrypoint" not in service
    assert service["environment"] == {"VLLM_API_KEY": "sesame", **dict(composed.env)}
    assert gpus(service) == recipe.cards and service["ipc"] == "host"
    assert service["image"] == vllm.IMAGE
    assert service["volumes"] == ["/home/me/.cache/huggingface:/root/.cache/huggingface"]


def gpus(service: dict[str, Any]) -> Any:
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
    return device["count"]


def test_the_images_are_those_of_the_pins() -> None:
    assert f"vllm/vllm-openai:v{PINS['vllm']}" == vllm.IMAGE
    assert services()["ollama"]["image"] == "ollama/ollama:0.17.1"
    dockerfile = (ROOT / "docker" / "jupyter.Dockerfile").read_text("utf-8")
    assert f"uv=={PINS['uv']}" in dockerfile


def test_all_share_a_network_and_no_port_is_open_to_others() -> None:
    for service in services().values():
        assert list(service["networks"]) == ["course"]
        assert [port for port in service["ports"] if not str(port).startswith("127.0.0.1:")] == []


def test_jupyter_finds_whichever_vllm_runs() -> None:
    found = services()
    assert found["jupyter"]["environment"]["LABKIT_URL"] == "http://vllm:8000/v1"
    for name in ("vllm-text", "vllm-vision"):
        assert found[name]["networks"]["course"]["aliases"] == ["vllm"]


def test_jupyters_image_has_all_that_it_copies() -> None:
    dockerfile = (ROOT / "docker" / "jupyter.Dockerfile").read_text("utf-8")
    copied = [word for line in re.findall(r"^COPY (.+) \S+$", dockerfile, re.M) for word in line.split()]
    assert copied and [word for word in copied if not (ROOT / word).exists()] == []


def test_without_a_key_nothing_starts() -> None:
    with pytest.raises(LookupError, match="LABKIT_API_KEY is not set"):
        filled_in(TEXT, {})
