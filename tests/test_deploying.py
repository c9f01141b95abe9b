"""Files for a cluster: what is in them, and whether they are what KubeRay and JupyterHub's chart take."""

from __future__ import annotations

import copy
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from labkit.cli import main
from labkit.engines import kubernetes, ray_serve, vllm
from labkit.engines.recipe import Recipe, recipe_for_variant

SCHEMAS = Path(__file__).parent / "engines" / "schemas"
PAIR = recipe_for_variant("FP8", cards=2, context=65536)
IMAGES = ["--image", "rayproject/ray-llm:2.60.0", "--hub-image", "registry.example/course:1"]


def valid(document: Any, name: str) -> None:
    schema = yaml.safe_load((SCHEMAS / name).read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)


def test_the_flags_as_keywords() -> None:
    assert ray_serve.keywords(PAIR) == {
        "tokenizer_mode": "mistral",
        "config_format": "mistral",
        "load_format": "mistral",
        "tool_call_parser": "mistral",
        "enable_auto_tool_choice": True,
        "max_model_len": 65536,
        "limit_mm_per_prompt": {"image": 10},
        "tensor_parallel_size": 2,
        "gpu_memory_utilization": 0.9,
        "quantization": "fp8",
    }
    text = Recipe("/m", "m", "cpu", vision=False, extra_flags=("--seed=7",))
    found = ray_serve.keywords(text)
    assert (found["language_model_only"], found["enforce_eager"], found["seed"]) == (True, True, 7)


@pytest.mark.parametrize(("device", "kind"), [("cpu", "cpu"), ("cuda", "gpu")])
def test_the_config_of_ray_serve(device: Any, kind: str) -> None:
    recipe = Recipe("/m", "m", device)
    config = ray_serve.config(recipe, 8123, 1, 3)
    assert config["http_options"] == {"host": "127.0.0.1", "port": 8123}
    (app,) = config["applications"]
    (model,) = app["args"]["llm_configs"]
    assert app["import_path"] == "ray.serve.llm:build_openai_app" and app["route_prefix"] == "/"
    assert model["model_loading_config"] == {"model_id": "m", "model_source": "/m"}
    assert model["accelerator_config"] == {"kind": kind}
    scaling = model["deployment_config"]["autoscaling_config"]
    assert (scaling["min_replicas"], scaling["max_replicas"]) == (1, 3)
    assert model["runtime_env"]["env_vars"] == dict(vllm.variables(recipe))
    assert model["runtime_env"]["worker_process_setup_hook"] == ray_serve.HOOK


def test_the_command_that_runs_it() -> None:
    composed = ray_serve.command(Path("/c.json"), Recipe("/m", "m", "cpu", cards=2), 3)
    assert composed.argv[2].endswith("/ray_runner.py") and composed.argv[3:] == ("/c.json", "--cpus", "11")
    assert composed.argv[1] == "-P", "labkit's own vllm.py must not be found in vLLM's place"
    assert dict(composed.env)["RAY_USAGE_STATS_ENABLED"] == "0"
    env = ray_serve.environment(composed, "sesame")
    assert env["RAY_AUTH_MODE"] == "token" and env["RAY_AUTH_TOKEN"] == env["VLLM_API_KEY"] == "sesame"
    assert "sesame" not in str(composed)


