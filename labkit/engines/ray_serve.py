"""Ray Serve LLM: one config from a recipe, for this machine or a cluster, and the command that runs it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from labkit.engines import vllm
from labkit.engines.recipe import Command, Recipe

BUSY = 16
"""Requests at once for each replica, on the average, beyond which Ray starts another."""
HOOK = "labkit.engines.ray_here.worker_stays_here"
OFF = {"RAY_USAGE_STATS_ENABLED": "0", "DO_NOT_TRACK": "1"}
"""Nothing is reported to Ray's makers."""
_RUNNER = Path(__file__).parent / "ray_runner.py"
_SPARE_CPUS = 2
"""Of Ray's own count of CPUs: for its door, and one to spare."""


def keywords(recipe: Recipe) -> dict[str, Any]:
    """The recipe's flags for vLLM as keywords, the form that Ray wants. Pure."""
    found: dict[str, Any] = {}
    name = ""
    for word in vllm.flags(recipe):
        if word.startswith("--"):
            name, _, value = word[2:].replace("-", "_").partition("=")
            found[name] = _value(word.partition("=")[2]) if value else True
        else:
            found[name] = _value(word)
    return found


def application(recipe: Recipe, least: int, most: int, *, guarded: bool = False) -> dict[str, Any]:
    """The application of a Serve config: the model, between `least` and `most` replicas. Pure.

    Each replica takes `recipe.cards` cards, which share each layer. guarded: on this machine alone, where one
    small door is enough.
    """
    model: dict[str, Any] = {
        "model_loading_config": {"model_id": recipe.served_name, "model_source": recipe.model},
        "accelerator_config": {"kind": "cpu" if recipe.device == "cpu" else "gpu"},
        "deployment_config": {
            "autoscaling_config": {
                "min_replicas": least,
                "max_replicas": most,
                "target_ongoing_requests": BUSY,
            },
            "max_ongoing_requests": 4 * BUSY,
        },
        "engine_kwargs": keywords(recipe),
        "runtime_env": {"env_vars": dict(vllm.variables(recipe))},
    }
    args: dict[str, Any] = {"llm_configs": [model]}
    if guarded:
        model["runtime_env"]["worker_process_setup_hook"] = (
            HOOK  # Ray Serve LLM puts one of its own otherwise
        )
        args["ingress_deployment_config"] = {"autoscaling_config": {"min_replicas": 1, "max_replicas": 1}}
    builder = "ray.serve.llm:build_openai_app"
    return {"name": "mistral-small", "route_prefix": "/", "import_path": builder, "args": args}


def config(recipe: Recipe, port: int, least: int, most: int) -> dict[str, Any]:
    """The whole Serve config for this machine, answering on 127.0.0.1. Pure."""
    http = {"host": "127.0.0.1", "port": port}
    return {"http_options": http, "applications": [application(recipe, least, most, guarded=True)]}


def command(path: Path, recipe: Recipe, most: int) -> Command:
    """The command that runs the config at `path` on this machine. Pure.

    Ray counts CPUs for itself: a replica takes one, and one for each card; more are counted than there are.
    """
    cpus = most * (recipe.cards + 1) + _SPARE_CPUS
    lock = ("RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH", "labkit.engines.lock:lock")
    # -P: or the runner's folder, in which our vllm.py lies, would be searched for vLLM.
    argv = (sys.executable, "-P", str(_RUNNER), str(path), "--cpus", str(cpus))
    return Command(argv, (*OFF.items(), lock))


def environment(composed: Command, key: str) -> dict[str, str]:
    """The environment of Ray's processes. The key guards the model's address and Ray's own ports."""
    env = vllm.environment(composed, key)
    # Ray gives its own processes 30 s to start, which a busy machine with two cores needs longer for.
    patience = {"RAY_raylet_start_wait_time_s": "180", "RAY_agent_register_timeout_ms": "180000"}
    # The log is read by people and by the doctor: no colours, and what two replicas say is written twice.
    plain = {"RAY_COLOR_PREFIX": "0", "RAY_DEDUP_LOGS": "0"}
    return {**env, **patience, **plain, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": key}


def _value(word: str) -> Any:
    """A flag's value: a number or JSON where it is one, otherwise the word."""
    try:
        return json.loads(word)
    except ValueError:
        return word
