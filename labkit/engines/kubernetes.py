"""Kubernetes: a RayService (KubeRay) and values for JupyterHub's Helm chart, composed from a recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from labkit.engines.ray_serve import OFF, application
from labkit.engines.recipe import Recipe

NAME = "mistral-small"
SECRET, SECRET_ITEM = f"{NAME}-key", "api-key"
"""Where the API key is: it is in no file that is written here."""
URL = f"http://{NAME}-serve-svc:8000/v1"
"""KubeRay puts a service of this name before the replicas."""
RAY_VERSION = "2.60.0"
_LOCK = Path(__file__).parent / "lock.py"
_SERVING = {"ray.io/serve": "true"}
"""KubeRay's label for the pods that take requests."""
_KEY = {"valueFrom": {"secretKeyRef": {"name": SECRET, "key": SECRET_ITEM}}}


def manifests(recipe: Recipe, image: str, least: int, most: int) -> list[dict[str, Any]]:
    """The lock of the door (as a ConfigMap), and the service with its cluster. Pure but for reading the lock.

    image: with Ray and vLLM. Between `least` and `most` replicas run, each on a worker with `recipe.cards`
    GPUs of its own; no replica runs on the head.
    """
    lock = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"{NAME}-lock"},
        "data": {"lock.py": _LOCK.read_text("utf-8")},
    }
    workers = {
        "groupName": "gpu",
        "replicas": least,
        "minReplicas": least,
        "maxReplicas": most,
        "rayStartParams": {},
        "template": _pod(image, {"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": str(recipe.cards)}),
    }
    cluster = {
        "rayVersion": RAY_VERSION,
        "enableInTreeAutoscaling": True,
        "authOptions": {"mode": "token"},
        "headGroupSpec": {
            "rayStartParams": {"num-cpus": "0"},
            "template": _pod(image, {"cpu": "2", "memory": "8Gi"}),
        },
        "workerGroupSpecs": [workers],
    }
    serve = {"applications": [application(recipe, least, most)]}
    service = {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": NAME},
        "spec": {"serveConfigV2": json.dumps(serve, indent=2), "rayClusterConfig": cluster},
    }
    return [lock, service]


def hub_values(image: str, learners: int) -> dict[str, Any]:
    """Values for the chart `jupyterhub`: a kernel for each learner, with the model in its environment. Pure.

    image: with the course in it. Learners sign in with a password that all share, which is given to `helm`
    and is in no file that is written here.
    """
    name, _, tag = image.rpartition(":")
    model = {"to": [{"podSelector": {"matchLabels": _SERVING}}], "ports": [{"protocol": "TCP", "port": 8000}]}
    return {
        "hub": {
            "activeServerLimit": learners,
            "config": {
                "JupyterHub": {"authenticator_class": "shared-password"},
                "Authenticator": {"allow_all": True},
            },
        },
        "proxy": {"service": {"type": "ClusterIP"}},
        "singleuser": {
            "image": {"name": name, "tag": tag},
            "defaultUrl": "/lab/tree/notebooks/00_start_here.ipynb",
            "memory": {"guarantee": "1G", "limit": "3G"},
            "cpu": {"guarantee": 0.2, "limit": 2},
            "extraEnv": {"LABKIT_URL": URL, "LABKIT_API_KEY": {"name": "LABKIT_API_KEY", **_KEY}},
            "networkPolicy": {"egress": [model]},
        },
        "cull": {"enabled": True, "timeout": 3600, "every": 300},
    }


def _pod(image: str, resources: dict[str, str]) -> dict[str, Any]:
    """A pod of Ray's with the lock on its path; its shared memory holds what two cards exchange."""
    variables = {**OFF, "PYTHONPATH": "/labkit", "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "lock:lock"}
    container = {
        "name": "ray",
        "image": image,
        "resources": {"limits": resources, "requests": resources},
        "env": [
            *({"name": name, "value": value} for name, value in variables.items()),
            {"name": "VLLM_API_KEY", **_KEY},
        ],
        "volumeMounts": [
            {"name": "lock", "mountPath": "/labkit"},
            {"name": "shm", "mountPath": "/dev/shm"},
        ],
    }
    volumes = [
        {"name": "lock", "configMap": {"name": f"{NAME}-lock"}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "8Gi"}},
    ]
    return {"spec": {"containers": [container], "volumes": volumes}}