READS = """
import json, sys
from ray.serve.llm import LLMServingArgs
from ray.serve.schema import ServeDeploySchema
taken = ServeDeploySchema.model_validate(json.load(sys.stdin))
print(LLMServingArgs.model_validate(taken.applications[0].args).llm_configs[0].model_id)
"""


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
def test_ray_takes_the_config() -> None:
    config = ray_serve.config(PAIR, 8123, 1, 2)
    env = ray_serve.environment(ray_serve.command(Path("/c.json"), PAIR, 2), "sesame")
    done = subprocess.run(
        [sys.executable, "-c", READS], input=json.dumps(config), env=env, text=True, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == PAIR.served_name


def deploy(folder: Path, *more: str) -> tuple[list[Any], Any]:
    to = ["--to", str(folder), *IMAGES]
    done = CliRunner().invoke(main, ["deploy", "kubernetes", "FP8", *to, *more])
    assert done.exit_code == 0, done.output
    service = list(yaml.safe_load_all((folder / "rayservice.yaml").read_text("utf-8")))
    return service, yaml.safe_load((folder / "jupyterhub-values.yaml").read_text("utf-8"))


def test_what_is_written_for_kubernetes(tmp_path: Path) -> None:
    (_, service), values = deploy(tmp_path, "--cards", "2", "--context", "65536", "--most", "4")
    valid(service, "rayservice.yaml")
    valid(values, "jupyterhub-values.yaml")
    assert "&id" not in (tmp_path / "rayservice.yaml").read_text(), "no YAML anchors"
    serve = yaml.safe_load(service["spec"]["serveConfigV2"])
    assert serve["applications"] == [ray_serve.application(PAIR, 1, 4)]
    (workers,) = service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    assert (workers["minReplicas"], workers["maxReplicas"]) == (1, 4)
    (container,) = workers["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert container["image"] == "rayproject/ray-llm:2.60.0"
    assert values["singleuser"]["image"] == {"name": "registry.example/course", "tag": "1"}
    assert values["singleuser"]["extraEnv"]["LABKIT_URL"] == "http://mistral-small-serve-svc:8000/v1"


def test_the_key_is_asked_for_and_in_no_file(tmp_path: Path) -> None:
    (lock, service), values = deploy(tmp_path)
    secret = {"secretKeyRef": {"name": "mistral-small-key", "key": "api-key"}}
    for group in ("headGroupSpec", "workerGroupSpecs"):
        found = service["spec"]["rayClusterConfig"][group]
        (container,) = (found[0] if isinstance(found, list) else found)["template"]["spec"]["containers"]
        variables = {each["name"]: each for each in container["env"]}
        assert variables["VLLM_API_KEY"]["valueFrom"] == secret
        assert variables["RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"]["value"] == "lock:lock"
        assert variables["RAY_USAGE_STATS_ENABLED"]["value"] == "0"
    assert values["singleuser"]["extraEnv"]["LABKIT_API_KEY"]["valueFrom"] == secret
    assert compile(lock["data"]["lock.py"], "lock.py", "exec")


def renamed(document: Any) -> None:
    spec = document["spec"]["rayClusterConfig"]
    spec["workerGroupSpec"] = spec.pop("workerGroupSpecs")


def number_as_value(document: Any) -> None:
    head = document["spec"]["rayClusterConfig"]["headGroupSpec"]
    head["rayStartParams"]["num-cpus"] = 0


@pytest.mark.parametrize("fault", [renamed, number_as_value])
def test_the_schema_refuses(fault: Callable[[Any], None]) -> None:
    _, service = kubernetes.manifests(PAIR, "image:1", 1, 2)
    valid(service, "rayservice.yaml")
    broken = copy.deepcopy(service)
    fault(broken)
    with pytest.raises(jsonschema.ValidationError):
        valid(broken, "rayservice.yaml")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pocket", *IMAGES], "The pocket twin lies on this machine only"),
        (["FP8", "--least", "3", *IMAGES], "--most is 2, and --least is 3"),
        (["FP8", "--image", "a/b", "--hub-image", "c:1"], "The image 'a/b' has no tag"),
        (["FP8", "--image", "host:5000/b", "--hub-image", "c:1"], "The image 'host:5000/b' has no tag"),
        (["FP8", "--cards", "3", *IMAGES], "cannot be split over 3 cards"),
    ],
)
def test_what_cannot_be_written(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["deploy", "kubernetes", *arguments, "--to", str(tmp_path / "new")])
    assert done.exit_code == 1 and said in done.output and not (tmp_path / "new").exists()


def test_a_config_for_a_cluster_of_your_own(tmp_path: Path) -> None:
    path = tmp_path / "serve.json"
    done = CliRunner().invoke(main, ["deploy", "ray", "FP8", "--cards", "2", "--write", str(path)])
    assert (done.exit_code, done.output) == (0, f"{path}\n")
    assert json.loads(path.read_text()) == ray_serve.config(recipe_for_variant("FP8", cards=2), 8000, 1, 2)
