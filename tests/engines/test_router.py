"""The router's command, and how cores and GPUs are dealt out to the replicas behind it."""

from __future__ import annotations

import sys

import pytest

from labkit import LabkitError
from labkit.engines import router, vllm
from labkit.engines.recipe import Recipe, replicas_of

URLS = ["http://127.0.0.1:8001/v1", "http://127.0.0.1:8002/v1"]


def test_its_command() -> None:
    composed = router.command(8000, 8003, URLS)
    assert composed.argv[0] == sys.executable and composed.argv[2].endswith("/guarded_router.py")
    assert " ".join(composed.argv[3:]) == (
        "--host 127.0.0.1 --port 8000 --prometheus-host 127.0.0.1 --prometheus-port 8003 "
        "--policy round_robin --worker-startup-check-interval 1 --health-check-interval-secs 2 "
        "--health-failure-threshold 2 --health-success-threshold 1 --cb-timeout-duration-secs 5 "
        "--retry-max-retries 5 --cb-failure-threshold 4 "
        "--worker-urls http://127.0.0.1:8001 http://127.0.0.1:8002"
    )
    assert composed.env == (("DO_NOT_TRACK", "1"),)


def test_its_flags_are_those_that_it_knows() -> None:
    launching = pytest.importorskip("vllm_router.launch_router")
    args = launching.parse_router_args(list(router.command(8000, 8003, URLS).argv[3:]))
    assert args.worker_urls == ["http://127.0.0.1:8001", "http://127.0.0.1:8002"]
    assert (args.host, args.prometheus_host, args.health_check_interval_secs) == (*["127.0.0.1"] * 2, 2)


CPU, GPU = Recipe("/m", "m", "cpu"), Recipe("/m", "m", "cuda")
PAIR = Recipe("/m", "m", "cuda", cards=2)


@pytest.mark.parametrize(
    ("recipe", "count", "places", "variable", "dealt"),
    [
        (CPU, 2, (0, 1), "VLLM_CPU_OMP_THREADS_BIND", ["0", "1"]),
        (CPU, 2, (0, 1, 2, 3), "VLLM_CPU_OMP_THREADS_BIND", ["0,1", "2,3"]),
        (CPU, 2, (2, 5, 7), "VLLM_CPU_OMP_THREADS_BIND", ["2", "5"]),
        (GPU, 2, (0, 1), "CUDA_VISIBLE_DEVICES", ["0", "1"]),
        (GPU, 2, (1, 3, 4), "CUDA_VISIBLE_DEVICES", ["1", "3"]),
        (PAIR, 2, (0, 1, 2, 3), "CUDA_VISIBLE_DEVICES", ["0,1", "2,3"]),
        (GPU, 1, (0, 1), "CUDA_VISIBLE_DEVICES", [None]),
    ],
)
def test_each_replica_has_cores_or_gpus_of_its_own(
    recipe: Recipe, count: int, places: tuple[int, ...], variable: str, dealt: list[str | None]
) -> None:
    composed = [vllm.command(each, 8000) for each in replicas_of(recipe, count, places)]
    assert [dict(each.env).get(variable) for each in composed] == dealt
    assert len({each.argv for each in composed}) == 1, "the flags are the same"


@pytest.mark.parametrize(
    ("recipe", "count", "places", "said"),
    [
        (CPU, 3, (0, 1), "3 replicas need 3 processor cores, and 2 may be used here"),
        (PAIR, 2, (0, 1, 2), "2 replicas need 4 GPUs, and 3 may be used here"),
        (GPU, 0, (0,), "Take fewer"),
    ],
)
def test_too_few_of_them(recipe: Recipe, count: int, places: tuple[int, ...], said: str) -> None:
    with pytest.raises(LabkitError, match=said):
        replicas_of(recipe, count, places)
